//! A whole lab, from the first container to the last one removed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::command;
use super::event::{Counts, Event, Outcome};
use super::events::Events;
use super::given;
use super::guard::guarded;
use super::interrupt::Interrupt;
use super::scene::{self, Found, look_around};
use super::step;
use super::trouble::Trouble;
use super::world::World;
use crate::backend::{Backend, Life};
use crate::cluster::NodeName;
use crate::lab::Lab;
use crate::lab::model::Step;

/// How long a step may take to stop when the run is interrupted. To end a command, its container is killed, which takes half a second.
const PATIENCE: Duration = Duration::from_secs(3);
/// The same once it is interrupted twice.
const SHORT_PATIENCE: Duration = Duration::from_millis(700);

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
    let mut course = Course::new(&world);
    course.run().await;
    let cleanup = Instant::now();
    events.emit(Event::CleanupStarted);
    course.clean_up().await;
    let removed = guarded(async move { backend.remove().await.map_err(Trouble::from) }).await;
    let left: Vec<String> = removed.err().map(in_one_sentence).into_iter().collect();
    let Course {
        mut ending, counts, ..
    } = course;
    if !left.is_empty() && ending == Ending::Passed {
        ending = Ending::Broken;
    }
    events.emit(Event::CleanupFinished {
        took: cleanup.elapsed(),
        left,
    });
    if events.sink_lost() && ending == Ending::Passed {
        // Nobody was told of all of it.
        ending = Ending::Bug;
    }
    events.emit(Event::LabFinished {
        file,
        outcome: ending.into(),
        counts,
        took: started.elapsed(),
    });
    LabResult { ending, counts }
}

/// How far a lab has come.
struct Course<'a> {
    world: &'a Arc<World>,
    ending: Ending,
    counts: Counts,
    /// The steps that were begun, by their place in the lab.
    begun: Vec<usize>,
}

impl<'a> Course<'a> {
    fn new(world: &'a Arc<World>) -> Self {
        let counts = Counts {
            not_run: world.lab.steps.len(),
            ..Counts::default()
        };
        Course {
            world,
            ending: Ending::Passed,
            counts,
            begun: Vec::new(),
        }
    }

    /// Everything between the first container and the cleanup.
    async fn run(&mut self) {
        let world = self.world;
        let made = {
            let world = world.clone();
            guarded(async move { begin(&world).await }).await
        };
        if let Err(trouble) = made {
            self.ending = tell(world, None, trouble).await;
            return;
        }
        let lab = world.lab.clone();
        for (at, step) in lab.steps.iter().enumerate() {
            if world.interrupt.soft.is_cancelled() {
                self.ending = Ending::Interrupted;
                return;
            }
            self.step(at, step).await;
            if self.ending != Ending::Passed {
                return;
            }
        }
        if let Some(ending) = unseen_end(world).await {
            self.ending = ending;
        }
    }

    async fn step(&mut self, at: usize, step: &Step) {
        let world = self.world;
        self.counts.not_run -= 1;
        let started = Instant::now();
        world.emit(Event::StepStarted {
            step: step.id.value.clone(),
            index: at + 1,
            title: step.title.clone(),
        });
        let rules = step.expect.iter().chain(&step.holds).map(|check| &check.on);
        if rules.chain([&step.on]).any(Option::is_some) {
            world.learn_server().await;
        }
        if let Some(reason) = skipped(world, step) {
            self.counts.skipped += 1;
            world.emit(Event::StepSkipped {
                step: step.id.value.clone(),
                reason,
            });
            return;
        }
        self.begun.push(at);
        let ended = {
            let world = world.clone();
            // Dropping the step ends what it waits for; what it started in the environment, the environment stops.
            let run = guarded({
                let world = world.clone();
                async move {
                    match world.lab.steps.get(at) {
                        Some(step) => step::run(&world, step).await,
                        None => Ok(()),
                    }
                }
            });
            tokio::select! {
                biased;
                ended = run => ended,
                () = patience_ends(&world) => Err(Trouble::Interrupted),
            }
        };
        self.counts.checks = world.checks();
        if let Err(trouble) = ended {
            self.ending = tell(world, Some(step), trouble).await;
        }
        match self.ending {
            Ending::Passed => self.counts.passed += 1,
            Ending::Interrupted => self.counts.not_run += 1,
            _ => self.counts.failed += 1,
        }
        world.emit(Event::StepFinished {
            step: step.id.value.clone(),
            outcome: self.ending.into(),
            took: started.elapsed(),
        });
    }

