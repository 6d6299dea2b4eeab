//! The course's make targets: what each stands for, carried out on an environment. `labrunner cluster …` and a lab's `make …` are this.
//!
//! A target shows every command that it stands for, as the reader would type it, before it runs it.

mod add_replica;
#[cfg(test)]
mod decision_tests;
mod failover;
mod load_test;
mod refusal;
mod scale_down;
mod shares;
mod show;
mod stage;
mod state;
mod watch;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use self::stage::Stage;
pub use self::watch::{Sight, heading, watch};
use crate::backend::{Backend, BackendError};
use crate::lab::action::{Limits, Output};
use crate::lab::target::Target;

/// What a target tells while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A command is about to run.
    Command {
        /// As the course shows it.
        typed: String,
        /// What is really done, with the environment's own names.
        really: String,
    },
    /// Something was printed on the standard output; whole lines.
    Out(String),
    /// Something was printed on the standard error; whole lines. Notes and refusals of the target itself are among it.
    Err(String),
}

/// Carries out a target. `tell` is told everything as it happens; the output has it all again, but the commands stand on its standard
/// error, each after a `$ `, as they do for a reader. A target that the state of the cluster does not allow refuses: exit 1, and why on
/// the standard error. An endless target ends when `cancel` fires or its time is over, with exit 0.
///
/// # Errors
/// When the environment does not do what it is told; `Cancelled` when a target that has an end was stopped before it.
pub async fn run(
    target: &Target,
    backend: &Arc<dyn Backend>,
    limits: Limits,
    cancel: &CancellationToken,
    tell: &mut (dyn FnMut(Told) + Send),
) -> Result<Output, BackendError> {
    let stage = Stage::new(backend, limits, cancel, tell);
    match target {
        Target::ClusterNodes => show::nodes(stage).await,
        Target::ClusterInfo => show::info(stage).await,
        Target::WatchCluster => watch::target(stage).await,
        Target::Failover { node } => failover::failover(stage, node).await,
        Target::Recover { node } => failover::recover(stage, node).await,
        Target::ScaleAddReplica => add_replica::add_replica(stage).await,
        Target::ScaleDown { node } => scale_down::scale_down(stage, node).await,
        Target::LoadTest { users, seats } => load_test::load_test(stage, *users, *seats).await,
    }
}
