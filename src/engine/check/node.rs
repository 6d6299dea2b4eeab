//! The `node` check: one node, as every member that answers sees it.

use super::Judged;
use super::cluster::is_well;
use crate::cluster::{Node, NodeName, Topology};
use crate::engine::names::Names;
use crate::lab::model::{Health, NodeTest};
use crate::observe::Observation;
use crate::resp::RespError;

/// What a view says of the node's line in it, if there is one: whether that is as it should be, and what it is.
type SeenIn<'a> = dyn Fn(&Topology, Option<&Node>) -> (bool, String) + 'a;

pub(super) fn judge(test: &NodeTest, observation: &Observation, names: &Names) -> Judged {
    let name = &test.name;
    let members = observation.members();
    let views: Vec<(&NodeName, &Topology)> = members
        .iter()
        .filter_map(|member| Some((member, observation.topology(member)?)))
        .collect();
    let mut parts = Vec::new();
    if let Some(running) = test.running {
        parts.push(judge_running(running, name, observation));
    }
    if let Some(member) = test.member {
        let others: Vec<_> = views.iter().filter(|(viewer, _)| *viewer != name).collect();
        let knowing: Vec<String> = others
            .iter()
            .filter(|(_, view)| line(view, name, names).is_some())
            .map(|(viewer, _)| viewer.to_string())
            .collect();
        let (holds, seen) = if others.is_empty() {
            (false, "no other node answers".to_owned())
        } else if knowing.len() == others.len() {
            (member, format!("all {} others know {name}", others.len()))
        } else if knowing.is_empty() {
            (
                !member,
                format!("none of {} others knows {name}", others.len()),
            )
        } else {
            (
                false,
                format!("{name} is known to {} only", knowing.join(", ")),
            )
        };
        parts.push(Judged::new(holds, seen));
    }
    let seen_by_all = |what: &SeenIn| {
        if views.is_empty() {
            return Judged::new(false, "no member of the cluster answers");
        }
        let mut good = String::new();
        for (viewer, view) in &views {
            let (holds, seen) = what(view, line(view, name, names));
            if !holds {
                return Judged::new(false, format!("{seen}, seen from {viewer}"));
            }
            good = seen;
        }
        Judged::new(true, good)
    };
    let unknown = || (false, format!("{name} is not known"));
    if let Some(is_master) = test.is_master {
        parts.push(seen_by_all(&|_, line| match line {
            Some(line) => {
                let word = match (line.is_master(), line.is_replica()) {
                    (true, _) => "a master",
                    (false, true) => "a replica",
                    (false, false) => "neither a master nor a replica",
                };
                let holds = if is_master {
                    line.is_master()
                } else {
                    line.is_replica()
                };
                (holds, format!("{name} is {word}"))
            }
            None => unknown(),
        }));
    }
    if let Some(wanted) = &test.master {
        parts.push(seen_by_all(
            &|view, line| match line.map(|line| line.master) {
                Some(Some(id)) => {
                    let master = view.node(id).and_then(|master| names.name_of(master));
                    (
                        master == Some(wanted),
                        format!(
                            "{name} is a replica of {}",
                            master.map_or_else(|| names.call(id), ToString::to_string)
                        ),
                    )
                }
                Some(None) => (false, format!("{name} has no master")),
                None => unknown(),
            },
        ));
    }
    if let Some(wanted) = &test.slots {
        // A node that nobody knows owns nothing either, but that is another thing: `member: false`.
        parts.push(seen_by_all(&|_, line| match line {
            Some(line) => {
                let slots = line.slots.len();
                (
                    wanted.holds(slots as f64),
                    format!("{name} owns {slots} slots"),
                )
            }
            None => unknown(),
        }));
    }
    if let Some(wanted) = &test.owns {
        parts.push(seen_by_all(&|_, line| match line {
            Some(line) => {
                let missing = wanted.difference(&line.slots);
                if missing.is_empty() {
                    (true, format!("{name} owns {wanted}"))
                } else {
                    (false, format!("{name} does not own {missing}"))
                }
            }
            None => unknown(),
        }));
    }
    if let Some(wanted) = &test.replicas {
        parts.push(seen_by_all(&|view, line| match line {
            Some(line) => {
                let replicas = view
                    .replicas_of(line.id)
                    .filter(|replica| is_well(replica))
                    .count();
                (
                    wanted.holds(replicas as f64),
                    format!("{name} has {replicas} replicas"),
                )
            }
            None => unknown(),
        }));
    }
    if let Some(wanted) = test.health {
        parts.push(judge_health(wanted, name, &views, names));
    }
    if let Some(up) = test.link_up {
        let link = observation
            .view(name)
            .and_then(|view| view.info.as_ref())
            .map(|info| info.value.get("master_link_status"));
        parts.push(match link {
            Some(Some(status)) => Judged::new(
                (status == "up") == up,
                format!("the link of {name} to its master is {status}"),
            ),
            Some(None) => Judged::new(false, format!("{name} has no master")),
            None => Judged::new(false, format!("{name} does not answer")),
        });
    }
    if let Some(wanted) = &test.keys {
        parts.push(match observation.view(name).and_then(|view| view.keys) {
            Some(keys) => Judged::new(
                wanted.holds(keys as f64),
                format!("{name} holds {keys} keys"),
            ),
            None => Judged::new(false, format!("{name} does not answer")),
        });
    }
    Judged::all(parts)
}

