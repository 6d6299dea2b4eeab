//! An environment of containers that is looked at once more, just before it is removed.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use labrunner::backend::{Backend, BackendError, Clock, Docker, NodeState};
use labrunner::cluster::NodeName;
use labrunner::lab::action::{Action, Limits, Output};
use labrunner::resp::AddressBook;
use tokio_util::sync::CancellationToken;

/// What is looked for.
pub trait LastLook: Send + Sync {
    /// What is seen.
    type Seen: Send;

    /// Looks. The lab has ended, and its environment is still there.
    fn look(&self, docker: &Docker) -> impl Future<Output = Self::Seen> + Send;
}

/// Containers, and what is seen of them in the end.
pub struct LookedAt<L: LastLook> {
    pub docker: Docker,
    pub by: L,
    seen: Mutex<Option<L::Seen>>,
}

impl<L: LastLook> LookedAt<L> {
    pub fn new(docker: Docker, by: L) -> Self {
        LookedAt {
            docker,
            by,
            seen: Mutex::new(None),
        }
    }

    /// What was seen. `None` as long as nothing was removed, and when it was taken before.
    pub fn take_seen(&self) -> Option<L::Seen> {
        self.seen.lock().unwrap().take()
    }
}

#[async_trait]
impl<L: LastLook> Backend for LookedAt<L> {
    fn name(&self) -> &'static str {
        self.docker.name()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.docker.clock()
    }

    fn addresses(&self) -> AddressBook {
        self.docker.addresses()
    }

    async fn start(
        &self,
        nodes: &[NodeName],
        cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        self.docker.start(nodes, cancel).await
    }

    async fn perform(
        &self,
        action: &Action,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Output, BackendError> {
        self.docker.perform(action, limits, cancel).await
    }

    fn explain(&self, action: &Action) -> String {
        self.docker.explain(action)
    }

    async fn nodes(&self) -> Result<Vec<NodeState>, BackendError> {
        self.docker.nodes().await
    }

    async fn log(&self, node: &NodeName, lines: usize) -> Result<String, BackendError> {
        self.docker.log(node, lines).await
    }

    async fn remove(&self) -> Result<(), BackendError> {
        let seen = self.by.look(&self.docker).await;
        *self.seen.lock().unwrap() = Some(seen);
        self.docker.remove().await
    }
}
