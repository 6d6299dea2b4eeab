//! Where nodes live.

mod application;
pub(crate) mod bounded;
mod choice;
mod database;
pub mod docker;
pub mod leash;
mod lock_file;
pub mod postgres;
mod process;
pub mod sim;
pub mod standing;
mod subnet;
mod terms;
mod words;

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::cluster::NodeName;
use crate::lab::action::{Action, Limits, Output};
use crate::resp::AddressBook;

pub use crate::resp::{Clock, RealClock};
pub use choice::{Choice, for_course, for_run};
pub use docker::{Docker, DockerOptions};
pub use sim::{Sim, SimOptions};

/// An environment for one run: it makes nodes, changes them as a lab's commands say, and removes everything that it made.
#[async_trait]
pub trait Backend: Send + Sync {
    /// `docker`, `local` or `sim`.
    fn name(&self) -> &'static str;

    /// Whether another environment is made as quickly as this one could be made as good as new: then no lab has to use what another lab has left.
    fn is_made_in_no_time(&self) -> bool {
        false
    }

    /// The time that this environment lives in.
    fn clock(&self) -> Arc<dyn Clock>;

    /// Where each node of the environment is, those that are not started yet included.
    fn addresses(&self) -> AddressBook;

    /// Makes the environment, if it is not there, and starts `nodes` in it. Returns when they are started, which is before they
    /// answer. May be called again for further nodes.
    async fn start(
        &self,
        nodes: &[NodeName],
        cancel: &CancellationToken,
    ) -> Result<(), BackendError>;

    /// Carries out one action. A command that exits with an error is an `Ok`; `Err` means that it could not be carried out.
    /// When `cancel` fires or the time limit passes, whatever the action started is stopped before this returns.
    async fn perform(
        &self,
        action: &Action,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Output, BackendError>;

    /// Removes nodes with all that they have, as if they had never been made; the environment stays, and keeps their addresses.
    /// Those that are not there are passed over. An environment that can only be removed as a whole says so by an error.
    async fn remove_nodes(
        &self,
        nodes: &[NodeName],
        cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        let _ = (nodes, cancel);
        Err(BackendError::Unavailable {
            what: format!(
                "nodes of the backend {} can't be removed one by one",
                self.name()
            ),
            help: "run each lab in an environment of its own: `--fresh`".to_owned(),
        })
    }

    /// Makes PostgreSQL, if it does not run, and its database: empty, with an owner who is not a superuser, whatever was there before.
    /// Returns the URL by which that owner reaches it from this machine. From then on the application is told of it.
    ///
    /// # Errors
    /// `Unavailable` when there can't be one here, with what to install or to fetch; `Broken`; `Cancelled`.
    async fn make_postgres(&self, cancel: &CancellationToken) -> Result<String, BackendError> {
        let _ = cancel;
        Err(BackendError::Unavailable {
            what: format!("the backend {} has no PostgreSQL", self.name()),
            help: "run this lab on containers: `--backend docker`".to_owned(),
        })
    }

    /// Removes PostgreSQL with all that is in it. Where there is none, that is what was wanted.
    ///
    /// # Errors
    /// `Broken` when it resists; `Cancelled`.
    async fn remove_postgres(&self, cancel: &CancellationToken) -> Result<(), BackendError> {
        let _ = cancel;
        Ok(())
    }

    /// How PostgreSQL is, by the environment's own word.
    ///
    /// # Errors
    /// When the environment can't say.
    async fn postgres(&self) -> Result<Life, BackendError> {
        Ok(Life::Absent)
    }

    /// Whether it can start, stop, freeze and wake PostgreSQL, as a lab's commands may want: asked before a lab begins that does so.
    ///
    /// # Errors
    /// `Unavailable`: the server is somebody else's, with what to do instead.
    fn can_change_postgres(&self) -> Result<(), BackendError> {
        Ok(())
    }

    /// What really is done for `action`, for `-v`: the command line with the environment's own names.
    fn explain(&self, action: &Action) -> String;

    /// How the nodes of the environment are, by the environment's own word (not by the nodes').
    async fn nodes(&self) -> Result<Vec<NodeState>, BackendError>;

    /// The last lines that a node logged, oldest first; the course's terms.
    async fn log(&self, node: &NodeName, lines: usize) -> Result<String, BackendError>;

    /// Removes everything that this environment made. Does not stop at the first thing that resists; safe to call twice.
    async fn remove(&self) -> Result<(), BackendError>;
}

/// A node, by the word of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// Which.
    pub name: NodeName,
    /// How it is.
    pub life: Life,
}

/// How a node is, by the word of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// Never made, or removed.
    Absent,
    /// Its process runs.
    Running,
    /// Its process is frozen.
    Paused,
    /// Its process ended, with this exit code.
    Exited(i64),
}

/// Why an environment could not do what was asked. Each names what is wrong and what to do next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BackendError {
    /// The environment is not there and can't be made: no engine, no image, a port or a subnet taken (exit code 4).
    #[error("{what}")]
    Unavailable {
        /// What is wrong, in one sentence, with the tool's own words where they help.
        what: String,
        /// What to do about it.
        help: String,
    },
    /// The environment was there and broke (exit code 5).
    #[error("{what}")]
    Broken {
        /// What is wrong.
        what: String,
        /// What to do about it.
        help: String,
    },
    /// The run was interrupted while this was under way (exit code 130).
    #[error("interrupted")]
    Cancelled,
}
