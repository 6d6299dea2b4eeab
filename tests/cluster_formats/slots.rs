//! `CLUSTER SLOTS` and `CLUSTER SHARDS` say the same as `CLUSTER NODES` of the same moment, in both protocols.

use std::collections::{BTreeMap, BTreeSet};

use labrunner::cluster::*;
use rstest::rstest;

use crate::recordings::*;

fn owners(view: &Topology) -> BTreeMap<NodeId, SlotSet> {
    let owners = view.nodes.iter().filter(|node| !node.slots.is_empty());
    owners.map(|node| (node.id, node.slots.clone())).collect()
}

#[test]
fn cluster_slots_agrees_with_cluster_nodes() {
    for version in VERSIONS {
        for state in states(version) {
            let (table, view) = (slot_table(version, state, 2), view(version, state));
            assert_eq!(
                slot_table(version, state, 3),
                table,
                "{version} {state}: RESP2 and RESP3"
            );
            assert_eq!(table.owners(), owners(&view), "{version} {state}");
            for entry in &table.entries {
                let replicas: BTreeSet<NodeId> =
                    entry.replicas.iter().map(|node| node.id).collect();
                let known: BTreeSet<NodeId> = view
                    .replicas_of(entry.master.id)
                    .map(|node| node.id)
                    .collect();
                assert!(replicas.is_subset(&known), "{version} {state}");
                // Which replicas are left out differs by version; with data and in good health none is.
                if ["normal", "replica", "migrating"].contains(&state) {
                    assert_eq!(replicas, known, "{version} {state}");
                }
                for node in std::iter::once(&entry.master).chain(&entry.replicas) {
                    if !state.starts_with("prefer-") {
                        assert_eq!(
                            node.endpoint,
                            view.node(node.id).unwrap().endpoint,
                            "{version} {state}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn cluster_shards_agrees_with_cluster_nodes() {
    for version in VERSIONS
        .into_iter()
        .filter(|version| is_7_0_or_later(version))
    {
        for state in states(version) {
            let (shards, view) = (shards(version, state, 2), view(version, state));
            assert_eq!(
                self::shards(version, state, 3),
                shards,
                "{version} {state}: RESP2 and RESP3"
            );
            let mut expected = owners(&view);
            if (version, state) == ("redis-8.2.3", "failed") {
                // It says no slots for a shard that has failed as a whole.
                expected.retain(|id, _| !view.node(*id).unwrap().flags.failed);
                assert_eq!(expected.len(), 2);
            }
            assert_eq!(shards.owners(), expected, "{version} {state}");

            let listed: BTreeSet<NodeId> = shards
                .shards
                .iter()
                .flat_map(|shard| &shard.nodes)
                .map(|node| node.id)
                .collect();
            let members: BTreeSet<NodeId> = view.members().map(|node| node.id).collect();
            assert!(listed.is_superset(&members), "{version} {state}");
            for shard in &shards.shards {
                assert_eq!(
                    shard.id.is_some(),
                    version == "valkey-9.1.2",
                    "{version} {state}"
                );
                for node in &shard.nodes {
                    let Some(seen) = view.node(node.id).filter(|seen| !seen.flags.handshake) else {
                        continue;
                    };
                    assert_eq!(
                        node.role,
                        if seen.is_master() {
                            Role::Master
                        } else {
                            Role::Replica
                        },
                        "{version} {state}"
                    );
                    assert_eq!(
                        node.health == Health::Failed,
                        seen.flags.failed,
                        "{version} {state}: {node:?}"
                    );
                    assert!(
                        !matches!(node.health, Health::Other(_)),
                        "{version} {state}: {node:?}"
                    );
                    assert_eq!(node.ip, seen.endpoint.host, "{version} {state}");
                    assert_eq!(node.hostname, seen.hostname, "{version} {state}");
                    assert_eq!(node.endpoint.port, seen.endpoint.port, "{version} {state}");
                }
            }
        }
    }
}

#[rstest]
#[case("redis-7.0.15", Health::Loading)]
#[case("redis-8.2.3", Health::Loading)]
#[case("valkey-9.1.2", Health::Online)]
fn a_replica_without_data(#[case] version: &str, #[case] expected: Health) {
    let shards = shards(version, "joined", 3);
    let replicas: Vec<_> = shards
        .shards
        .iter()
        .flat_map(|shard| &shard.nodes)
        .filter(|n| n.role == Role::Replica)
        .collect();
    assert_eq!(replicas.len(), 2);
    assert!(
        replicas.iter().all(|node| node.health == expected),
        "{replicas:?}"
    );
}

/// 7.0 gives the failed master a shard of its own; later versions leave it in its shard, as a second master.
#[rstest]
#[case("redis-7.0.15", 4)]
#[case("redis-8.2.3", 3)]
#[case("valkey-9.1.2", 3)]
fn shards_after_a_failover(#[case] version: &str, #[case] count: usize) {
    let call = names(version);
    let shards = shards(version, "promoted", 3);
    assert_eq!(shards.shards.len(), count);
    let taken = shards
        .shards
        .iter()
        .find(|shard| shard.slots.to_string() == "5461-10922")
        .unwrap();
    assert_eq!(call(taken.master().unwrap().id), "redis-5");
    let nodes = shards.shards.iter().flat_map(|shard| &shard.nodes);
    let failed: Vec<_> = nodes
        .filter(|node| node.health == Health::Failed)
        .map(|node| (call(node.id), node.role))
        .collect();
    assert_eq!(failed, [("redis-2".to_owned(), Role::Master)]);
}

#[test]
fn endpoints_are_as_preferred() {
    for version in VERSIONS
        .into_iter()
        .filter(|version| is_7_0_or_later(version))
    {
        let call = names(version);
        let hosts = |state: &str| -> BTreeMap<String, String> {
            let table = slot_table(version, state, 3);
            let nodes = table
                .entries
                .into_iter()
                .flat_map(|entry| [vec![entry.master], entry.replicas].concat());
            nodes
                .map(|node| (call(node.id), node.endpoint.host))
                .collect()
        };
        let expect = |named: [&str; 5]| {
            (1..)
                .map(|n| format!("redis-{n}"))
                .zip(named.map(str::to_owned))
                .collect::<BTreeMap<_, _>>()
        };
        assert_eq!(hosts("hostnames"), expect(["127.0.0.1"; 5]));
        assert_eq!(
            hosts("prefer-hostname"),
            expect([
                "redis-1.lab",
                "redis-2.lab",
                "redis-3.lab",
                "?",
                "redis-5.lab"
            ])
        );
        assert_eq!(hosts("prefer-unknown"), expect([""; 5]));

        let table = slot_table(version, "prefer-hostname", 2);
        let metadata = &table.owner(Slot::new(0).unwrap()).unwrap().metadata;
        assert!(
            metadata.contains(&("ip".to_owned(), "127.0.0.1".to_owned())),
            "{metadata:?}"
        );
    }
}
