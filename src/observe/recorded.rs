//! Recorded clusters (`fixtures/servers`) as what an observer would have seen, for tests.

use std::path::PathBuf;
use std::time::Duration;

use super::{Seen, View};
use crate::cluster::{ClusterInfo, Endpoint, Info, NodeName, Topology};
use crate::resp::{Address, AddressBook, RespError};

pub(crate) fn name(number: u16) -> NodeName {
    NodeName::new(format!("redis-{number}"))
}

/// The nodes of the recordings, and two more.
pub(crate) fn book() -> AddressBook {
    let entry = |number: u16| Address {
        name: name(number),
        announced: Endpoint::new("127.0.0.1", 21000 + number),
        reachable: ([127, 0, 0, 1], 21000 + number).into(),
    };
    AddressBook::new((1..=7).map(entry).collect())
}

/// What a server of this version printed: one of the folders, and a file in it.
pub(crate) fn text(server: &str, file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/servers")
        .join(server)
        .join(file);
    std::fs::read_to_string(&path).unwrap()
}

fn recorded(file: &str) -> String {
    text("redis-7.0.15", file)
}

fn seen<T>(raw: String, parse: impl Fn(&str) -> T) -> Option<Seen<T>> {
    Some(Seen {
        value: parse(&raw),
        raw,
    })
}

/// What a node says in a recorded state.
pub(crate) fn view(state: &str) -> View {
    View {
        topology: seen(recorded(&format!("nodes.{state}.txt")), |raw| {
            Topology::parse(raw).unwrap()
        }),
        cluster_info: seen(recorded(&format!("cluster-info.{state}.txt")), |raw| {
            ClusterInfo::parse(raw).unwrap()
        }),
        info: seen(recorded(&format!("info-replication.{state}.txt")), |raw| {
            Info::parse(raw).unwrap()
        }),
        keys: Some(1),
    }
}

/// The same state, as another node would see it that agrees in everything.
pub(crate) fn moved(state: &str, to: u16) -> View {
    let mut view = view(state);
    let address = format!("127.0.0.1:{}@", 21000 + to);
    let raw: String = recorded(&format!("nodes.{state}.txt"))
        .replace("myself,", "")
        .lines()
        .map(|line| {
            let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            if words[1].starts_with(&address) {
                // A node has no doubts of itself.
                let flags = words[2].split(',').filter(|flag| !flag.starts_with("fail"));
                words[2] = format!("myself,{}", flags.collect::<Vec<_>>().join(","));
            }
            words.join(" ") + "\n"
        })
        .collect();
    if raw.contains("myself,slave") {
        view.info = seen(recorded("info-replication.replica.txt"), |raw| {
            Info::parse(raw).unwrap()
        });
    }
    view.topology = seen(raw, |raw| Topology::parse(raw).unwrap());
    view
}

/// What a node says that was just started, or reset.
pub(crate) fn fresh(number: u16) -> View {
    let text = format!(
        "{} :{}@{} myself,master - 0 0 0 connected\n",
        "f".repeat(40),
        21000 + number,
        31000 + number
    );
    let value = Topology::parse(&text).unwrap();
    View {
        topology: Some(Seen { value, raw: text }),
        ..View::default()
    }
}

pub(crate) fn gone(number: u16) -> RespError {
    RespError::NoConnection {
        node: name(number),
        why: "connection refused".into(),
    }
}

pub(crate) fn frozen(number: u16) -> RespError {
    RespError::TimedOut {
        node: name(number),
        limit: Duration::from_secs(1),
    }
}
