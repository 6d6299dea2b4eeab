//! A history that breaks a rule, with all events left out that do not matter for it.

use super::double::Cluster;
use super::event::History;
use super::play;
use super::player::Outcome;

/// The shortest history found that breaks the same rule, and what comes of it. `most`: how many are tried.
pub fn shrunk(history: &History, prepare: &dyn Fn(&Cluster), most: usize) -> (History, Outcome) {
    let mut best = (history.clone(), play(history, prepare, false));
    let Some(rule) = best.1.violation.as_ref().map(|violation| violation.rule) else {
        return best;
    };
    let mut tries = 0;
    let mut length = best.0.events.len().div_ceil(2);
    while length > 0 {
        let mut from = 0;
        while from < best.0.events.len() && tries < most {
            tries += 1;
            let mut fewer = best.0.clone();
            let to = (from + length).min(fewer.events.len());
            fewer.events.drain(from..to);
            let outcome = play(&fewer, prepare, false);
            match &outcome.violation {
                Some(violation) if violation.rule == rule => best = (fewer, outcome),
                _ => from += length,
            }
        }
        length /= 2;
    }
    best
}
