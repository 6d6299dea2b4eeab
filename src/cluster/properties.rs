//! What holds for every input, tried on generated ones: printing and then reading gives the same, sets of slots do what sets do,
//! two views disagree if and only if there is a difference to name, and nothing panics.

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;

fn slot() -> impl Strategy<Value = Slot> {
    (0..SLOTS).prop_map(Slot::wrapping)
}

/// Few ids, so that generated views speak of the same nodes.
fn id() -> impl Strategy<Value = NodeId> {
    prop_oneof![4 => (0u8..6).prop_map(|n| NodeId::from_bytes([n; 20])), 1 => any::<[u8; 20]>().prop_map(NodeId::from_bytes)]
}

fn slots() -> impl Strategy<Value = SlotSet> {
    vec((slot(), 0u16..300), 0..6).prop_map(|ranges| {
        let end = |start: Slot, len: u16| Slot::wrapping((start.get() + len).min(SLOTS - 1));
        ranges
            .into_iter()
            .map(|(start, len)| SlotRange {
                start,
                end: end(start, len),
            })
            .collect()
    })
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|ip| ip.to_string()),
        "[a-z][a-z0-9.-]{0,12}",
    ]
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    (host(), any::<u16>()).prop_map(|(host, port)| Endpoint { host, port })
}

fn flags() -> impl Strategy<Value = NodeFlags> {
    any::<[bool; 8]>().prop_map(
        |[
            myself,
            master,
            replica,
            suspected,
            failed,
            handshake,
            noaddr,
            nofailover,
        ]| NodeFlags {
            myself,
            master,
            replica,
            suspected,
            failed,
            handshake,
            noaddr,
            nofailover,
        },
    )
}

/// Slots that are open, by slot, as Redis prints them.
fn open() -> impl Strategy<Value = Vec<(Slot, NodeId)>> {
    vec((slot(), id()), 0..3).prop_map(|mut open| {
        open.sort_by_key(|(slot, _)| *slot);
        open
    })
}

fn node() -> impl Strategy<Value = Node> {
    let place = (
        endpoint(),
        any::<u16>(),
        option::of("[a-z][a-z0-9.-]{0,12}"),
        vec(("[a-z-]{1,9}", "[a-z0-9=:/-]{0,9}"), 0..3),
    );
    let what = (
        flags(),
        vec("x[a-z?]{1,9}", 0..3),
        option::of(id()),
        any::<[u64; 3]>(),
        any::<bool>(),
    );
    (id(), place, what, slots(), open(), open()).prop_map(
        |(id, place, what, slots, migrating, importing)| {
            let (endpoint, bus_port, hostname, aux) = place;
            let (
                flags,
                unknown_flags,
                master,
                [ping_sent_ms, pong_received_ms, config_epoch],
                connected,
            ) = what;
            let link = if connected {
                LinkState::Connected
            } else {
                LinkState::Disconnected
            };
            Node {
                id,
                endpoint,
                bus_port,
                hostname,
                aux,
                flags,
                unknown_flags,
                master,
                ping_sent_ms,
                pong_received_ms,
                config_epoch,
                link,
                slots,
                migrating,
                importing,
            }
        },
    )
}

fn topology() -> impl Strategy<Value = Topology> {
    vec(node(), 1..6).prop_map(|mut nodes| {
        let mut ids = BTreeSet::new();
        nodes.retain(|node| ids.insert(node.id));
        // A slot has one owner in a view.
        let mut taken = SlotSet::new();
        for node in &mut nodes {
            node.slots = node.slots.difference(&taken);
            taken = taken.union(&node.slots);
        }
        Topology { nodes }
    })
}

/// INFO as a server could print it: a first section without a name, as in CLUSTER INFO, or named ones.
fn info() -> impl Strategy<Value = String> {
    let field = ("[a-zA-Z_][a-zA-Z0-9_.-]{0,12}", "[ -~]{0,16}")
        .prop_map(|(name, value)| format!("{name}:{value}\r\n"));
    let section = ("[A-Z][A-Za-z_]{0,9}", vec(field.clone(), 0..5));
    let sections = vec(section, 0..4).prop_map(|sections| {
        let texts = sections
            .into_iter()
            .map(|(name, fields)| format!("# {name}\r\n{}", fields.concat()));
        texts.collect::<Vec<_>>().join("\r\n")
    });
    prop_oneof![3 => sections, 1 => vec(field, 0..5).prop_map(|fields| fields.concat())]
}

fn reply() -> impl Strategy<Value = Reply> {
    // Words and numbers that the parsers look for, so that they get further than the first field.
    const WORDS: [&str; 12] = [
        "id",
        "slots",
        "nodes",
        "port",
        "ip",
        "endpoint",
        "role",
        "master",
        "replica",
        "health",
        "online",
        "replication-offset",
    ];
    let leaf = prop_oneof![
        Just(Reply::Nil),
        any::<i64>().prop_map(Reply::Int),
        (0i64..17000).prop_map(Reply::Int),
        any::<f64>().prop_map(Reply::Double),
        any::<bool>().prop_map(Reply::Bool),
        ".{0,8}".prop_map(Reply::Status),
        vec(any::<u8>(), 0..8).prop_map(Reply::Bulk),
        proptest::sample::select(&WORDS[..]).prop_map(|word| Reply::Bulk(word.as_bytes().to_vec())),
        id().prop_map(|id| Reply::Bulk(id.to_string().into_bytes())),
        ".{0,8}".prop_map(Reply::Error),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Reply::Array),
            vec((inner.clone(), inner), 0..8).prop_map(Reply::Map),
        ]
    })
}

