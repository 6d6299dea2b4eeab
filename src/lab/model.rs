//! A lab as types: what [`load`](fn@super::load) makes of a file, and what the engine, the guide and the learner's side read.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::line::Line;
use super::quantity::{Comparison, Pattern, VersionRule};
use super::source::{Source, Span};
use super::template::Template;
use crate::cluster::{NodeName, SlotSet};

/// A value and where it stands in the lab's file.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

/// A whole lab. Every field means what the key of the same name does; see [`keys`](super::keys).
#[derive(Debug, Clone)]
pub struct Lab {
    /// The file.
    pub source: Source,
    /// The lab's number in the course.
    pub number: Option<u32>,
    /// Its title.
    pub title: String,
    /// What the reader learns.
    pub objective: String,
    /// How long a reader needs.
    pub minutes: Option<u32>,
    /// What stands before the first step.
    pub text: Option<String>,
    /// The cluster that it starts from.
    pub given: Option<Given>,
    /// Backends on which it is not run, with the reasons.
    pub skip_on: Vec<Skip>,
    /// The steps; never empty.
    pub steps: Vec<Step>,
    /// The learning points; never empty.
    pub points: Vec<Point>,
}

impl Lab {
    /// The step called `id`.
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id.value == id)
    }

    /// The step that awaits the command of the background step `id`; there is exactly one.
    pub fn awaiting(&self, id: &str) -> Option<&Step> {
        let awaits = |step: &&Step| step.awaits.as_ref().is_some_and(|name| name.value == id);
        self.steps.iter().find(awaits)
    }
}

/// The cluster that a lab starts from.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// `cluster-node-timeout`.
    pub node_timeout: Option<Duration>,
    /// Masters with their slots, as listed.
    pub masters: Vec<(NodeName, SlotSet)>,
    /// Replicas with their masters, as listed.
    pub replicas: Vec<(NodeName, NodeName)>,
    /// Keys to write.
    pub keys: Option<GivenKeysSpec>,
    /// What PostgreSQL has; nothing for a lab that does without it.
    pub postgres: Option<GivenPostgres>,
}

/// What is in the database that a lab starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GivenPostgres {
    /// Nothing.
    Empty,
    /// The application's tables, and nothing in them.
    Migrated,
}

impl Given {
    /// All nodes, masters first.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeName> {
        self.masters
            .iter()
            .map(|(name, _)| name)
            .chain(self.replicas.iter().map(|(name, _)| name))
    }

    /// The slot for `hot_slot` keys: the first of the master that is listed last.
    pub fn hot_slot(&self) -> Option<crate::cluster::Slot> {
        self.masters
            .last()
            .and_then(|(_, slots)| slots.iter().next())
    }
}

/// Keys that `given` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenKeysSpec {
    /// How many.
    pub count: u32,
    /// How many of them in one slot.
    pub hot_slot: Option<u32>,
}

/// A backend on which something is not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// The backend.
    pub backend: String,
    /// Why.
    pub reason: String,
}

/// A step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its id.
    pub id: Spanned<String>,
    /// Its title.
    pub title: String,
    /// What the reader is told.
    pub text: Option<String>,
    /// The command.
    pub run: Option<Spanned<Line>>,
    /// What the command reads.
    pub stdin: Option<Spanned<Template>>,
    /// The items with which the command is done once each; empty for a step that does it once.
    pub each: Vec<Item>,
    /// What is saved.
    pub save: Vec<Save>,
    /// A pause; beside a `run` that has no end of its own, how long that goes on.
    pub wait: Option<Duration>,
    /// Whether the command goes on while the next steps run.
    pub background: bool,
    /// The background step whose command is awaited before this step's own begins; an endless one is stopped.
    pub awaits: Option<Spanned<String>>,
    /// The probe that goes on beside the command.
    pub probe: Option<Spanned<ProbeSpec>>,
    /// How long the command may take.
    pub timeout: Duration,
    /// What becomes true.
    pub expect: Vec<Check>,
    /// What is true throughout.
    pub holds: Vec<Check>,
    /// Where the truth differs from the course text.
    pub note: Option<String>,
    /// For a learner who is stuck.
    pub hint: Option<String>,
    /// For a learner who gives up.
    pub solution: Option<String>,
    /// Backends on which it is not run.
    pub skip_on: Vec<Skip>,
    /// Servers on which it is run.
    pub on: Option<VersionRule>,
    /// Commands for the end of the lab.
    pub cleanup: Vec<Spanned<Line>>,
}

