//! A lab given as text, run to its end, with everything that was told of it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use labrunner::backend::Backend;
use labrunner::cluster::NodeName;
use labrunner::engine::event::{Event, Outcome, Stamped, Verdict, When};
use labrunner::engine::{Ending, Events, Interrupt, LabResult, run};
use labrunner::lab::Lab;
use labrunner::lab::action::Output;
use labrunner::lab::source::Source;

use crate::environment::Environment;
use crate::servers::eventually;

/// Long enough for anything that ends by itself, on a machine under load.
pub const LONG: Duration = Duration::from_secs(60);

/// A lab that is being run.
pub struct Run {
    pub environment: Arc<Environment>,
    pub interrupt: Interrupt,
    told: Arc<Mutex<Vec<Stamped>>>,
    running: tokio::task::JoinHandle<LabResult>,
}

/// What came of it.
pub struct Ended {
    pub environment: Arc<Environment>,
    pub ending: Ending,
    pub events: Vec<Stamped>,
}

/// A lab with these steps (the value of `steps:`, as YAML) and nothing else.
pub fn steps(steps: &str) -> String {
    lab("", steps)
}

/// A lab with these keys before its steps.
pub fn lab(keys: &str, steps: &str) -> String {
    let id = steps.split("id: ").nth(1).unwrap();
    let id = id.split([',', '\n', '}']).next().unwrap().trim();
    format!(
        "title: A lab\nobjective: To test.\n{keys}\nsteps:\n{steps}\npoints: [{{text: It works., proved_by: [{id}]}}]\n"
    )
}

/// A lab, which has no faults.
pub fn loaded(text: &str) -> Lab {
    labrunner::lab::load(&Source::new("lab.yaml", text)).unwrap_or_else(|faults| {
        let faults: Vec<&str> = faults
            .faults
            .iter()
            .map(|fault| fault.what.as_str())
            .collect();
        panic!("{faults:#?}\n{text}")
    })
}

/// Begins to run a lab.
pub fn begin(environment: Environment, text: &str) -> Run {
    begin_with(Arc::new(environment), text, Interrupt::default())
}

pub fn begin_with(environment: Arc<Environment>, text: &str, interrupt: Interrupt) -> Run {
    begin_lab(environment, loaded(text), interrupt)
}

/// Begins to run a lab that was loaded, and perhaps changed, before.
pub fn begin_lab(environment: Arc<Environment>, lab: Lab, interrupt: Interrupt) -> Run {
    let told: Arc<Mutex<Vec<Stamped>>> = Arc::default();
    let events = Events::new(Box::new({
        let told = told.clone();
        move |event| told.lock().unwrap().push(event.clone())
    }));
    let backend: Arc<dyn Backend> = environment.clone();
    let running = tokio::spawn(run(
        Arc::new(lab),
        backend,
        Arc::new(events),
        interrupt.clone(),
    ));
    Run {
        environment,
        interrupt,
        told,
        running,
    }
}

/// Runs a lab to its end.
pub async fn run_lab(environment: Environment, text: &str) -> Ended {
    begin(environment, text).end().await
}

impl Run {
    /// Waits until an event was told.
    pub async fn told(&self, what: &str, is_it: impl Fn(&Event) -> bool) {
        eventually(what, LONG, async || {
            let told = self.told.lock().unwrap();
            told.iter().any(|event| is_it(&event.event)).then_some(())
        })
        .await;
    }

    /// Waits until this step has looked for the first time.
    pub async fn looked_before(&self, id: &str) {
        let looked = |event: &Event| matches!(event, Event::Observed { step, .. } if step == id);
        self.told("the look before the step", looked).await;
    }

    /// Waits until this step's command has ended.
    pub async fn command_ended(&self, id: &str) {
        let ended =
            |event: &Event| matches!(event, Event::CommandFinished { step, .. } if step == id);
        self.told("the end of the command", ended).await;
    }

    /// Waits until this step's command has begun.
    pub async fn command_begun(&self, id: &str) {
        let begun =
            |event: &Event| matches!(event, Event::CommandStarted { step, .. } if step == id);
        self.told("the begin of the command", begun).await;
    }

    /// Drops the run where it is, as a program does that has no time left.
    pub async fn drop_now(self) {
        self.running.abort();
        // What comes of it is that it was aborted.
        let _ = self.running.await;
    }

    /// Waits for the end, and looks that what was told is in order.
    pub async fn end(self) -> Ended {
        let result = tokio::time::timeout(LONG, self.running)
            .await
            .unwrap()
            .unwrap();
        let events = self.told.lock().unwrap().clone();
        assert_eq!(self.environment.removed(), 1, "removed once, and always");
        in_order(&events, result);
        Ended {
            environment: self.environment,
            ending: result.ending,
            events,
        }
    }
}

