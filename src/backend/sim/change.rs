//! What docker says when a node is changed, in its words: a lab shows them, and a check may read them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::lab::action::Output;

/// What came of a command that needs no program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) exit: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Said {
    /// A line on the standard output.
    pub(super) fn out(&mut self, line: &str) {
        self.stdout.push_str(line);
        self.stdout.push('\n');
    }

    /// A line on the standard error.
    pub(super) fn err(&mut self, line: &str) {
        self.stderr.push_str(line);
        self.stderr.push('\n');
    }

    /// What docker's engine refuses: the command fails, and goes on with the next node.
    pub(super) fn refuse(&mut self, words: &str) {
        self.err(&format!("Error response from daemon: {words}"));
        self.exit = 1;
    }

    pub(super) fn into_output(self, took: Duration) -> Output {
        Output {
            exit: Some(self.exit),
            combined: format!("{}{}", self.stderr, self.stdout),
            stdout: self.stdout,
            stderr: self.stderr,
            cut_bytes: 0,
            took,
        }
    }
}
