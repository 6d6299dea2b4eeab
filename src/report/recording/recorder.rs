//! Makes recordings from a run's events.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::order::{cut, replicas_folded, settled};
use super::placeholders::Placeholders;
use super::{
    Figures, Measured, ProbeFigures, RecordedRun, RecordedStep, Recording, StepFigures,
    TimelineFigures, Verified,
};
use crate::cluster::{Timeline, Topology};
use crate::engine::event::{Event, Outcome, RawReply, Stamped};
use crate::lab::Lab;
use crate::lab::action::{Action, Output};
use crate::lab::fingerprint::fingerprint;
use crate::lab::line::{Line, Task};
use crate::load::ProbeReport;
use crate::redis_cli::{lines_on_terminal, on_terminal};
use crate::report::Reporter;

/// Lines of a measured output that are kept.
const MEASURED_LINES: usize = 40;
/// Items of a list in measured JSON that are kept.
const MEASURED_ITEMS: usize = 3;

/// What a command has in it whose output is a measurement: another one every time.
const MEASURES: [&str; 8] = [
    "load-test",
    "watch-cluster",
    "watch -n",
    "./app watch",
    "INFO stats",
    "INFO memory",
    " TTL ",
    " PTTL ",
];

/// The recordings that were made; shared with the [`Recorder`], to be asked after the run's last event.
#[derive(Debug, Clone, Default)]
pub struct Recorded(Arc<Mutex<Vec<Recording>>>);

