//! The labs of a run. One after the other: an environment in which a lab has passed stays for the next; after any other end it is
//! removed, and the next lab gets a new one. Or several at once, each in an environment of its own.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::apart::apart;
use super::environment::Environment;
use super::event::{Counts, Event};
use super::events::Events;
use super::interrupt::Interrupt;
use super::run::{Ending, LabResult, remove, run_in, skip, skip_reason, takes_real_time};
use super::tell::{tell_gone, tell_unmade};
use super::undisturbed::{Precedence, has_to_judge, precedence};
use crate::backend::{Backend, BackendError};
use crate::lab::Lab;
use crate::lab::model::Step;

/// Makes the environments of a run. For labs one after the other, the next only when the one before is removed.
#[async_trait]
pub trait Maker: Send + Sync {
    /// Finds out whether an environment can be made. Makes no node yet.
    ///
    /// # Errors
    /// Those of the backend.
    async fn make(&self) -> Result<Arc<dyn Backend>, BackendError>;
}

/// What came of the labs of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabsResult {
    /// Of each lab that was begun, and of an interruption between two.
    pub endings: Vec<Ending>,
    /// Labs by how they ended; checks of all of them together.
    pub counts: Counts,
}

/// How the labs of a run are run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Manner {
    /// Each in an environment of its own. Labs that are run at once always are.
    pub fresh: bool,
    /// How many at once. Without, as many as suits the environment: [`AT_ONCE`] where one is made in no time, otherwise one.
    pub at_once: Option<NonZeroUsize>,
}

/// How many labs are run at once where an environment is made in no time, unless it is said. Such a lab waits most of its time: for a
/// load that goes by the clock, for a cluster to find something out.
pub const AT_ONCE: usize = 8;

/// Runs labs in their order, until one finds no environment or the run is interrupted: one after the other, or several at once, which are
/// told of one after the other all the same. When this returns, everything that was made is removed.
pub async fn run_all(
    labs: Vec<Lab>,
    maker: Arc<dyn Maker>,
    manner: Manner,
    events: &Arc<Events>,
    interrupt: &Interrupt,
) -> LabsResult {
    let labs: Vec<Arc<Lab>> = labs.into_iter().map(Arc::new).collect();
    let mut result = LabsResult::default();
    result.counts.not_run = labs.len();
    let mut standing = None;
    let first = first_environment(&labs, maker.as_ref(), &mut standing, interrupt).await;
    match first {
        Ok(first) => {
            let quick = first.is_made_in_no_time();
            let at_once = manner
                .at_once
                .map_or(if quick { AT_ONCE } else { 1 }, NonZeroUsize::get);
            let run = Run {
                backend: first.name(),
                reuses: !manner.fresh && !quick,
                leaps: quick,
                maker,
                interrupt: interrupt.clone(),
            };
            if at_once > 1 && labs.len() > 1 {
                run.side_by_side(&labs, at_once, events, &mut result).await;
            } else {
                run.in_turn(&labs, &mut standing, events, &mut result).await;
            }
        }
        Err(BackendError::Cancelled) => {}
        Err(error) => result.add(tell_unmade(events, error).into()),
    }
    if let Some(environment) = standing
        && !leave(environment, events).await
    {
        result.endings.push(Ending::Broken);
    }
    // Also when it was wished at the very end, while the last environment was being removed.
    if interrupt.times() > 0 {
        result.endings.push(Ending::Interrupted);
    }
    result
}

impl LabsResult {
    /// Counts a lab that was begun.
    fn add(&mut self, lab: LabResult) {
        self.counts.not_run = self.counts.not_run.saturating_sub(1);
        self.counts.checks += lab.counts.checks;
        match lab.ending {
            Ending::Passed => self.counts.passed += 1,
            Ending::Skipped => self.counts.skipped += 1,
            _ => self.counts.failed += 1,
        }
        self.endings.push(lab.ending);
    }
}

/// An environment that a lab has left, or that no lab has used yet.
type Standing = Option<Arc<Environment>>;

/// Makes the first environment, which says what all will be. For labs of which each is skipped it is made as well: it makes no node yet.
async fn first_environment(
    labs: &[Arc<Lab>],
    maker: &dyn Maker,
    standing: &mut Standing,
    interrupt: &Interrupt,
) -> Result<Arc<Environment>, BackendError> {
    let made = make(maker, interrupt).await?;
    *standing = Some(made.clone());
    can_serve(made.as_ref(), labs)?;
    Ok(made)
}

/// What the labs of a run have in common.
#[derive(Clone)]
struct Run {
    backend: &'static str,
    /// Whether an environment in which a lab has passed is used for the next.
    reuses: bool,
    /// Whether time is leapt over there, where a lab does not measure it.
    leaps: bool,
    maker: Arc<dyn Maker>,
    interrupt: Interrupt,
}

impl Run {
    async fn in_turn(
        &self,
        labs: &[Arc<Lab>],
        standing: &mut Standing,
        events: &Arc<Events>,
        result: &mut LabsResult,
    ) {
        let runs_here = |lab: &Arc<Lab>| skip_reason(lab, self.backend).is_none();
        for (at, lab) in labs.iter().enumerate() {
            if self.interrupt.soft.is_cancelled() {
                break;
            }
            let keep = self.reuses && labs.iter().skip(at + 1).any(runs_here);
            let lab = self.lab(lab, standing, keep, None, events).await;
            result.add(lab);
            if ends_the_run(lab.ending) {
                break;
            }
        }
    }

