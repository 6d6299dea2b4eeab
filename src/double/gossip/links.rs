//! Links to other nodes, and what is sent on them.

use std::sync::Arc;

use super::around::{Around, Settings};
use super::effect::{Effect, LinkId};
use super::message::{Body, Header, Message, Ping};
use super::peer::{OutgoingLink, Peer, PeerKey};
use super::view::View;

/// How many messages may wait for links that do not stand yet. More are lost, as they are if the link never stands.
const QUEUED: usize = 4096;

impl View {
    /// A link that was opened stands.
    pub fn connected(&mut self, link: LinkId, around: &mut Around<'_>) {
        let Some(&key) = self.links.get(&link) else {
            return;
        };
        let peer = self.peer_mut(key);
        let Some(own) = peer.link.as_mut().filter(|own| own.id == link) else {
            return;
        };
        own.up = true;
        let (unanswered, meet) = (peer.ping_sent, peer.flags.meet);
        let mut rest = Vec::new();
        for (on, message) in std::mem::take(&mut self.queued) {
            if on == link {
                self.effects.push(Effect::Send { link, message });
            } else {
                rest.push((on, message));
            }
        }
        self.queued = rest;
        self.send_ping(link, if meet { Ping::Meet } else { Ping::Ping }, around);
        let peer = self.peer_mut(key);
        if unanswered != 0 {
            // The peer has owed an answer for longer than this link stands.
            peer.ping_sent = unanswered;
        }
        peer.flags.meet = false;
    }

    /// A link, opened or accepted, was closed by the other side, or could not be opened.
    pub fn closed(&mut self, link: LinkId, _around: &mut Around<'_>) {
        let Some(key) = self.links.remove(&link) else {
            return;
        };
        self.queued.retain(|(on, _)| *on != link);
        let peer = self.peer_mut(key);
        match peer.link {
            // Nobody may listen there. The next tick opens another one, and pings on it when it is time: so the peer comes to be suspected.
            Some(own) if own.id == link => peer.link = None,
            _ => peer.inbound = None,
        }
    }

    /// Opens a link to a peer.
    pub(super) fn open_link(&mut self, key: PeerKey, now: i64) {
        let peer = self.peer_mut(key);
        if peer.ip.is_empty() {
            if peer.ping_sent == 0 {
                peer.ping_sent = now;
            }
            return;
        }
        self.links_made += 1;
        let id = LinkId(u64::from(self.number) << 32 | u64::from(self.links_made));
        let peer = self.peer_mut(key);
        peer.link = Some(OutgoingLink {
            id,
            up: false,
            since: now,
        });
        let (ip, bus_port) = (peer.ip.to_string(), peer.bus_port);
        self.links.insert(id, key);
        self.effects.push(Effect::Connect {
            link: id,
            ip,
            bus_port,
        });
    }

    /// Ends the link that was opened to a peer.
    pub(super) fn close_link(&mut self, key: PeerKey) {
        if let Some(own) = self.peer_mut(key).link.take() {
            self.links.remove(&own.id);
            self.queued.retain(|(on, _)| *on != own.id);
            self.effects.push(Effect::Close { link: own.id });
        }
    }

    /// Ends the link that a peer has opened.
    pub(super) fn close_inbound(&mut self, key: PeerKey) {
        if let Some((link, _)) = self.peer_mut(key).inbound.take() {
            self.links.remove(&link);
            self.effects.push(Effect::Close { link });
        }
    }

    /// This link was opened by that peer: it has spoken.
    pub(super) fn accept(&mut self, link: LinkId, key: PeerKey, now: i64) {
        // An older one is most likely dead, and its end has not come to be known here.
        self.close_inbound(key);
        self.peer_mut(key).inbound = Some((link, now));
        self.links.insert(link, key);
    }

    /// Whether a link was opened from here.
    pub(super) fn is_outgoing(&self, link: LinkId) -> bool {
        link.0 >> 32 == u64::from(self.number)
    }

