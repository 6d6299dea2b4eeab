//! *The* environment, as `labrunner up` leaves it standing: its handle on disk, who may change it, and how another process takes hold
//! of it.
//!
//! What a state folder has of it:
//!
//! - `environment.json`: the [`Standing`], written before the first container is made (phase `making`) and again when all is
//!   ready;
//! - `app.toml`: where the application finds its cluster, if a reader starts it by hand;
//! - `environment.lock`: held by whoever changes the environment; by its path is said whose it is;
//! - `environment/`: the definition that compose reads, and who uses which toolbox.
//!
//! Docker has the rest: what carries the label `labrunner.run=course`. Of a simulated one, the rest is a process: see [`sim::course`].

mod app_config;
mod handle;
mod lock;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::handle::{
    Phase, Standing, StandingGiven, StandingKeys, StandingLab, StandingPostgres, boot_id,
};
pub use self::lock::{EnvironmentLock, held_by};
use async_trait::async_trait;

use super::docker::course::{CourseRemains, remove_course};
use super::sim::course::CourseSim;
use super::sim::{self, SimOptions};
use super::{Backend, BackendError, Docker, Life};

pub(super) use self::handle::path as handle_path;
pub(super) use self::lock::path as lock_path;

/// Takes hold of the environment that stands, to use it: the backend carries out actions, and removes nothing when it is dropped.
///
/// # Errors
/// `Unavailable` when there is none, or no docker; `Broken` when it can't be used: half made, its containers stopped by a restart of the
/// machine or removed, its handle damaged. Each says what to do.
pub async fn attach(state_dir: &Path) -> Result<(Standing, Arc<dyn Backend>), BackendError> {
    let (standing, course) = open(state_dir).await?.ok_or_else(none)?;
    if standing.phase != Phase::Ready {
        return Err(unfinished(&standing, state_dir));
    }
    let nodes = course.nodes().await?;
    let lives: Vec<Life> = nodes.iter().map(|node| node.life).collect();
    if lives.iter().all(|life| *life == Life::Absent) && course.helper().await? == Life::Absent {
        return Err(gone(&standing));
    }
    if have_all_stopped(&standing, &lives) {
        return Err(all_stopped(&standing));
    }
    Ok((standing, course))
}

/// The environment that stands, however its nodes are; nothing if there is no handle.
///
/// # Errors
/// As [`attach`], but for what it says of the containers.
pub async fn open(state_dir: &Path) -> Result<Option<(Standing, Arc<dyn Course>)>, BackendError> {
    let Some(standing) = Standing::read(state_dir)? else {
        return Ok(None);
    };
    let course: Arc<dyn Course> = match standing.is_simulated() {
        true => Arc::new(
            CourseSim::attach(&SimOptions::default(), state_dir)?
                .with_database(standing.postgres.as_ref().map(StandingPostgres::url)),
        ),
        false => Arc::new(Docker::attach_course(&standing, state_dir).await?),
    };
    Ok(Some((standing, course)))
}

/// An environment that goes on when the process that made it has ended, and that several processes use.
#[async_trait]
pub trait Course: Backend {
    /// What was found, in one sentence: where the nodes live, and why there.
    fn why(&self) -> &str;

    /// The image of the nodes, or what stands in its place.
    fn image(&self) -> &str;

    /// PostgreSQL, for a lab that has it: its image, or what stands in the place of one, and its port on this machine.
    fn postgres_place(&self) -> (String, u16);

    /// The lock under which the environment is made and changed: it says whose it is.
    fn lock_path(&self) -> Option<&Path>;

    /// How that is which has to be there beside the nodes: the toolbox, or the process in which simulated nodes live.
    ///
    /// # Errors
    /// `Broken` when nobody can say.
    async fn helper(&self) -> Result<Life, BackendError>;
}