    /// The labs as so many places become free, each on threads of its own. Those first that judge how long requests take.
    async fn side_by_side(
        &self,
        labs: &[Arc<Lab>],
        at_once: usize,
        events: &Arc<Events>,
        result: &mut LabsResult,
    ) {
        let places = Semaphore::new(at_once);
        let over = AtomicBool::new(false);
        let lanes = events.lanes(labs.len());
        let (first, others) = precedence();
        let labs = labs.iter().map(|lab| {
            let goes_first = has_to_judge(lab, 0) && skip_reason(lab, self.backend).is_none();
            (lab, goes_first.then(|| first.clone()))
        });
        let labs: Vec<_> = labs.collect();
        drop(first);
        let running = labs
            .into_iter()
            .zip(&lanes)
            .map(|((lab, precedence), events)| async {
                if precedence.is_none() {
                    others.may_begin().await;
                }
                // Nobody closes it.
                let _place = places.acquire().await;
                let begins = !self.interrupt.soft.is_cancelled() && !over.load(Ordering::Relaxed);
                let ended = match begins {
                    true => Some(self.lab_apart(lab, precedence, events).await),
                    false => None,
                };
                if ended.is_some_and(|lab| ends_the_run(lab.ending)) {
                    over.store(true, Ordering::Relaxed);
                }
                events.end_lane();
                ended
            });
        let ended = join_all(running).await.into_iter().flatten();
        ended.for_each(|lab| result.add(lab));
    }

    /// Runs a lab on threads of its own. One that measures no time stands back behind those that do.
    async fn lab_apart(
        &self,
        lab: &Arc<Lab>,
        precedence: Option<Precedence>,
        events: &Arc<Events>,
    ) -> LabResult {
        let stands_back = self.leaps && !takes_real_time(lab);
        let ended = apart(stands_back, {
            let (run, lab, events) = (self.clone(), lab.clone(), events.clone());
            async move { run.lab(&lab, &mut None, false, precedence, &events).await }
        });
        match ended.await {
            Ok(ended) => ended,
            Err(gone) => tell_gone(events, gone).into(),
        }
    }

    /// Runs a lab in the environment that stands or in a new one. For a lab that is skipped none is made.
    async fn lab(
        &self,
        lab: &Arc<Lab>,
        standing: &mut Standing,
        keep: bool,
        precedence: Option<Precedence>,
        events: &Arc<Events>,
    ) -> LabResult {
        if let Some(skipped) = skip(lab, self.backend, events) {
            return skipped;
        }
        let maker = self.maker.as_ref();
        let environment = match standing.take() {
            Some(environment) => environment,
            None => match make(maker, &self.interrupt).await {
                Ok(environment) => environment,
                Err(error) => return tell_unmade(events, error).into(),
            },
        };
        let (lab, maker) = (lab.clone(), Some(maker));
        let interrupt = &self.interrupt;
        let ran = run_in(lab, environment, maker, keep, precedence, events, interrupt);
        let (lab, left) = ran.await;
        *standing = left;
        lab
    }
}

/// Whether no further lab is begun after one that ended so.
fn ends_the_run(ending: Ending) -> bool {
    matches!(ending, Ending::Unavailable | Ending::Interrupted)
}

/// Looks, before the first lab begins, whether the environment can do what the labs will ask of it: half a lab has shown nothing.
fn can_serve(backend: &dyn Backend, labs: &[Arc<Lab>]) -> Result<(), BackendError> {
    let name = backend.name();
    let mut runs_here = labs.iter().filter(|lab| skip_reason(lab, name).is_none());
    match runs_here.find(|lab| changes_postgres(lab, name)) {
        Some(lab) => backend
            .can_change_postgres()
            .map_err(|error| of_lab(lab, error)),
        None => Ok(()),
    }
}

/// Whether a lab starts, stops or freezes PostgreSQL on this backend.
fn changes_postgres(lab: &Lab, backend: &str) -> bool {
    let runs_here =
        |step: &&Step| -> bool { step.skip_on.iter().all(|skip| skip.backend != backend) };
    let mut lines = lab
        .steps
        .iter()
        .filter(runs_here)
        .flat_map(|step| step.run.iter().chain(&step.cleanup));
    lines.any(|line| line.value.changes_postgres())
}

/// Which of the labs it is about.
fn of_lab(lab: &Lab, error: BackendError) -> BackendError {
    match error {
        BackendError::Unavailable { what, help } => BackendError::Unavailable {
            what: format!("{}: {what}", lab.source.name()),
            help,
        },
        other => other,
    }
}

async fn make(maker: &dyn Maker, interrupt: &Interrupt) -> Result<Arc<Environment>, BackendError> {
    let backend = tokio::select! {
        made = maker.make() => made?,
        () = interrupt.soft.cancelled() => return Err(BackendError::Cancelled),
    };
    Ok(Arc::new(Environment::new(backend)))
}

/// Removes an environment that was kept for a lab that did not come. Whether nothing is left of it.
async fn leave(environment: Arc<Environment>, events: &Events) -> bool {
    let (started, used) = (Instant::now(), environment.is_used());
    // Where nothing was made, there is nothing to tell of, unless it goes wrong.
    if used {
        events.emit(Event::CleanupStarted);
    }
    let left = remove(&environment).await;
    let is_clean = left.is_empty();
    if used || !is_clean {
        events.emit(Event::CleanupFinished {
            kept: false,
            took: started.elapsed(),
            left,
        });
    }
    is_clean
}
