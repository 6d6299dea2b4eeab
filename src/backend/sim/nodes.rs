//! The course's nodes as nodes of a simulated cluster: they are made, stopped, frozen, cut off and removed as docker does it with containers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::change::Said;
use super::hosts::Hosts;
use super::postgres::Postgres;
use crate::backend::{BackendError, Life, NodeState};
use crate::cluster::NodeName;
use crate::double::{Clock, Cluster};
use crate::lab::action::{LinkChange, NodeChange};
use crate::lab::environment::{CourseNode, POSTGRES};

/// What docker-compose.yml starts each node with, but for its port. It has no file of its settings, so it has these again after each start.
const SETTINGS: [(&str, &str); 4] = [
    ("protected-mode", "no"),
    ("appendonly", "no"),
    ("save", ""),
    ("repl-diskless-sync-delay", "0"),
];
/// The exit code of a process that was killed.
const KILLED: i64 = 137;
/// What compose calls the network.
const NETWORK: &str = "labrunner-cluster";

/// The nodes of an environment.
pub(super) struct Nodes {
    cluster: Arc<Cluster>,
    hosts: Hosts,
    /// Those that were made and not removed.
    made: Mutex<BTreeMap<CourseNode, Made>>,
    postgres: Postgres,
}

/// A node that was made.
#[derive(Debug, Clone, Copy)]
struct Made {
    /// Its number in the cluster. A node that is made again gets another one.
    number: usize,
    /// How it ended last.
    exit: i64,
    /// Whether its links are cut.
    apart: bool,
}

impl Nodes {
    /// The thread that they will live on; no node yet.
    ///
    /// # Errors
    /// `Broken` when no thread can be had.
    pub(super) async fn start(hosts: Hosts, clock: Clock) -> Result<Self, BackendError> {
        let cluster = Cluster::builder().masters(0).clock(clock).start().await;
        let cluster = cluster.map_err(|error| BackendError::Broken {
            what: format!("no simulated node can be started: {error}"),
            help: "is the machine out of memory or processes?".to_owned(),
        })?;
        Ok(Nodes {
            cluster: Arc::new(cluster),
            hosts,
            made: Mutex::default(),
            postgres: Postgres::default(),
        })
    }

    pub(super) fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    pub(super) fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// PostgreSQL, which lives and ends with the nodes.
    pub(super) fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    fn made(&self) -> MutexGuard<'_, BTreeMap<CourseNode, Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes nodes, or starts them again; those that run are left alone.
    ///
    /// # Errors
    /// `Unavailable` when somebody has taken an address; `Broken` for a name that is no node's.
    pub(super) fn make(&self, nodes: &[NodeName]) -> Result<(), BackendError> {
        let mut made = self.made();
        for name in nodes {
            let node = course_node(name)?;
            if let Some(there) = made.get(&node) {
                self.cluster
                    .start_again(there.number)
                    .map_err(|error| not_started(node, &error))?;
                continue;
            }
            let number = self
                .cluster
                .add_node_at(self.hosts.address(node), &SETTINGS)
                .map_err(|error| not_started(node, &error))?;
            let fresh = Made {
                number,
                exit: 0,
                apart: false,
            };
            made.insert(node, fresh);
        }
        Ok(())
    }

    /// Removes nodes with all that they have; those that are not there are passed over.
    pub(super) fn remove(&self, nodes: &[NodeName]) {
        let mut made = self.made();
        let all = nodes
            .iter()
            .filter_map(|name| CourseNode::named(name.as_str()));
        for node in all {
            if let Some(there) = made.remove(&node) {
                self.cluster.remove(there.number);
            }
        }
    }

    fn life(&self, made: Made) -> Life {
        if self.cluster.is_running(made.number) {
            Life::Running
        } else if self.cluster.is_frozen(made.number) {
            Life::Paused
        } else {
            Life::Exited(made.exit)
        }
    }

    /// How all eight are.
    pub(super) fn states(&self) -> Vec<NodeState> {
        let made = self.made();
        let state = |node: CourseNode| NodeState {
            name: node.name(),
            life: made
                .get(&node)
                .map_or(Life::Absent, |made| self.life(*made)),
        };
        CourseNode::all().map(state).collect()
    }

    /// Those that nobody can connect to.
    pub(super) fn refusing(&self) -> Vec<CourseNode> {
        let made = self.made();
        let serves =
            |made: &Made| !made.apart && matches!(self.life(*made), Life::Running | Life::Paused);
        CourseNode::all()
            .filter(|node| !made.get(node).is_some_and(serves))
            .collect()
    }

    /// The last lines that a node logged.
    ///
    /// # Errors
    /// `Broken` when it is not there.
    pub(super) fn log(&self, name: &NodeName, lines: usize) -> Result<String, BackendError> {
        if name.as_str() == POSTGRES {
            return Ok(self.postgres.log(lines));
        }
        let node = course_node(name)?;
        let Some(made) = self.made().get(&node).copied() else {
            return Err(BackendError::Broken {
                what: format!("the log of {name} can't be read: there is no such node"),
                help: "a node that was removed has none".to_owned(),
            });
        };
        let log = self.cluster.log(made.number);
        let skipped = log.len().saturating_sub(lines);
        let last = log.iter().skip(skipped).map(|line| format!("{line}\n"));
        Ok(last.collect())
    }