/// What has to be true of every story: nothing is left open, everything is told within what it belongs to.
pub fn in_order(events: &[Stamped], result: LabResult) {
    assert!(
        events
            .iter()
            .map(|event| event.seq)
            .eq(1..=events.len() as u64)
    );
    assert!(events.is_sorted_by_key(|event| event.at));
    let (mut in_step, mut cleaning, mut checks) = (None, 0, 0);
    // Steps whose commands go on in the background, and steps with a command under way.
    let (mut away, mut running) = (BTreeSet::new(), BTreeSet::new());
    for Stamped { event, .. } in events {
        match event {
            Event::StepStarted { step, .. } => assert_eq!(in_step.replace(step), None),
            Event::StepInBackground { step } => {
                assert_eq!(in_step.take(), Some(step));
                assert!(away.insert(step));
            }
            Event::StepAwaited { step, .. } => {
                assert_eq!(in_step.replace(step), None);
                assert!(away.remove(step), "{step} is not in the background");
            }
            Event::StepSkipped { step, .. } | Event::StepFinished { step, .. } => {
                if !away.remove(step) {
                    assert_eq!(in_step.take(), Some(step));
                }
                assert!(!running.contains(step), "{step}: a command is still open");
            }
            Event::CommandStarted { step, .. } => {
                assert!(
                    in_step == Some(step) || away.contains(step) || cleaning == 1,
                    "{step}: a command outside"
                );
                assert!(running.insert(step));
            }
            Event::TargetCommand { step, .. } | Event::Repeated { step, .. } => {
                assert!(running.contains(step), "{step}: no command is open");
            }
            Event::CommandFinished { step, .. } | Event::CommandGivenUp { step, .. } => {
                assert!(running.remove(step), "{step}: no command is open");
            }
            Event::Checked { step, verdict } => {
                assert_eq!(in_step, Some(step));
                assert!(
                    verdict.looks > 0 && !verdict.expected.is_empty() && !verdict.seen.is_empty()
                );
                checks += 1;
            }
            Event::Observed { step, .. }
            | Event::Waiting { step, .. }
            | Event::Timeline { step, .. }
            | Event::Saved { step, .. } => {
                assert_eq!(in_step, Some(step));
            }
            Event::CleanupStarted => {
                assert_eq!(in_step, None, "the cleanup begins within a step");
                assert_eq!(away, BTreeSet::new(), "the cleanup begins too early");
                cleaning += 1;
            }
            Event::CleanupFinished { .. } => cleaning += 1,
            _ => {}
        }
    }
    assert_eq!(running, BTreeSet::new(), "a command was never ended");
    assert!(cleaning == 2, "the cleanup is told once");
    assert_eq!(checks, result.counts.checks);
    assert!(matches!(
        &events.last().unwrap().event,
        Event::LabFinished { outcome, counts, .. }
            if *outcome == Outcome::from(result.ending) && *counts == result.counts
    ));
}

impl Ended {
    /// What happened, a line an event; without times and without what is different in every run.
    pub fn story(&self) -> String {
        let lines: Vec<String> = self
            .events
            .iter()
            .filter_map(|event| line(&event.event))
            .collect();
        format!("{}\n=> {:?}", lines.join("\n"), self.ending)
    }

    /// What happened in one step, which may have been at the same time as others.
    pub fn story_of(&self, id: &str) -> String {
        let of_it = self.events.iter().filter(|event| {
            let json = serde_json::to_value(&event.event).unwrap();
            json["step"] == id
        });
        let lines: Vec<String> = of_it.filter_map(|event| line(&event.event)).collect();
        lines.join("\n")
    }

    /// Steps as they began, went to the background, were awaited and ended: `a begins`.
    pub fn course(&self) -> Vec<String> {
        let said = self.events.iter().filter_map(|event| match &event.event {
            Event::StepStarted { step, .. } => Some(format!("{step} begins")),
            Event::StepSkipped { step, .. } => Some(format!("{step} is skipped")),
            Event::StepInBackground { step } => Some(format!("{step} goes on")),
            Event::StepAwaited { step, stopped } => Some(match stopped {
                true => format!("{step} is stopped"),
                false => format!("{step} is awaited"),
            }),
            Event::StepFinished { step, outcome, .. } => Some(format!("{step}: {outcome:?}")),
            _ => None,
        });
        said.collect()
    }

    /// What a watch has seen, repetition by repetition.
    pub fn repetitions(&self, id: &str) -> Vec<&Output> {
        let seen = self.events.iter().filter_map(|event| match &event.event {
            Event::Repeated { step, output, .. } if step == id => Some(output),
            _ => None,
        });
        seen.collect()
    }

    /// What the command of a step printed; the last, if there were several.
    pub fn printed(&self, id: &str) -> &Output {
        let printed = self
            .events
            .iter()
            .rev()
            .find_map(|event| match &event.event {
                Event::CommandFinished { step, output } if step == id => Some(output),
                _ => None,
            });
        printed.unwrap_or_else(|| panic!("{id} has no output: {}", self.story()))
    }