impl Recorded {
    /// Takes all that were made, one for each lab that passed.
    pub fn take(&self) -> Vec<Recording> {
        // Plain data: what a thread that panicked left in it is as good as any.
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes a recording of every lab that passes.
pub struct Recorder {
    labs: BTreeMap<String, LabFacts>,
    recorded: Recorded,
    date: String,
    version: &'static str,
    backend: (&'static str, String),
    now: Option<Take>,
}

/// What has to be known of a lab beside its events.
struct LabFacts {
    fingerprint: String,
    /// What the commands of steps read, as written.
    stdin: BTreeMap<String, String>,
    /// Steps in their order.
    order: Vec<String>,
}

/// The lab that runs.
#[derive(Default)]
struct Take {
    file: String,
    server: Option<String>,
    given_ms: Option<u64>,
    cleanup_ms: u64,
    /// The steps are done; what is run now is run to leave nothing behind.
    cleaning: bool,
    placeholders: Placeholders,
    steps: Vec<StepTake>,
}

#[derive(Default)]
struct StepTake {
    id: String,
    skipped: Option<String>,
    runs: Vec<RunTake>,
    took_ms: u64,
    probe: Option<ProbeFigures>,
    timeline: Option<TimelineFigures>,
}

struct RunTake {
    typed: String,
    output: Option<Output>,
}

impl Recorder {
    /// A recorder for a run of these labs.
    pub fn new(labs: &[Lab]) -> Recorder {
        let facts = |lab: &Lab| LabFacts {
            fingerprint: fingerprint(&lab.source).unwrap_or_default(),
            stdin: lab
                .steps
                .iter()
                .filter_map(|step| {
                    let stdin = step.stdin.as_ref()?.value.as_written().to_owned();
                    Some((step.id.value.clone(), stdin))
                })
                .collect(),
            order: lab.steps.iter().map(|step| step.id.value.clone()).collect(),
        };
        Recorder {
            labs: labs
                .iter()
                .map(|lab| (lab.source.name().to_owned(), facts(lab)))
                .collect(),
            recorded: Recorded::default(),
            date: String::new(),
            version: "",
            backend: ("", String::new()),
            now: None,
        }
    }

    /// Where the recordings will be.
    pub fn recorded(&self) -> Recorded {
        self.recorded.clone()
    }

    fn step(&mut self, id: &str) -> Option<&mut StepTake> {
        let steps = &mut self.now.as_mut()?.steps;
        if !steps.iter().any(|step| step.id == id) {
            steps.push(StepTake {
                id: id.to_owned(),
                ..StepTake::default()
            });
        }
        steps.iter_mut().find(|step| step.id == id)
    }

    fn is_cleaning(&self) -> bool {
        self.now.as_ref().is_some_and(|now| now.cleaning)
    }

    fn learn(&mut self, replies: &[RawReply]) {
        let Some(now) = &mut self.now else { return };
        let views = replies
            .iter()
            .filter(|reply| reply.command == "CLUSTER NODES");
        for view in views {
            if let Ok(topology) = Topology::parse(&view.reply)
                && let Some(myself) = topology.myself()
            {
                now.placeholders.id(myself.id, &view.node);
            }
        }
    }

    fn lab_ended(&mut self, outcome: Outcome, checks: usize, took_ms: u64) {
        let Some(mut take) = self.now.take() else {
            return;
        };
        let Some(facts) = self.labs.get(&take.file) else {
            return;
        };
        if outcome != Outcome::Passed {
            return;
        }
        // A step in the background began before others and ended after them; it stands where the lab has it.
        let place = |id: &str| facts.order.iter().position(|known| known == id);
        take.steps.sort_by_key(|step| place(&step.id));
        let (mut steps, mut figures) = (Vec::new(), Vec::new());
        for step in &take.steps {
            let stdin = facts.stdin.get(&step.id).map(String::as_str);
            let mut measured = Vec::new();
            let runs = step
                .runs
                .iter()
                .map(|run| run.record(stdin, &take.placeholders, &mut measured))
                .collect();
            steps.push(RecordedStep {
                id: step.id.clone(),
                skipped: step.skipped.clone(),
                runs,
            });
            if step.skipped.is_none() {
                figures.push(StepFigures {
                    step: step.id.clone(),
                    took_ms: step.took_ms,
                    probe: step.probe,
                    timeline: step.timeline.clone(),
                    outputs: measured,
                });
            }
        }
        let recording = Recording {
            lab: lab_name(&take.file),
            fingerprint: facts.fingerprint.clone(),
            steps,
            verified: Verified {
                date: self.date.clone(),
                labrunner: self.version.to_owned(),
                backend: self.backend.0.to_owned(),
                with: self.backend.1.clone(),
                server: take.server,
            },
            figures: Figures {
                took_ms,
                given_ms: take.given_ms,
                cleanup_ms: take.cleanup_ms,
                checks,
                steps: figures,
            },
        };
        self.recorded
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(recording);
    }
}

impl Reporter for Recorder {
    fn on(&mut self, event: &Stamped) {
        match &event.event {
            Event::RunStarted {
                version,
                unix_seconds,
                ..
            } => {
                self.version = version;
                self.date = day(*unix_seconds);
            }
            Event::BackendChosen { backend, why } => self.backend = (backend, why.clone()),
            Event::LabStarted { file, .. } => {
                self.now = Some(Take {
                    file: file.clone(),
                    ..Take::default()
                });
            }
            Event::LabSkipped { .. } => self.now = None,
            Event::GivenReady { took, ids, server } => {
                if let Some(now) = &mut self.now {
                    now.given_ms = Some(milliseconds(*took));
                    now.server.clone_from(server);
                    ids.iter()
                        .for_each(|(name, id)| now.placeholders.id(*id, name));
                }
            }
            Event::StepStarted { step, .. } => {
                self.step(step);
            }
            Event::StepSkipped { step, reason } => {
                if let Some(step) = self.step(step) {
                    step.skipped = Some(reason.clone());
                }
            }
            Event::CleanupStarted => {
                if let Some(now) = &mut self.now {
                    now.cleaning = true;
                }
            }
            Event::CommandStarted { step, typed, .. } if !self.is_cleaning() => {
                if let Some(step) = self.step(step) {
                    step.runs.push(RunTake {
                        typed: typed.clone(),
                        output: None,
                    });
                }
            }
            Event::CommandFinished { step, output } if !self.is_cleaning() => {
                if let Some(run) = self.step(step).and_then(|step| step.runs.last_mut()) {
                    run.output = Some(output.clone());
                }
            }
            Event::Saved { name, value, .. } => {
                if let Some(now) = &mut self.now {
                    now.placeholders.saved(name, value);
                }
            }
            Event::Observed { replies, .. } => self.learn(replies),
            Event::Checked { verdict, .. } => self.learn(&verdict.evidence),
            Event::Probed { step, report } => {
                if let Some(step) = self.step(step) {
                    step.probe = Some(probe(report));
                }
            }
            Event::Timeline {
                step,
                node,
                timeline,
                ..
            } => {
                if let Some(step) = self.step(step) {
                    step.timeline = Some(moments(node.as_str(), timeline));
                }
            }
            Event::StepFinished { step, took, .. } => {
                let took = milliseconds(*took);
                if let Some(step) = self.step(step) {
                    step.took_ms = took;
                }
            }
            Event::CleanupFinished { took, .. } => {
                if let Some(now) = &mut self.now {
                    now.cleanup_ms = milliseconds(*took);
                }
            }
            Event::LabFinished {
                outcome,
                counts,
                took,
                ..
            } => self.lab_ended(*outcome, counts.checks, milliseconds(*took)),
            _ => {}
        }
    }
}

impl RunTake {
    fn record(
        &self,
        stdin: Option<&str>,
        placeholders: &Placeholders,
        figures: &mut Vec<Measured>,
    ) -> RecordedRun {
        let printed = self
            .output
            .as_ref()
            .map(|output| output.combined.as_str())
            .unwrap_or_default();
        let json = match serde_json::from_str(printed.trim()) {
            Ok(value @ serde_json::Value::Object(_)) => Some(value),
            _ => None,
        };
        // JSON is for programs that ask for figures.
        let measured = json.is_some() || MEASURES.iter().any(|part| self.typed.contains(part));
        let text = as_on_terminal(&self.typed, stdin, printed);
        let lines: Vec<String> = text.lines().map(|line| placeholders.line(line)).collect();
        let mut output = Vec::new();
        if measured {
            figures.push(match json {
                Some(value) => Measured::Json(shortened(value, placeholders)),
                None => Measured::Lines(cut(trimmed(lines), MEASURED_LINES)),
            });
        } else if self.typed.ends_with("CLUSTER SLOTS") {
            output = replicas_folded(settled(lines));
        } else {
            output = settled(lines);
        }
        RecordedRun {
            typed: placeholders.line(&self.typed),
            exit: self.output.as_ref().and_then(|output| output.exit),
            measured,
            output,
        }
    }
}

/// What a terminal would have shown. Behind a filter redis-cli writes into a pipe there too.
fn as_on_terminal(typed: &str, stdin: Option<&str>, printed: &str) -> String {
    let call = Line::parse(typed)
        .ok()
        .filter(|line| line.filters.is_empty())
        .and_then(|line| line.fill(|reference| Ok(reference.to_string())).ok())
        .and_then(|filled| match filled.task {
            Task::Action(Action::RedisCli(call)) => Some(call),
            _ => None,
        });
    let shown = call
        .filter(|call| !call.cluster_mode)
        .and_then(|call| match stdin {
            Some(input) if call.words.is_empty() => {
                lines_on_terminal(&call.options, input, printed)
            }
            _ => on_terminal(&call.options, &call.words, printed),
        });
    shown.unwrap_or_else(|| printed.to_owned())
}

/// Lines without empty ones at the end.
fn trimmed(mut lines: Vec<String>) -> Vec<String> {
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// JSON whose long lists are cut, and whose texts have names for what differs.
fn shortened(value: serde_json::Value, placeholders: &Placeholders) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name, shortened(value, placeholders)))
                .collect(),
        ),
        Value::Array(items) => {
            let more = items.len().saturating_sub(MEASURED_ITEMS);
            let mut kept: Vec<Value> = items
                .into_iter()
                .take(MEASURED_ITEMS)
                .map(|item| shortened(item, placeholders))
                .collect();
            if more > 0 {
                kept.push(Value::String(format!("… {more} more …")));
            }
            Value::Array(kept)
        }
        Value::String(text) => Value::String(placeholders.line(&text)),
        other => other,
    }
}