    /// `docker compose up -d`, `docker stop` and their like.
    ///
    /// # Errors
    /// As [`make`](Self::make).
    pub(super) fn change(
        &self,
        change: NodeChange,
        nodes: &[NodeName],
    ) -> Result<Said, BackendError> {
        let mut said = Said::default();
        for name in nodes {
            if name.as_str() == POSTGRES {
                self.postgres.change(change, &mut said)?;
                continue;
            }
            let node = course_node(name)?;
            let there = self.made().get(&node).copied();
            match (change, there) {
                (NodeChange::Up, there) => self.up(node, there, &mut said)?,
                (_, None) => said.refuse(&format!("No such container: {name}")),
                (NodeChange::Remove, Some(_)) => {
                    self.remove(std::slice::from_ref(name));
                    said.out(name.as_str());
                }
                (change, Some(made)) => match self.change_one(change, node, made)? {
                    Ok(()) => said.out(name.as_str()),
                    Err(words) => said.refuse(&words),
                },
            }
        }
        Ok(said)
    }

    fn up(
        &self,
        node: CourseNode,
        there: Option<Made>,
        said: &mut Said,
    ) -> Result<(), BackendError> {
        let tell =
            |said: &mut Said, what: &str| said.err(&format!(" Container {}  {what}", node.name()));
        match there.map(|made| self.life(made)) {
            Some(Life::Running | Life::Paused) => {
                tell(said, "Running");
                return Ok(());
            }
            Some(_) => {}
            None => {
                tell(said, "Creating");
                tell(said, "Created");
            }
        }
        tell(said, "Starting");
        self.make(&[node.name()])?;
        tell(said, "Started");
        Ok(())
    }

    /// Changes a node that is there; the inner error is docker's, in its words.
    fn change_one(
        &self,
        change: NodeChange,
        node: CourseNode,
        made: Made,
    ) -> Result<Result<(), String>, BackendError> {
        let (name, number, life) = (node.name(), made.number, self.life(made));
        let ends = |exit: i64| {
            if let Some(made) = self.made().get_mut(&node) {
                made.exit = exit;
            }
        };
        match (change, life) {
            (NodeChange::Stop, Life::Running) => {
                ends(0);
                self.cluster.stop(number);
            }
            (NodeChange::Stop, Life::Paused) => {
                // It gets the signal, and goes on to heed it.
                ends(0);
                self.cluster.thaw(number);
                self.cluster.stop(number);
            }
            (NodeChange::Kill, Life::Running | Life::Paused) => {
                ends(KILLED);
                self.cluster.kill(number);
            }
            (NodeChange::Kill, _) => {
                return Ok(Err(format!(
                    "Cannot kill container: {name}: Container {name} is not running"
                )));
            }
            (NodeChange::Pause, Life::Running) => self.cluster.freeze(number),
            (NodeChange::Pause, Life::Paused) => {
                return Ok(Err(format!("Container {name} is already paused")));
            }
            (NodeChange::Pause, _) => {
                return Ok(Err(format!("Container {name} is not running")));
            }
            (NodeChange::Unpause, Life::Paused) => self.cluster.thaw(number),
            (NodeChange::Unpause, _) => {
                return Ok(Err(format!("Container {name} is not paused")));
            }
            (NodeChange::Start, Life::Paused) => {
                return Ok(Err(
                    "cannot start a paused container, try unpause instead".to_owned()
                ));
            }
            (NodeChange::Restart, life) => {
                if life == Life::Paused {
                    self.cluster.thaw(number);
                }
                self.cluster.stop(number);
                self.make(&[name])?;
            }
            (NodeChange::Start, Life::Exited(_)) => self.make(&[name])?,
            // It is so already; those of nodes that are not there are answered by who calls this.
            (NodeChange::Start, _)
            | (NodeChange::Stop, _)
            | (NodeChange::Up | NodeChange::Remove, _) => {}
        }
        Ok(Ok(()))
    }

    /// `docker network disconnect` and `connect`.
    ///
    /// # Errors
    /// `Unavailable` when somebody has taken the node's address meanwhile.
    pub(super) fn link(&self, change: LinkChange, name: &NodeName) -> Result<Said, BackendError> {
        let node = course_node(name)?;
        let mut said = Said::default();
        let Some(there) = self.made().get(&node).copied() else {
            said.refuse(&format!("No such container: {name}"));
            return Ok(said);
        };
        match (change, there.apart) {
            (LinkChange::Disconnect, false) => self.cluster.isolate(there.number),
            (LinkChange::Connect, true) => self
                .cluster
                .rejoin(there.number)
                .map_err(|error| not_started(node, &error))?,
            (LinkChange::Disconnect, true) => said.refuse(&format!(
                "container {name} is not connected to network {NETWORK}"
            )),
            (LinkChange::Connect, false) => said.refuse(&format!(
                "endpoint with name {name} already exists in network {NETWORK}"
            )),
        }
        if let Some(made) = self.made().get_mut(&node) {
            made.apart = change == LinkChange::Disconnect;
        }
        Ok(said)
    }
}