impl Step {
    /// Whether its command goes on until it is stopped.
    pub fn is_endless(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.value.is_endless())
    }

    /// Whether it measures how long requests take and is judged by that: a load test that is awaited at once, with a check of its `latency_ms`. Anything that the
    /// machine does beside it spoils it. One in the background goes by the clock, and has seconds to make up for a disturbance.
    pub fn judges_latency(&self) -> bool {
        let is_latency = |check: &Check| match &check.kind {
            CheckKind::Json { path, .. } => {
                path.parts.first() == Some(&JsonPart::Field("latency_ms".to_owned()))
            }
            _ => false,
        };
        let is_load_test = |run: &Spanned<Line>| run.value.is_load_test();
        !self.background
            && self.run.as_ref().is_some_and(is_load_test)
            && self.expect.iter().chain(&self.holds).any(is_latency)
    }
}

/// How long a command may take if its step does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a check of `expect` may take to come true if it does not say.
pub const DEFAULT_WITHIN: Duration = Duration::from_secs(10);

/// How long the moments of a `timeline` may take to be seen if it does not say. Ample for the node timeouts that labs set.
pub const DEFAULT_TIMELINE_WITHIN: Duration = Duration::from_secs(30);

/// One item of `each`: names and values.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// In the order written.
    pub values: Vec<(String, Spanned<Template>)>,
    /// Where the item stands.
    pub span: Span,
}

/// A value to save.
#[derive(Debug, Clone, PartialEq)]
pub struct Save {
    /// Its name.
    pub name: Spanned<String>,
    /// Where it comes from.
    pub source: SaveSource,
}

/// Where a saved value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum SaveSource {
    /// All of the standard output, without white space at its ends.
    Stdout,
    /// All of the standard error, likewise.
    Stderr,
    /// A value in the JSON on the standard output.
    Json(JsonPath),
    /// The first match of a pattern in the standard output: its first group, or all of it if it has none.
    Match(Pattern),
}

/// A path into JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath {
    /// As written.
    pub text: String,
    /// Its steps.
    pub parts: Vec<JsonPart>,
}

/// A step of a path into JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonPart {
    /// `.name`, or `["name"]` for one with dots or brackets in it
    Field(String),
    /// `[0]`
    Index(usize),
}

/// The probe of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeSpec {
    /// Operations a second.
    pub rate: u32,
    /// Where.
    pub slots: ProbeTarget,
}

/// Which slots a probe asks.
#[derive(Debug, Clone, PartialEq)]
pub enum ProbeTarget {
    /// All.
    All,
    /// Those that the step's reshard takes from a node.
    Moving,
    /// These.
    Slots(SlotSet),
}

/// A check with what is common to all kinds.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What is checked.
    pub kind: CheckKind,
    /// Where the kind's key stands.
    pub span: Span,
    /// `within:`, if written.
    pub within: Option<Duration>,
    /// `for:`, if written.
    pub lasting: Option<Duration>,
    /// Servers on which it is made.
    pub on: Option<VersionRule>,
    /// Why it has to be so.
    pub why: Option<String>,
}

/// What can be checked.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckKind {
    /// The exit code.
    Exit(Comparison),
    /// Text that the command printed.
    Text {
        /// Which.
        stream: Stream,
        /// What it is like.
        test: TextTest,
    },
    /// A value in JSON that the command printed.
    Json {
        /// Where.
        path: JsonPath,
        /// What it is like.
        test: JsonTest,
    },
    /// The cluster.
    Cluster(ClusterTest),
    /// One node.
    Node(NodeTest),
    /// Fields of INFO.
    Info {
        /// The node.
        node: NodeName,
        /// The fields with their values.
        fields: Vec<(String, Template)>,
    },
    /// How far a replica is behind.
    Lag {
        /// The replica.
        replica: NodeName,
        /// In bytes.
        bytes: Comparison,
    },
    /// Every key of `given` has its value.
    GivenKeys,
    /// What the probe counted.
    Probe(ProbeTest),
    /// When the moments of a failover were, counted from the start of the step's command.
    Timeline(TimelineTest),
    /// What a query of PostgreSQL gives.
    Sql(SqlTest),
}