fn probe(report: &ProbeReport) -> ProbeFigures {
    let tenths = |ms: f64| (ms * 10.0).round() / 10.0;
    ProbeFigures {
        operations: report.operations,
        failed: report.failed,
        lost: report.lost,
        wrong: report.wrong,
        asked: report.asked,
        moved: report.moved,
        longest_gap_ms: tenths(report.longest_gap_ms),
        p50_ms: tenths(report.latency.p50_ms),
        p99_ms: tenths(report.latency.p99_ms),
        max_ms: tenths(report.latency.max_ms),
    }
}

fn moments(node: &str, timeline: &Timeline) -> TimelineFigures {
    TimelineFigures {
        node: node.to_owned(),
        to: timeline
            .promoted
            .as_ref()
            .map(|moment| moment.seen_by.to_string()),
        moments: timeline
            .moments()
            .into_iter()
            .filter_map(|(name, moment)| {
                let ms = moment?.after.as_secs_f64() * 1000.0;
                Some((name.to_owned(), ms.round()))
            })
            .collect(),
    }
}

fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A lab's name: its file without folder and ending.
fn lab_name(file: &str) -> String {
    Path::new(file).file_stem().map_or_else(
        || file.to_owned(),
        |stem| stem.to_string_lossy().into_owned(),
    )
}