    /// The `cleanup` lines of the steps that were begun: those of the last step first, those of one step as they are listed. The second
    /// wish to end leaves them out.
    async fn clean_up(&self) {
        for &at in self.begun.iter().rev() {
            let Some(step) = self.world.lab.steps.get(at) else {
                continue;
            };
            for line in 0..step.cleanup.len() {
                if self.world.interrupt.hard.is_cancelled() {
                    return;
                }
                let world = self.world.clone();
                let done = guarded(async move {
                    let step = world.lab.steps.get(at);
                    match step.and_then(|step| Some((step, step.cleanup.get(line)?))) {
                        Some((step, line)) => command::run_cleanup(&world, step, &line.value).await,
                        None => Ok(()),
                    }
                });
                if let Err(trouble) = done.await {
                    tell_of_cleanup(self.world, step, trouble);
                }
            }
        }
    }
}

/// Makes what the lab starts from.
async fn begin(world: &World) -> Result<(), Trouble> {
    match &world.lab.given {
        Some(given) => given::make(world, given).await,
        None => Ok(world.backend.start(&[], &world.interrupt.soft).await?),
    }
}

/// Returns some time after the run was interrupted, soon when it was interrupted twice: a step that has not stopped by then is
/// dropped. Reading back thousands of keys takes seconds.
async fn patience_ends(world: &World) {
    world.interrupt.soft.cancelled().await;
    tokio::select! {
        () = tokio::time::sleep(PATIENCE) => {}
        () = async {
            world.interrupt.hard.cancelled().await;
            tokio::time::sleep(SHORT_PATIENCE).await;
        } => {}
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
async fn tell(world: &Arc<World>, step: Option<&Step>, trouble: Trouble) -> Ending {
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
        Trouble::Bug { what } => {
            let help = "please report it, with the journal".to_owned();
            say(
                format!("a bug in labrunner ended this lab: {what}"),
                Some(help),
            );
            return Ending::Bug;
        }
        Trouble::Failed => Ending::Failed,
        Trouble::Stuck { what, help } => {
            say(what, help);
            Ending::Failed
        }
        Trouble::Unavailable { what, help } if step.is_none() => {
            say(what, Some(help));
            return Ending::Unavailable;
        }
        // What was there when the first step began, and is not any more, has broken.
        Trouble::Broken { what, help } | Trouble::Unavailable { what, help } => {
            say(what, Some(help));
            Ending::Broken
        }
    };
    let Some(found) = scene(world).await else {
        return ending;
    };
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

/// The cluster at this moment. A panic on the way is no reason to lose what is already known.
async fn scene(world: &Arc<World>) -> Option<Found> {
    let world = world.clone();
    guarded(async move { Ok(look_around(&world).await) })
        .await
        .ok()
}

/// A cleanup command that could not be carried out decides nothing: the environment is removed in any case.
fn tell_of_cleanup(world: &World, step: &Step, trouble: Trouble) {
    let help = match &trouble {
        Trouble::Failed | Trouble::Interrupted => return,
        Trouble::Stuck { help, .. } => help.clone(),
        Trouble::Broken { help, .. } | Trouble::Unavailable { help, .. } => Some(help.clone()),
        Trouble::Bug { .. } => None,
    };
    world.emit(Event::Trouble {
        step: Some(step.id.value.clone()),
        what: format!(
            "a cleanup command was not carried out: {}",
            in_one_sentence(trouble)
        ),
        help,
    });
}

fn in_one_sentence(trouble: Trouble) -> String {
    match trouble {
        Trouble::Failed => "a check did not hold".to_owned(),
        Trouble::Interrupted => "interrupted".to_owned(),
        Trouble::Bug { what } => format!("a bug in labrunner: {what}"),
        Trouble::Stuck { what, .. }
        | Trouble::Broken { what, .. }
        | Trouble::Unavailable { what, .. } => what,
    }
}

/// What the environment makes of a lab of which every check held: a node may have died without any check seeing it. If so, that is told.
async fn unseen_end(world: &Arc<World>) -> Option<Ending> {
    let states = {
        let world = world.clone();
        guarded(async move { Ok(world.backend.nodes().await?) }).await
    };
    let (what, help) = match states {
        Ok(states) => {
            let died = scene::died(world, &states);
            if died.is_empty() {
                return None;
            }
            (
                deaths_in_words(&died),
                format!(
                    "every check held, but the environment was not what it should be; {}",
                    causes(&died)
                ),
            )
        }
        Err(trouble) => (
            format!(
                "whether every node lived to the end is not known: {}",
                in_one_sentence(trouble)
            ),
            "every check held, but the environment does not answer any more".to_owned(),
        ),
    };
    world.emit(Event::Trouble {
        step: None,
        what,
        help: Some(help),
    });
    if let Some(found) = scene(world).await {
        world.emit(Event::Scene {
            step: "end".to_owned(),
            scene: found.scene,
        });
    }
    Some(Ending::Broken)
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