    /// Sends a message. On a link that does not stand yet it waits until it does.
    pub(super) fn send(&mut self, link: LinkId, message: Message) {
        self.sent[message.body.kind()] += 1;
        let waits = self.is_outgoing(link)
            && self
                .links
                .get(&link)
                .and_then(|key| self.peer(*key).link)
                .is_some_and(|own| !own.up);
        if !waits {
            self.effects.push(Effect::Send { link, message });
        } else if self.queued.len() < QUEUED {
            self.queued.push((link, message));
        }
    }

    /// Sends something to everybody who is no stranger.
    pub(super) fn broadcast(&mut self, body: Body, force_ack: bool, around: &Around<'_>) {
        let header = self.header(force_ack, around);
        for index in 0..self.order.len() {
            let key = self.order[index];
            let peer = self.peer(key);
            if key != self.me
                && !peer.flags.handshake
                && let Some(link) = peer.link
            {
                let (header, body) = (header.clone(), body.clone());
                self.send(link.id, Message { header, body });
            }
        }
    }

    /// Tells everybody, or only the replicas of the same master, how things stand here.
    pub(super) fn broadcast_pong(&mut self, shard_only: bool, around: &mut Around<'_>) {
        for index in 0..self.order.len() {
            let key = self.order[index];
            let peer = self.peer(key);
            let Some(link) = peer.link else { continue };
            if key == self.me || peer.flags.handshake {
                continue;
            }
            let master = peer.replica_of.filter(|_| peer.flags.replica);
            if shard_only
                && (master.is_none()
                    || (master != Some(self.me) && master != self.myself().replica_of))
            {
                continue;
            }
            self.send_ping(link.id, Ping::Pong, around);
        }
    }

    /// Whose slots and epoch this node tells: a replica its master's; the flags say that they are not its own.
    fn claimant(&self) -> &Peer {
        let me = self.myself();
        match me.replica_of {
            Some(master) if me.flags.replica => self.peer(master),
            _ => me,
        }
    }

    /// It has paused its clients for a manual failover.
    fn is_paused(&self) -> bool {
        self.myself().flags.master && self.manual.until.is_some()
    }

    /// Whether what it said before is what it would say now, but for its offset.
    pub(super) fn says_still(&self, last: &Header, settings: &Settings) -> bool {
        let (me, claimant) = (self.myself(), self.claimant());
        last.sender == me.id
            && last.flags == me.flags
            && Arc::ptr_eq(&last.slots, &claimant.slots)
            && last.replica_of == me.replica_of.map(|master| self.peer(master).id)
            && last.current_epoch == self.current_epoch
            && last.config_epoch == claimant.config_epoch
            && last.state_ok == self.ok
            && last.paused == self.is_paused()
            && (last.port, last.bus_port) == (me.port, me.bus_port)
            && last.ip == settings.announced_ip
            && last.seen_ip == self.address
            && last.hostname == me.hostname
    }

    /// What every message of this node says now. `force_ack`: see [`Header::force_ack`].
    pub(super) fn header(&mut self, force_ack: bool, around: &Around<'_>) -> Arc<Header> {
        if let Some(last) = &self.header
            && last.offset == around.offset
            && last.force_ack == force_ack
            && self.says_still(last, around.settings)
        {
            return last.clone();
        }
        let (me, claimant) = (self.myself(), self.claimant());
        let header = Arc::new(Header {
            sender: me.id,
            ip: around.settings.announced_ip.clone(),
            seen_ip: self.address.clone(),
            port: me.port,
            bus_port: me.bus_port,
            hostname: me.hostname.clone(),
            flags: me.flags,
            slots: claimant.slots.clone(),
            replica_of: me.replica_of.map(|master| self.peer(master).id),
            offset: around.offset,
            current_epoch: self.current_epoch,
            config_epoch: claimant.config_epoch,
            state_ok: self.ok,
            paused: self.is_paused(),
            force_ack,
        });
        self.header = Some(header.clone());
        header
    }
}
