//! Deciding checks: what has to be looked at, and whether what was seen is as it should be.

mod cluster;
mod info;
mod node;
mod output;
mod probe;
#[cfg(test)]
mod scenes;
mod words;

use super::names::Names;
use super::scope::Scope;
use crate::cluster::NodeName;
use crate::lab::model::{Check, CheckKind};
use crate::observe::{KeysReport, Needs, Observation};

pub use output::{json_text, judge_exit, judge_output, read_json};
pub use probe::judge_probe;
pub use words::{in_words, lasting_in_words};

/// Whether something is as it should be, and what it is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// As it should be.
    pub holds: bool,
    /// What was seen, in the terms of the check.
    pub seen: String,
}

impl Judged {
    fn new(holds: bool, seen: impl Into<String>) -> Self {
        Judged {
            holds,
            seen: seen.into(),
        }
    }

    /// All of several: what was seen is the first that is not as it should be, or, if all are, all of them. Of none at all nothing is
    /// known, so that does not hold.
    fn all(parts: Vec<Judged>) -> Self {
        if parts.is_empty() {
            return Judged::new(false, "there is nothing in this check");
        }
        match parts.iter().find(|part| !part.holds) {
            Some(bad) => bad.clone(),
            None => {
                let seen: Vec<&str> = parts.iter().map(|part| part.seen.as_str()).collect();
                Judged::new(true, seen.join(", "))
            }
        }
    }
}

/// One look at the environment: all that the checks of a list need, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// What the nodes answered.
    pub observation: Observation,
    /// The given keys read back, if a check asks for it.
    pub keys: Option<KeysReport>,
}

/// What of the nodes a check has to look at. `all` are the nodes of the environment.
pub fn needs(check: &CheckKind, all: &[NodeName]) -> Needs {
    let everyone = || all.iter().cloned().collect();
    let mut needs = Needs::default();
    match check {
        CheckKind::Cluster(_) => needs.cluster = everyone(),
        CheckKind::Node(test) => {
            needs.cluster = everyone();
            if test.link_up.is_some() {
                needs.info.insert(test.name.clone());
            }
            if test.keys.is_some() {
                needs.keys.insert(test.name.clone());
            }
        }
        CheckKind::Info { node, .. } => drop(needs.info.insert(node.clone())),
        CheckKind::Lag { .. } => {
            // Whose replica it is shows only when it is asked, so all are asked at the same time.
            needs.cluster = everyone();
            needs.info = everyone();
        }
        CheckKind::Exit(_)
        | CheckKind::Text { .. }
        | CheckKind::Json { .. }
        | CheckKind::GivenKeys
        | CheckKind::Probe(_) => {}
    }
    needs
}

/// Decides a check that looks at the state of nodes.
pub fn judge_state(check: &Check, look: &Look, names: &Names, scope: &Scope<'_>) -> Judged {
    match &check.kind {
        CheckKind::Cluster(test) => cluster::judge(test, &look.observation, names),
        CheckKind::Node(test) => node::judge(test, &look.observation, names),
        CheckKind::Info { node, fields } => info::judge(node, fields, &look.observation, scope),
        CheckKind::Lag { replica, bytes } => info::judge_lag(replica, bytes, &look.observation),
        CheckKind::GivenKeys => match &look.keys {
            Some(report) => Judged::new(report.all_intact(), keys_in_words(report)),
            None => Judged::new(false, "the given keys were not read"),
        },
        // These look at a command's output or a probe, not at nodes; a lab that mixes them up is not loaded.
        CheckKind::Exit(_)
        | CheckKind::Text { .. }
        | CheckKind::Json { .. }
        | CheckKind::Probe(_) => Judged::new(false, "this can't be seen in the state of the nodes"),
    }
}

fn keys_in_words(report: &KeysReport) -> String {
    if report.all_intact() {
        return format!("{} of {} keys intact", report.intact, report.expected);
    }
    let mut parts = vec![format!(
        "{} of {} keys intact",
        report.intact, report.expected
    )];
    for (count, what) in [
        (report.missing, "missing"),
        (report.changed, "with another value"),
        (report.unread, "not readable"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if let Some(first) = &report.first_fault {
        parts.push(first.clone());
    }
    parts.join(", ")
}
