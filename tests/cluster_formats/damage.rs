//! Recordings with a few bytes changed: what a broken connection or another program may send.

use labrunner::cluster::*;
use proptest::prelude::*;

use crate::recordings::*;

/// A change to some bytes of a reply.
#[derive(Debug, Clone)]
enum Damage {
    Cut,
    Remove,
    Replace(u8),
    Insert(Vec<u8>),
    Repeat(usize),
}

fn damage() -> impl Strategy<Value = Vec<(prop::sample::Index, Damage)>> {
    let kind = prop_oneof![
        1 => Just(Damage::Cut),
        3 => Just(Damage::Remove),
        4 => prop::sample::select(&b" ,:@-[]<>?=0129azA\r\n\0*$%"[..]).prop_map(Damage::Replace),
        2 => prop::collection::vec(any::<u8>(), 1..4).prop_map(Damage::Insert),
        2 => (1usize..80).prop_map(Damage::Repeat),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), kind), 1..6)
}

fn damaged(mut bytes: Vec<u8>, damage: Vec<(prop::sample::Index, Damage)>) -> Vec<u8> {
    for (at, kind) in damage {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        match kind {
            Damage::Cut => bytes.truncate(at),
            Damage::Remove => drop(bytes.remove(at)),
            Damage::Replace(byte) => bytes[at] = byte,
            Damage::Insert(more) => drop(bytes.splice(at..at, more)),
            Damage::Repeat(length) => {
                let again = bytes[at..(at + length).min(bytes.len())].to_vec();
                drop(bytes.splice(at..at, again));
            }
        }
    }
    bytes
}

fn recording(replies: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    (
        prop::sample::select(&VERSIONS[1..]),
        prop::sample::select(&STATES[..]),
        prop::sample::select(replies),
    )
        .prop_map(|(version, state, reply)| bytes(version, &reply.replace('*', state)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing panics, and what is still read is printed in a form that reads as the same.
    #[test]
    fn damaged_texts_do_no_harm(
        text in recording(&["nodes.*.txt", "cluster-info.*.txt", "info-replication.*.txt"]),
        damage in damage(),
    ) {
        let text = String::from_utf8_lossy(&damaged(text, damage)).into_owned();
        if let Ok(view) = Topology::parse(&text) {
            prop_assert_eq!(Topology::parse(&view.to_string()), Ok(view));
        }
        if let Ok(info) = Info::parse(&text) {
            prop_assert_eq!(Info::parse(&info.to_string()), Ok(info.clone()));
            let _ = (info.server(), info.replicas());
        }
        let _ = ClusterInfo::parse(&text);
    }

    #[test]
    fn damaged_replies_do_no_harm(
        wire in recording(&["slots.*.resp2", "slots.*.resp3", "shards.*.resp2", "shards.*.resp3"]),
        damage in damage(),
    ) {
        if let Ok(value) = redis::parse_redis_value(&damaged(wire, damage)) {
            let reply = from_wire(value);
            let _ = (SlotTable::parse(&reply).map(|table| table.owners()), Shards::parse(&reply).map(|shards| shards.owners()));
        }
    }
}
