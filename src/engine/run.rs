//! A whole lab, from the first container to the last one removed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::background::Background;
use super::begin::Begun;
use super::command;
use super::environment::Environment;
use super::event::{Counts, Event, Outcome};
use super::events::Events;
use super::guard::guarded;
use super::interrupt::Interrupt;
use super::labs::Maker;
use super::step;
use super::tell::{in_one_sentence, tell, tell_of_cleanup, unseen_end};
use super::trouble::Trouble;
use super::undisturbed::{Precedence, has_to_judge};
use super::world::World;
use crate::backend::Backend;
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

impl From<Ending> for LabResult {
    /// Of a lab of which no step was begun.
    fn from(ending: Ending) -> Self {
        let counts = Counts::default();
        LabResult { ending, counts }
    }
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
    if let Some(result) = skip(&lab, backend.name(), &events) {
        return result;
    }
    let environment = Arc::new(Environment::new(backend));
    let (result, _) = run_in(lab, environment, None, false, None, &events, &interrupt).await;
    result
}

/// Runs a lab in an environment that an earlier one may have left. If the lab passes and the environment is to be kept, it comes back;
/// otherwise it is removed, whatever happens. Where what the lab starts from can't be reached in an environment that was used before,
/// that is removed, and `maker` makes another.
pub(super) async fn run_in(
    lab: Arc<Lab>,
    environment: Arc<Environment>,
    maker: Option<&dyn Maker>,
    keep: bool,
    precedence: Option<Precedence>,
    events: &Arc<Events>,
    interrupt: &Interrupt,
) -> (LabResult, Option<Arc<Environment>>) {
    let started = Instant::now();
    let file = lab.source.name().to_owned();
    tell_start(&lab, events);
    let place = |environment: Arc<Environment>| {
        World::new(lab.clone(), environment, events.clone(), interrupt.clone())
    };
    let begun = Begun::begin(environment, maker, started, &place).await;
    let Begun {
        world,
        environment,
        made,
    } = begun;
    let mut course = Course::new(&world);
    course.run(made, precedence).await;
    course.call_off_background().await;
    let cleanup = Instant::now();
    events.emit(Event::CleanupStarted);
    course.clean_up().await;
    let Course {
        mut ending, counts, ..
    } = course;
    // Who was not told of all of it can't be told of what is kept.
    let keep =
        keep && ending == Ending::Passed && !interrupt.soft.is_cancelled() && !events.sink_lost();
    let left = if keep {
        Vec::new()
    } else {
        remove(&environment).await
    };
    if !left.is_empty() && ending == Ending::Passed {
        ending = Ending::Broken;
    }
    events.emit(Event::CleanupFinished {
        kept: keep,
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
    (LabResult { ending, counts }, keep.then_some(environment))
}

/// Tells of a lab that is not run on this backend, if it is not.
pub(super) fn skip(lab: &Lab, backend: &str, events: &Events) -> Option<LabResult> {
    let started = Instant::now();
    let reason = skip_reason(lab, backend)?;
    tell_start(lab, events);
    events.emit(Event::LabSkipped { reason });
    let counts = Counts {
        skipped: lab.steps.len(),
        ..Counts::default()
    };
    events.emit(Event::LabFinished {
        file: lab.source.name().to_owned(),
        outcome: Outcome::Skipped,
        counts,
        took: started.elapsed(),
    });
    Some(LabResult {
        ending: Ending::Skipped,
        counts,
    })
}

/// Why a lab is not run on this backend, if it is not.
pub(super) fn skip_reason(lab: &Lab, backend: &str) -> Option<String> {
    lab.skip_on
        .iter()
        .find(|skip| skip.backend == backend)
        .map(|skip| skip.reason.clone())
}

fn tell_start(lab: &Lab, events: &Events) {
    events.emit(Event::LabStarted {
        file: lab.source.name().to_owned(),
        number: lab.number,
        title: lab.title.clone(),
        steps: lab.steps.len(),
    });
}

/// Whether a lab is run at natural speed throughout, even where time could be leapt over.
pub(super) fn takes_real_time(lab: &Lab) -> bool {
    let lines = lab.steps.iter().filter_map(|step| step.run.as_ref());
    lines.into_iter().any(|line| line.value.is_load_test())
}

/// Removes an environment, whatever happens. What could not be removed, if so.
pub(super) async fn remove(environment: &Arc<Environment>) -> Vec<String> {
    let environment = environment.clone();
    let removed = guarded(async move { environment.remove().await.map_err(Trouble::from) }).await;
    removed.err().map(in_one_sentence).into_iter().collect()
}

/// How far a lab has come.
struct Course<'a> {
    world: &'a Arc<World>,
    ending: Ending,
    counts: Counts,
    /// The steps that were begun, by their place in the lab.
    begun: Vec<usize>,
    background: Arc<Background>,
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
            background: Arc::default(),
        }
    }

    /// Everything between the lab's start, if that was `made`, and the cleanup.
    async fn run(&mut self, made: Result<(), Trouble>, mut precedence: Option<Precedence>) {
        let world = self.world;
        if let Err(trouble) = made {
            self.ending = tell(world, None, trouble).await;
            return;
        }
        let lab = world.lab.clone();
        // A load test measures real time, and what it meets is to take as long for everybody.
        let _natural = takes_real_time(&lab).then(|| world.clock.hold());
        for (at, step) in lab.steps.iter().enumerate() {
            precedence = precedence.filter(|_| has_to_judge(&lab, at));
            if world.interrupt.soft.is_cancelled() {
                self.ending = Ending::Interrupted;
                return;
            }
            // A step that is left out may be one that others rely on to await.
            if let Some(awaited) = &step.awaits {
                let place = lab.steps.iter().position(|it| it.id.value == awaited.value);
                self.settle(place.unwrap_or(at)).await;
            }
            if self.ending == Ending::Passed {
                self.step(at, step).await;
            }
            if self.ending != Ending::Passed {
                return;
            }
        }
        while let Some(at) = self.background.first() {
            self.settle(at).await;
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
                let (world, background) = (world.clone(), self.background.clone());
                async move {
                    match world.lab.steps.get(at) {
                        Some(step) => step::run(&world, step, &background).await,
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
        if ended.is_ok() && self.background.has(at) {
            self.counts.checks = world.checks();
            world.emit(Event::StepInBackground {
                step: step.id.value.clone(),
            });
            return;
        }
        // A step that failed leaves nothing running.
        if let Some(mut command) = self.background.take(at) {
            command.gone(patience(world)).await;
        }
        self.close(step, ended, started.elapsed()).await;
    }

    /// Decides the step at this place, if its command went on in the background: waits for its end, or brings that about.
    async fn settle(&mut self, at: usize) {
        let world = self.world;
        let (Some(mut command), Some(step)) = (self.background.take(at), world.lab.steps.get(at))
        else {
            return;
        };
        world.emit(Event::StepAwaited {
            step: step.id.value.clone(),
            stopped: command.is_endless(),
        });
        let ended = tokio::select! {
            biased;
            ended = command.ended() => ended,
            () = patience_ends(world) => Err(Trouble::Interrupted),
        };
        let (decided, took) = match ended {
            Ok((came, took)) => {
                let world = world.clone();
                let judge = guarded(async move {
                    match world.lab.steps.get(at) {
                        Some(step) => came.judge(&world, step),
                        None => Ok(()),
                    }
                });
                (judge.await, took)
            }
            Err(trouble) => {
                command.gone(Duration::ZERO).await;
                (Err(trouble), command.elapsed())
            }
        };
        self.close(step, decided, took).await;
    }

    /// Stops what still goes on in the background when the lab ends, and waits until nothing of it is left.
    async fn call_off_background(&mut self) {
        let world = self.world;
        for mut command in self.background.stop_all() {
            command.gone(patience(world)).await;
            self.counts.not_run += 1;
            if let Some(step) = world.lab.steps.get(command.at) {
                world.emit(Event::StepFinished {
                    step: step.id.value.clone(),
                    outcome: Outcome::Interrupted,
                    took: command.elapsed(),
                });
            }
        }
    }

    /// The end of a step: what went wrong, if anything did, and what that makes of the lab.
    async fn close(&mut self, step: &Step, ended: Result<(), Trouble>, took: Duration) {
        let world = self.world;
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
            took,
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

/// How long a command in the background may take to stop.
fn patience(world: &World) -> Duration {
    if world.interrupt.hard.is_cancelled() {
        SHORT_PATIENCE
    } else {
        PATIENCE
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
