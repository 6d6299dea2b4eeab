//! Rest: when nodes have nothing left to tell each other.
//!
//! Where each node takes each other one for what that one says of itself, a ping and its pong change nothing but the moments at which the next ones are due. Such a cluster can be left alone until something
//! stirs it: all those moments stay as far back as they were when it came to rest. That is a way in which it could have gone, too, only later, since nothing in the protocol depends on what time it is but by how
//! long something is ago.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::around::{Around, MasterLink, Settings};
use super::effect::Effect;
use super::message::{Header, Message};
use super::peer::{Flags, PeerKey};
use super::view::View;

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

/// A rest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rests {
    /// When it began, in milliseconds since 1970.
    began: i64,
    /// The moment as of which this node's accounts are.
    as_of: i64,
    /// How many milliseconds it had learned nothing for, and what it had sent and received in them.
    quiet: i64,
    sent: [u64; KINDS],
    received: [u64; KINDS],
}

impl Rests {
    /// How many of so many messages more it would have sent by this moment, if it had gone on as before.
    fn missed(&self, quiet: u64, by: i64) -> u64 {
        let rested = i128::from(by - self.began);
        let missed = i128::from(quiet) * rested / i128::from(self.quiet.max(1));
        u64::try_from(missed).unwrap_or_default()
    }
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
        let told = |flags: Flags| (flags.master, flags.replica, flags.no_failover);
        let collides =
            me.flags.master && peer.flags.master && header.config_epoch == me.config_epoch;
        key == self.me
            || (told(header.flags) == told(peer.flags)
                && header.config_epoch <= peer.config_epoch
                && header.current_epoch <= self.current_epoch
                && (header.port, header.bus_port) == (peer.port, peer.bus_port)
                && header.address() == &*peer.ip
                && header.hostname == peer.hostname
                && header.replica_of == peer.replica_of.map(id_of)
                && owner.is_some_and(|owner| self.peer(owner).slots == header.slots)
                && !collides)
    }

    /// Nothing is told from now on, in milliseconds since 1970, and nothing is due.
    pub fn begin_rest(&mut self, now: i64) {
        let Quiet {
            since,
            sent,
            received,
        } = self.quiet;
        let more =
            |was: [u64; KINDS], is: &[u64]| [0, 1].map(|kind| is[kind].saturating_sub(was[kind]));
        self.rests = Some(Rests {
            began: now,
            as_of: now,
            quiet: now - since,
            sent: more(sent, &self.sent),
            received: more(received, &self.received),
        });
    }

    /// It goes on.
    pub fn end_rest(&mut self, now: i64) {
        self.refresh(now);
        self.rests = None;
    }

    /// Whoever rests knows what he would know by now had he not: whom he has heard of when, and how many messages came and went.
    pub fn refresh(&mut self, now: i64) {
        let Some(rests) = self.rests.as_mut().filter(|rests| rests.as_of < now) else {
            return;
        };
        let before = *rests;
        rests.as_of = now;
        // What came in after that was under way when it came to rest.
        let later = |moment: i64| (moment + now - before.as_of).min(now);
        for (_, peer) in &mut self.peers {
            let moments = [
                &mut peer.ping_sent,
                &mut peer.pong_received,
                &mut peer.data_received,
            ];
            for moment in moments.into_iter().filter(|moment| **moment != 0) {
                *moment = later(*moment);
            }
        }
        self.chores.put_off(now - before.as_of);
        if !self.ok {
            // As long as a node is in a minority it notes that at every tick.
            self.history.minority = later(self.history.minority);
        }
        for kind in 0..KINDS {
            let missed = |quiet| {
                let before_that = before.missed(quiet, before.as_of);
                before.missed(quiet, now).saturating_sub(before_that)
            };
            self.sent[kind] += missed(before.sent[kind]);
            self.received[kind] += missed(before.received[kind]);
        }
    }

    /// Whether it has anything to tell or to do that it had not when it came to rest, but for what clients publish. `said`: what it said of itself then.
    pub fn is_stirred(&self, said: &Header, settings: &Settings) -> bool {
        self.chores.is_changed()
            || self.todo.is_anything()
            || !self.effects.iter().all(Effect::is_of_published)
            || !self.queued.is_empty()
            || self.manual.until.is_some()
            || self.lost.is_some()
            || !self.says_still(said, settings)
    }

    /// What a client has published at another node came while all rest. What else that node says is known; and when it was heard last stays as long ago as it was when they came to rest, as with all others: sixty
    /// nodes of which each takes note of each message would have as much to do as if nobody rested.
    pub fn receive_published(&mut self, message: Message) {
        self.received[message.body.kind()] += 1;
        self.effects.extend(Effect::of_published(message.body));
    }

    /// Another node has told its replication offset.
    pub fn hear_offset(&mut self, node: PeerKey, offset: i64) {
        self.heard_mut(node).offset = offset;
    }
}