/// Removes the environment of a state folder and its handle. A handle that can't be read is no obstacle: what the environment is made of
/// is found by its label. The caller holds the [`EnvironmentLock`].
///
/// # Errors
/// `Unavailable` without docker; `Broken` when something resists. The handle stays then.
pub async fn remove(state_dir: &Path) -> Result<CourseRemains, BackendError> {
    let mut locks: Vec<PathBuf> = vec![lock_path(state_dir)];
    let standing = Standing::read(state_dir);
    let simulated = match &standing {
        Ok(Some(standing)) => standing.is_simulated(),
        // Nobody knows what it was made of: whatever there is goes.
        Ok(None) | Err(_) => sim::course::lives(state_dir),
    };
    let mut remains = CourseRemains {
        simulated: sim::course::remove(state_dir).await? || simulated,
        ..CourseRemains::default()
    };
    // The folder may have been moved since.
    if let Ok(Some(standing)) = &standing {
        locks.push(standing.lock.clone());
    }
    if !simulated {
        let containers = remove_course(&locks, state_dir).await;
        remains = match (containers, &standing) {
            // Where no docker is, nothing of it is.
            (Err(_), Ok(None)) if !super::docker::is_installed() => remains,
            (containers, _) => CourseRemains {
                simulated: remains.simulated,
                ..containers?
            },
        };
    }
    Standing::forget(state_dir)?;
    Ok(remains)
}

/// Removes what is left of an environment whose nodes were simulated and whose process has ended; with `all`, of one that lives as well. Whether there was one.
///
/// # Errors
/// `Unavailable` when somebody is at it; `Broken` when something resists.
pub async fn clean_simulated(state_dir: &Path, all: bool) -> Result<bool, BackendError> {
    let of_handle = Standing::read(state_dir)
        .is_ok_and(|standing| standing.is_some_and(|standing| standing.is_simulated()));
    let lives = sim::course::lives(state_dir);
    if (lives && !all) || (!lives && !of_handle) {
        return Ok(false);
    }
    let lock = EnvironmentLock::take(state_dir, "labrunner clean")?;
    sim::course::remove(state_dir).await?;
    if of_handle {
        Standing::forget(state_dir)?;
    }
    lock.remove();
    Ok(true)
}

/// That there is no environment.
pub fn none() -> BackendError {
    BackendError::Unavailable {
        what: "no environment stands here".to_owned(),
        help: "make one: `labrunner up`, or `labrunner up LAB` for what a lab starts from"
            .to_owned(),
    }
}

/// That whoever made the environment, or started it again, did not come to the end, or has not yet.
pub fn unfinished(standing: &Standing, state_dir: &Path) -> BackendError {
    let again = standing.phase == Phase::Restarting;
    match held_by(state_dir) {
        Some(who) => BackendError::Unavailable {
            what: format!(
                "{} is being {} by {who}",
                standing.in_words(),
                if again { "started again" } else { "made" }
            ),
            help: "wait until it is ready".to_owned(),
        },
        None if again => BackendError::Broken {
            what: format!(
                "{} was not started again to the end: whoever did it was interrupted, or the cluster did not come back",
                standing.in_words()
            ),
            help: "`labrunner up` tries again".to_owned(),
        },
        None => BackendError::Broken {
            what: format!(
                "{} is half made: whoever made it was killed",
                standing.in_words()
            ),
            help: format!(
                "remove it with `labrunner down`, or make it anew with `{}`",
                standing.command()
            ),
        },
    }
}

/// That nothing of the environment is there any more.
pub fn gone(standing: &Standing) -> BackendError {
    if standing.is_simulated() {
        return match standing.is_of_another_boot() {
            true => BackendError::Broken {
                what: format!(
                    "{} is gone: the machine was restarted, and simulated nodes live no longer than their process",
                    standing.in_words()
                ),
                help: format!("`{}` makes it anew", standing.command()),
            },
            false => sim::control::gone(),
        };
    }
    BackendError::Broken {
        what: format!(
            "{} is gone: its containers were removed, and not by `labrunner down`",
            standing.in_words()
        ),
        help: format!("`{}` makes it anew", standing.command()),
    }
}

/// Whether all nodes were stopped by something that stops all of them. One node alone may have been stopped by its reader.
pub fn have_all_stopped(standing: &Standing, lives: &[Life]) -> bool {
    let there: Vec<&Life> = lives.iter().filter(|life| **life != Life::Absent).collect();
    let stopped = there.iter().all(|life| matches!(life, Life::Exited(_)));
    stopped && (there.len() > 1 || (!there.is_empty() && standing.is_of_another_boot()))
}

/// That all nodes of the environment have stopped.
pub fn all_stopped(standing: &Standing) -> BackendError {
    let why = if standing.is_simulated() {
        "somebody has stopped them"
    } else if standing.is_of_another_boot() {
        "the machine was restarted"
    } else {
        "the Docker engine was restarted, or all were stopped by hand"
    };
    BackendError::Broken {
        what: format!("all nodes of {} have stopped: {why}", standing.in_words()),
        help: "`labrunner up` starts them again".to_owned(),
    }
}
