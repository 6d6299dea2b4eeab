//! *The* environment: `labrunner up` makes what a lab starts from and leaves it standing; [`survey`] says how it is.
//!
//! Everything that happens on the way is told as events, as in a run.

mod again;
mod judge;
mod make;
mod survey;

use std::path::PathBuf;
use std::sync::Arc;

use self::again::Again;
use super::event::{Counts, Event, Outcome};
use super::tell::tell_unmade;
use super::{Ending, Events, Interrupt};
use crate::backend::standing::{
    self, Course, EnvironmentLock, Phase, Standing, StandingGiven, have_all_stopped,
};
use crate::backend::{BackendError, Choice, Life};
use crate::cluster::NodeName;
use crate::lab::{self, Lab, Source};

use self::survey::Surveyor;
pub use self::survey::{
    ClusterNow, LabOf, LifeNow, NodeNow, Opinion, PostgresNow, Remark, State, Survey, survey,
};

/// What is made without a lab: a lab too, whose steps nobody runs.
const COURSE: &str = include_str!("course.yaml");

/// What is to stand.
#[derive(Debug, Clone)]
pub struct UpOptions {
    /// Where its nodes are to live.
    pub backend: Choice,
    /// The program that is labrunner; without, this one, if it is called so.
    pub program: Option<PathBuf>,
    /// The lab whose `given` is made; without, the course's own cluster.
    pub lab: Option<Lab>,
    /// The image that was asked for.
    pub image: Option<String>,
    /// The image of PostgreSQL that was asked for.
    pub postgres_image: Option<String>,
    /// The port of PostgreSQL that was asked for; without, the course's.
    pub postgres_port: Option<u16>,
    /// Whether an image that is not on this machine may be downloaded.
    pub pull: bool,
    /// Where the handle is.
    pub state_dir: PathBuf,
    /// The command, as it was typed, for whoever finds the environment busy.
    pub command: String,
}

/// What stands, and how it came to.
#[derive(Debug, Clone)]
pub struct Up {
    /// How it came to.
    pub how: How,
    /// How it is now.
    pub survey: Survey,
    /// What was done on the way that nobody asked for, a sentence each.
    pub done: Vec<String>,
}

/// How the environment came to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It was made.
    Made,
    /// It was stopped, and was started again.
    StartedAgain,
    /// It stood already, and nothing was changed.
    StoodAlready,
}

/// Why nothing stands, or not what was asked for.
#[derive(Debug, Clone)]
pub enum NotUp {
    /// Nobody has been told yet.
    Untold(BackendError),
    /// It was told as events; this is how it ended. What was made on the way is removed.
    Told(Ending),
}

impl From<BackendError> for NotUp {
    fn from(error: BackendError) -> Self {
        NotUp::Untold(error)
    }
}

/// Makes the environment, or starts it again, or finds that it stands. Leaves it standing when it succeeds; what it made is removed when it
/// does not.
///
/// # Errors
/// When it can't be made, when somebody else is at it, when another one stands, when it was interrupted.
pub async fn up(
    options: UpOptions,
    events: &Arc<Events>,
    interrupt: &Interrupt,
) -> Result<Up, NotUp> {
    let lock = EnvironmentLock::take(&options.state_dir, &options.command)?;
    let mut done = Vec::new();
    let opened = standing::open(&options.state_dir).await?;
    if let Some((standing, course)) = opened {
        let why_remove = match standing.phase {
            // Nobody makes it, since the lock was free.
            Phase::Making => Some("removed what an `up` that was killed had left"),
            Phase::Ready | Phase::Restarting => is_gone(&*course).await?.then_some(match standing.is_simulated() {
                true => "the process of the environment that stood has ended: it is made anew",
                false => "the containers of the environment that stood were removed by somebody: it is made anew",
            }),
        };
        let Some(why) = why_remove else {
            return find(options, standing, course, events, interrupt).await;
        };
        standing::remove(&options.state_dir).await?;
        done.push(why.to_owned());
    }
    let made = make::make(options, events, interrupt).await;
    match made {
        Ok(survey) => Ok(Up {
            how: How::Made,
            survey,
            done,
        }),
        Err(error) => {
            lock.remove();
            Err(error)
        }
    }
}

async fn is_gone(course: &dyn Course) -> Result<bool, BackendError> {
    let nodes = course.nodes().await?;
    Ok(
        nodes.iter().all(|node| node.life == Life::Absent)
            && course.helper().await? == Life::Absent,
    )
}