fn course_node(name: &NodeName) -> Result<CourseNode, BackendError> {
    CourseNode::named(name.as_str()).ok_or_else(|| BackendError::Broken {
        what: format!("{name} is no node of this environment"),
        help: "there are redis-1 to redis-8".to_owned(),
    })
}

fn not_started(node: CourseNode, error: &std::io::Error) -> BackendError {
    BackendError::Unavailable {
        what: format!("{} can't be started: {error}", node.name()),
        help: "stop the program that has taken its address".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn nodes() -> Nodes {
        let hosts = Hosts::reserve().unwrap();
        Nodes::start(hosts, Clock::leaping()).await.unwrap()
    }

    fn one() -> NodeName {
        NodeName::new("redis-1")
    }

    fn life(nodes: &Nodes) -> Life {
        nodes.states()[0].life
    }

    fn change(nodes: &Nodes, change: NodeChange) -> Said {
        nodes.change(change, &[one()]).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_node_has_a_life_as_a_container_has() {
        let nodes = nodes().await;
        assert_eq!(life(&nodes), Life::Absent);
        let missing = change(&nodes, NodeChange::Stop);
        assert_eq!(missing.exit, 1);
        assert!(missing.stderr.contains("No such container: redis-1"));
        assert!(change(&nodes, NodeChange::Up).stderr.ends_with("Started\n"));
        assert_eq!(life(&nodes), Life::Running);
        assert_eq!(change(&nodes, NodeChange::Stop).stdout, "redis-1\n");
        assert_eq!(life(&nodes), Life::Exited(0));
        assert_eq!(change(&nodes, NodeChange::Pause).exit, 1);
        assert_eq!(change(&nodes, NodeChange::Kill).exit, 1);
        assert_eq!(change(&nodes, NodeChange::Start).exit, 0);
        assert_eq!(change(&nodes, NodeChange::Pause).exit, 0);
        assert_eq!(life(&nodes), Life::Paused);
        assert_eq!(change(&nodes, NodeChange::Start).exit, 1);
        assert_eq!(change(&nodes, NodeChange::Unpause).exit, 0);
        assert_eq!(change(&nodes, NodeChange::Kill).exit, 0);
        assert_eq!(life(&nodes), Life::Exited(137));
        assert_eq!(change(&nodes, NodeChange::Restart).exit, 0);
        assert_eq!(life(&nodes), Life::Running);
        assert_eq!(change(&nodes, NodeChange::Remove).exit, 0);
        assert_eq!(life(&nodes), Life::Absent);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_node_that_was_removed_and_made_again_is_another_one() {
        let nodes = nodes().await;
        let id = |nodes: &Nodes| {
            let number = nodes.made().values().next().unwrap().number;
            nodes.cluster().id(number)
        };
        change(&nodes, NodeChange::Up);
        let first = id(&nodes);
        change(&nodes, NodeChange::Restart);
        assert_eq!(id(&nodes), first);
        change(&nodes, NodeChange::Remove);
        change(&nodes, NodeChange::Up);
        assert_ne!(id(&nodes), first);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nobody_reaches_a_node_whose_links_are_cut() {
        let nodes = nodes().await;
        change(&nodes, NodeChange::Up);
        let first = CourseNode::all().next().unwrap();
        let reachable = || std::net::TcpStream::connect(nodes.hosts().address(first)).is_ok();
        assert!(reachable() && !nodes.refusing().contains(&first));
        let link = |change| nodes.link(change, &one()).unwrap().exit;
        assert_eq!(link(LinkChange::Disconnect), 0);
        assert!(!reachable() && nodes.refusing().contains(&first));
        assert_eq!(link(LinkChange::Disconnect), 1);
        // It runs all the while, and a start of its own does not connect it.
        assert_eq!(life(&nodes), Life::Running);
        change(&nodes, NodeChange::Restart);
        assert!(!reachable());
        assert_eq!(link(LinkChange::Connect), 0);
        assert!(reachable());
        assert_eq!(link(LinkChange::Connect), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_node_was_told_and_given_is_gone_with_its_process() {
        let nodes = nodes().await;
        change(&nodes, NodeChange::Up);
        let run = |words: &[&str]| {
            let number = nodes.made().values().next().unwrap().number;
            nodes.cluster().run(number, words)
        };
        let timeout = || format!("{:?}", run(&["CONFIG", "GET", "cluster-node-timeout"]));
        let before = timeout();
        run(&["CONFIG", "SET", "cluster-node-timeout", "1234"]);
        assert_ne!(timeout(), before);
        run(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        change(&nodes, NodeChange::Restart);
        assert_eq!(timeout(), before);
        assert_eq!(
            run(&["DBSIZE"]),
            crate::cluster::Reply::Int(0),
            "nothing is saved"
        );
    }
}
