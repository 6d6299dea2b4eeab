//! Everything that happens in a run, as data. One writer (the engine), many readers: the terminal, the journal, every report.
//! What a report shows comes from here and from nowhere else, so that all reports tell the same story.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::cluster::{NodeId, NodeName, Timeline};
use crate::lab::action::{Output, milliseconds};
use crate::load::ProbeReport;

/// An event with its place in the run.
#[derive(Debug, Clone, Serialize)]
pub struct Stamped {
    /// 1, 2, 3, … without a gap.
    pub seq: u64,
    /// Time since the run began.
    #[serde(rename = "at_ms", serialize_with = "milliseconds")]
    pub at: Duration,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen in a run.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first event of every run.
    RunStarted {
        /// The run's id, which stands in the name of everything that it makes.
        run: String,
        /// labrunner's version.
        version: &'static str,
        /// When, in seconds since 1970 (UTC).
        unix_seconds: u64,
        /// The files of the labs to run, as given.
        files: Vec<String>,
    },
    /// Where the nodes will live.
    BackendChosen {
        /// `docker`, `local`, `sim`.
        backend: &'static str,
        /// Why this one, in one sentence.
        why: String,
    },
    /// A lab begins.
    LabStarted {
        /// Its file.
        file: String,
        /// Its number in the course.
        number: Option<u32>,
        /// Its title.
        title: String,
        /// How many steps it has.
        steps: usize,
    },
    /// The lab does not run on this backend.
    LabSkipped {
        /// Why, in the author's words.
        reason: String,
    },
    /// The cluster that `given` asks for is being made.
    GivenStarted {
        /// What, in a few words: `4 masters, 4 replicas, 10000 keys`.
        what: String,
    },
    /// What is being waited for.
    GivenPhase {
        /// In a few words.
        phase: String,
    },
    /// The environment of the lab before is used for this one: what became of the nodes that were there.
    EnvironmentReused {
        /// Nodes that the lab starts with and that were reset: as good as just started.
        kept: Vec<NodeName>,
        /// Nodes that it starts with and that could not be: removed, and made anew; each with the reason.
        remade: BTreeMap<NodeName, String>,
        /// Nodes that it does not start with: removed.
        removed: Vec<NodeName>,
    },
    /// What the lab starts from was not reached in the environment of the lab before: that one is removed, and another is made.
    EnvironmentGivenUp {
        /// Why, in one sentence.
        why: String,
    },
    /// The cluster is as `given` asks.
    GivenReady {
        /// From no container, or from what the lab before has left, to the last key.
        #[serde(rename = "took_ms", serialize_with = "milliseconds")]
        took: Duration,
        /// Every node's id.
        ids: BTreeMap<NodeName, NodeId>,
        /// The server, as it names itself: `redis 7.0.15`.
        server: Option<String>,
    },
    /// A step begins.
    StepStarted {
        /// Its id.
        step: String,
        /// 1 for the first.
        index: usize,
        /// Its title.
        title: String,
    },
    /// The step does not run on this backend or version.
    StepSkipped {
        /// Its id.
        step: String,
        /// Why, in the author's words.
        reason: String,
    },
    /// A command is started.
    CommandStarted {
        /// The step's id.
        step: String,
        /// As the course shows it, templates filled in.
        typed: String,
        /// What is really done, with the environment's own names.
        really: String,
        /// Of a step with `each`: which item, from 1, and of how many.
        item: Option<(usize, usize)>,
    },
    /// A `make` target that was started runs one of the commands that it stands for.
    TargetCommand {
        /// The step's id.
        step: String,
        /// As the course shows it.
        typed: String,
        /// What is really done, with the environment's own names.
        really: String,
    },
    /// A `watch` that was started has run its command once more.
    Repeated {
        /// The step's id.
        step: String,
        /// 1 for the first time.
        times: u32,
        /// What came of it this time.
        #[serde(flatten)]
        output: Output,
    },
    /// A command has ended.
    CommandFinished {
        /// The step's id.
        step: String,
        /// What came of it.
        #[serde(flatten)]
        output: Output,
    },
    /// A command that was started has no output and no exit code: it was interrupted, or could not be carried out. Every
    /// `CommandStarted` is followed by this or by `CommandFinished`.
    CommandGivenUp {
        /// The step's id.
        step: String,
        /// Why, in a few words.
        why: String,
    },
    /// A value was saved.
    Saved {
        /// The step's id.
        step: String,
        /// The capture's name.
        name: String,
        /// Its value.
        value: String,
    },
    /// The engine waits for a check to come true.
    Waiting {
        /// The step's id.
        step: String,
        /// What for: the check, in words.
        what: String,
        /// What was last seen instead.
        seen: String,
    },
    /// What nodes answered, raw: when a step begins to look, and when checks were decided. The looks between are too many to keep.
    Observed {
        /// The step's id.
        step: String,
        /// Node, command, and the reply as the server sent it.
        replies: Vec<RawReply>,
    },
    /// A check was decided.
    Checked {
        /// The step's id.
        step: String,
        /// The verdict and what it rests on.
        #[serde(flatten)]
        verdict: Verdict,
    },
    /// A check is left out on the servers at hand.
    CheckSkipped {
        /// The step's id.
        step: String,
        /// The check, in words.
        what: String,
        /// Why: `only on >= 7.2`.
        reason: String,
    },
    /// A probe has ended.
    Probed {
        /// The step's id.
        step: String,
        /// What it counted.
        report: ProbeReport,
    },
    /// A failover was watched, from the start of a step's command until all that was awaited had been seen.
    Timeline {
        /// The step's id.
        step: String,
        /// The master that was to fail.
        node: NodeName,
        /// When the step's command began, in milliseconds since 1970 (UTC): what the moments are counted from.
        zero_unix_ms: u64,
        /// The moments that the step's check waits for; the watch ends when all of them have been seen.
        awaited: Vec<&'static str>,
        /// How long it was watched.
        #[serde(rename = "watched_ms", serialize_with = "milliseconds")]
        watched: Duration,
        /// The moments, each with the raw reply that proved it.
        timeline: Timeline,
    },
    /// A step's command goes on while the next steps run. Until `StepAwaited`, what is told of this step comes between what is told of
    /// others.
    StepInBackground {
        /// Its id.
        step: String,
    },
    /// The lab waits until a step's command that went on in the background has ended; then the step is decided.
    StepAwaited {
        /// Its id.
        step: String,
        /// Whether its command is stopped now, since it has no end of its own.
        stopped: bool,
    },
    /// A step has ended.
    StepFinished {
        /// Its id.
        step: String,
        /// How.
        outcome: Outcome,
        /// How long it took.
        #[serde(rename = "took_ms", serialize_with = "milliseconds")]
        took: Duration,
    },
    /// Something went wrong that is not a check: no answer from the environment, a template without a value, a broken command.
    Trouble {
        /// The step's id, if it was in one.
        step: Option<String>,
        /// What, in one sentence.
        what: String,
        /// What to do about it.
        help: Option<String>,
    },
    /// The cluster at the moment of a failure.
    Scene {
        /// The step's id.
        step: String,
        /// What to show, already in words.
        scene: Scene,
    },
    /// Somebody pressed Ctrl-C, or the process was asked to end.
    Interrupted {
        /// How often until now.
        times: u32,
    },
    /// `cleanup` commands and the removal of the environment begin.
    CleanupStarted,
    /// All that the run made is removed, or kept for the next lab.
    CleanupFinished {
        /// Whether the environment is kept for the next lab, and nothing was removed.
        kept: bool,
        /// How long it took.
        #[serde(rename = "took_ms", serialize_with = "milliseconds")]
        took: Duration,
        /// What could not be removed.
        left: Vec<String>,
    },
    /// A lab has ended.
    LabFinished {
        /// Its file.
        file: String,
        /// How.
        outcome: Outcome,
        /// Steps and checks, by how they ended.
        counts: Counts,
        /// How long it took, cleanup included.
        #[serde(rename = "took_ms", serialize_with = "milliseconds")]
        took: Duration,
    },
    /// The last event of every run.
    RunFinished {
        /// Labs by how they ended.
        labs: Counts,
        /// The exit code of the process.
        exit_code: u8,
        /// How long it took.
        #[serde(rename = "took_ms", serialize_with = "milliseconds")]
        took: Duration,
    },
}

