//! A cluster of containers of the campaign's own: three masters, and a replica of each.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cluster::three_shards;
use labrunner::admin::create;
use labrunner::backend::{Backend, Docker, DockerOptions};
use labrunner::cluster::{NodeId, NodeName};
use labrunner::resp::AddressBook;
use tokio_util::sync::CancellationToken;

use super::labelled;

/// How long it may take to come about.
const LONG: Duration = Duration::from_secs(120);

/// See the module. To be removed at the end; `labrunner clean` finds what a campaign that was killed has left.
pub struct Containers {
    docker: Docker,
    run: String,
    /// The nodes' ids.
    pub ids: BTreeMap<NodeName, NodeId>,
    _folder: tempfile::TempDir,
}

impl Containers {
    /// Makes the cluster: redis-1 to redis-3 have the slots in the course's thirds, redis-4 is redis-1's replica, and so on.
    pub async fn three_pairs(campaign: &str) -> Containers {
        let folder = tempfile::tempdir().expect("a folder");
        let run = format!("{campaign}{}", std::process::id());
        let docker = Docker::prepare(DockerOptions {
            run: run.clone(),
            image: std::env::var("LAB_REDIS_IMAGE")
                .ok()
                .filter(|image| !image.is_empty()),
            state_dir: folder.path().to_owned(),
            ..DockerOptions::default()
        })
        .await
        .expect("an environment of containers");
        let shape = three_shards(Duration::from_millis(3500));
        let nodes: Vec<NodeName> = shape.nodes().cloned().collect();
        let started = docker.start(&nodes, &CancellationToken::new()).await;
        let made = match started {
            Ok(()) => create(&docker.addresses(), &shape, LONG, &|_| {})
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let mut containers = Containers {
            docker,
            run,
            ids: BTreeMap::new(),
            _folder: folder,
        };
        match made {
            Ok(ids) => containers.ids = ids,
            Err(error) => {
                containers.remove().await;
                panic!("there is no cluster: {error}");
            }
        }
        containers
    }

    /// Where the nodes are that the cluster has.
    pub fn book(&self) -> AddressBook {
        let book = self.docker.addresses();
        let members = book.iter().filter(|node| self.ids.contains_key(&node.name));
        AddressBook::new(members.cloned().collect())
    }

    /// Removes it. Says what is left in spite of that.
    pub async fn remove(&self) -> Vec<String> {
        if let Err(error) = self.docker.remove().await {
            println!("the containers could not be removed: {error}");
        }
        labelled(&format!("labrunner.run={}", self.run))
    }
}
