//! The line of a node: CLUSTER NODES and its like.

use std::fmt::Write as _;

use super::{accounts_of, known_or_error, view_of};
use crate::cluster::NodeId;
use crate::double::gossip::{Flags, PeerKey, View};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::out::Out;
use crate::double::node::server::Server;

pub(super) fn myid(call: &mut Call<'_>) -> Outcome {
    let id = view_of(call.server)?.myself().id;
    call.out.bulk(id.to_string().as_bytes());
    Ok(())
}

impl Server {
    /// CLUSTER MYSHARDID, which 7.0 does not have: the same for a master and its replicas. It is made from the master's id, so it is another one after a failover,
    /// which Redis's is not.
    pub(in crate::double) fn newer_command(&self, out: &mut Out) -> Outcome {
        let view = view_of(self)?;
        let myself = view.myself();
        let master = myself.replica_of.map_or(myself, |master| view.peer(master));
        let mut bytes = *master.id.as_bytes();
        bytes.reverse();
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
        out.bulk(NodeId::from_bytes(bytes).to_string().as_bytes());
        Ok(())
    }
}

pub(super) fn nodes(call: &mut Call<'_>) -> Outcome {
    let view = accounts_of(call.server)?;
    let mut text = String::new();
    for key in view.by_id.values() {
        describe(view, *key, &mut text);
        text.push('\n');
    }
    call.out.verbatim("txt", text.as_bytes());
    Ok(())
}

pub(super) fn replicas(call: &mut Call<'_>) -> Outcome {
    let view = accounts_of(call.server)?;
    let master = view.peer(known_or_error(view, call.args[2])?);
    if master.flags.replica {
        return Err(Failure::text("ERR The specified node is not a master"));
    }
    call.out.array(master.replicas.len());
    for key in &master.replicas {
        let mut text = String::new();
        describe(view, *key, &mut text);
        call.out.bulk(text.as_bytes());
    }
    Ok(())
}

/// Writes what CLUSTER NODES says of a node, without the end of the line.
pub(super) fn describe(view: &View, key: PeerKey, text: &mut String) {
    let peer = view.peer(key);
    let is_me = key == view.me;
    let master = peer.replica_of.map(|master| view.peer(master));
    // To a string nothing fails.
    let _ = write!(
        text,
        "{} {}:{}@{}",
        peer.id, peer.ip, peer.port, peer.bus_port
    );
    if !peer.hostname.is_empty() {
        let _ = write!(text, ",{}", peer.hostname);
    }
    text.push(' ');
    flags(peer.flags, is_me, text);
    match master {
        Some(master) => {
            let _ = write!(text, " {}", master.id);
        }
        None => text.push_str(" -"),
    }
    let epoch = match master {
        Some(master) if peer.flags.replica => master.config_epoch,
        _ => peer.config_epoch,
    };
    let link = match is_me || peer.link.is_some() {
        true => "connected",
        false => "disconnected",
    };
    let _ = write!(
        text,
        " {} {} {epoch} {link}",
        peer.ping_sent, peer.pong_received
    );
    for range in peer.slots.ranges() {
        let _ = write!(text, " {range}");
    }
    if is_me {
        open_slots(view, text);
    }
}

fn flags(flags: Flags, is_me: bool, text: &mut String) {
    let all = [
        (is_me, "myself"),
        (flags.master, "master"),
        (flags.replica, "slave"),
        (flags.suspected, "fail?"),
        (flags.failed, "fail"),
        (flags.handshake, "handshake"),
        (flags.no_address, "noaddr"),
        (flags.no_failover, "nofailover"),
    ];
    let before = text.len();
    for (_, word) in all.iter().filter(|(set, _)| *set) {
        if text.len() > before {
            text.push(',');
        }
        text.push_str(word);
    }
    if text.len() == before {
        text.push_str("noflags");
    }
}

/// Slots that are on their way, in order.
fn open_slots(view: &View, text: &mut String) {
    let leaving = view.migrating.iter().map(|(slot, to)| (slot, "->-", to));
    let coming = view
        .importing
        .iter()
        .map(|(slot, from)| (slot, "-<-", from));
    // Of one that is both, only that it leaves is told.
    let coming = coming.filter(|(slot, _, _)| !view.migrating.contains_key(slot));
    let mut all: Vec<_> = leaving.chain(coming).collect();
    all.sort_unstable_by_key(|(slot, _, _)| **slot);
    for (slot, arrow, peer) in all {
        let id: NodeId = view.peer(*peer).id;
        let _ = write!(text, " [{slot}{arrow}{id}]");
    }
}
