//! Whether `given` is a cluster that can be made.

use crate::cluster::{NodeName, SlotSet};
use crate::lab::environment::CourseNode;
use crate::lab::fault::Fault;
use crate::lab::model::Given;
use crate::lab::tree::Tree;

/// Puts what can't be made into `faults`. `tree` is the value of `given`.
pub(super) fn check_given(given: &Given, tree: &Tree, faults: &mut Vec<Fault>) {
    let span_of = |map: &str, key: &NodeName| {
        tree.get(map)
            .and_then(|map| map.entry(key.as_str()))
            .map_or(tree.span, |entry| entry.key_span)
    };
    let mut all = SlotSet::new();
    let mut owners: Vec<(&NodeName, &SlotSet)> = Vec::new();
    for (name, slots) in &given.masters {
        for (other, theirs) in &owners {
            let both = slots.intersection(theirs);
            if !both.is_empty() {
                faults.push(Fault::new(
                    span_of("masters", name),
                    format!("slots {both} belong to {other} already"),
                    "here again",
                ));
            }
        }
        owners.push((name, slots));
        all = all.union(slots);
    }
    // A list that could not be read in full has its own faults; what is missing from the rest says nothing then.
    let listed = tree.get("masters").map_or(0, |map| map.entries().len());
    let missing = SlotSet::all().difference(&all);
    if !missing.is_empty() && listed == given.masters.len() && listed > 0 {
        let span = tree
            .entry("masters")
            .map_or(tree.span, |entry| entry.key_span);
        faults.push(
            Fault::new(
                span,
                format!("slots {missing} belong to nobody"),
                "not all 16384 slots",
            )
            .help("a cluster with a slot that nobody owns is down (cluster-require-full-coverage)"),
        );
    }
    for (replica, master) in &given.replicas {
        if given.masters.iter().any(|(name, _)| name == replica) {
            faults.push(Fault::new(
                span_of("replicas", replica),
                format!("{replica} is a master already"),
                "here a replica",
            ));
        }
        let known = CourseNode::named(master.as_str()).is_some();
        if known && !given.masters.iter().any(|(name, _)| name == master) {
            faults.push(Fault::new(
                span_of("replicas", replica),
                format!("{master} is not a master here"),
                format!("{replica} can't follow it"),
            ));
        }
    }
    if let Some(keys) = given.keys
        && keys.hot_slot.is_some_and(|hot| hot > keys.count)
    {
        let span = tree
            .get("keys")
            .and_then(|keys| keys.get("hot_slot"))
            .map_or(tree.span, |hot| hot.span);
        faults.push(Fault::new(
            span,
            "more keys in the hot slot than keys",
            format!("`count` is {}", keys.count),
        ));
    }
}
