//! All text is read, and printed back as it was.

use labrunner::cluster::*;
use rstest::rstest;

use crate::recordings::*;

#[test]
fn texts_are_printed_back_byte_for_byte() {
    for version in VERSIONS {
        for state in states(version) {
            let nodes = text(version, &format!("nodes.{state}.txt"));
            assert_eq!(
                Topology::parse(&nodes).unwrap().to_string(),
                nodes,
                "{version} {state}"
            );

            let info = text(version, &format!("cluster-info.{state}.txt"));
            assert_eq!(
                ClusterInfo::parse(&info).unwrap().fields.to_string(),
                info,
                "{version} {state}"
            );

            let info = text(version, &format!("info-replication.{state}.txt"));
            assert_eq!(
                Info::parse(&info).unwrap().to_string(),
                info,
                "{version} {state}"
            );

            for line in text(version, &format!("errors.{state}.txt")).lines() {
                let (_, error) = line.split_once('\t').unwrap();
                let read = ClusterError::parse(error);
                assert!(
                    !matches!(read, ClusterError::Other(_)),
                    "{version} {state}: {error}"
                );
                assert_eq!(read.to_string(), error, "{version} {state}");
            }
        }
    }
}

#[test]
fn whole_info_is_printed_back_and_says_what_runs() {
    for version in VERSIONS {
        for state in FULL_STATES
            .iter()
            .filter(|state| states(version).contains(state))
        {
            let whole = text(version, &format!("info.{state}.txt"));
            let info = Info::parse(&whole).unwrap();
            assert_eq!(info.to_string(), whole, "{version} {state}");
            assert_eq!(
                info.server(),
                Some(version.parse::<ServerVersion>().unwrap()),
                "{version} {state}"
            );
            let sections: Vec<&str> = info.sections().collect();
            for section in ["Server", "Memory", "Replication", "Cluster", "Keyspace"] {
                assert!(
                    sections.contains(&section),
                    "{version} {state}: {sections:?}"
                );
            }
            assert_eq!(
                info.section("cluster").next(),
                Some(("cluster_enabled", "1"))
            );
            let part =
                Info::parse(&text(version, &format!("info-replication.{state}.txt"))).unwrap();
            let names = |fields: &mut dyn Iterator<Item = (&str, &str)>| {
                fields.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(
                names(&mut info.section("replication")),
                names(&mut part.fields()),
                "{version} {state}"
            );
        }
    }
}

#[test]
fn lines_of_nodes_conf_are_read_with_their_aux_fields() {
    for version in VERSIONS {
        for state in FULL_STATES
            .iter()
            .filter(|state| states(version).contains(state))
        {
            let conf = text(version, &format!("nodes-conf.{state}.txt"));
            let (nodes, vars) = conf.split_at(conf.find("vars ").unwrap());
            assert!(vars.starts_with("vars currentEpoch "), "{version} {state}");
            let conf = Topology::parse(nodes).unwrap();
            assert_eq!(conf.to_string(), nodes, "{version} {state}");
            for node in &conf.nodes {
                let names: Vec<&str> = node.aux.iter().map(|(name, _)| name.as_str()).collect();
                assert_eq!(
                    names.contains(&"shard-id"),
                    is_7_2_or_later(version),
                    "{version} {state}: {names:?}"
                );
            }
        }
    }
}

/// A master and its replica share a shard id; the names that were announced are there.
#[rstest]
#[case("redis-8.2.3", &["tls-port", "nodename", "shard-id"])]
#[case("valkey-9.1.2", &["availability-zone", "tls-port", "nodename", "shard-id"])]
fn aux_fields_in_their_order(#[case] version: &str, #[case] expected: &[&str]) {
    let conf = text(version, "nodes-conf.hostnames.txt");
    let conf = Topology::parse(&conf[..conf.find("vars ").unwrap()]).unwrap();
    let call = names(version);
    let node = |name: &str| {
        conf.nodes
            .iter()
            .find(|node| call(node.id) == name)
            .unwrap()
    };
    let aux = |name: &str, key: &str| {
        node(name)
            .aux
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value.clone())
    };

    assert_eq!(
        node("redis-2")
            .aux
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(aux("redis-2", "nodename").as_deref(), Some("node-2"));
    assert_eq!(aux("redis-4", "nodename"), None);
    assert_eq!(node("redis-4").hostname, None);
    assert_eq!(aux("redis-2", "shard-id"), aux("redis-5", "shard-id"));
    assert_eq!(aux("redis-1", "shard-id"), aux("redis-4", "shard-id"));
    assert_ne!(aux("redis-1", "shard-id"), aux("redis-2", "shard-id"));
}
