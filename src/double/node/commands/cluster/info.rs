//! How the cluster is, and the links to its nodes: CLUSTER INFO and CLUSTER LINKS.

use std::fmt::Write as _;

use super::{accounts_of, view_of};
use crate::double::gossip::View;
use crate::double::node::call::Call;
use crate::double::node::failure::Outcome;
use crate::double::node::out::Out;
use crate::double::node::presents::Presents;

/// The kinds of messages, in the order of the view's counters.
const KINDS: [&str; 11] = [
    "ping",
    "pong",
    "meet",
    "fail",
    "publish",
    "auth-req",
    "auth-ack",
    "update",
    "mfstart",
    "module",
    "publishshard",
];

pub(super) fn info(call: &mut Call<'_>) -> Outcome {
    let presents = call.server.presents;
    let text = text(accounts_of(call.server)?, presents);
    call.out.verbatim("txt", text.as_bytes());
    Ok(())
}

fn text(view: &View, presents: Presents) -> String {
    let (mut assigned, mut ok, mut suspected, mut failed) = (0, 0, 0, 0);
    // By owners: there are thousands of slots, and whoever looks after a cluster asks for this all the time.
    for (_, peer) in &view.peers {
        let slots = peer.slots.len();
        assigned += slots;
        match () {
            () if peer.flags.failed => failed += slots,
            () if peer.flags.suspected => suspected += slots,
            () => ok += slots,
        }
    }
    let myself = view.myself();
    let master = myself.replica_of.filter(|_| myself.flags.replica);
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        // To a string nothing fails.
        let _ = write!(text, "{name}:{value}\r\n");
    };
    line("cluster_state", &if view.ok { "ok" } else { "fail" });
    line("cluster_slots_assigned", &assigned);
    line("cluster_slots_ok", &ok);
    line("cluster_slots_pfail", &suspected);
    line("cluster_slots_fail", &failed);
    line("cluster_known_nodes", &view.by_id.len());
    line("cluster_size", &view.size);
    line("cluster_current_epoch", &view.current_epoch);
    let epoch = master.map_or(myself.config_epoch, |master| view.peer(master).config_epoch);
    line("cluster_my_epoch", &epoch);
    for (way, counts) in [("sent", &view.sent), ("received", &view.received)] {
        for (kind, count) in KINDS.iter().zip(counts).filter(|(_, count)| **count > 0) {
            line(&format!("cluster_stats_messages_{kind}_{way}"), count);
        }
        let all: u64 = counts.iter().sum();
        line(&format!("cluster_stats_messages_{way}"), &all);
    }
    if presents >= Presents::V7_0 {
        line("total_cluster_links_buffer_limit_exceeded", &0);
    }
    text
}

pub(super) fn links(call: &mut Call<'_>) -> Outcome {
    let view = view_of(call.server)?;
    let place = call.out.open();
    let mut count = 0;
    for key in view.by_id.values() {
        let peer = view.peer(*key);
        let to = peer.link.map(|link| ("to", link.since));
        let from = peer.inbound.map(|(_, since)| ("from", since));
        for (direction, since) in to.into_iter().chain(from) {
            link(call.out, direction, &peer.id.to_string(), since);
            count += 1;
        }
    }
    call.out.close(place, |out| out.array(count));
    Ok(())
}

fn link(out: &mut Out, direction: &str, node: &str, since: i64) {
    out.map(6);
    let texts = [("direction", direction), ("node", node)];
    for (name, value) in texts {
        out.bulk(name.as_bytes());
        out.bulk(value.as_bytes());
    }
    out.bulk(b"create-time");
    out.int(since);
    out.bulk(b"events");
    out.bulk(b"r");
    // Nothing waits to be sent here: what is sent is on its way at once.
    for name in ["send-buffer-allocated", "send-buffer-used"] {
        out.bulk(name.as_bytes());
        out.int(0);
    }
}