impl CheckKind {
    /// Whether it looks at what the command printed or how it ended. The others look at the cluster or the database, and can look again.
    pub fn is_of_output(&self) -> bool {
        matches!(
            self,
            CheckKind::Exit(_) | CheckKind::Text { .. } | CheckKind::Json { .. }
        )
    }

    /// Whether it looks at the state of nodes or of the database, again and again if need be.
    pub fn is_of_state(&self) -> bool {
        !self.is_of_output() && !matches!(self, CheckKind::Probe(_) | CheckKind::Timeline(_))
    }
}

/// Which text of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Both, in the order in which they came.
    Both,
}

/// What a text is like; at least one is there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TextTest {
    /// It is this.
    pub equals: Option<Template>,
    /// This stands in it.
    pub contains: Option<Template>,
    /// This does not.
    pub lacks: Option<Template>,
    /// A part matches.
    pub matches: Option<Pattern>,
    /// How many lines.
    pub lines: Option<Comparison>,
    /// Whether there is nothing.
    pub empty: Option<bool>,
}

/// What a value in JSON is like; at least one is there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JsonTest {
    /// It is this.
    pub equals: Option<Template>,
    /// It is a number like this.
    pub is: Option<Comparison>,
}

/// What the cluster is like; at least one is there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClusterTest {
    /// `cluster_state` is ok.
    pub ok: Option<bool>,
    /// All members agree.
    pub agree: Option<bool>,
    /// Masters that have not failed.
    pub masters: Option<Comparison>,
    /// Replicas that have not failed.
    pub replicas: Option<Comparison>,
    /// `cluster_known_nodes`.
    pub known_nodes: Option<Comparison>,
    /// `cluster_slots_assigned`.
    pub slots_assigned: Option<Comparison>,
}

/// What a node is like; at least one is there beside the name.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeTest {
    /// Which.
    pub name: NodeName,
    /// `true`: a master; `false`: a replica.
    pub is_master: Option<bool>,
    /// Whose replica.
    pub master: Option<NodeName>,
    /// How many slots.
    pub slots: Option<Comparison>,
    /// Slots that it owns.
    pub owns: Option<SlotSet>,
    /// How many replicas.
    pub replicas: Option<Comparison>,
    /// The replica's link is up.
    pub link_up: Option<bool>,
    /// What the others think of it.
    pub health: Option<Health>,
    /// Whether the others know it.
    pub member: Option<bool>,
    /// Whether it answers.
    pub running: Option<bool>,
    /// How many keys.
    pub keys: Option<Comparison>,
}

/// What most members think of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Neither of the others.
    Ok,
    /// `fail?`
    Suspected,
    /// `fail`
    Failed,
}

/// What a probe counted; at least one is there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProbeTest {
    /// The counts that are checked: the key of the language, and what it has to be.
    pub counts: Vec<(&'static str, Comparison)>,
}

/// The moments of a failover; at least one is there beside the node.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineTest {
    /// The master that fails.
    pub node: NodeName,
    /// The replica that takes over, if it is said which.
    pub to: Option<NodeName>,
    /// Moments with the time that each may have: `suspected`, `failed`, `promoted`, `recovered`.
    pub moments: Vec<(&'static str, Comparison)>,
}

/// What a query gives; at least one is there beside the query.
#[derive(Debug, Clone, PartialEq)]
pub struct SqlTest {
    /// One statement that only looks.
    pub query: Template,
    /// Its one value is this.
    pub value: Option<Template>,
    /// Its one value is a number like this.
    pub is: Option<Comparison>,
    /// How many rows.
    pub rows: Option<Comparison>,
    /// These rows, in this order.
    pub equals: Option<Vec<Template>>,
}

/// A learning point.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The point.
    pub text: String,
    /// The steps that prove it; never empty.
    pub proved_by: Vec<Spanned<String>>,
}