/// The day of a time in seconds since 1970, in UTC: `2026-11-27`. Days are counted in eras of 400 years that begin in March, so that a leap
/// day is the last of its year.
fn day(unix_seconds: u64) -> String {
    let days = unix_seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::super::rehearsal;
    use super::*;
    use crate::lab::Source;

    #[rstest]
    #[case(0, "1970-01-01")]
    #[case(951_782_400, "2000-02-29")]
    #[case(951_868_800, "2000-03-01")]
    #[case(1_795_770_354, "2026-11-27")]
    #[case(4_107_542_399, "2100-02-28")]
    fn days(#[case] unix_seconds: u64, #[case] expected: &str) {
        assert_eq!(day(unix_seconds), expected);
    }

    const LAB: &str = r#"
title: T
objective: O
steps:
  - id: identify-target
    title: T
    run: redis-cli -p 7001 PING
    expect: [{stdout: {equals: PONG}}]
points: [{text: P, proved_by: [identify-target]}]
"#;

    fn recordings(events: &[Stamped]) -> Vec<Recording> {
        let lab = crate::lab::load(&Source::new(rehearsal::FILE, LAB)).unwrap();
        let mut recorder = Recorder::new(&[lab]);
        events.iter().for_each(|event| recorder.on(event));
        recorder.recorded().take()
    }

    #[test]
    fn a_green_run_is_recorded_and_its_file_reads_back() {
        let made = recordings(&rehearsal::passing());
        let [recording] = &made[..] else {
            panic!("{} recordings", made.len())
        };
        assert_eq!(recording.lab, "07-scale-down");
        assert_eq!(recording.verified.date, "2026-09-21");
        assert!(!recording.steps.is_empty());
        let text = recording.to_text().unwrap();
        assert_eq!(Recording::parse(&text).as_ref(), Ok(recording));
        assert!(recording.figure("took").is_some());
    }

    #[test]
    fn only_a_green_run_is_recorded() {
        assert_eq!(recordings(&rehearsal::failing_check()), []);
    }

    #[test]
    fn a_call_in_a_pipe_is_shown_as_on_a_terminal_but_not_behind_a_filter() {
        let shown = |typed: &str| as_on_terminal(typed, None, "10778\n");
        assert_eq!(
            shown("redis-cli -p 7001 CLUSTER KEYSLOT user:1"),
            "(integer) 10778\n"
        );
        assert_eq!(
            shown("redis-cli -p 7001 CLUSTER KEYSLOT user:1 | grep 1"),
            "10778\n"
        );
        assert_eq!(
            as_on_terminal("redis-cli -p 7008", Some("READONLY\nGET a\n"), "OK\nx\n"),
            "OK\n\"x\"\n"
        );
    }

    #[test]
    fn long_lists_in_measured_json_are_cut() {
        let printed = r#"{"events":["a","k3f9a2bc","c","d","e"],"n":1}"#;
        let mut placeholders = Placeholders::default();
        placeholders.saved("event", "k3f9a2bc");
        let value = shortened(serde_json::from_str(printed).unwrap(), &placeholders);
        assert_eq!(value["events"][1], "[event]");
        assert_eq!(value["events"][3], "… 2 more …");
    }
}
