//! Between two labs: what of the environment of the one can be used for the other.
//!
//! A node that the next lab does not start with is removed. A node that it starts with is reset, if all that was done to it is known to be
//! undone by that; otherwise it is removed too, and made anew with the others that are not there.

use std::collections::BTreeMap;
use std::time::Duration;

use super::environment::{Environment, Known};
use super::event::Event;
use super::trouble::Trouble;
use super::world::World;
use crate::admin::{self, Settings};
use crate::backend::{Backend, Life, NodeState};
use crate::cluster::NodeName;

/// How long nodes may take to look as good as new: some of them are waiting until docker has removed others.
const RESET_LIMIT: Duration = Duration::from_secs(6);

/// What becomes of the nodes that are there.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// To be reset, to these settings or to those that they have.
    reset: BTreeMap<NodeName, Option<Settings>>,
    /// To be removed and made anew, with the reason.
    remake: BTreeMap<NodeName, String>,
    /// To be removed: they are not wanted.
    remove: Vec<NodeName>,
}

impl Plan {
    fn new(states: &[NodeState], wanted: &[NodeName], known: impl Fn(&NodeName) -> Known) -> Self {
        let mut plan = Plan::default();
        for NodeState { name, life } in states {
            if *life == Life::Absent {
                continue;
            }
            if !wanted.contains(name) {
                plan.remove.push(name.clone());
                continue;
            }
            let known = known(name);
            let why = match life {
                Life::Running => known.lasting.or_else(|| {
                    (known.settings_changed && known.start.is_none())
                        .then(|| "the settings that it started with are not known".to_owned())
                }),
                Life::Paused => Some("it is paused".to_owned()),
                Life::Exited(_) | Life::Absent => Some("it does not run".to_owned()),
            };
            match why {
                Some(why) => {
                    plan.remake.insert(name.clone(), why);
                }
                None => {
                    plan.reset.insert(name.clone(), known.start);
                }
            }
        }
        plan
    }

    /// What is to be done, in a few words.
    fn in_words(&self) -> String {
        let list = |nodes: Vec<&str>| nodes.join(", ");
        let reset: Vec<&str> = self.reset.keys().map(NodeName::as_str).collect();
        let gone = self.remake.keys().chain(&self.remove);
        let gone: Vec<&str> = gone.map(NodeName::as_str).collect();
        let words = [("resetting", reset), ("removing", gone)]
            .into_iter()
            .filter(|(_, nodes)| !nodes.is_empty())
            .map(|(what, nodes)| format!("{what} {}", list(nodes)));
        words.collect::<Vec<_>>().join("; ")
    }
}

/// Makes the environment of the lab before ready for one that starts with the nodes `wanted`. Returns those of them that are there
/// and as good as new. The others are not there.
pub(super) async fn make_ready(
    world: &World,
    environment: &Environment,
    wanted: &[NodeName],
) -> Result<Vec<NodeName>, Trouble> {
    let cancel = &world.interrupt.soft;
    let states = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(Trouble::Interrupted),
        states = environment.nodes() => states?,
    };
    let mut plan = Plan::new(&states, wanted, |name| environment.known(name));
    let phase = plan.in_words();
    if !phase.is_empty() {
        world.emit(Event::GivenPhase { phase });
    }
    let doomed: Vec<NodeName> = plan.remake.keys().chain(&plan.remove).cloned().collect();
    let reset = async {
        tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            reset = admin::reset(&world.book, std::mem::take(&mut plan.reset), RESET_LIMIT) => Some(reset),
        }
    };
    // Those that are reset are as good as new only when those that go are gone: they know each other.
    let (removed, reset) = tokio::join!(remove(environment, &doomed, cancel), reset);
    removed?;
    let mut kept = Vec::new();
    let mut failed = Vec::new();
    for (name, result) in reset.ok_or(Trouble::Interrupted)? {
        match result {
            Ok(settings) => {
                environment.note_fresh(&name, Some(settings));
                kept.push(name);
            }
            Err(error) => {
                failed.push(name.clone());
                plan.remake
                    .insert(name, format!("it can't be reset: {error}"));
            }
        }
    }
    remove(environment, &failed, cancel).await?;
    world.emit(Event::EnvironmentReused {
        kept: kept.clone(),
        remade: plan.remake,
        removed: plan.remove,
    });
    Ok(kept)
}

async fn remove(
    environment: &Environment,
    nodes: &[NodeName],
    cancel: &tokio_util::sync::CancellationToken,
) -> Result<(), Trouble> {
    if nodes.is_empty() {
        return Ok(());
    }
    Ok(environment.remove_nodes(nodes, cancel).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::new(text)
    }

    fn plan(nodes: &[(&str, Life, Known)], wanted: &[&str]) -> Plan {
        let states: Vec<NodeState> = nodes
            .iter()
            .map(|(node, life, _)| NodeState {
                name: name(node),
                life: *life,
            })
            .collect();
        let wanted: Vec<NodeName> = wanted.iter().map(|node| name(node)).collect();
        Plan::new(&states, &wanted, |node| {
            let known = nodes.iter().find(|(name, ..)| *name == node.as_str());
            known.unwrap().2.clone()
        })
    }

    fn seen() -> Known {
        Known {
            start: Some(Settings::default()),
            ..Known::default()
        }
    }

    #[test]
    fn what_runs_and_is_wanted_is_reset_and_what_is_not_wanted_goes() {
        let made = plan(
            &[
                ("redis-1", Life::Running, seen()),
                // Made by the lab before, and left alone: it has what it started with.
                ("redis-7", Life::Running, Known::default()),
                ("redis-4", Life::Running, seen()),
                ("redis-5", Life::Exited(0), seen()),
                ("redis-6", Life::Absent, Known::default()),
            ],
            &["redis-1", "redis-6", "redis-7"],
        );
        let expected = Plan {
            reset: [
                (name("redis-1"), Some(Settings::default())),
                (name("redis-7"), None),
            ]
            .into(),
            remake: BTreeMap::new(),
            remove: vec![name("redis-4"), name("redis-5")],
        };
        assert_eq!(made, expected);
        insta::assert_snapshot!(made.in_words(), @"resetting redis-1, redis-7; removing redis-4, redis-5");
    }

    #[test]
    fn what_a_reset_does_not_undo_is_made_anew() {
        let paused = ("redis-1", Life::Paused, seen());
        let stopped = ("redis-2", Life::Exited(137), seen());
        let spoilt = Known {
            lasting: Some("it was sent DEBUG SLEEP".to_owned()),
            ..seen()
        };
        let changed = Known {
            settings_changed: true,
            ..seen()
        };
        let changed_unseen = Known {
            start: None,
            ..changed.clone()
        };
        let made = plan(
            &[
                paused,
                stopped,
                ("redis-3", Life::Running, spoilt),
                ("redis-4", Life::Running, changed),
                ("redis-5", Life::Running, changed_unseen),
            ],
            &["redis-1", "redis-2", "redis-3", "redis-4", "redis-5"],
        );
        let reset: Vec<&str> = made.reset.keys().map(NodeName::as_str).collect();
        assert_eq!(reset, ["redis-4"]);
        let remake: Vec<String> = made
            .remake
            .iter()
            .map(|(name, why)| format!("{name}: {why}"))
            .collect();
        assert_eq!(
            remake,
            [
                "redis-1: it is paused",
                "redis-2: it does not run",
                "redis-3: it was sent DEBUG SLEEP",
                "redis-5: the settings that it started with are not known",
            ]
        );
    }
}
