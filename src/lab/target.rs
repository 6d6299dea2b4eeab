//! The course's make targets: what a reader types in place of several commands.

use std::fmt;

use serde::Serialize;

use crate::cluster::NodeName;

/// One of the course's targets, with its variables filled in. What it stands for is decided by what the cluster is like when it is
/// carried out; see the room `targets`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "target", rename_all = "kebab-case")]
pub enum Target {
    /// `make cluster-nodes`: every node, as one of them sees it.
    ClusterNodes,
    /// `make cluster-info`: how the cluster is.
    ClusterInfo,
    /// `make watch-cluster`: a picture of the cluster, drawn again and again until it is stopped.
    WatchCluster,
    /// `make failover`: stops a master.
    Failover {
        /// Which; redis-1 if not said.
        node: NodeName,
    },
    /// `make recover`: starts the stopped master again.
    Recover {
        /// Which; redis-1 if not said.
        node: NodeName,
    },
    /// `make scale-add-replica`: redis-8 joins as a replica of redis-7.
    ScaleAddReplica,
    /// `make scale-down NODE=7007`: moves all slots of a master to the others.
    ScaleDown {
        /// Which.
        node: NodeName,
    },
    /// `make load-test USERS=50 SEATS=2`: many users at once want seats of one event.
    LoadTest {
        /// How many users.
        users: u32,
        /// How many seats each of them wants.
        seats: u32,
    },
}

/// The users of a load test that does not say how many.
pub const DEFAULT_USERS: u32 = 50;
/// The seats that each user of a load test wants, where it does not say how many.
pub const DEFAULT_SEATS: u32 = 2;

/// The most users of a load test: a slip of the pen must not take the machine down.
pub const MOST_USERS: u32 = 100_000;
/// The most seats that a user of a load test can want.
pub const MOST_SEATS: u32 = 100;

impl Target {
    /// Whether it goes on until it is stopped.
    pub fn is_endless(&self) -> bool {
        matches!(self, Target::WatchCluster)
    }
}

/// As typed: `make scale-down NODE=7007`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = |node: &NodeName| {
            super::environment::CourseNode::named(node.as_str())
                .map_or_else(|| node.to_string(), |node| node.port().to_string())
        };
        match self {
            Target::ClusterNodes => f.write_str("make cluster-nodes"),
            Target::ClusterInfo => f.write_str("make cluster-info"),
            Target::WatchCluster => f.write_str("make watch-cluster"),
            Target::Failover { node } if node.as_str() == "redis-1" => f.write_str("make failover"),
            Target::Failover { node } => write!(f, "make failover NODE={}", port(node)),
            Target::Recover { node } if node.as_str() == "redis-1" => f.write_str("make recover"),
            Target::Recover { node } => write!(f, "make recover NODE={}", port(node)),
            Target::ScaleAddReplica => f.write_str("make scale-add-replica"),
            Target::ScaleDown { node } => write!(f, "make scale-down NODE={}", port(node)),
            Target::LoadTest { users, seats } => {
                write!(f, "make load-test USERS={users} SEATS={seats}")
            }
        }
    }
}
