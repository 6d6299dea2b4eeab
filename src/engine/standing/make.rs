//! Making the environment from nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::survey::{State, Survey, Surveyor};
use super::{NotUp, UpOptions, announce, course_lab, finished};
use crate::backend::docker::course::CourseOptions;
use crate::backend::standing::{Course, Phase, Standing, StandingPostgres};
use crate::backend::{BackendError, SimOptions, for_course};
use crate::engine::begin::Begun;
use crate::engine::environment::Environment;
use crate::engine::event::Event;
use crate::engine::tell::{tell, tell_unmade};
use crate::engine::world::World;
use crate::engine::{Ending, Events, Interrupt};
use crate::lab::Lab;

/// How long a cluster that is made may take to be seen well by everybody.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Makes what was asked for. When that does not succeed, all of it is removed again, the handle too.
pub(super) async fn make(
    options: UpOptions,
    events: &Arc<Events>,
    interrupt: &Interrupt,
) -> Result<Survey, NotUp> {
    let lab = match &options.lab {
        Some(lab) => lab.clone(),
        None => course_lab()?,
    };
    let containers = CourseOptions {
        image: options.image.clone(),
        postgres: lab
            .given
            .as_ref()
            .is_some_and(|given| given.postgres.is_some()),
        postgres_image: options.postgres_image.clone(),
        postgres_port: options.postgres_port,
        pull: options.pull,
        state_dir: options.state_dir.clone(),
    };
    let simulated = SimOptions {
        program: options.program.clone(),
        postgres_port: options.postgres_port,
        ..SimOptions::default()
    };
    let preparing = for_course(options.backend, containers, &simulated);
    let course = tokio::select! {
        biased;
        () = interrupt.soft.cancelled() => return Err(NotUp::Untold(BackendError::Cancelled)),
        prepared = preparing => prepared?,
    };
    let mut standing = Standing::begin(
        course.name(),
        options.lab.as_ref(),
        lab.given.as_ref(),
        course.image(),
        course.lock_path().unwrap_or(&options.state_dir),
    );
    if lab
        .given
        .as_ref()
        .is_some_and(|given| given.postgres.is_some())
    {
        let (image, port) = course.postgres_place();
        standing.postgres = Some(StandingPostgres { image, port });
    }
    standing.write(&options.state_dir)?;
    let heading = (lab.source.name().to_owned(), lab.number, lab.title.clone());
    let file = heading.0.clone();
    announce(events, Some(heading), course.name(), course.why());
    let stood = stand(lab, course.clone(), events, interrupt, &mut standing).await;
    let looked = match stood {
        Ok(()) => ready(&*course, &mut standing, &options.state_dir, events).await,
        Err(ending) => Err(ending),
    };
    match looked {
        Ok(survey) => Ok(survey),
        Err(ending) => {
            remove(course, &options.state_dir, events).await;
            finished(events, file, ending.into());
            Err(NotUp::Told(ending))
        }
    }
}

/// Makes what the lab starts from.
async fn stand(
    lab: Lab,
    course: Arc<dyn Course>,
    events: &Arc<Events>,
    interrupt: &Interrupt,
    standing: &mut Standing,
) -> Result<(), Ending> {
    let lab = Arc::new(lab);
    let place = |environment: Arc<Environment>| {
        World::new(lab.clone(), environment, events.clone(), interrupt.clone())
    };
    let environment = Arc::new(Environment::new(course));
    let Begun { world, made, .. } = Begun::begin(environment, None, Instant::now(), &place).await;
    if let Err(trouble) = made {
        return Err(tell(&world, None, trouble).await);
    }
    if interrupt.soft.is_cancelled() {
        return Err(Ending::Interrupted);
    }
    standing.server = world.server().map(|server| server.to_string());
    Ok(())
}

/// Says in the handle that all is there, and looks at it.
async fn ready(
    course: &dyn Course,
    standing: &mut Standing,
    state_dir: &Path,
    events: &Arc<Events>,
) -> Result<Survey, Ending> {
    let looked = async {
        let surveyor = Surveyor::new(course);
        let deadline = Instant::now() + SETTLE_LIMIT;
        let looked = loop {
            let looked = surveyor.look(standing).await?;
            // All agreed a moment ago; on a busy machine one may still suspect another.
            if looked.survey.state == State::Well || Instant::now() >= deadline {
                break looked;
            }
            tokio::time::sleep(PAUSE).await;
        };
        standing.phase = Phase::Ready;
        standing.write(state_dir)?;
        Ok::<Survey, BackendError>(looked.survey)
    };
    looked.await.map_err(|error| tell_unmade(events, error))
}

/// Removes what was made, and the handle. What resists is told, and the handle stays then.
async fn remove(course: Arc<dyn Course>, state_dir: &Path, events: &Arc<Events>) {
    let began = Instant::now();
    events.emit(Event::CleanupStarted);
    let removed = match course.remove().await {
        Ok(()) => Standing::forget(state_dir),
        Err(error) => Err(error),
    };
    events.emit(match removed {
        Ok(()) => Event::CleanupFinished {
            kept: false,
            took: began.elapsed(),
            left: Vec::new(),
        },
        Err(error) => Event::Trouble {
            step: None,
            what: format!("not all that was made could be removed: {error}"),
            help: Some("`labrunner down` tries again".to_owned()),
        },
    });
}
