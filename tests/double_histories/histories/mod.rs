//! Seeded histories of a whole cluster, and a checker that looks at all nodes after everything that happens.
//!
//! A history is a cluster and a list of events: what clients, operators and the weather do to it. It comes from a seed, is played on a stepped clock without sockets,
//! and is the same every time. [`report`] says of one that breaks a rule which command plays it again, and gives a test to paste.

mod ending;
pub mod event;
mod faults;
mod generate;
mod lines;
mod operator;
mod player;
mod rule;
mod seen;
mod shrink;
mod watcher;

use super::{cluster, double};

pub use event::History;
pub use player::{Outcome, Player};
#[allow(unused_imports)]
// Who has put a bug in asks by which rule it is found; the others do not.
pub use rule::{Rule, Violation};
pub use shrink::shrunk;

/// The slot of a key.
fn slot_of(key: &str) -> cluster::Slot {
    cluster::Slot::of_key(key.as_bytes())
}

/// Plays a history on a runtime of its own.
pub fn play(history: &History, prepare: &dyn Fn(&double::Cluster), record: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(Player::play(history, prepare, record))
}

/// What is printed of a history that breaks a rule: the rule, the command that plays it again, and a test.
pub fn report(history: &History, outcome: &Outcome) -> String {
    let Some(violation) = &outcome.violation else {
        return "no rule was broken".to_owned();
    };
    let seed = history.setup.seed;
    format!(
        "{violation}\nagain: cargo bench --bench histories -- --seed {seed} --histories 1\n\n{}",
        test(history, outcome, violation)
    )
}

/// The history as a test, by what labrunner gives everybody.
fn test(history: &History, outcome: &Outcome, violation: &Violation) -> String {
    format!(
        "/// {violation}\n#[tokio::test]\nasync fn history_{}() {{\n    use std::time::Duration;\n    use labrunner::cluster::Reply;\n    use labrunner::double::{{Clock, Cluster}};\n\n    \
         let cluster = {}        .start()\n        .await\n        .unwrap();\n{}    {}\n}}\n",
        history.setup.seed,
        history.setup.code(),
        outcome.script,
        violation.proof
    )
}