/// Whether a node answers. One that answers with an error (it is still loading, say) runs, but not as it should: neither is true of it.
fn judge_running(wanted: bool, name: &NodeName, observation: &Observation) -> Judged {
    match observation.views.get(name) {
        Some(Ok(_)) => Judged::new(wanted, format!("{name} answers")),
        Some(Err(why @ (RespError::NoConnection { .. } | RespError::TimedOut { .. }))) => {
            let why = why.to_string();
            let why = why.strip_prefix(&format!("{name}: ")).unwrap_or(&why);
            Judged::new(!wanted, format!("{name} does not answer ({why})"))
        }
        Some(Err(why @ RespError::Broken { .. })) => Judged::new(
            false,
            format!("{name} is there, but does not answer as it should ({why})"),
        ),
        None => Judged::new(false, format!("{name} was not asked")),
    }
}

/// The line about a node in a view. A node that was reset has a new id, and others may still have a line about the old one.
fn line<'a>(view: &'a Topology, name: &NodeName, names: &Names) -> Option<&'a Node> {
    let mut lines = view
        .members()
        .filter(|node| names.name_of(node) == Some(name));
    let first = lines.next()?;
    let current = names.id(name);
    Some(
        std::iter::once(first)
            .chain(lines)
            .find(|node| Some(node.id) == current)
            .unwrap_or(first),
    )
}

/// What most of the others think of a node.
fn judge_health(
    wanted: Health,
    name: &NodeName,
    views: &[(&NodeName, &Topology)],
    names: &Names,
) -> Judged {
    let others = views.iter().filter(|(viewer, _)| *viewer != name);
    let asked = others.clone().count();
    let opinions: Vec<Health> = others
        .filter_map(|(_, view)| line(view, name, names))
        .map(|line| match (line.flags.failed, line.flags.suspected) {
            (true, _) => Health::Failed,
            (false, true) => Health::Suspected,
            (false, false) => Health::Ok,
        })
        .collect();
    let count = |health| {
        opinions
            .iter()
            .filter(|opinion| **opinion == health)
            .count()
    };
    let [ok, suspected, failed] = [Health::Ok, Health::Suspected, Health::Failed].map(count);
    let mut seen = format!("{ok} others call {name} well, {suspected} suspected, {failed} failed");
    if opinions.len() < asked {
        let unknown = asked - opinions.len();
        seen = format!("{seen}, and {unknown} do not know it");
    }
    // Those that don't know it are no help to any opinion.
    Judged::new(count(wanted) * 2 > asked, seen)
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;
