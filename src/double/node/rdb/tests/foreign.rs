//! Payloads of Redis 6.2, and what 7.0 keeps of a payload.

use super::recorded::{Faults, has_order, in_order, lines, unhex};
use crate::double::node::rdb::{
    BadPayload, IntegerSet, Listpack, NodeSize, Saved, decode, encode, pack_scores,
};

/// The recording of 6.2: names, its payloads, and the payloads that 7.0 has after it took them.
pub const FILE: &str = "of-6.2.txt";

/// The form in which Redis keeps a value that it has read, with the limits that it comes with.
pub fn as_kept(value: Saved) -> Saved {
    let short = |text: &[u8]| text.len() <= 64;
    match value {
        Saved::Set(members) => {
            let numbers: Option<Vec<i64>> = (members.iter())
                .map(|member| {
                    std::str::from_utf8(member)
                        .ok()?
                        .parse()
                        .ok()
                        .filter(|number: &i64| number.to_string().as_bytes() == member)
                })
                .collect();
            match numbers {
                Some(numbers) if numbers.len() <= 512 => {
                    Saved::Integers(IntegerSet::new(numbers, 2))
                }
                _ => Saved::Set(members),
            }
        }
        Saved::Integers(set) if set.values().len() > 512 => Saved::Set(
            set.values()
                .iter()
                .map(|number| number.to_string().into_bytes())
                .collect(),
        ),
        Saved::Hash(fields)
            if fields.len() <= 512
                && fields
                    .iter()
                    .all(|(name, value)| short(name) && short(value)) =>
        {
            Saved::HashListpack(
                Listpack::of(fields.iter().flat_map(|(name, value)| [name, value])).unwrap(),
            )
        }
        Saved::HashListpack(listpack) if listpack.len() > 2 * 512 => Saved::Hash(
            listpack
                .pairs()
                .map(|(name, value)| (name.text().into(), value.text().into()))
                .collect(),
        ),
        Saved::Sorted(mut members) => {
            members.sort_by(|(one, low), (other, high)| {
                low.partial_cmp(high).unwrap().then_with(|| one.cmp(other))
            });
            match members.len() <= 128 && members.iter().all(|(member, _)| short(member)) {
                true => Saved::SortedListpack(pack_scores(members).unwrap()),
                false => Saved::Sorted(members),
            }
        }
        value => value,
    }
}

/// What happens to a payload: the payload that is given for what was kept of it.
pub type Outcome = Result<Vec<u8>, String>;

/// Compares what happens to a payload here with what the server did.
pub fn faults(name: &str, payload: &[u8], wanted: &Outcome) -> Faults {
    let here = decode(payload, NodeSize::default()).map(as_kept);
    let says = |outcome: &Outcome| {
        outcome.as_ref().map_or_else(Clone::clone, |payload| {
            format!("{}", payload.escape_ascii())
        })
    };
    let same = match (&here, wanted) {
        (Err(here), Err(wanted)) => here.to_string() == *wanted,
        (Ok(here), Ok(wanted)) if has_order(here) => encode(here, true) == *wanted,
        (Ok(here), Ok(wanted)) => {
            Ok(in_order(here.clone())) == decode(wanted, NodeSize::default()).map(in_order)
        }
        _ => false,
    };
    let here = here
        .map(|value| encode(&value, true))
        .map_err(|error: BadPayload| error.to_string());
    let fault = || {
        format!(
            "{name}, {}\n    here    {}\n    server  {}",
            payload.escape_ascii(),
            says(&here),
            says(wanted)
        )
    };
    if same { vec![] } else { vec![fault()] }
}

#[test]
fn payloads_of_6_2_are_taken_as_7_0_takes_them() {
    let recorded = lines(FILE);
    assert!(recorded.len() >= 50, "{} values", recorded.len());
    let faults: Faults = (recorded.iter())
        .flat_map(|(name, fields)| faults(name, &unhex(&fields[0]), &Ok(unhex(&fields[1]))))
        .collect();
    assert!(
        faults.is_empty(),
        "{} faults\n{}",
        faults.len(),
        faults.join("\n")
    );
}
