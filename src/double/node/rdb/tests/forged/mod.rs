//! Payloads that no server would give, or that only old ones gave: what 7.0 says to each is recorded.

mod around;
mod collections;
mod old;
mod streams;
mod strings;

use super::foreign::{Outcome, faults};
use super::recorded::{Faults, lines, unhex};
use crate::double::node::rdb::payload::seal;
use crate::double::node::rdb::writer::Writer;

/// Names and payloads, as they are gathered.
type Cases = Vec<(&'static str, Vec<u8>)>;

/// The recording: names, and payloads or errors.
pub const FILE: &str = "forged.txt";

/// A type and a value, and what is behind every value.
fn payload(kind: u8, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::new(true);
    out.byte(kind);
    write(&mut out);
    seal(out.finish())
}

fn raw(bytes: &[u8]) -> Vec<u8> {
    seal(bytes.to_vec())
}

/// Names and payloads.
pub fn cases() -> Vec<(String, Vec<u8>)> {
    let mut cases = vec![];
    around::add(&mut cases);
    strings::add(&mut cases);
    old::add(&mut cases);
    collections::add(&mut cases);
    streams::add(&mut cases);
    cases
        .into_iter()
        .map(|(name, payload)| (name.to_owned(), payload))
        .collect()
}

/// A recorded outcome.
pub fn outcome(field: &str) -> Outcome {
    match field.starts_with("ERR ") {
        true => Err(field.to_owned()),
        false => Ok(unhex(field)),
    }
}

#[test]
fn forged_payloads_are_taken_or_refused_as_7_0_does() {
    let mut recorded = lines(FILE);
    let mut all = Faults::new();
    for (name, payload) in cases() {
        match recorded.remove(&name) {
            Some(fields) => all.extend(faults(&name, &payload, &outcome(&fields[0]))),
            None => all.push(format!("{name}: not recorded")),
        }
    }
    all.extend(
        recorded
            .keys()
            .map(|name| format!("{name}: recorded, but nobody knows it")),
    );
    assert!(all.is_empty(), "{} faults\n{}", all.len(), all.join("\n"));
}