/// Finds that an environment stands, and starts it again if its containers were stopped for it.
async fn find(
    options: UpOptions,
    mut standing: Standing,
    course: Arc<dyn Course>,
    events: &Arc<Events>,
    interrupt: &Interrupt,
) -> Result<Up, NotUp> {
    is_what_was_asked_for(&options, &standing)?;
    let nodes = course.nodes().await?;
    let lives: Vec<Life> = nodes.iter().map(|node| node.life).collect();
    let named = |is: fn(&Life) -> bool| -> Vec<NodeName> {
        nodes
            .iter()
            .filter(|node| is(&node.life))
            .map(|node| node.name.clone())
            .collect()
    };
    let stopped = named(|life| matches!(life, Life::Exited(_)));
    // Within one start of the machine, a node that is stopped while others run was stopped by somebody who wanted it so.
    if have_all_stopped(&standing, &lives)
        || (standing.is_of_another_boot() && !stopped.is_empty())
        || standing.phase == Phase::Restarting
    {
        announce(
            events,
            standing
                .lab
                .as_ref()
                .map(|lab| (lab.file.clone(), lab.number, lab.title.clone())),
            course.name(),
            course.why(),
        );
        let again = Again {
            standing: &mut standing,
            course: &*course,
            events,
            interrupt,
            state_dir: &options.state_dir,
        };
        let survey = match again
            .start(&stopped, &named(|life| *life != Life::Absent))
            .await
        {
            Ok(survey) => survey,
            Err(error) => return Err(NotUp::Told(told(error, events, &standing))),
        };
        let mut done = Vec::new();
        if let Some(keys) = standing.given.as_ref().and_then(|given| given.keys) {
            done.push(format!(
                "nodes keep no keys when they stop: the {} keys of the lab were written again, all others are gone",
                keys.count
            ));
        } else {
            done.push("nodes keep no keys when they stop: the cluster is empty now".to_owned());
        }
        return Ok(Up {
            how: How::StartedAgain,
            survey,
            done,
        });
    }
    let mut done = Vec::new();
    if course.helper().await? != Life::Running {
        course.start(&[], &interrupt.soft).await?;
        done.push("started the toolbox again".to_owned());
    }
    let survey = Surveyor::new(&*course).look(&standing).await?.survey;
    Ok(Up {
        how: How::StoodAlready,
        survey,
        done,
    })
}

/// Whether what stands is what was asked for; without a lab, whatever stands is.
fn is_what_was_asked_for(options: &UpOptions, standing: &Standing) -> Result<(), BackendError> {
    let wanted = match options.backend {
        Choice::Auto => None,
        Choice::Docker => Some("docker"),
        Choice::Sim => Some("sim"),
    };
    let another = |what: String| {
        Err(BackendError::Unavailable {
            what,
            help: "remove it first: `labrunner down`".to_owned(),
        })
    };
    if wanted.is_some_and(|wanted| wanted != standing.backend) {
        return another(format!(
            "{} stands already, with the backend {}",
            standing.in_words(),
            standing.backend
        ));
    }
    if let Some(image) = &options.image
        && !standing.is_simulated()
        && *image != standing.image
    {
        return another(format!(
            "{} stands already, on another image ({})",
            standing.in_words(),
            standing.image
        ));
    }
    let Some(lab) = &options.lab else {
        return Ok(());
    };
    if !standing
        .lab
        .as_ref()
        .is_some_and(|stands| stands.is_in(lab.source.name()))
    {
        let without = if standing.lab.is_none() {
            " without a lab"
        } else {
            ""
        };
        return another(format!("{}{without} stands", standing.in_words()));
    }
    if lab.given.as_ref().map(StandingGiven::of) != standing.given {
        return another(format!(
            "{} stands, but its `given` was another when it was made",
            standing.in_words()
        ));
    }
    Ok(())
}

/// Tells what begins: the lab and where the nodes live.
fn announce(
    events: &Arc<Events>,
    lab: Option<(String, Option<u32>, String)>,
    backend: &'static str,
    why: &str,
) {
    let (file, number, title) =
        lab.unwrap_or_else(|| (String::new(), None, "The course's environment".to_owned()));
    events.emit(Event::LabStarted {
        file,
        number,
        title,
        steps: 0,
    });
    events.emit(Event::BackendChosen {
        backend,
        why: why.to_owned(),
    });
}

/// Tells why it did not go on; what stands stays as it is.
fn told(error: BackendError, events: &Arc<Events>, standing: &Standing) -> Ending {
    let ending = tell_unmade(events, error);
    let file = standing
        .lab
        .as_ref()
        .map_or_else(String::new, |lab| lab.file.clone());
    finished(events, file, ending.into());
    ending
}

fn finished(events: &Arc<Events>, file: String, outcome: Outcome) {
    events.emit(Event::LabFinished {
        file,
        outcome,
        counts: Counts::default(),
        took: events.elapsed(),
    });
}

/// The lab that is made where none was asked for.
///
/// # Errors
/// None, unless what is built into this program is damaged.
fn course_lab() -> Result<Lab, BackendError> {
    lab::load(&Source::new("", COURSE)).map_err(|faults| BackendError::Broken {
        what: format!(
            "the course's own environment is not a valid lab: {} faults",
            faults.faults.len()
        ),
        help: "this is a bug of labrunner; please report it".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_lab_the_pairs_are_those_of_the_course_text() {
        let lab = course_lab().expect("valid");
        let given = StandingGiven::of(&lab.given.expect("it has one"));
        insta::assert_snapshot!(serde_json::to_string_pretty(&given).expect("JSON"));
    }
}
