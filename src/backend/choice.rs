//! Which backend an environment is made with.

use std::sync::Arc;

use super::docker::course::CourseOptions;
use super::docker::{Docker, DockerOptions};
use super::sim::course::CourseSim;
use super::sim::{Sim, SimOptions};
use super::standing::Course;
use super::{Backend, BackendError};

/// Where nodes are to live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Choice {
    /// The first that can serve now, without downloading: docker, else simulated nodes.
    #[default]
    Auto,
    /// In containers.
    Docker,
    /// In a simulated cluster.
    Sim,
}

/// Makes ready what a run asks for. Comes with the reason, in one sentence: what was found and, of what could not serve, why not.
///
/// # Errors
/// Those of the backend that was chosen. What only keeps docker from serving now is none for [`Choice::Auto`]; what a docker that can serve finds in its way is.
pub async fn for_run(
    choice: Choice,
    docker: DockerOptions,
    sim: SimOptions,
) -> Result<(Arc<dyn Backend>, String), BackendError> {
    let why_not = match choice {
        Choice::Sim => None,
        Choice::Docker => return containers(Docker::prepare(docker).await?),
        Choice::Auto => match Docker::find(docker.images(false)).await {
            Ok(engine) => return containers(Docker::prepare_on(engine, docker).await?),
            Err(error) => Some(why_not(error)?),
        },
    };
    let sim = Sim::prepare(sim).await?;
    let why = because(why_not, sim.why());
    Ok((Arc::new(sim), why))
}

fn containers(docker: Docker) -> Result<(Arc<dyn Backend>, String), BackendError> {
    let why = docker.why().to_owned();
    Ok((Arc::new(docker), why))
}

/// The same for the environment that is to stay. The caller holds the [`EnvironmentLock`](super::standing::EnvironmentLock) of the state folder.
///
/// # Errors
/// As [`for_run`].
pub async fn for_course(
    choice: Choice,
    docker: CourseOptions,
    sim: &SimOptions,
) -> Result<Arc<dyn Course>, BackendError> {
    let why_not = match choice {
        Choice::Sim => None,
        Choice::Docker => return Ok(Arc::new(Docker::prepare_course(docker).await?)),
        Choice::Auto => match Docker::find(docker.images(false)).await {
            Ok(engine) => return Ok(Arc::new(Docker::prepare_course_on(engine, docker).await?)),
            Err(error) => Some(why_not(error)?),
        },
    };
    let course = CourseSim::prepare(sim, &docker.state_dir)?;
    let why = because(why_not, course.why());
    Ok(Arc::new(course.because(why)))
}

/// Why docker can't serve, in its own words.
///
/// # Errors
/// An interruption is no answer to that.
fn why_not(error: BackendError) -> Result<String, BackendError> {
    match error {
        BackendError::Unavailable { what, .. } | BackendError::Broken { what, .. } => Ok(what),
        BackendError::Cancelled => Err(error),
    }
}

fn because(why_not: Option<String>, why: &str) -> String {
    match why_not {
        Some(why_not) => format!("{why} (not docker: {why_not})"),
        None => why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_what_could_not_serve() {
        assert_eq!(
            because(
                Some("Docker is not installed".to_owned()),
                "redis, simulated"
            ),
            "redis, simulated (not docker: Docker is not installed)"
        );
        assert_eq!(because(None, "redis, simulated"), "redis, simulated");
        assert!(why_not(BackendError::Cancelled).is_err());
    }
}
