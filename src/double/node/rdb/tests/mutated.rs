//! Payloads of servers with something changed in them.

use std::path::Path;

use proptest::prelude::*;

use super::recorded::{lines, unhex};
use super::{foreign, forged};
use crate::double::node::rdb::payload::seal;
use crate::double::node::rdb::{NodeSize, decode, encode};

/// Values of every type, neither compressed nor long, without what is behind them.
pub fn bases() -> Vec<Vec<u8>> {
    let recorded = [
        "strings",
        "lists",
        "sets",
        "hashes",
        "sorted-sets",
        "streams",
    ]
    .map(|family| lines(&format!("{family}.txt")));
    let plain = recorded
        .iter()
        .flat_map(|lines| lines.values())
        .filter_map(|fields| {
            let value = decode(&unhex(&fields[0]), NodeSize::default()).ok()?;
            Some(encode(&value, false))
        });
    let packed = recorded
        .iter()
        .flat_map(|lines| lines.values())
        .map(|fields| unhex(&fields[0]));
    let of_6_2 = lines(foreign::FILE)
        .into_values()
        .map(|fields| unhex(&fields[0]));
    let forged = forged::cases().into_iter().map(|(_, payload)| payload);
    (plain.chain(packed).chain(of_6_2).chain(forged))
        .filter(|payload| (12..2000).contains(&payload.len()))
        .map(|payload| payload[..payload.len() - 10].to_vec())
        .collect()
}

/// The payloads that the fuzzer begins with.
#[test]
#[ignore = "fills fuzz/corpus/restore"]
fn seeds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/restore");
    std::fs::create_dir_all(&folder).unwrap();
    for (at, base) in bases().into_iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{at:03}")), base).unwrap();
    }
}

/// One change: what kind, where, and of what.
pub type Change = (u8, u16, u8);

/// A payload with changes; its checksum is right again.
pub fn changed(base: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = base.to_vec();
    for &(kind, place, with) in changes {
        let at = usize::from(place) % bytes.len().max(1);
        let Some(byte) = bytes.get_mut(at) else { break };
        match kind % 8 {
            0 | 1 => *byte = with,
            2 => *byte ^= 1 << (with % 8),
            3 => *byte = byte.wrapping_add(1),
            4 => *byte = byte.wrapping_sub(1),
            5 => bytes.insert(at, with),
            6 => {
                bytes.remove(at);
            }
            _ => bytes.truncate(at.max(1)),
        }
    }
    seal(bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// What is taken is written as something that is taken for the same.
    #[test]
    fn changed_payloads_are_taken_or_refused(
        base in prop::sample::select(bases()),
        changes in prop::collection::vec(any::<Change>(), 1..5),
    ) {
        if let Ok(value) = decode(&changed(&base, &changes), NodeSize::default()) {
            for compress in [true, false] {
                let again = decode(&encode(&value, compress), NodeSize::default());
                prop_assert_eq!(again.as_ref(), Ok(&value));
            }
        }
    }

    #[test]
    fn any_bytes_are_taken_or_refused(kind in 0_u8..21, bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let payload = seal([&[kind][..], &bytes].concat());
        let _ = decode(&payload, NodeSize::default());
        let _ = decode(&bytes, NodeSize::default());
    }
}
