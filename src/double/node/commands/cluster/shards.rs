//! Who serves what: CLUSTER SLOTS and CLUSTER SHARDS.

use super::view_of;
use crate::cluster::Slot;
use crate::double::gossip::{Peer, PeerKey, View};
use crate::double::node::call::Call;
use crate::double::node::failure::Outcome;
use crate::double::node::out::Out;
use crate::double::node::presents::Presents;
use crate::double::node::server::Server;

/// By what clients are to connect: `cluster-preferred-endpoint-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Ip,
    Hostname,
    Unknown,
}

impl Endpoint {
    fn of(server: &Server) -> Endpoint {
        match server.config.get("cluster-preferred-endpoint-type") {
            "hostname" => Endpoint::Hostname,
            "unknown-endpoint" => Endpoint::Unknown,
            _ => Endpoint::Ip,
        }
    }
}

pub(super) fn slots(call: &mut Call<'_>) -> Outcome {
    let view = view_of(call.server)?;
    let endpoint = Endpoint::of(call.server);
    let place = call.out.open();
    let mut count = 0;
    for (start, end, owner) in runs(view) {
        let master = view.peer(owner);
        let available = |key: &&PeerKey| {
            let peer = view.peer(**key);
            !peer.flags.failed && offset_of(call.server, view, **key) != 0
        };
        let replicas = || master.replicas.iter().filter(available);
        call.out.array(3 + replicas().count());
        call.out.int(i64::from(start));
        call.out.int(i64::from(end));
        let presents = call.server.presents;
        node(call.out, master, endpoint, presents);
        for key in replicas() {
            node(call.out, view.peer(*key), endpoint, presents);
        }
        count += 1;
    }
    call.out.close(place, |out| out.array(count));
    Ok(())
}

/// Neighbouring slots of one owner: the first, the last, and the owner.
fn runs(view: &View) -> Vec<(u16, u16, PeerKey)> {
    let keys = view.by_id.values();
    let runs = keys.flat_map(|key| {
        let ranges = view.peer(*key).slots.ranges();
        ranges
            .into_iter()
            .map(|range| (range.start.get(), range.end.get(), *key))
    });
    let mut runs: Vec<_> = runs.collect();
    runs.sort_unstable_by_key(|(start, ..)| *start);
    runs
}

/// How far a node's data has come, as far as is known here.
fn offset_of(server: &Server, view: &View, key: PeerKey) -> i64 {
    match key == view.me {
        true => server.replication.offset(),
        false => view.peer(key).offset,
    }
}

/// A node in CLUSTER SLOTS.
fn node(out: &mut Out, peer: &Peer, endpoint: Endpoint, presents: Presents) {
    if presents < Presents::V7_0 {
        out.array(3);
        out.bulk(peer.ip.as_bytes());
        out.int(i64::from(peer.port));
        out.bulk(peer.id.to_string().as_bytes());
        return;
    }
    out.array(4);
    match endpoint {
        Endpoint::Ip => out.bulk(peer.ip.as_bytes()),
        Endpoint::Hostname if peer.hostname.is_empty() => out.bulk(b"?"),
        Endpoint::Hostname => out.bulk(peer.hostname.as_bytes()),
        Endpoint::Unknown => out.null(),
    }
    out.int(i64::from(peer.port));
    out.bulk(peer.id.to_string().as_bytes());
    // What is known beside the endpoint.
    let ip = (endpoint != Endpoint::Ip).then_some(("ip", &*peer.ip));
    let named = endpoint != Endpoint::Hostname && !peer.hostname.is_empty();
    let hostname = named.then_some(("hostname", &*peer.hostname));
    out.map(usize::from(ip.is_some()) + usize::from(hostname.is_some()));
    for (name, value) in ip.into_iter().chain(hostname) {
        out.bulk(name.as_bytes());
        out.bulk(value.as_bytes());
    }
}

pub(super) fn shards(call: &mut Call<'_>) -> Outcome {
    let view = view_of(call.server)?;
    let endpoint = Endpoint::of(call.server);
    let keys = view.by_id.values();
    let masters: Vec<PeerKey> = keys
        .copied()
        .filter(|key| view.peer(*key).flags.master)
        .collect();
    call.out.array(masters.len());
    for key in masters {
        let master = view.peer(key);
        call.out.map(2);
        call.out.bulk(b"slots");
        let ranges = master.slots.ranges();
        call.out.array(ranges.len() * 2);
        for range in ranges {
            for slot in [range.start, range.end] {
                call.out.int(i64::from(Slot::get(slot)));
            }
        }
        call.out.bulk(b"nodes");
        call.out.array(1 + master.replicas.len());
        for key in std::iter::once(&key).chain(&master.replicas) {
            let offset = offset_of(call.server, view, *key);
            shard_node(call.out, view.peer(*key), endpoint, offset);
        }
    }
    Ok(())
}

/// A node in CLUSTER SHARDS.
fn shard_node(out: &mut Out, peer: &Peer, endpoint: Endpoint, offset: i64) {
    let has_port = peer.port != 0;
    let named = !peer.hostname.is_empty();
    out.map(6 + usize::from(has_port) + usize::from(named));
    out.bulk(b"id");
    out.bulk(peer.id.to_string().as_bytes());
    if has_port {
        out.bulk(b"port");
        out.int(i64::from(peer.port));
    }
    out.bulk(b"ip");
    out.bulk(peer.ip.as_bytes());
    out.bulk(b"endpoint");
    out.bulk(match endpoint {
        Endpoint::Ip => peer.ip.as_bytes(),
        Endpoint::Hostname if !named => b"?",
        Endpoint::Hostname => peer.hostname.as_bytes(),
        Endpoint::Unknown => b"",
    });
    if named {
        out.bulk(b"hostname");
        out.bulk(peer.hostname.as_bytes());
    }
    let replica = peer.flags.replica;
    out.bulk(b"role");
    out.bulk(if replica { b"replica" } else { b"master" });
    out.bulk(b"replication-offset");
    out.int(offset);
    out.bulk(b"health");
    out.bulk(match () {
        () if peer.flags.failed => b"fail",
        () if replica && offset == 0 => b"loading",
        () => b"online",
    });
}
