//! The recordings: a line a value, its name and its payload in hexadecimal.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::values::families;
use crate::double::node::rdb::{NodeSize, Saved, decode, encode};

/// What has to be noted of a value that is not as it should be.
pub type Faults = Vec<String>;

pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/dump")
        .join(name)
}

/// The lines of a recording: what stands in front of the first tab, and the fields behind it.
pub fn lines(name: &str) -> BTreeMap<String, Vec<String>> {
    let file = file(name);
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut lines = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split('\t').map(str::to_owned);
        let known = lines.insert(fields.next().unwrap(), fields.collect());
        assert_eq!(known, None, "{name} has two lines for one name: {line:.60}");
    }
    lines
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

pub fn unhex(hex: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

/// The same value, with what comes in any order put in one.
pub fn in_order(mut value: Saved) -> Saved {
    match &mut value {
        Saved::Set(members) => members.sort(),
        Saved::Hash(fields) => fields.sort(),
        _ => {}
    }
    value
}

/// The same value, without the times at which a recording was made.
pub fn without_times(mut value: Saved) -> Saved {
    if let Saved::Stream(stream) = &mut value {
        for group in &mut stream.groups {
            group
                .pending
                .iter_mut()
                .for_each(|pending| pending.delivered = 0);
            group
                .consumers
                .iter_mut()
                .for_each(|consumer| consumer.seen = 0);
        }
    }
    value
}

/// Whether a value's payload has one order only.
pub fn has_order(value: &Saved) -> bool {
    !matches!(value, Saved::Set(_) | Saved::Hash(_))
}

/// Compares a payload of a server with what is written here of the value that is read from it, and with the value that was built here.
pub fn faults(name: &str, payload: &[u8], built: Option<&Saved>) -> Faults {
    let mut faults = vec![];
    let value = match decode(payload, NodeSize::default()) {
        Ok(value) => value,
        Err(error) => return vec![format!("{name}: {error}")],
    };
    let again = encode(&value, true);
    if again != payload {
        faults.push(format!(
            "{name}: written again it is\n    {}\nin the place of\n    {}",
            hex(&again),
            hex(payload)
        ));
    }
    let Some(built) = built else { return faults };
    if has_order(built) && encode(built, true) != payload {
        faults.push(format!(
            "{name}: built here it is\n    {}\nin the place of\n    {}",
            hex(&encode(built, true)),
            hex(payload)
        ));
    }
    if in_order(value.clone()) != in_order(built.clone()) {
        faults.push(format!(
            "{name}: it is {value:?}\nin the place of {built:?}"
        ));
    }
    faults
}

#[test]
fn payloads_of_redis_are_read_and_written() {
    let mut faults_of_all = vec![];
    let mut count = 0;
    for (family, cases) in families() {
        let mut recorded = lines(&format!("{family}.txt"));
        for case in cases {
            let Some(fields) = recorded.remove(&case.name) else {
                faults_of_all.push(format!("{family}, {}: not recorded", case.name));
                continue;
            };
            faults_of_all.extend(faults(
                &format!("{family}, {}", case.name),
                &unhex(&fields[0]),
                case.built.as_ref(),
            ));
            count += 1;
        }
        faults_of_all.extend(
            recorded
                .keys()
                .map(|name| format!("{family}, {name}: recorded, but nobody knows it")),
        );
    }
    assert!(
        faults_of_all.is_empty(),
        "{} faults\n{}",
        faults_of_all.len(),
        faults_of_all.join("\n")
    );
    assert!(count >= 150, "{count} values");
}