/// One node's answer, as it sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RawReply {
    /// Who answered.
    pub node: NodeName,
    /// What it was asked.
    pub command: String,
    /// The reply, or why there was none.
    pub reply: String,
}

/// How a lab, a step or a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every check held.
    Passed,
    /// A check did not hold.
    Failed,
    /// Not run, for a reason that the author gave.
    Skipped,
    /// The environment broke, or a command could not be carried out.
    Broken,
    /// Interrupted.
    Interrupted,
}

/// How many of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Skipped.
    pub skipped: usize,
    /// Not run, since something before it failed.
    pub not_run: usize,
    /// Checks that were made.
    pub checks: usize,
}

/// When, in a step, a check is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Before the step's command.
    Before,
    /// While it ran.
    During,
    /// After it.
    After,
}

/// A check that was decided, and what the decision rests on.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// Whether it is as the lab says.
    pub passed: bool,
    /// `expect` or `holds`.
    pub list: &'static str,
    /// The check in words: `redis-7 owns 0 slots`.
    pub expected: String,
    /// What was last seen, in the same terms: `redis-7 owns 1365 slots`.
    pub seen: String,
    /// When it was decided.
    pub when: When,
    /// How often it was looked at.
    pub looks: u32,
    /// Over how long.
    #[serde(rename = "looked_for_ms", serialize_with = "milliseconds")]
    pub looked_for: Duration,
    /// The deadline that it had, if any.
    pub within_ms: Option<u64>,
    /// The author's reason for the check (`why:`).
    pub why: Option<String>,
    /// Where the check stands.
    pub place: Place,
    /// What the verdict rests on.
    pub evidence: Vec<RawReply>,
}

/// A place in a lab's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, as given.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// The cluster at one moment, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Scene {
    /// A line a node: name, role, slots, flags, links, or why it does not answer.
    pub nodes: Vec<String>,
    /// Where nodes' views differ: a sentence each.
    pub disagreements: Vec<String>,
    /// The last log lines of nodes that died.
    pub logs: Vec<(NodeName, String)>,
}
