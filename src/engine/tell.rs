//! What went wrong, told: the sentence, what to do about it, and the cluster at that moment; and what it makes of the lab.

use std::sync::Arc;

use super::apart::Gone;
use super::event::Event;
use super::events::Events;
use super::guard::guarded;
use super::run::Ending;
use super::scene::{Found, look_around};
use super::trouble::Trouble;
use super::world::World;
use crate::backend::{BackendError, Life};
use crate::cluster::NodeName;
use crate::lab::model::Step;

/// What a bug of this program does to a lab.
const BUG: &str = "a bug in labrunner ended this lab";
/// What is to be done about one.
const REPORT_IT: &str = "please report it, with the journal";

/// Tells what went wrong, with the cluster at that moment, and says what that makes of the lab.
pub(super) async fn tell(world: &Arc<World>, step: Option<&Step>, trouble: Trouble) -> Ending {
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
            say(format!("{BUG}: {what}"), Some(REPORT_IT.to_owned()));
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

/// Tells why an environment is not there, or not any more, before or after a lab is in it; and says what that makes of the lab.
pub(super) fn tell_unmade(events: &Events, error: BackendError) -> Ending {
    let (what, help, ending) = match error {
        BackendError::Unavailable { what, help } => (what, help, Ending::Unavailable),
        BackendError::Broken { what, help } => (what, help, Ending::Broken),
        BackendError::Cancelled => return Ending::Interrupted,
    };
    events.emit(Event::Trouble {
        step: None,
        what,
        help: Some(help),
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
pub(super) fn tell_of_cleanup(world: &World, step: &Step, trouble: Trouble) {
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

/// Tells why nothing came of a lab that was run on threads of its own, and says what that makes of it.
pub(super) fn tell_gone(events: &Events, gone: Gone) -> Ending {
    match gone {
        Gone::NoThread(error) => tell_unmade(
            events,
            BackendError::Unavailable {
                what: format!("no thread to run a lab on: {error}"),
                help: "is the machine out of memory or processes?".to_owned(),
            },
        ),
        Gone::Panicked => {
            events.emit(Event::Trouble {
                step: None,
                what: BUG.to_owned(),
                help: Some(REPORT_IT.to_owned()),
            });
            Ending::Bug
        }
    }
}

pub(super) fn in_one_sentence(trouble: Trouble) -> String {
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
pub(super) async fn unseen_end(world: &Arc<World>) -> Option<Ending> {
    let lives = {
        let world = world.clone();
        guarded(async move { Ok(world.lives().await?) }).await
    };
    let (what, help) = match lives {
        Ok(lives) => {
            let died = lives.died;
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
