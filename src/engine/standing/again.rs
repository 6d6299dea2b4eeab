//! Starting an environment again whose containers were stopped by a restart of the machine or of its engine.
//!
//! A node finds its id, its slots and the other nodes in its own `nodes.conf`, and keeps its address. What it was told by CONFIG SET it
//! has forgotten, and its keys too, since it saves none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::survey::{LifeNow, Survey, Surveyor};
use crate::backend::standing::{Course, Phase, Standing, boot_id};
use crate::backend::{BackendError, Life};
use crate::cluster::{NodeId, NodeName, Reply};
use crate::engine::event::Event;
use crate::engine::{Events, Interrupt};
use crate::lab::action::{Action, Limits, NodeChange};
use crate::lab::environment::POSTGRES;
use crate::resp::{Client, Router};

/// To start eight containers takes some four seconds; a machine that has just started needs longer.
const START_LIMITS: Limits = Limits {
    time: Duration::from_secs(180),
    output: 64 * 1024,
};
/// After this the nodes will not agree any more.
const AGREE_LIMIT: Duration = Duration::from_secs(90);
/// After this the keys will not be written any more.
const KEYS_LIMIT: Duration = Duration::from_secs(60);
/// How long one command to a node may take.
const COMMAND: Duration = Duration::from_secs(2);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// What has to be started, and with what.
pub(super) struct Again<'a> {
    pub standing: &'a mut Standing,
    pub course: &'a dyn Course,
    pub events: &'a Arc<Events>,
    pub interrupt: &'a Interrupt,
    pub state_dir: &'a std::path::Path,
}

impl Again<'_> {
    /// Starts `stopped`, which are some of `nodes`, and waits until the cluster is as it was. What is not well at the end stays as it is, and
    /// the handle says that this did not come to its end.
    ///
    /// # Errors
    /// `Cancelled`; `Broken`, when a node can't be started, or when the cluster does not come back in time.
    pub async fn start(
        self,
        stopped: &[NodeName],
        nodes: &[NodeName],
    ) -> Result<Survey, BackendError> {
        let interrupt = self.interrupt.clone();
        tokio::select! {
            biased;
            () = interrupt.soft.cancelled() => Err(BackendError::Cancelled),
            started = self.start_all(stopped, nodes) => started,
        }
    }

    async fn start_all(
        self,
        stopped: &[NodeName],
        nodes: &[NodeName],
    ) -> Result<Survey, BackendError> {
        let began = Instant::now();
        self.standing.phase = Phase::Restarting;
        self.standing.write(self.state_dir)?;
        let count = nodes.len();
        self.events.emit(Event::GivenStarted {
            what: format!(
                "{count} node{}, started again",
                if count == 1 { "" } else { "s" }
            ),
        });
        self.phase("starting the containers");
        // The toolbox, made again if it is not there.
        self.course.start(&[], &self.interrupt.soft).await?;
        if !stopped.is_empty() {
            self.start_containers(stopped).await?;
        }
        // Its data is as it was.
        if self.standing.postgres.is_some()
            && matches!(self.course.postgres().await?, Life::Exited(_))
        {
            self.start_containers(&[NodeName::new(POSTGRES)]).await?;
        }
        self.standing.boot_id = boot_id();
        self.standing.write(self.state_dir)?;
        self.set_node_timeout(nodes).await;
        let (survey, ids) = self.wait().await?;
        let keys = self.standing.given.as_ref().and_then(|given| given.keys());
        if let Some(keys) = keys {
            self.phase(&format!("writing {} keys", keys.count));
            let router = Router::new(self.course.addresses(), COMMAND);
            keys.write(&router, KEYS_LIMIT)
                .await
                .map_err(|error| BackendError::Broken {
                    what: error.to_string(),
                    help: "the cluster stands, but without the keys that the lab starts from: `labrunner down` and `labrunner up` make it anew".to_owned(),
                })?;
        }
        self.standing.phase = Phase::Ready;
        self.standing.write(self.state_dir)?;
        self.events.emit(Event::GivenReady {
            took: began.elapsed(),
            ids,
            server: self.standing.server.clone(),
        });
        Ok(survey)
    }

    async fn start_containers(&self, nodes: &[NodeName]) -> Result<(), BackendError> {
        let action = Action::Nodes {
            change: NodeChange::Start,
            nodes: nodes.to_vec(),
        };
        let output = self
            .course
            .perform(&action, START_LIMITS, &self.interrupt.soft)
            .await?;
        if output.exit == Some(0) {
            return Ok(());
        }
        Err(BackendError::Broken {
            what: format!(
                "the containers can't all be started: {}",
                output.stderr.trim()
            ),
            help: "see `docker ps --all`; `labrunner down` removes the environment".to_owned(),
        })
    }

    /// Tells each node its timeout as soon as it answers. One that never does is found by who waits for it.
    async fn set_node_timeout(&self, nodes: &[NodeName]) {
        let given = self.standing.given.as_ref();
        let Some(timeout) = given.and_then(|given| given.node_timeout()) else {
            return;
        };
        let milliseconds = timeout.as_millis().to_string();
        let book = self.course.addresses();
        let deadline = Instant::now() + AGREE_LIMIT / 2;
        for address in nodes.iter().filter_map(|name| book.get(name)) {
            let client = Client::new(address.clone(), COMMAND);
            let command = ["CONFIG", "SET", "cluster-node-timeout", &milliseconds];
            while !matches!(client.call(&command).await, Ok(Reply::Status(_)))
                && Instant::now() < deadline
            {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Waits until everything is back that can come back by itself.
    async fn wait(&self) -> Result<(Survey, BTreeMap<NodeName, NodeId>), BackendError> {
        let surveyor = Surveyor::new(self.course);
        let deadline = Instant::now() + AGREE_LIMIT;
        loop {
            let looked = surveyor.look(self.standing).await?;
            let Some(missing) = missing(&looked.survey, self.standing.given.is_some()) else {
                return Ok((looked.survey, looked.ids));
            };
            if Instant::now() >= deadline {
                return Err(BackendError::Broken {
                    what: format!(
                        "the containers run again, but the cluster is not back after {} s: {missing}",
                        AGREE_LIMIT.as_secs()
                    ),
                    help: format!(
                        "`labrunner status` says more; `labrunner down`, then `{}`, makes all anew",
                        self.standing.command()
                    ),
                });
            }
            self.phase(&format!("waiting: {missing}"));
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn phase(&self, phase: &str) {
        self.events.emit(Event::GivenPhase {
            phase: phase.to_owned(),
        });
    }
}

/// What is still to come back, in a few words. What nobody can wait for, such as a node that was removed, is not among it.
fn missing(survey: &Survey, has_given: bool) -> Option<String> {
    let silent = survey
        .nodes
        .iter()
        .find(|node| node.life == LifeNow::Running && !node.answers);
    if let Some(node) = silent {
        return Some(format!("{} does not answer", node.name));
    }
    if !has_given {
        return None;
    }
    let Some(cluster) = &survey.cluster else {
        return Some("no node belongs to a cluster".to_owned());
    };
    if !cluster.ok {
        return Some("cluster_state:fail".to_owned());
    }
    if let Some(disagreement) = &cluster.disagreement {
        return Some(disagreement.clone());
    }
    survey
        .nodes
        .iter()
        .find(|node| node.linked == Some(false))
        .map(|node| format!("{} has no link to its master", node.name))
}
