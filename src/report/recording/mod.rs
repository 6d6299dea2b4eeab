//! The recording of a green run of a lab: what was typed and what it printed, in a form that is the same for every run, and beside it what was
//! measured. It is what the guide shows, so it lies in the repository and is read in reviews.
//!
//! What differs from run to run has the name of what it is: `[redis-7 id]`, `[epoch]`, `[offset]`. Two recordings of one lab differ in `verified`
//! and in `figures`, and in nothing else. Addresses and ports are those of the course (`172.30.0.11:7001`), which every reader has; only
//! others have a name in their place.

mod figures;
mod order;
mod placeholders;
mod recorder;

use serde::{Deserialize, Serialize};

use crate::load::{Latency, ProbeReport};

pub use figures::Figure;
pub use recorder::{Recorded, Recorder};

/// A recorded lab.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// The lab's file without folder and ending: `07-scale-down`.
    pub lab: String,
    /// Which version of the lab was run: its [`fingerprint`](crate::lab::fingerprint::fingerprint).
    pub fingerprint: String,
    /// The steps, in the lab's order.
    pub steps: Vec<RecordedStep>,
    /// When and on what.
    pub verified: Verified,
    /// What was measured.
    pub figures: Figures,
}

/// A step of a recorded lab.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedStep {
    /// Its id.
    pub id: String,
    /// Why it was not run, if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Its commands: none, one, or one for each item of `each`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<RecordedRun>,
}

/// A command of a recorded step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedRun {
    /// As typed.
    pub typed: String,
    /// How it ended; `None` of one that was stopped.
    pub exit: Option<i32>,
    /// Whether what it printed is itself a measurement. Then it stands among the figures, and `output` is empty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub measured: bool,
    /// What a terminal would have shown, line by line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<String>,
}

/// When a lab was green, and on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verified {
    /// The day (UTC): `2026-11-27`.
    pub date: String,
    /// labrunner's version.
    pub labrunner: String,
    /// `docker`, `local`, `sim`.
    pub backend: String,
    /// What the backend consists of: `Docker Engine 20.10.24, …`.
    pub with: String,
    /// The server, as it names itself: `redis 7.0.15`.
    pub server: Option<String>,
}

/// What was measured in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// How long the lab took, cleanup included.
    pub took_ms: u64,
    /// How long it took to make the cluster that the lab starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_ms: Option<u64>,
    /// How long it took to remove everything.
    pub cleanup_ms: u64,
    /// How many checks were made.
    pub checks: usize,
    /// Of each step that was run.
    pub steps: Vec<StepFigures>,
}

/// What was measured in a step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepFigures {
    /// Its id.
    pub step: String,
    /// How long it took.
    pub took_ms: u64,
    /// What its probe counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeFigures>,
    /// The failover that was watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<TimelineFigures>,
    /// What its measured commands printed, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Measured>,
}

/// What a command printed that measures something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// JSON.
    Json(serde_json::Value),
    /// Lines.
    Lines(Vec<String>),
}

/// What a probe counted. Times in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeFigures {
    /// Operations begun.
    pub operations: u64,
    /// Of these, those that did not succeed.
    pub failed: u64,
    /// Acknowledged writes that were gone.
    pub lost: u64,
    /// Keys with another value than the one written.
    pub wrong: u64,
    /// `ASK` redirections met.
    pub asked: u64,
    /// `MOVED` redirections met.
    pub moved: u64,
    /// The longest time without a success.
    pub longest_gap_ms: f64,
    /// Half of the operations took no longer.
    pub p50_ms: f64,
    /// 99 of 100 took no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// A failover that was watched. Times in milliseconds from the start of the step's command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimelineFigures {
    /// The master that failed.
    pub node: String,
    /// Who took over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The moments that were seen, with their times.
    pub moments: Vec<(String, f64)>,
}

/// As a probe's report, to be told in the same words.
impl From<ProbeFigures> for ProbeReport {
    fn from(figures: ProbeFigures) -> Self {
        ProbeReport {
            operations: figures.operations,
            failed: figures.failed,
            lost: figures.lost,
            wrong: figures.wrong,
            asked: figures.asked,
            moved: figures.moved,
            longest_gap_ms: figures.longest_gap_ms,
            latency: Latency {
                p50_ms: figures.p50_ms,
                p99_ms: figures.p99_ms,
                max_ms: figures.max_ms,
            },
            audited: true,
            ..ProbeReport::default()
        }
    }
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    /// What is wrong with it, in one sentence with its place.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// As a file: JSON with one line for each line of output, so that a change can be read.
    ///
    /// # Errors
    /// Those of the serializer, which has none for these types.
    pub fn to_text(&self) -> Result<String, String> {
        serde_json::to_string_pretty(self)
            .map(|text| text + "\n")
            .map_err(|error| error.to_string())
    }

    /// The step called `id`.
    pub fn step(&self, id: &str) -> Option<&RecordedStep> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// What was measured in the step called `id`.
    pub fn step_figures(&self, id: &str) -> Option<&StepFigures> {
        self.figures.steps.iter().find(|step| step.step == id)
    }
}
