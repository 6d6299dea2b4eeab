//! An environment that labs of a run use one after the other. It is a backend that remembers what was done to its nodes, by whomever.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::traces::{self, Touched, Trace};
use crate::admin::Settings;
use crate::backend::{Backend, BackendError, Clock, Life, NodeState};
use crate::cluster::NodeName;
use crate::lab::action::{Action, Limits, NodeChange, Output};
use crate::resp::AddressBook;

/// A backend, and what is known of its nodes.
pub(super) struct Environment {
    backend: Arc<dyn Backend>,
    /// Nodes of which nothing is known are not here.
    nodes: Mutex<BTreeMap<NodeName, Known>>,
    used: AtomicBool,
    /// Whether PostgreSQL was made in it, and not removed.
    postgres: AtomicBool,
}

/// What is known of a node since it was made, or reset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The settings that it started with, if they were seen before anything was set.
    pub start: Option<Settings>,
    /// Whether its settings may be others by now.
    pub settings_changed: bool,
    /// Why it has to be made anew, if it has to.
    pub lasting: Option<String>,
}

impl Known {
    fn note(&mut self, trace: &Trace) {
        match trace {
            Trace::Undone => {}
            Trace::Settings => self.settings_changed = true,
            // The first reason is as good as the last.
            Trace::Lasting(why) => {
                self.lasting.get_or_insert_with(|| why.clone());
            }
        }
    }
}

impl Environment {
    /// An environment in which nothing was made yet.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Environment {
            backend,
            nodes: Mutex::default(),
            used: AtomicBool::new(false),
            postgres: AtomicBool::new(false),
        }
    }

    /// Whether anything was made in it.
    pub fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether there is a PostgreSQL in it that a lab has asked for.
    pub fn has_postgres(&self) -> bool {
        self.postgres.load(Ordering::Relaxed)
    }

    /// What is known of a node.
    pub fn known(&self, node: &NodeName) -> Known {
        self.nodes().get(node).cloned().unwrap_or_default()
    }

    /// Takes note of the settings that a node has as long as nothing was done to it. Whatever was known of it before is past.
    pub fn note_fresh(&self, node: &NodeName, start: Option<Settings>) {
        let known = Known {
            start,
            ..Known::default()
        };
        self.nodes().insert(node.clone(), known);
    }

    fn note(&self, action: &Action) {
        let (touched, trace) = traces::of_action(action);
        let touched = match touched {
            Touched::These(nodes) => nodes,
            Touched::All => self
                .backend
                .addresses()
                .iter()
                .map(|address| address.name.clone())
                .collect(),
        };
        let mut known = self.nodes();
        for node in touched {
            known.entry(node).or_default().note(&trace);
        }
    }

    /// The lock of plain data: what a thread that panicked left in it is as good as any.
    fn nodes(&self) -> MutexGuard<'_, BTreeMap<NodeName, Known>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for Environment {
    fn name(&self) -> &'static str {
        self.backend.name()
    }

    fn is_made_in_no_time(&self) -> bool {
        self.backend.is_made_in_no_time()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.backend.clock()
    }

    fn addresses(&self) -> AddressBook {
        self.backend.addresses()
    }

    async fn start(
        &self,
        nodes: &[NodeName],
        cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        self.used.store(true, Ordering::Relaxed);
        self.backend.start(nodes, cancel).await
    }

    async fn perform(
        &self,
        action: &Action,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Output, BackendError> {
        self.used.store(true, Ordering::Relaxed);
        // Before: what is dropped in the middle may be done all the same.
        self.note(action);
        let output = self.backend.perform(action, limits, cancel).await?;
        if let Action::Nodes {
            change: NodeChange::Remove,
            nodes,
        } = action
            && output.exit == Some(0)
        {
            for node in nodes {
                self.note_fresh(node, None);
            }
        }
        Ok(output)
    }

    async fn remove_nodes(
        &self,
        nodes: &[NodeName],
        cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        self.backend.remove_nodes(nodes, cancel).await?;
        for node in nodes {
            self.note_fresh(node, None);
        }
        Ok(())
    }

    async fn make_postgres(&self, cancel: &CancellationToken) -> Result<String, BackendError> {
        self.used.store(true, Ordering::Relaxed);
        self.postgres.store(true, Ordering::Relaxed);
        self.backend.make_postgres(cancel).await
    }

    async fn remove_postgres(&self, cancel: &CancellationToken) -> Result<(), BackendError> {
        self.backend.remove_postgres(cancel).await?;
        self.postgres.store(false, Ordering::Relaxed);
        Ok(())
    }

    async fn postgres(&self) -> Result<Life, BackendError> {
        self.backend.postgres().await
    }

    fn can_change_postgres(&self) -> Result<(), BackendError> {
        self.backend.can_change_postgres()
    }

    fn explain(&self, action: &Action) -> String {
        self.backend.explain(action)
    }

    async fn nodes(&self) -> Result<Vec<NodeState>, BackendError> {
        self.backend.nodes().await
    }

    async fn log(&self, node: &NodeName, lines: usize) -> Result<String, BackendError> {
        self.backend.log(node, lines).await
    }

    async fn remove(&self) -> Result<(), BackendError> {
        self.backend.remove().await
    }
}
