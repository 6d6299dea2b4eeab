//! Rest: when nodes have nothing left to tell each other.
//!
//! Where each node takes each other one for what that one says of itself, a ping and its pong change nothing but the moments at which the next ones are due. Such a cluster can be left alone until something
//! stirs it, and then goes on as if it had stood still: all those moments are as far back as they were when it came to rest. That is a way in which it could have gone, too, only later, since nothing in the
//! protocol depends on what time it is but by how long something is ago.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::around::{Around, MasterLink};
use super::message::Header;
use super::peer::PeerKey;
use super::view::View;
use crate::cluster::NodeId;

/// The kinds of messages that a cluster at rest would send: PING and PONG, by [`View::sent`].
const KINDS: usize = 2;

/// Since when a node has learned nothing new.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Quiet {
    /// In milliseconds since 1970.
    since: i64,
    /// Pings and pongs that it had sent and received by then.
    sent: [u64; KINDS],
    received: [u64; KINDS],
}

impl View {
    /// This node has learned something, or something was done here.
    pub(super) fn note_unrest(&mut self, now: i64) {
        let first = |counts: &[u64]| [counts[0], counts[1]];
        self.quiet = Quiet {
            since: now,
            sent: first(&self.sent),
            received: first(&self.received),
        };
    }

    /// Whether something has changed here that the tick has not seen yet.
    pub fn is_unrested(&self) -> bool {
        self.chores.is_changed()
    }

    /// What this node says of itself, if as far as it is concerned nothing is left to be done: it has known for a node timeout what it knows, takes all others for well, has links with all of them, and waits for nothing.
    pub fn at_rest(&mut self, around: &Around<'_>) -> Option<Arc<Header>> {
        let settings = around.settings;
        let replicas = self.chores.replicas;
        let is_quiet = self.sabotage.is_none()
            && !self.chores.is_changed()
            && around.now - self.quiet.since >= settings.node_timeout
            && self.is_state_settled(around)
            && self.suspected == 0
            && self.effects.is_empty()
            && self.queued.is_empty()
            && self.manual.until.is_none()
            && !self.todo.is_anything()
            && self.lost.is_none()
            && !self.check_keys
            && (self.myself().flags.master || matches!(around.master_link, MasterLink::Up { .. }))
            // A replica that may move to a master without any waits for its moment.
            && (replicas.orphans == 0 || replicas.most < 2);
        let is_linked = |key: &PeerKey| {
            let peer = self.peer(*key);
            let flags = peer.flags;
            *key == self.me
                || (peer.link.is_some_and(|own| own.up)
                    && peer.inbound.is_some()
                    && peer.reports.is_empty()
                    && !(flags.unwell() || flags.handshake || flags.no_address || flags.meet))
        };
        (is_quiet && self.order.iter().all(is_linked)).then(|| self.header(false, around))
    }

    /// All whom this node knows, itself among them, as one number: the same for two nodes that know the same.
    pub fn membership(&self) -> u64 {
        let mut hasher = std::hash::BuildHasher::build_hasher(&FixedState::default());
        for id in self.by_id.keys() {
            id.hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Whether what a node says of itself is what this one takes it for, so that hearing it would change nothing: the questions of [`receive`](Self::receive), in its order.
    pub fn hears_nothing_new(&self, header: &Header) -> bool {
        let Some(key) = self.find(header.sender) else {
            return false;
        };
        let (me, peer) = (self.myself(), self.peer(key));
        let id_of = |key: PeerKey| self.peer(key).id;
        let owner = if peer.flags.master {
            Some(key)
        } else {
            peer.replica_of
        };
        let flags = |flags: super::Flags| (flags.master, flags.replica, flags.no_failover);
        let collides =
            me.flags.master && peer.flags.master && header.config_epoch == me.config_epoch;
        key == self.me
            || (flags(header.flags) == flags(peer.flags)
                && header.config_epoch <= peer.config_epoch
                && header.current_epoch <= self.current_epoch
                && (header.port, header.bus_port) == (peer.port, peer.bus_port)
                && header.address() == &*peer.ip
                && header.hostname == peer.hostname
                && header.replica_of == peer.replica_of.map(id_of)
                && owner.is_some_and(|owner| self.peer(owner).slots == header.slots)
                && !collides)
    }

    /// The cluster was at rest since a moment, in milliseconds since 1970, and is no more. `offsets`: the nodes and their replication offsets, which each has told meanwhile.
    pub fn wake(&mut self, since: i64, now: i64, offsets: &[(NodeId, i64)]) {
        let rested = now - since;
        // What came in after that was under way when it came to rest.
        let later = |moment: i64| (moment + rested).min(now);
        for (_, peer) in &mut self.peers {
            for moment in [
                &mut peer.ping_sent,
                &mut peer.pong_received,
                &mut peer.data_received,
                &mut peer.offset_told,
            ] {
                if *moment != 0 {
                    *moment = later(*moment);
                }
            }
        }
        self.chores.put_off(rested);
        if !self.ok {
            // As long as a node is in a minority it notes that at every tick.
            self.history.minority = later(self.history.minority);
        }
        for (id, offset) in offsets {
            if let Some(key) = self.find(*id).filter(|key| *key != self.me) {
                self.heard_mut(key).offset = *offset;
            }
        }
        // What it would have sent and received, if all went on as it had since it learned something last.
        let before = (since - self.quiet.since).max(1);
        let missed = |was: u64, is: u64| is.saturating_sub(was) * rested as u64 / before as u64;
        for kind in 0..KINDS {
            self.sent[kind] += missed(self.quiet.sent[kind], self.sent[kind]);
            self.received[kind] += missed(self.quiet.received[kind], self.received[kind]);
        }
    }
}
