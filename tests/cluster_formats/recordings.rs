//! The recordings: which there are, and how each is read.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use labrunner::cluster::*;

pub const VERSIONS: [&str; 4] = ["redis-6.2.5", "redis-7.0.15", "redis-8.2.3", "valkey-9.1.2"];

pub const STATES: [&str; 14] = [
    "fresh",
    "handshake",
    "joined",
    "normal",
    "replica",
    "migrating",
    "nofailover",
    "suspected",
    "failed",
    "promoted",
    "promoted-replica",
    "returned",
    "noaddr",
    "ipv6",
];
/// States that need `cluster-announce-hostname`, which Redis 6.2 does not have.
pub const HOSTNAME_STATES: [&str; 3] = ["hostnames", "prefer-hostname", "prefer-unknown"];
/// States of which all of INFO and `nodes.conf` are recorded too.
pub const FULL_STATES: [&str; 4] = ["fresh", "normal", "replica", "hostnames"];

/// CLUSTER SHARDS, host names: what came with 7.0.
pub fn is_7_0_or_later(version: &str) -> bool {
    version != "redis-6.2.5"
}

/// Shard ids, and shards that keep their failed master.
pub fn is_7_2_or_later(version: &str) -> bool {
    is_7_0_or_later(version) && version != "redis-7.0.15"
}

pub fn states(version: &str) -> Vec<&'static str> {
    let with_names = HOSTNAME_STATES
        .into_iter()
        .filter(|_| is_7_0_or_later(version));
    STATES.into_iter().chain(with_names).collect()
}

pub fn folder(version: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/servers")
        .join(version)
}

pub fn bytes(version: &str, file: &str) -> Vec<u8> {
    let path = folder(version).join(file);
    fs::read(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; run .ci/record-servers {version}", path.display()))
}

pub fn text(version: &str, file: &str) -> String {
    String::from_utf8(bytes(version, file)).unwrap()
}

pub fn view(version: &str, state: &str) -> Topology {
    Topology::parse(&text(version, &format!("nodes.{state}.txt")))
        .unwrap_or_else(|e| panic!("{version} {state}: {e}"))
}

pub fn cluster_info(version: &str, state: &str) -> ClusterInfo {
    ClusterInfo::parse(&text(version, &format!("cluster-info.{state}.txt"))).unwrap()
}

pub fn reply(version: &str, file: &str) -> Reply {
    from_wire(
        redis::parse_redis_value(&bytes(version, file))
            .unwrap_or_else(|e| panic!("{version} {file}: {e}")),
    )
}

pub fn slot_table(version: &str, state: &str, protocol: u8) -> SlotTable {
    let file = format!("slots.{state}.resp{protocol}");
    SlotTable::parse(&reply(version, &file)).unwrap_or_else(|e| panic!("{version} {file}: {e}"))
}

pub fn shards(version: &str, state: &str, protocol: u8) -> Shards {
    let file = format!("shards.{state}.resp{protocol}");
    Shards::parse(&reply(version, &file)).unwrap_or_else(|e| panic!("{version} {file}: {e}"))
}

pub fn from_wire(value: redis::Value) -> Reply {
    use redis::Value;
    let all = |values: Vec<Value>| Reply::Array(values.into_iter().map(from_wire).collect());
    match value {
        Value::Nil => Reply::Nil,
        Value::Int(number) => Reply::Int(number),
        Value::BulkString(bytes) => Reply::Bulk(bytes),
        Value::Array(values) | Value::Set(values) => all(values),
        Value::SimpleString(text) => Reply::Status(text),
        Value::Okay => Reply::Status("OK".into()),
        Value::Map(entries) => Reply::Map(
            entries
                .into_iter()
                .map(|(k, v)| (from_wire(k), from_wire(v)))
                .collect(),
        ),
        Value::Double(number) => Reply::Double(number),
        Value::Boolean(truth) => Reply::Bool(truth),
        Value::VerbatimString { text, .. } => Reply::Bulk(text.into_bytes()),
        Value::ServerError(error) => Reply::Error(error.to_string()),
        other => Reply::Error(format!("{other:?}")),
    }
}

/// What people call the nodes of a version: by the port that they have in the state `normal`, 21004 being redis-4.
pub fn names(version: &str) -> impl Fn(NodeId) -> String {
    let views = [view(version, "normal"), view(version, "ipv6")];
    let nodes = views.into_iter().flat_map(|view| view.nodes);
    let names: BTreeMap<NodeId, u16> = nodes
        .map(|node| (node.id, node.endpoint.port % 100))
        .collect();
    move |id| {
        names
            .get(&id)
            .map_or_else(|| "somebody".to_owned(), |number| format!("redis-{number}"))
    }
}

/// A view with names for ids and without times, sorted by name.
pub fn story(version: &str, view: &Topology) -> String {
    let call = names(version);
    let line = |node: &Node| {
        let mut line = format!("{} {}", call(node.id), node.flags);
        line.extend(node.hostname.iter().map(|name| format!(", called {name}")));
        line.extend(node.master.map(|id| format!(", follows {}", call(id))));
        if !node.slots.is_empty() {
            line += &format!(", owns {}", node.slots);
        }
        line.extend(
            node.migrating
                .iter()
                .map(|(slot, to)| format!(", gives {slot} to {}", call(*to))),
        );
        line.extend(
            node.importing
                .iter()
                .map(|(slot, from)| format!(", takes {slot} from {}", call(*from))),
        );
        line
    };
    let mut lines: Vec<String> = view.nodes.iter().map(line).collect();
    lines.sort();
    lines.join("\n")
}

pub fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

pub fn errors(version: &str, state: &str) -> Vec<ClusterError> {
    let text = text(version, &format!("errors.{state}.txt"));
    text.lines()
        .map(|line| ClusterError::parse(line.split_once('\t').unwrap().1))
        .collect()
}
