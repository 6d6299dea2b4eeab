//! The `cluster` check: the cluster as every member that answers sees it.

use super::Judged;
use crate::cluster::{Node, NodeName};
use crate::engine::names::Names;
use crate::lab::model::ClusterTest;
use crate::lab::quantity::Comparison;
use crate::observe::{Observation, View};

/// Whether a line counts as a node of the cluster that has not failed.
pub(super) fn is_well(node: &Node) -> bool {
    !node.flags.failed && !node.flags.handshake && !node.flags.noaddr
}

pub(super) fn judge(test: &ClusterTest, observation: &Observation, names: &Names) -> Judged {
    let members = observation.members();
    if members.is_empty() {
        return Judged::new(false, "no member of the cluster answers");
    }
    let views: Vec<(&NodeName, &View)> = members
        .iter()
        .filter_map(|name| Some((name, observation.view(name)?)))
        .collect();
    let mut parts = Vec::new();
    if let Some(ok) = test.ok {
        let word = |ok: bool| if ok { "ok" } else { "fail" };
        parts.push(everyone(&views, "cluster_state", |view| {
            let state = view.cluster_info.as_ref()?.value.ok;
            Some((state == ok, word(state).to_owned()))
        }));
    }
    if let Some(agree) = test.agree {
        let seen = if observation.agrees() {
            format!("{} members agree", views.len())
        } else {
            observation
                .disagreement(&|id| names.call(id))
                .unwrap_or_else(|| "members disagree".to_owned())
        };
        parts.push(Judged::new(observation.agrees() == agree, seen));
    }
    let count =
        |what: &'static str, wanted: &Option<Comparison>, of: &dyn Fn(&View) -> Option<f64>| {
            wanted.map(|wanted| {
                everyone(&views, what, |view| {
                    of(view).map(|actual| (wanted.holds(actual), actual.to_string()))
                })
            })
        };
    let nodes = |role: fn(&Node) -> bool| {
        move |view: &View| {
            let topology = &view.topology.as_ref()?.value;
            Some(
                topology
                    .nodes
                    .iter()
                    .filter(|node| role(node) && is_well(node))
                    .count() as f64,
            )
        }
    };
    parts.extend(count("masters", &test.masters, &nodes(Node::is_master)));
    parts.extend(count("replicas", &test.replicas, &nodes(Node::is_replica)));
    parts.extend(count("cluster_known_nodes", &test.known_nodes, &|view| {
        Some(f64::from(view.cluster_info.as_ref()?.value.known_nodes))
    }));
    parts.extend(count(
        "cluster_slots_assigned",
        &test.slots_assigned,
        &|view| Some(f64::from(view.cluster_info.as_ref()?.value.slots_assigned)),
    ));
    Judged::all(parts)
}

/// Whether every view is as it should be. What was seen names the nodes that see it otherwise.
fn everyone(
    views: &[(&NodeName, &View)],
    what: &str,
    judge: impl Fn(&View) -> Option<(bool, String)>,
) -> Judged {
    let seen: Vec<(&NodeName, Option<(bool, String)>)> = views
        .iter()
        .map(|(name, view)| (*name, judge(view)))
        .collect();
    let others: Vec<String> = seen
        .iter()
        .filter_map(|(name, judged)| match judged {
            Some((true, _)) => None,
            Some((false, value)) => Some(format!("{value} on {name}")),
            None => Some(format!("not told by {name}")),
        })
        .collect();
    if others.is_empty() {
        let value = seen
            .iter()
            .find_map(|(_, judged)| judged.as_ref().map(|(_, value)| value.as_str()))
            .unwrap_or_default();
        return Judged::new(
            true,
            format!("{what} {value} on all {} members", views.len()),
        );
    }
    if others.len() == views.len()
        && let Some((_, Some((_, first)))) = seen.first()
        && seen
            .iter()
            .all(|(_, judged)| judged.as_ref().is_some_and(|(_, value)| value == first))
    {
        return Judged::new(
            false,
            format!("{what} {first} on all {} members", views.len()),
        );
    }
    Judged::new(false, format!("{what} {}", others.join(", ")))
}
