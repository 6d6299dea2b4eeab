//! A whole lab, from the first container to the last one removed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::command;
use super::event::{Counts, Event, Outcome};
use super::events::Events;
use super::given;
use super::interrupt::Interrupt;
use super::scene::{self, look_around};
use super::step;
use super::trouble::Trouble;
use super::world::World;
use crate::backend::{Backend, Life};
use crate::cluster::NodeName;
use crate::lab::Lab;
use crate::lab::model::Step;

/// How long a step may take to stop when the run is interrupted. To end a command, its container is killed, which takes half a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// How a lab ended, as far as the process that ran it has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabResult {
    /// In one word.
    pub ending: Ending,
    /// Its steps and checks.
    pub counts: Counts,
}

/// The ways in which a lab can end. Finer than [`Outcome`], since exit codes tell an environment that was never there from one that
/// broke, and both from a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Every check held.
    Passed,
    /// Not run on this backend.
    Skipped,
    /// A check did not hold.
    Failed,
    /// The environment broke.
    Broken,
    /// The environment was not there.
    Unavailable,
    /// Somebody wished it to end.
    Interrupted,
    /// This program broke.
    Bug,
}

impl From<Ending> for Outcome {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Passed => Outcome::Passed,
            Ending::Skipped => Outcome::Skipped,
            Ending::Failed => Outcome::Failed,
            Ending::Broken | Ending::Unavailable | Ending::Bug => Outcome::Broken,
            Ending::Interrupted => Outcome::Interrupted,
        }
    }
}

/// Runs a lab on a backend that is ready, and removes everything that it made, whatever happens: success, failure, an interruption, a
/// panic of this program.
pub async fn run(
    lab: Arc<Lab>,
    backend: Arc<dyn Backend>,
    events: Arc<Events>,
    interrupt: Interrupt,
) -> LabResult {
    let started = Instant::now();
    let file = lab.source.name().to_owned();
    events.emit(Event::LabStarted {
        file: file.clone(),
        number: lab.number,
        title: lab.title.clone(),
        steps: lab.steps.len(),
    });
    if let Some(skip) = lab
        .skip_on
        .iter()
        .find(|skip| skip.backend == backend.name())
    {
        events.emit(Event::LabSkipped {
            reason: skip.reason.clone(),
        });
        let counts = Counts {
            skipped: lab.steps.len(),
            ..Counts::default()
        };
        events.emit(Event::LabFinished {
            file,
            outcome: Outcome::Skipped,
            counts,
            took: started.elapsed(),
        });
        return LabResult {
            ending: Ending::Skipped,
            counts,
        };
    }
    let world = Arc::new(World::new(lab, backend.clone(), events.clone(), interrupt));
    // In a task of its own, so that a panic in it ends the task and not the cleanup.
    let inside = tokio::spawn({
        let world = world.clone();
        async move { run_inside(&world).await }
    });
    let mut result = match inside.await {
        Ok(result) => result,
        Err(error) => {
            let what = format!("a bug in labrunner ended this lab: {error}");
            let help = "please report it, with the journal".to_owned();
            events.emit(Event::Trouble {
                step: None,
                what,
                help: Some(help),
            });
            LabResult {
                ending: Ending::Bug,
                counts: Counts::default(),
            }
        }
    };
    let cleanup = Instant::now();
    events.emit(Event::CleanupStarted);
    let mut left = Vec::new();
    if let Err(error) = backend.remove().await {
        left.push(error.to_string());
        if result.ending == Ending::Passed {
            result.ending = Ending::Broken;
        }
    }
    events.emit(Event::CleanupFinished {
        took: cleanup.elapsed(),
        left,
    });
    events.emit(Event::LabFinished {
        file,
        outcome: result.ending.into(),
        counts: result.counts,
        took: started.elapsed(),
    });
    result
}

/// Everything between the first container and the cleanup.
async fn run_inside(world: &World) -> LabResult {
    let lab = world.lab.clone();
    let mut counts = Counts {
        not_run: lab.steps.len(),
        ..Counts::default()
    };
    let begun = match &lab.given {
        Some(given) => given::make(world, given).await,
        None => world
            .backend
            .start(&[], &world.interrupt.soft)
            .await
            .map_err(Trouble::from),
    };
    if let Err(trouble) = begun {
        let ending = tell(world, None, trouble).await;
        return LabResult { ending, counts };
    }
    world.note_made();
    let mut ending = Ending::Passed;
    let mut begun: Vec<&Step> = Vec::new();
    for (at, step) in lab.steps.iter().enumerate() {
        if world.interrupt.soft.is_cancelled() {
            ending = Ending::Interrupted;
            break;
        }
        counts.not_run -= 1;
        let started = Instant::now();
        world.emit(Event::StepStarted {
            step: step.id.value.clone(),
            index: at + 1,
            title: step.title.clone(),
        });
        if let Some(reason) = skipped(world, step) {
            counts.skipped += 1;
            world.emit(Event::StepSkipped {
                step: step.id.value.clone(),
                reason,
            });
            continue;
        }
        begun.push(step);
        // Dropping the step ends what it waits for; what it started in the environment, the environment stops.
        let ended = tokio::select! {
            biased;
            ended = step::run(world, step) => ended,
            () = patience_ends(world) => Err(Trouble::Interrupted),
        };
        counts.checks = world.checks();
        if let Err(trouble) = ended {
            ending = tell(world, Some(step), trouble).await;
        }
        match ending {
            Ending::Passed => counts.passed += 1,
            Ending::Interrupted => counts.not_run += 1,
            _ => counts.failed += 1,
        }
        world.emit(Event::StepFinished {
            step: step.id.value.clone(),
            outcome: ending.into(),
            took: started.elapsed(),
        });
        if ending != Ending::Passed {
            break;
        }
    }
    if ending == Ending::Passed && unseen_deaths(world).await {
        ending = Ending::Broken;
    }
    for step in begun.iter().rev() {
        for line in &step.cleanup {
            if world.interrupt.hard.is_cancelled() {
                break;
            }
            if let Err(trouble) = command::run_cleanup(world, step, &line.value).await {
                tell_of_cleanup(world, step, trouble);
            }
        }
    }
    LabResult { ending, counts }
}

