//! Which of the labs that are run at once go first: those that judge how long single requests take. Until they have, no other one begins.
//!
//! To make a cluster, or to move its slots, takes all of a small machine, and fifty requests that have twelve milliseconds each do not come through beside that, however
//! politely it is done.

use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::lab::Lab;

/// What each lab has that is to go first, as long as it has something to judge.
#[derive(Debug, Clone)]
pub(super) struct Precedence {
    _of_all: Arc<DropGuard>,
}

/// What the others wait for.
#[derive(Debug, Clone)]
pub(super) struct Others(CancellationToken);

/// Makes a precedence, which labs share, and what ends when the last of them has given it back.
pub(super) fn precedence() -> (Precedence, Others) {
    let token = CancellationToken::new();
    let _of_all = Arc::new(token.clone().drop_guard());
    (Precedence { _of_all }, Others(token))
}

impl Others {
    /// Waits until no lab has precedence any more.
    pub(super) async fn may_begin(&self) {
        self.0.cancelled().await;
    }
}

/// Whether a lab has something to judge in this step or in a later one.
pub(super) fn has_to_judge(lab: &Lab, from: usize) -> bool {
    lab.steps
        .iter()
        .skip(from)
        .any(|step| step.judges_latency())
}
