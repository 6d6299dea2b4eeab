//! A cluster of containers under the application: three masters with a replica each.

use std::time::{Duration, Instant};

use labrunner::admin::{Shape, create};
use labrunner::app::{Settings, Store};
use labrunner::backend::{Backend, Docker, DockerOptions};
use labrunner::cluster::{Endpoint, NodeName};
use labrunner::lab::action::{Action, Limits, LinkChange, NodeChange};
use labrunner::resp::Client;
use tokio_util::sync::CancellationToken;

/// The master that the fault is for.
pub const FAILING: &str = "redis-1";
/// The slots of each master, the failing one's first.
pub const SHARDS: [&str; 3] = ["0-5460", "5461-10922", "10923-16383"];
const NODE_TIMEOUT: Duration = Duration::from_millis(3500);
/// For what ends by itself.
const LONG: Duration = Duration::from_secs(60);

/// What is done to the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Stop,
    Kill,
    Network,
    Pause,
}

impl Fault {
    pub const ALL: [Fault; 4] = [Fault::Stop, Fault::Kill, Fault::Network, Fault::Pause];

    pub fn name(self) -> &'static str {
        match self {
            Fault::Stop => "stop",
            Fault::Kill => "kill",
            Fault::Network => "network",
            Fault::Pause => "pause",
        }
    }
}

pub struct Stage {
    docker: Docker,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// Containers, and the cluster of them, with every replica in sync.
    pub async fn build(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let docker = Docker::prepare(DockerOptions {
            run: format!("appfailover{}-{name}", std::process::id()),
            image: std::env::var("LAB_REDIS_IMAGE")
                .ok()
                .filter(|image| !image.is_empty()),
            state_dir: folder.path().to_owned(),
            ..DockerOptions::default()
        })
        .await
        .expect("an environment of containers");
        let node = |n: usize| NodeName::new(format!("redis-{n}"));
        let shape = Shape {
            node_timeout: Some(NODE_TIMEOUT),
            masters: (1..)
                .zip(SHARDS)
                .map(|(n, slots)| (node(n), slots.parse().expect("slots")))
                .collect(),
            replicas: (1..=3).map(|n| (node(n + 3), node(n))).collect(),
        };
        let nodes: Vec<NodeName> = shape.nodes().cloned().collect();
        let stage = Stage {
            docker,
            _folder: folder,
        };
        let started = stage.docker.start(&nodes, &CancellationToken::new()).await;
        started.expect("containers start");
        let made = create(&stage.docker.addresses(), &shape, LONG, &|_| {}).await;
        made.expect("a cluster");
        for n in 4..=6 {
            stage.until_in_sync(&format!("redis-{n}")).await;
        }
        stage
    }

    pub fn book(&self) -> labrunner::resp::AddressBook {
        self.docker.addresses()
    }

    /// How the application reaches this cluster, as `labrunner` tells it.
    pub fn settings(&self) -> Settings {
        let (mut nodes, mut map) = (Vec::new(), Vec::new());
        for address in self.book().iter() {
            let at = Endpoint::new(address.reachable.ip().to_string(), address.reachable.port());
            map.push((address.announced.clone(), at.clone()));
            nodes.push(at);
        }
        Settings {
            nodes,
            map,
            ..Settings::default()
        }
    }

    pub async fn store(&self) -> Store {
        Store::connect(self.settings()).await.expect("a store")
    }

    pub async fn break_it(&self, fault: Fault) {
        let change = |change| Action::Nodes {
            change,
            nodes: vec![NodeName::new(FAILING)],
        };
        self.perform(match fault {
            Fault::Stop => change(NodeChange::Stop),
            Fault::Kill => change(NodeChange::Kill),
            Fault::Pause => change(NodeChange::Pause),
            Fault::Network => Action::Links {
                change: LinkChange::Disconnect,
                node: NodeName::new(FAILING),
            },
        })
        .await;
    }

    /// Undoes the fault.
    pub async fn mend(&self, fault: Fault) {
        let change = |change| Action::Nodes {
            change,
            nodes: vec![NodeName::new(FAILING)],
        };
        self.perform(match fault {
            Fault::Stop | Fault::Kill => change(NodeChange::Start),
            Fault::Pause => change(NodeChange::Unpause),
            Fault::Network => Action::Links {
                change: LinkChange::Connect,
                node: NodeName::new(FAILING),
            },
        })
        .await;
    }

    async fn perform(&self, action: Action) {
        let limits = Limits {
            time: LONG,
            output: 64 * 1024,
        };
        let done = self
            .docker
            .perform(&action, limits, &CancellationToken::new())
            .await;
        let done = done.expect("docker does what it is told");
        assert_eq!(done.exit, Some(0), "{done:?}");
    }

    /// Waits until a node is a replica that has all of its master's data.
    pub async fn until_in_sync(&self, node: &str) {
        let address = self.book().get(&NodeName::new(node)).cloned();
        let client = Client::new(address.expect("a node"), Duration::from_secs(1));
        let deadline = Instant::now() + LONG;
        loop {
            if let Ok(reply) = client.call(&["INFO", "replication"]).await {
                let text = reply.as_text().unwrap_or_default().into_owned();
                if text.contains("role:slave") && text.contains("master_link_status:up") {
                    return;
                }
            }
            assert!(Instant::now() < deadline, "{node} never is in sync");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn remove(self) {
        self.docker.remove().await.expect("containers are removed");
    }
}