    /// The verdicts.
    pub fn verdicts(&self) -> Vec<&Verdict> {
        self.events
            .iter()
            .filter_map(|event| match &event.event {
                Event::Checked { verdict, .. } => Some(verdict),
                _ => None,
            })
            .collect()
    }

    /// The verdict that did not hold.
    pub fn miss(&self) -> &Verdict {
        let misses: Vec<&Verdict> = self
            .verdicts()
            .into_iter()
            .filter(|verdict| !verdict.passed)
            .collect();
        assert_eq!(misses.len(), 1, "{}", self.story());
        misses[0]
    }

    /// When the first such event was told.
    pub fn at(&self, is_it: impl Fn(&Event) -> bool) -> Duration {
        self.events
            .iter()
            .find(|event| is_it(&event.event))
            .unwrap()
            .at
    }
}

/// What an event says, if it says something that is the same in every run.
pub fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::LabSkipped { reason } => format!("lab skipped: {reason}"),
        Event::GivenReady { .. } => "given".to_owned(),
        Event::StepStarted { step, index, .. } => format!("{index} {step}"),
        Event::StepSkipped { reason, .. } => format!("  skipped: {reason}"),
        Event::CommandStarted { typed, item, .. } => match item {
            Some((at, of)) => format!("  $ {typed} ({at} of {of})"),
            None => format!("  $ {typed}"),
        },
        Event::CommandFinished { output, .. } => match output.exit {
            Some(code) => format!("  exit {code}"),
            None => "  stopped".to_owned(),
        },
        Event::CommandGivenUp { why, .. } => format!("  given up: {why}"),
        Event::TargetCommand { typed, .. } => format!("  + {typed}"),
        Event::StepInBackground { .. } => "  goes on".to_owned(),
        Event::StepAwaited { step, stopped } => match stopped {
            true => format!("{step} is stopped"),
            false => format!("{step} is awaited"),
        },
        Event::Saved { name, value, .. } => format!("  saved {name}={value}"),
        Event::Checked { verdict, .. } => {
            let Verdict {
                list,
                expected,
                seen,
                when,
                ..
            } = verdict;
            let word = if verdict.passed { "ok " } else { "BAD" };
            let when = match when {
                When::Before => "before",
                When::During => "during",
                When::After => "after",
            };
            format!("  {word} {list} {when}: {expected} | {seen}")
        }
        Event::CheckSkipped { what, reason, .. } => format!("  left out: {what} ({reason})"),
        Event::Probed { report, .. } => format!("  probed, {} failed", report.failed),
        Event::Timeline {
            node,
            awaited,
            timeline,
            ..
        } => {
            let seen = timeline.moments().into_iter();
            let seen = seen.filter_map(|(name, moment)| moment.map(|_| name));
            let (awaited, seen) = (awaited.join(" "), seen.collect::<Vec<_>>());
            let seen = if seen.is_empty() {
                "nothing".to_owned()
            } else {
                seen.join(" ")
            };
            format!("  timeline of {node}, awaited: {awaited}; seen: {seen}")
        }
        Event::StepFinished { outcome, .. } => format!("  {outcome:?}"),
        Event::Trouble { what, .. } => format!("  trouble: {what}"),
        Event::Scene { scene, .. } => {
            let logs: Vec<String> = scene
                .logs
                .iter()
                .map(|(node, log)| format!("{node}: {log}"))
                .collect();
            format!("  scene of {} nodes {}", scene.nodes.len(), logs.join("; "))
                .trim_end()
                .to_owned()
        }
        Event::EnvironmentReused {
            kept,
            remade,
            removed,
        } => {
            let names = |nodes: &[NodeName]| {
                nodes
                    .iter()
                    .map(NodeName::as_str)
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let remade: Vec<String> = remade
                .iter()
                .map(|(node, why)| format!("{node}: {why}"))
                .collect();
            format!(
                "reused [{}] remade [{}] removed [{}]",
                names(kept),
                remade.join("; "),
                names(removed)
            )
        }
        Event::EnvironmentGivenUp { why } => format!("not reused: {why}"),
        Event::CleanupStarted => "clean".to_owned(),
        Event::CleanupFinished { kept: true, .. } => "kept".to_owned(),
        Event::CleanupFinished { left, .. } if left.is_empty() => "cleaned".to_owned(),
        Event::CleanupFinished { left, .. } => format!("left: {}", left.join("; ")),
        Event::LabFinished {
            outcome, counts, ..
        } => format!(
            "{outcome:?}: {} passed, {} failed, {} skipped, {} not run",
            counts.passed, counts.failed, counts.skipped, counts.not_run
        ),
        _ => return None,
    })
}
