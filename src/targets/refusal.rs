//! Why a target is not carried out.

use std::fmt;

/// What the cluster is like that forbids a target, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) what: String,
    pub(super) help: String,
}

impl Refusal {
    pub(super) fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Refusal {
            what: what.into(),
            help: help.into(),
        }
    }
}

/// Two lines or more, as every error of this program.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "refused: {}", self.what)?;
        for (at, line) in self.help.lines().enumerate() {
            let lead = if at == 0 { "help:" } else { "" };
            writeln!(f, "{lead:>8} {line}")?;
        }
        Ok(())
    }
}