fn model(set: &SlotSet) -> BTreeSet<u16> {
    set.iter().map(Slot::get).collect()
}

proptest! {
    // A failing case is printed in full; a file of seeds beside the package would say less.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn topologies_read_back_as_printed(topology in topology()) {
        let text = topology.to_string();
        prop_assert_eq!(Topology::parse(&text), Ok(topology.clone()));
        prop_assert_eq!(Topology::parse(&text.replace('\n', "\r\n")), Ok(topology));
    }

    #[test]
    fn views_disagree_only_if_there_is_a_difference(here in topology(), there in topology()) {
        let call = |id: NodeId| format!("{id:.8}");
        prop_assert_eq!(here.difference(&here, &call), None);
        prop_assert!(here.agrees_with(&here));
        prop_assert_eq!(here.agrees_with(&there), there.agrees_with(&here));
        if !here.agrees_with(&there) {
            prop_assert!(here.difference(&there, &call).is_some());
        }
        let sentence = here.difference(&there, &call).unwrap_or_default();
        prop_assert!(!sentence.contains('\n'), "{}", sentence);
    }

    #[test]
    fn health_alone_is_a_difference_and_no_disagreement(here in topology(), at in any::<prop::sample::Index>()) {
        let mut there = here.clone();
        let node = &mut there.nodes[at.index(here.nodes.len())];
        prop_assume!(!node.flags.handshake);
        node.flags.failed = !node.flags.failed;
        prop_assert!(here.agrees_with(&there));
        prop_assert!(here.difference(&there, &|id| id.to_string()).is_some());
    }

    #[test]
    fn endpoints_read_back_as_printed(endpoint in endpoint()) {
        prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
    }

    #[test]
    fn info_prints_what_it_read(text in info()) {
        let info = Info::parse(&text).unwrap();
        prop_assert_eq!(info.to_string(), text);
    }

    #[test]
    fn slots_read_back_as_printed(set in slots()) {
        prop_assert_eq!(set.to_string().parse(), Ok(set));
    }

    #[test]
    fn slot_sets_do_what_sets_do(
        a in slots(),
        b in slots(),
        single in slot(),
        scattered in btree_set(0..SLOTS, 0..300),
    ) {
        let (model_a, model_b) = (model(&a), model(&b));
        prop_assert_eq!(model(&a.union(&b)), &model_a | &model_b);
        prop_assert_eq!(model(&a.intersection(&b)), &model_a & &model_b);
        prop_assert_eq!(model(&a.difference(&b)), &model_a - &model_b);
        prop_assert_eq!(a.is_disjoint(&b), model_a.is_disjoint(&model_b));
        prop_assert_eq!((a.len(), a.is_empty()), (model_a.len(), model_a.is_empty()));
        prop_assert_eq!(a.contains(single), model_a.contains(&single.get()));
        prop_assert_eq!(a.first().map(Slot::get), model_a.first().copied());
        prop_assert_eq!(a == b, model_a == model_b);

        let (mut more, mut fewer) = (a.clone(), a.clone());
        more.insert(single);
        fewer.remove(single);
        prop_assert_eq!((more.contains(single), fewer.contains(single)), (true, false));
        prop_assert_eq!(more.difference(&single.into()), fewer);

        let set: SlotSet = scattered.iter().map(|&n| Slot::wrapping(n)).collect();
        prop_assert_eq!(model(&set), scattered);
        let ranges = set.ranges();
        prop_assert!(ranges.windows(2).all(|pair| pair[0].end.get() + 1 < pair[1].start.get()), "{:?}", ranges);
        prop_assert_eq!(ranges.into_iter().collect::<SlotSet>(), set);
    }

    #[test]
    fn no_text_panics(text in prop_oneof!["\\PC{0,200}", "[ -~\r\n]{0,200}", "[0-9a-f]{40} [0-9:@,=a-z]{0,20} [ -~]{0,60}"]) {
        let _ = Topology::parse(&text);
        let _ = ClusterInfo::parse(&text);
        if let Ok(info) = Info::parse(&text) {
            let _ = (info.server(), info.replicas());
        }
        let _ = text.parse::<NodeId>();
        let _ = text.parse::<SlotSet>();
        let _ = text.parse::<Endpoint>();
        let _ = text.parse::<ServerVersion>();
        let error = ClusterError::parse(&text);
        prop_assert_eq!(ClusterError::parse(&error.to_string()), error);
        let _ = Slot::of_key(text.as_bytes());
    }

    #[test]
    fn no_reply_panics(reply in reply()) {
        let _ = (SlotTable::parse(&reply), Shards::parse(&reply));
        let wrapped = Reply::Array(vec![reply]);
        let _ = (SlotTable::parse(&wrapped), Shards::parse(&wrapped), wrapped.to_string(), wrapped.as_text());
    }
}
