//! The cluster at the moment of a failure: every node as it sees itself, where views differ, and the last words of the dead.

use std::time::{Duration, Instant};

use super::alive::Lives;
use super::event::Scene;
use super::names::Names;
use super::world::World;
use crate::backend::{Life, NodeState};
use crate::cluster::{NodeName, SlotSet};
use crate::lab::environment::POSTGRES;
use crate::observe::Observation;
use crate::resp::RespError;

/// How many lines of a dead node's log are shown.
const LOG_LINES: usize = 6;
/// How long the environment may take to know that a node is dead which only does not answer. One that is cut off is waited for in vain.
const KNOWN_AS_DEAD: Duration = Duration::from_millis(1500);
/// The same of a node that nothing listens for any more, or for which only a proxy of the engine's listens that closes each connection: it is hardly anything but dead, and
/// on a busy machine it takes an engine seconds to know that.
const REFUSES_AND_IS_DEAD: Duration = Duration::from_secs(8);
/// Between two questions to the environment.
const STATES_PAUSE: Duration = Duration::from_millis(100);

/// What there is to see, and the nodes that died by themselves.
#[derive(Default)]
pub(super) struct Found {
    pub scene: Scene,
    pub died: Vec<(NodeName, Life)>,
}

/// How long looking around may take, the environment's own words included.
const LIMIT: Duration = Duration::from_secs(20);

/// Looks around. Gives up when the run is to end at once, or when it takes too long: then there is nothing to show, and nobody died as
/// far as is known.
pub(super) async fn look_around(world: &World) -> Found {
    tokio::select! {
        biased;
        () = world.interrupt.hard.cancelled() => Found::default(),
        found = tokio::time::timeout(LIMIT, look(world)) => found.unwrap_or_default(),
    }
}

async fn look(world: &World) -> Found {
    let (mut lives, untold) = match world.lives().await {
        Ok(lives) => (lives, None),
        Err(error) => (
            Lives::default(),
            Some(format!("how the nodes are is not known: {error}")),
        ),
    };
    let observation = world.look_at_all().await.observation;
    // A node stops answering some tenths of a second before the environment knows that it is dead.
    let begun = Instant::now();
    let may_be_dead = |state: &NodeState| {
        let patience = match observation.views.get(&state.name) {
            Some(Err(RespError::NoConnection { .. } | RespError::Broken { .. })) => {
                REFUSES_AND_IS_DEAD
            }
            Some(Err(RespError::TimedOut { .. })) => KNOWN_AS_DEAD,
            Some(Ok(_)) | None => return false,
        };
        state.life == Life::Running && begun.elapsed() < patience
    };
    while !world.interrupt.soft.is_cancelled()
        && lives.died.is_empty()
        && lives.states.iter().any(may_be_dead)
    {
        tokio::time::sleep(STATES_PAUSE).await;
        lives = world.lives().await.unwrap_or_default();
    }
    let names = world.names();
    let Lives { states, died } = lives;
    let mut logs = Vec::new();
    // A node that is gone took its log with it.
    for (name, _) in died.iter().filter(|(_, life)| *life != Life::Absent) {
        let log = world
            .backend
            .log(name, LOG_LINES)
            .await
            .unwrap_or_else(|error| format!("(its log can't be read: {error})"));
        logs.push((name.clone(), log));
    }
    let nodes = states
        .iter()
        .filter(|state| state.life != Life::Absent)
        .map(|state| describe(state, &observation, &names))
        .chain(untold)
        .collect();
    let disagreements = observation
        .disagreement(&|id| names.call(id))
        .into_iter()
        .collect();
    Found {
        scene: Scene {
            nodes,
            disagreements,
            logs,
        },
        died,
    }
}

fn describe(state: &NodeState, observation: &Observation, names: &Names) -> String {
    let name = &state.name;
    match state.life {
        Life::Exited(code) => return format!("{name}\tstopped, exit {code}"),
        Life::Paused => return format!("{name}\tpaused"),
        Life::Absent => return format!("{name}\tnot there"),
        Life::Running => {}
    }
    if name.as_str() == POSTGRES {
        return format!("{name}\truns");
    }
    let view = match observation.views.get(name) {
        Some(Ok(view)) => view,
        Some(Err(why)) => {
            let why = why.to_string();
            let why = why.strip_prefix(&format!("{name}: ")).unwrap_or(&why);
            return format!("{name}\truns, but does not answer: {why}");
        }
        None => return format!("{name}\truns"),
    };
    let Some(myself) = view.topology.as_ref().and_then(|seen| seen.value.myself()) else {
        return format!("{name}\tdoes not know itself");
    };
    let role = match myself.master {
        Some(master) => format!("replica\tof {}", names.call(master)),
        None => format!("master\t{}", slots_in_words(&myself.slots)),
    };
    let mut words = vec![format!("{name}\t{role}")];
    if let Some(info) = &view.cluster_info
        && !info.value.ok
    {
        words.push("cluster_state:fail".to_owned());
    }
    let open = myself.migrating.len() + myself.importing.len();
    if open > 0 {
        words.push(format!("{open} open slots"));
    }
    if let Some(status) = view
        .info
        .as_ref()
        .and_then(|seen| seen.value.get("master_link_status"))
        && status != "up"
    {
        words.push(format!("link {status}"));
    }
    words.join("\t")
}

fn slots_in_words(slots: &SlotSet) -> String {
    match slots.len() {
        0 => "no slots".to_owned(),
        count => format!("{count} slots: {slots}"),
    }
}
