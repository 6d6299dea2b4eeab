//! Views for the tests of checks: recorded from real servers (`fixtures/servers`), or written by hand.

use std::path::Path;
use std::time::Duration;

use crate::cluster::{ClusterInfo, Info, NodeId, NodeName, Topology};
use crate::engine::names::Names;
use crate::observe::{Observation, Seen, View};
use crate::resp::{AddressBook, RespError};

/// The id of the node with this number: `1111…`.
pub fn id(number: u8) -> NodeId {
    number.to_string().repeat(40).parse().unwrap()
}

/// The node with this number.
pub fn name(number: u8) -> NodeName {
    NodeName::new(format!("redis-{number}"))
}

/// Knows nodes 1 to 8 by their ids.
pub fn names() -> Names {
    let mut names = Names::new(AddressBook::default());
    names.learn((1..=8).map(|number| (id(number), name(number))));
    names
}

/// A line of CLUSTER NODES: `row(1, "myself,master", None, "0-99")`.
pub fn row(number: u8, flags: &str, master: Option<u8>, slots: &str) -> String {
    let master = master.map_or("-".to_owned(), |master| id(master).to_string());
    let line = format!(
        "{} 172.30.0.1{number}:700{number}@1700{number} {flags} {master} 0 0 1 connected {slots}",
        id(number)
    );
    format!("{}\n", line.trim_end())
}

/// What a node answers that sees this.
pub fn sees(lines: &[String]) -> View {
    let raw = lines.concat();
    let known = lines.len();
    let info = format!(
        "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\ncluster_slots_pfail:0\r\n\
         cluster_slots_fail:0\r\ncluster_known_nodes:{known}\r\ncluster_size:1\r\ncluster_current_epoch:1\r\n\
         cluster_my_epoch:1\r\n"
    );
    View {
        topology: Some(Seen {
            value: Topology::parse(&raw).unwrap(),
            raw,
        }),
        cluster_info: Some(Seen {
            value: ClusterInfo::parse(&info).unwrap(),
            raw: info,
        }),
        ..View::default()
    }
}

/// What a node answers to INFO.
pub fn tells(text: &str) -> View {
    View {
        info: Some(Seen {
            value: Info::parse(text).unwrap(),
            raw: text.to_owned(),
        }),
        ..View::default()
    }
}

/// What these nodes answer.
pub fn observed(views: impl IntoIterator<Item = (u8, Result<View, RespError>)>) -> Observation {
    Observation {
        views: views
            .into_iter()
            .map(|(number, view)| (name(number), view))
            .collect(),
        took: Duration::ZERO,
    }
}

/// Nobody listens.
pub fn refused(number: u8) -> RespError {
    RespError::NoConnection {
        node: name(number),
        why: "refused".to_owned(),
    }
}

/// It hangs.
pub fn silent(number: u8) -> RespError {
    RespError::TimedOut {
        node: name(number),
        limit: Duration::from_millis(500),
    }
}

/// It answers with an error, as a node does that is still loading.
pub fn loading(number: u8) -> RespError {
    RespError::Broken {
        node: name(number),
        why: "CLUSTER NODES: LOADING Redis is loading the dataset in memory".to_owned(),
    }
}

/// A healthy cluster as masters 1 and 2 and the replica 3 of 1 see it.
pub fn healthy() -> Vec<(u8, Vec<String>)> {
    let lines = |me: u8| {
        let mine = |number: u8, role: &str| {
            if number == me {
                format!("myself,{role}")
            } else {
                role.to_owned()
            }
        };
        vec![
            row(1, &mine(1, "master"), None, "0-8191"),
            row(2, &mine(2, "master"), None, "8192-16383"),
            row(3, &mine(3, "slave"), Some(1), ""),
        ]
    };
    (1..=3).map(|me| (me, lines(me))).collect()
}

/// The same as an observation.
pub fn healthy_observed() -> Observation {
    observed(
        healthy()
            .into_iter()
            .map(|(number, lines)| (number, Ok(sees(&lines)))),
    )
}

/// A recording of a real server: `recorded("redis-7.0.15", "nodes.failed.txt")`.
pub fn recorded(server: &str, file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/servers")
        .join(server)
        .join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The servers of which there are recordings.
pub const SERVERS: [&str; 4] = ["redis-6.2.5", "redis-7.0.15", "redis-8.2.3", "valkey-9.1.2"];

/// The recorded view of one node, which is called redis-1. The others are called by their ports: 21003 is redis-3.
pub fn recorded_view(server: &str, scene: &str) -> (Observation, Names) {
    let raw = recorded(server, &format!("nodes.{scene}.txt"));
    let info = recorded(server, &format!("cluster-info.{scene}.txt"));
    let value = Topology::parse(&raw).unwrap();
    let mut names = Names::new(AddressBook::default());
    names.learn(value.nodes.iter().map(|node| {
        let number = if node.flags.myself {
            1
        } else {
            node.endpoint.port % 1000
        };
        (node.id, NodeName::new(format!("redis-{number}")))
    }));
    let view = View {
        topology: Some(Seen { value, raw }),
        cluster_info: Some(Seen {
            value: ClusterInfo::parse(&info).unwrap(),
            raw: info,
        }),
        ..View::default()
    };
    (observed([(1, Ok(view))]), names)
}
