//! A node's view of its cluster.

use std::collections::BTreeMap;

use slab::Slab;

use super::around::Around;
use super::effect::{Effect, LinkId};
use super::message::Message;
use super::peer::{Peer, PeerKey};
use crate::cluster::{NodeId, Slot};

/// What an operator asks a replica for: CLUSTER FAILOVER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) enum Failover {
    /// In agreement with the master.
    Manual,
    /// Without it, but with the votes of the other masters.
    Force,
    /// Without anybody.
    Takeover,
}

/// A node's view of its cluster.
pub(in crate::double) struct View {
    /// Everybody whom it knows, itself among them.
    pub peers: Slab<Peer>,
    /// Where they are, by id: every loop over peers goes by it, so that the order is always the same.
    pub by_id: BTreeMap<NodeId, PeerKey>,
    /// Itself.
    pub me: PeerKey,
    /// Who serves a slot, as known here.
    pub owners: Box<[Option<PeerKey>]>,
    /// Slots of this node that are on their way to another one.
    pub migrating: BTreeMap<Slot, PeerKey>,
    /// Slots that are on their way to this node.
    pub importing: BTreeMap<Slot, PeerKey>,
    /// The greatest epoch that it knows.
    pub current_epoch: u64,
    /// The epoch of its last vote.
    pub last_vote_epoch: u64,
    /// It takes the cluster for well: CLUSTER INFO's `cluster_state`.
    pub ok: bool,
    /// CLUSTER INFO's `cluster_size`: masters that serve slots.
    pub size: usize,
    /// Messages sent and received, by kind, for CLUSTER INFO: ping, pong, meet, fail, publish, auth-req, auth-ack, update, mfstart, module, publishshard.
    pub sent: [u64; 11],
    pub received: [u64; 11],
    pub(super) effects: Vec<Effect>,
}

impl View {
    /// A node that knows nobody. `number`: of all nodes of the cluster's life it alone has this one; its links' numbers are made from it.
    pub fn new(number: u32, me: NodeId, port: u16, bus_port: u16, now: i64) -> View {
        let _ = (number, me, port, bus_port, now);
        unimplemented!()
    }

    /// What is left of it when the node was stopped and is started again: what stands in `nodes.conf`.
    pub fn restarted(self, now: i64) -> View {
        let _ = now;
        unimplemented!()
    }

    // What happens.

    /// A tenth of a second has passed: `clusterCron`.
    pub fn tick(&mut self, around: &mut Around<'_>) {
        let _ = around;
        unimplemented!()
    }

    /// Said after everything else that was told, once: what only has to be done in the end is done now (`clusterBeforeSleep`).
    pub fn settle(&mut self, around: &mut Around<'_>) {
        let _ = around;
        unimplemented!()
    }

    /// A link that was opened stands.
    pub fn connected(&mut self, link: LinkId, around: &mut Around<'_>) {
        let _ = (link, around);
        unimplemented!()
    }

    /// A link, opened or accepted, was closed by the other side, or could not be opened.
    pub fn closed(&mut self, link: LinkId, around: &mut Around<'_>) {
        let _ = (link, around);
        unimplemented!()
    }

    /// A message came on a link, opened or accepted.
    pub fn receive(&mut self, link: LinkId, message: Message, around: &mut Around<'_>) {
        let _ = (link, message, around);
        unimplemented!()
    }

    /// What is to be done, in this order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    // What an operator wants. Whether it may be done is checked before, by the command.

    /// CLUSTER MEET. `false`: it is under way already, or this is no address.
    pub fn meet(&mut self, ip: &str, port: u16, bus_port: u16, around: &mut Around<'_>) -> bool {
        let _ = (ip, port, bus_port, around);
        unimplemented!()
    }

    /// CLUSTER FORGET: for a minute nobody can bring it back.
    pub fn forget(&mut self, peer: PeerKey, around: &mut Around<'_>) {
        let _ = (peer, around);
        unimplemented!()
    }

    /// CLUSTER REPLICATE.
    pub fn follow(&mut self, master: PeerKey, around: &mut Around<'_>) {
        let _ = (master, around);
        unimplemented!()
    }

    /// A slot has this owner from now on, or none: `clusterAddSlot`, `clusterDelSlot`. Does not look at `migrating` and `importing`.
    pub fn give_slot(&mut self, slot: Slot, owner: Option<PeerKey>) {
        let _ = (slot, owner);
        unimplemented!()
    }

    /// CLUSTER SETSLOT NODE, with all that it brings: the ends of `migrating` and `importing`, a new epoch for a slot that was imported, a master that has lost
    /// its last slot.
    pub fn assign_slot(&mut self, slot: Slot, owner: PeerKey, around: &mut Around<'_>) {
        let _ = (slot, owner, around);
        unimplemented!()
    }

    /// CLUSTER FAILOVER.
    pub fn fail_over(&mut self, how: Failover, around: &mut Around<'_>) {
        let _ = (how, around);
        unimplemented!()
    }

    /// CLUSTER RESET.
    pub fn reset(&mut self, hard: bool, around: &mut Around<'_>) {
        let _ = (hard, around);
        unimplemented!()
    }

    /// CLUSTER BUMPEPOCH: whether the epoch was changed.
    pub fn bump_epoch(&mut self, around: &mut Around<'_>) -> bool {
        let _ = around;
        unimplemented!()
    }

    /// PUBLISH and SPUBLISH: to all others, or to the nodes of the same shard.
    pub fn publish(
        &mut self,
        channel: &[u8],
        message: &[u8],
        sharded: bool,
        around: &mut Around<'_>,
    ) {
        let _ = (channel, message, sharded, around);
        unimplemented!()
    }

    /// Something that clients see has changed; `cluster_state` and the rest are to be looked at in [`settle`](Self::settle).
    pub fn note_change(&mut self) {
        unimplemented!()
    }

    /// CLUSTER COUNT-FAILURE-REPORTS.
    pub fn failure_reports(&mut self, peer: PeerKey, around: &Around<'_>) -> usize {
        let _ = (peer, around);
        unimplemented!()
    }

    // What is known.

    /// This node.
    pub fn myself(&self) -> &Peer {
        &self.peers[usize::from(self.me.0)]
    }

    /// A node.
    pub fn peer(&self, key: PeerKey) -> &Peer {
        &self.peers[usize::from(key.0)]
    }

    /// A node by its id, also one in handshake.
    pub fn find(&self, id: NodeId) -> Option<PeerKey> {
        self.by_id.get(&id).copied()
    }

    /// Who serves a slot.
    pub fn owner(&self, slot: Slot) -> Option<PeerKey> {
        self.owners[usize::from(slot.get())]
    }
}
