//! The labs of a run, one after the other. An environment in which a lab has passed stays for the next; after any other end it is
//! removed, and the next lab gets a new one.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use super::environment::Environment;
use super::event::{Counts, Event};
use super::events::Events;
use super::interrupt::Interrupt;
use super::run::{Ending, LabResult, remove, run_in, skip, skip_reason};
use super::tell::tell_unmade;
use crate::backend::{Backend, BackendError};
use crate::lab::Lab;
use crate::lab::model::Step;

/// Makes the environments of a run, one after the other: the next only when the one before is removed.
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

/// Runs labs in their order, until one finds no environment or the run is interrupted. With `fresh`, each is run in an environment of
/// its own. When this returns, everything that was made is removed.
pub async fn run_all(
    labs: Vec<Lab>,
    maker: &dyn Maker,
    fresh: bool,
    events: &Arc<Events>,
    interrupt: &Interrupt,
) -> LabsResult {
    let labs: Vec<Arc<Lab>> = labs.into_iter().map(Arc::new).collect();
    let mut result = LabsResult::default();
    result.counts.not_run = labs.len();
    let mut place = Place::default();
    for (at, lab) in labs.iter().enumerate() {
        if interrupt.soft.is_cancelled() {
            result.endings.push(Ending::Interrupted);
            break;
        }
        result.counts.not_run -= 1;
        let environment = place.find(lab, &labs, maker, events, interrupt).await;
        let ending = match environment {
            Ok(Found::Skipped(lab)) => lab.ending,
            Ok(Found::Environment(environment)) => {
                let runs_here = |lab: &Arc<Lab>| skip_reason(lab, environment.name()).is_none();
                let reuses = !fresh && !environment.is_made_in_no_time();
                let keep = reuses && labs.iter().skip(at + 1).any(runs_here);
                let lab = lab.clone();
                let (lab, left) =
                    run_in(lab, environment, Some(maker), keep, events, interrupt).await;
                place.standing = left;
                result.counts.checks += lab.counts.checks;
                lab.ending
            }
            Err(error) => tell_unmade(events, error),
        };
        match ending {
            Ending::Passed => result.counts.passed += 1,
            Ending::Skipped => result.counts.skipped += 1,
            _ => result.counts.failed += 1,
        }
        result.endings.push(ending);
        if matches!(ending, Ending::Unavailable | Ending::Interrupted) {
            break;
        }
    }
    if let Some(environment) = place.standing
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

/// Where the next lab is run.
#[derive(Default)]
struct Place {
    /// The environment of the lab before, or one that no lab has used yet.
    standing: Option<Arc<Environment>>,
    /// The backend, once it is known.
    backend: Option<&'static str>,
}

enum Found {
    Environment(Arc<Environment>),
    /// The lab is not run here; that has been told.
    Skipped(LabResult),
}

impl Place {
    /// The environment for a lab: the one that stands, or a new one. For a lab that is skipped none is made, if that is known before.
    async fn find(
        &mut self,
        lab: &Lab,
        all: &[Arc<Lab>],
        maker: &dyn Maker,
        events: &Events,
        interrupt: &Interrupt,
    ) -> Result<Found, BackendError> {
        let backend = match self.backend {
            Some(backend) => backend,
            None => {
                let made = make(maker, interrupt).await?;
                let backend = made.name();
                self.standing = Some(made.clone());
                can_serve(made.as_ref(), all)?;
                backend
            }
        };
        self.backend = Some(backend);
        if let Some(skipped) = skip(lab, backend, events) {
            return Ok(Found::Skipped(skipped));
        }
        match self.standing.take() {
            Some(environment) => Ok(Found::Environment(environment)),
            None => make(maker, interrupt).await.map(Found::Environment),
        }
    }
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
