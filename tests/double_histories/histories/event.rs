//! What a history is made of.

use std::fmt;
use std::time::Duration;

use super::double::{Clock, Cluster, ClusterBuilder};

/// How many keys clients write, each in a slot of its own.
pub const KEYS: u8 = 12;

/// How the cluster of a history is.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    pub seed: u64,
    pub masters: usize,
    pub replicas: usize,
    /// Nodes that are in no cluster when it begins.
    pub empty: usize,
    /// `cluster-node-timeout`, in milliseconds.
    pub timeout: u64,
    /// The longest that a message takes, in microseconds; the shortest is 200.
    pub delay: u64,
    pub full_coverage: bool,
    pub replica_migration: bool,
    /// `cluster-replica-validity-factor`.
    pub validity: u64,
}

/// How a failover is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Manual,
    Force,
    Takeover,
}

/// Something that is done. What can't be done as things stand then is left out.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// So many milliseconds pass.
    Wait(u64),
    /// A client writes a new value to a key, beginning at this node and following redirections.
    Write {
        key: u8,
        at: usize,
    },
    Kill(usize),
    Stop(usize),
    Start(usize),
    Freeze(usize),
    Thaw(usize),
    /// These nodes reach only each other, and so do the others.
    Part(Vec<usize>),
    /// Nothing that the one sends reaches the other.
    Cut(usize, usize),
    /// All reach each other again, nobody is slow, nothing is lost.
    Heal,
    /// Messages to and from a node take so many milliseconds more.
    Slow(usize, u64),
    /// So many percent of the messages on the bus are lost.
    Lose(u8),
    Failover {
        node: usize,
        how: How,
    },
    /// The slot of a key is opened to be moved to a node.
    Open {
        key: u8,
        to: usize,
    },
    /// Its keys are moved.
    Carry {
        key: u8,
    },
    /// It is assigned to the node that it was opened to.
    Close {
        key: u8,
    },
    /// A node is introduced to another one.
    Meet {
        node: usize,
        to: usize,
    },
    /// A node becomes the replica of another one.
    Follow {
        node: usize,
        master: usize,
    },
    /// All others forget a node, and it is reset.
    Leave {
        node: usize,
        hard: bool,
    },
    /// One node forgets another one.
    Forget {
        at: usize,
        node: usize,
    },
    /// A replica is reset, hard, and nobody is told.
    Wipe(usize),
    /// A node is told to meet somebody where nobody is.
    MeetNobody(usize),
    /// CLUSTER BUMPEPOCH.
    Bump(usize),
    /// The slot of a key becomes nobody's, at all nodes.
    Unassign {
        key: u8,
    },
}

/// A cluster, and what is done to it.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    pub setup: Setup,
    pub events: Vec<Event>,
}

impl Setup {
    /// How many nodes there are at first.
    pub fn nodes(&self) -> usize {
        self.masters * (1 + self.replicas) + self.empty
    }

    /// The parameters of its nodes.
    fn parameters(&self) -> [(&'static str, String); 5] {
        let word = |yes| if yes { "yes" } else { "no" }.to_owned();
        [
            ("cluster-require-full-coverage", word(self.full_coverage)),
            (
                "cluster-allow-replica-migration",
                word(self.replica_migration),
            ),
            ("cluster-replica-validity-factor", self.validity.to_string()),
            ("repl-ping-replica-period", "1".to_owned()),
            ("cluster-migration-barrier", "1".to_owned()),
        ]
    }

    /// The cluster, not started yet.
    pub fn builder(&self) -> ClusterBuilder {
        let mut builder = Cluster::builder()
            .masters(self.masters)
            .replicas(self.replicas)
            .nodes(self.empty)
            .seed(self.seed)
            .clock(Clock::stepped())
            .without_sockets()
            .node_timeout(Duration::from_millis(self.timeout))
            .delay(Duration::from_micros(200)..Duration::from_micros(self.delay));
        for (name, value) in self.parameters() {
            builder = builder.config(name, &value);
        }
        builder
    }

    /// The same as Rust.
    pub fn code(&self) -> String {
        let mut code = format!(
            "Cluster::builder()\n        .masters({})\n        .replicas({})\n        .nodes({})\n        .seed({})\n        .clock(Clock::stepped())\n        .without_sockets()\n        \
             .node_timeout(Duration::from_millis({}))\n        .delay(Duration::from_micros(200)..Duration::from_micros({}))\n",
            self.masters, self.replicas, self.empty, self.seed, self.timeout, self.delay
        );
        for (name, value) in self.parameters() {
            code.push_str(&format!("        .config({name:?}, {value:?})\n"));
        }
        code
    }
}

/// The name of a key.
pub fn key_name(key: u8) -> String {
    format!("seat:{key}")
}

impl How {
    /// What stands after CLUSTER FAILOVER.
    pub fn word(self) -> Option<&'static str> {
        match self {
            How::Manual => None,
            How::Force => Some("FORCE"),
            How::Takeover => Some("TAKEOVER"),
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.setup)?;
        self.events
            .iter()
            .try_for_each(|event| writeln!(f, "{event:?}"))
    }
}
