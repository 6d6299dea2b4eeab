//! What is checked of a lab as a whole before anything runs: that its parts fit together, and that it could fail.

mod background;
mod given;
mod kind;
mod names;
mod reference;
mod step;
mod timeline;

use std::collections::BTreeMap;

use super::fault::{Fault, nearest};
use super::keys::LAB;
use super::model::Lab;
use super::shape::meant;
use super::tree::{Kind, Tree};
use names::Names;
use step::Checker;

/// Puts everything that does not fit together into `faults`. `tree` is the file that `lab` was built from.
///
/// What stands in the file but could not be understood has its fault already, and is not in `lab`. So whether something is *there*
/// is asked of the tree: otherwise one slip would have a tail of faults that only follow from it.
pub fn check(lab: &Lab, tree: &Tree, faults: &mut Vec<Fault>) {
    if let (Some(given), Some(tree)) = (&lab.given, tree.get("given")) {
        given::check_given(given, tree, faults);
    }
    let trees = meant(tree, &LAB, "steps").map_or(&[][..], |entry| entry.value.items());
    let names = Names::of(&lab.source, trees);
    let mut checker = Checker {
        lab,
        tree,
        faults,
        names,
        saved: BTreeMap::new(),
        pending: BTreeMap::new(),
    };
    for (at, (step, tree)) in lab.steps.iter().zip(trees).enumerate() {
        if matches!(tree.kind, Kind::Map(_)) {
            checker.step(at, step, tree);
        }
    }
    let Checker { names, saved, .. } = checker;
    for (name, span) in saved {
        if !names.mentioned.contains(&name) {
            faults.push(
                Fault::new(
                    span,
                    format!("`{name}` is saved and never used"),
                    "nobody asks for it",
                )
                .help(format!(
                    "use it as `${{{name}}}` in a later step, or remove it"
                )),
            );
        }
    }
    for point in &lab.points {
        for step in &point.proved_by {
            if !names.steps.contains_key(&step.value) && !step.value.is_empty() {
                let near = nearest(&step.value, names.steps.keys().map(String::as_str));
                let label =
                    near.map_or("here".to_owned(), |near| format!("did you mean `{near}`?"));
                let fault = Fault::new(
                    step.span,
                    format!("there is no step `{}` to prove this point", step.value),
                    label,
                );
                faults.push(fault.help("name steps by their `id`"));
            }
        }
    }
}
