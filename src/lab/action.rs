//! What a `run` line asks for, once its templates are filled in: the closed set of things that a backend can be told to do.
//!
//! Everything here is in the course's own terms (`redis-1`, 7001, `172.30.0.11`); a backend turns it into those of its environment.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::environment::POSTGRES;
use crate::cluster::NodeName;

/// One thing for a backend to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `docker compose up -d redis-8`, `docker stop redis-1` and their like.
    Nodes {
        /// What happens to the nodes.
        change: NodeChange,
        /// The nodes, in the order typed; never empty. The service [`POSTGRES`] may be among them.
        nodes: Vec<NodeName>,
    },
    /// `docker network disconnect … redis-1` and its opposite.
    Links {
        /// Cut or healed.
        change: LinkChange,
        /// The node whose links are meant.
        node: NodeName,
    },
    /// `redis-cli …`.
    RedisCli(RedisCliCall),
    /// `./app …`.
    App(AppCall),
    /// `psql …`.
    Psql(PsqlCall),
}

impl Action {
    /// Whether it starts, stops or changes PostgreSQL itself, and not what is in it.
    pub fn changes_postgres(&self) -> bool {
        match self {
            Action::Nodes { nodes, .. } => nodes.iter().any(|node| node.as_str() == POSTGRES),
            Action::Links { .. } | Action::RedisCli(_) | Action::App(_) | Action::Psql(_) => false,
        }
    }
}

/// A change of a node's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeChange {
    /// Made if it is not there, and started: `docker compose up -d`.
    Up,
    /// Started again after a stop.
    Start,
    /// Asked to end (SIGTERM), then forced.
    Stop,
    /// Ended at once (SIGKILL).
    Kill,
    /// Frozen: it keeps its connections and answers nothing.
    Pause,
    /// Thawed.
    Unpause,
    /// Stopped and started.
    Restart,
    /// Removed with its data: `docker compose rm`.
    Remove,
}

/// A change of a node's links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkChange {
    /// The node reaches nobody and nobody reaches it.
    Disconnect,
    /// All as before.
    Connect,
}

/// A call of redis-cli, in the course's terms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisCliCall {
    /// `-h`, as typed: a node's name, its course address, or the loopback address.
    pub host: Option<String>,
    /// `-p`, as typed.
    pub port: Option<u16>,
    /// All other options before the command, in order (`-c`, `--raw`, …).
    pub options: Vec<String>,
    /// The command and its arguments, or, with `cluster_mode`, the subcommand and everything after it.
    pub words: Vec<String>,
    /// `--cluster`: `words` is an administration command of redis-cli itself.
    pub cluster_mode: bool,
    /// What the command reads from its standard input (`stdin:`).
    pub stdin: Option<String>,
}

/// A call of the application. Which cluster it talks to is not said by it: that is the environment's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppCall {
    /// The command and its options, as they stand behind `./app`.
    pub words: Vec<String>,
}

/// A call of psql. Which server, database and user it means is not said by it: these are the environment's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PsqlCall {
    /// Options for what is printed and how, in order (`-t`, `-A`, `--csv`, …).
    pub options: Vec<String>,
    /// One statement.
    pub statement: String,
}

/// The limits within which an action runs.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// After this the action is stopped, whatever it is doing.
    pub time: Duration,
    /// Bytes of output kept; of what is longer, the beginning and the end are.
    pub output: usize,
}

/// What came of an action that was carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Output {
    /// The exit code; `None` when it was stopped at its time limit.
    pub exit: Option<i32>,
    /// Standard output, in the course's terms.
    pub stdout: String,
    /// Standard error, in the course's terms.
    pub stderr: String,
    /// Both, in the order in which they came.
    pub combined: String,
    /// Bytes that were printed and not kept, over both streams.
    pub cut_bytes: u64,
    /// How long it took.
    #[serde(
        rename = "took_ms",
        serialize_with = "crate::lab::action::milliseconds"
    )]
    pub took: Duration,
}

/// Writes a duration as milliseconds with three decimals, the one way in which times stand in journals and reports.
///
/// # Errors
/// Those of the serializer.
pub fn milliseconds<S: serde::Serializer>(time: &Duration, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_f64((time.as_secs_f64() * 1_000_000.0).round() / 1000.0)
}

impl fmt::Display for NodeChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NodeChange::Up => "up",
            NodeChange::Start => "start",
            NodeChange::Stop => "stop",
            NodeChange::Kill => "kill",
            NodeChange::Pause => "pause",
            NodeChange::Unpause => "unpause",
            NodeChange::Restart => "restart",
            NodeChange::Remove => "rm",
        })
    }
}