/// Returns some time after the run was interrupted, at once when it was interrupted twice: a step that has not stopped by then is
/// dropped. Reading back thousands of keys takes seconds.
async fn patience_ends(world: &World) {
    world.interrupt.soft.cancelled().await;
    tokio::select! {
        () = tokio::time::sleep(PATIENCE) => {}
        () = world.interrupt.hard.cancelled() => {}
    }
}

/// Why a step is not run, if it is not.
fn skipped(world: &World, step: &Step) -> Option<String> {
    let backend = step
        .skip_on
        .iter()
        .find(|skip| skip.backend == world.backend.name())
        .map(|skip| skip.reason.clone());
    backend.or_else(|| {
        (!world.applies(step.on.as_ref())).then(|| {
            format!(
                "only on {}",
                step.on
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default()
            )
        })
    })
}

/// Tells what went wrong, with the cluster at that moment, and says what that makes of the lab.
async fn tell(world: &World, step: Option<&Step>, trouble: Trouble) -> Ending {
    let id = step.map(|step| step.id.value.clone());
    let say = |what: String, help: Option<String>| {
        world.emit(Event::Trouble {
            step: id.clone(),
            what,
            help,
        })
    };
    let mut ending = match trouble {
        Trouble::Interrupted => return Ending::Interrupted,
        Trouble::Failed => Ending::Failed,
        Trouble::Stuck { what, help } => {
            say(what, help);
            Ending::Failed
        }
        Trouble::Broken { what, help } => {
            say(what, Some(help));
            Ending::Broken
        }
        Trouble::Unavailable { what, help } => {
            say(what, Some(help));
            return Ending::Unavailable;
        }
    };
    let found = look_around(world).await;
    if !found.died.is_empty() {
        // A check that failed since a node died is not the course's fault.
        ending = Ending::Broken;
        say(deaths_in_words(&found.died), Some(causes(&found.died)));
    }
    world.emit(Event::Scene {
        step: id.unwrap_or_else(|| "given".to_owned()),
        scene: found.scene,
    });
    ending
}

/// A cleanup command that could not be carried out decides nothing: the environment is removed in any case.
fn tell_of_cleanup(world: &World, step: &Step, trouble: Trouble) {
    let (what, help) = match trouble {
        Trouble::Stuck { what, help } => (what, help),
        Trouble::Broken { what, help } | Trouble::Unavailable { what, help } => (what, Some(help)),
        Trouble::Failed | Trouble::Interrupted => return,
    };
    world.emit(Event::Trouble {
        step: Some(step.id.value.clone()),
        what: format!("a cleanup command was not carried out: {what}"),
        help,
    });
}

/// Whether a node died without any check seeing it; if so, that is told.
async fn unseen_deaths(world: &World) -> bool {
    let states = world.backend.nodes().await.unwrap_or_default();
    if scene::died(world, &states).is_empty() {
        return false;
    }
    let found = look_around(world).await;
    let help = format!(
        "every check held, but the environment was not what it should be; {}",
        causes(&found.died)
    );
    world.emit(Event::Trouble {
        step: None,
        what: deaths_in_words(&found.died),
        help: Some(help),
    });
    world.emit(Event::Scene {
        step: "end".to_owned(),
        scene: found.scene,
    });
    true
}

fn deaths_in_words(died: &[(NodeName, Life)]) -> String {
    let words: Vec<String> = died
        .iter()
        .map(|(name, life)| match life {
            Life::Exited(code) => format!("{name} died by itself, exit {code}"),
            _ => format!("{name} is gone: its container was removed, and not by this lab"),
        })
        .collect();
    words.join("; ")
}

/// What may have been the cause of nodes' deaths, and where to look.
fn causes(died: &[(NodeName, Life)]) -> String {
    let mut words = Vec::new();
    if died.iter().any(|(_, life)| *life == Life::Exited(137)) {
        words.push("137 means killed: by hand, or by the kernel for want of memory");
    }
    words.push(if died.iter().all(|(_, life)| *life == Life::Absent) {
        "see whether somebody else works on this machine's containers"
    } else {
        "the last log lines are below"
    });
    words.join("; ")
}
