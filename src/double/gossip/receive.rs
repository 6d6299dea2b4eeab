//! Messages that come.

use std::sync::Arc;

use super::around::Around;
use super::effect::{Effect, LinkId};
use super::message::{Body, Gossip, Header, Message, Ping};
use super::peer::PeerKey;
use super::sabotage::Sabotage;
use super::view::View;

impl View {
    /// A message came on a link, opened or accepted.
    pub fn receive(&mut self, link: LinkId, message: Message, around: &mut Around<'_>) {
        let Message { header, body } = message;
        let outgoing = self.is_outgoing(link);
        let linked = self.links.get(&link).copied();
        if outgoing && linked.is_none() {
            return; // It was closed here while the message was on its way.
        }
        self.received[body.kind()] += 1;
        if outgoing && header.sender == self.myself().id {
            self.met_itself(linked);
            return;
        }
        let sender = match linked {
            Some(key) if !self.peer(key).flags.handshake => Some(key),
            _ => self.find(header.sender),
        };
        if let Some(key) = sender {
            if linked.is_none() {
                self.accept(link, key, around.now);
            }
            self.hear_header(key, &header, around);
        }
        match body {
            Body::Ping { kind, gossip } => {
                self.hear_ping(link, sender, kind, &header, gossip, around);
            }
            Body::Fail(failing) => self.hear_of_failure(sender, header.sender, failing, around),
            published @ Body::Publish { .. } if sender.is_some() => {
                self.effects.extend(Effect::of_published(published));
            }
            Body::Update {
                node,
                config_epoch,
                slots,
            } if sender.is_some() => {
                if let Some(key) = self.find(node)
                    && self.peer(key).config_epoch < config_epoch
                {
                    self.set_as_master(key);
                    self.peer_mut(key).config_epoch = config_epoch;
                    self.hear_claim(key, config_epoch, &slots, around);
                }
            }
            other => match (other, sender) {
                (Body::AuthRequest, Some(key)) => self.consider_vote(key, &header, around),
                (Body::AuthAck, Some(key)) => self.count_vote(key, header.current_epoch),
                (Body::ManualFailoverStart, Some(key)) => {
                    self.start_manual_failover(key, link, around);
                }
                _ => {} // From a stranger.
            },
        }
    }

    /// CLUSTER MEET with its own address: there is nobody to be met.
    fn met_itself(&mut self, linked: Option<PeerKey>) {
        self.learn_address();
        if let Some(key) = linked.filter(|key| self.peer(*key).flags.handshake) {
            self.remove(key);
        }
    }

    /// What every message of a known sender tells.
    fn hear_header(&mut self, key: PeerKey, header: &Header, around: &Around<'_>) {
        let peer = self.heard_mut(key);
        peer.data_received = around.now;
        if peer.flags.handshake {
            return;
        }
        peer.config_epoch = peer.config_epoch.max(header.config_epoch);
        peer.offset = header.offset;
        self.current_epoch = self.current_epoch.max(header.current_epoch);
        self.hear_paused_offset(key, header.paused);
    }

    /// The address of a node is what others use to reach it.
    fn learn_address(&mut self) {
        if self.announced_ip.is_empty() && *self.myself().ip != *self.address {
            let address = self.address.clone();
            self.peer_mut(self.me).ip = address.as_str().into();
            self.log(format!("IP address for this node updated to {address}"));
        }
    }

    fn hear_ping(
        &mut self,
        link: LinkId,
        sender: Option<PeerKey>,
        kind: Ping,
        header: &Arc<Header>,
        mut gossip: Vec<Gossip>,
        around: &mut Around<'_>,
    ) {
        if kind != Ping::Pong {
            if kind == Ping::Meet || self.myself().ip.is_empty() {
                self.learn_address();
            }
            if sender.is_none() && kind == Ping::Meet {
                self.meet_back(header, around);
                let told = std::mem::take(&mut gossip);
                self.hear_gossip(link, header, told, around);
            }
            self.send_ping(link, Ping::Pong, around);
        }
        let linked = self.links.get(&link).copied();
        let outgoing = linked.filter(|_| self.is_outgoing(link));
        if let Some(key) = outgoing
            && !self.is_who_it_should_be(key, sender, link, header)
        {
            return;
        }
        if let Some(key) = sender {
            self.heard_mut(key).flags.no_failover = header.flags.no_failover;
            if kind == Ping::Ping
                && !self.peer(key).flags.handshake
                && self.update_address(key, link, header)
            {
                self.todo.state = true;
            }
        }
        if kind == Ping::Pong
            && let Some(key) = outgoing
        {
            self.hear_pong(key, around);
        }
        if let Some(key) = sender {
            match header.replica_of {
                None => self.set_as_master(key),
                Some(master) => self.hear_replica(key, master),
            }
            self.hear_slots(key, header, around);
            self.hear_gossip(link, header, gossip, around);
            if self.peer(key).hostname != header.hostname {
                self.peer_mut(key).hostname.clone_from(&header.hostname);
            }
        }
    }

    /// Something came on a link that was opened from here: whether it is from the one to whom the link was opened. The first answer ends a handshake.
    fn is_who_it_should_be(
        &mut self,
        key: PeerKey,
        sender: Option<PeerKey>,
        link: LinkId,
        header: &Header,
    ) -> bool {
        if self.peer(key).flags.handshake {
            if let Some(known) = sender {
                if self.update_address(known, link, header) {
                    self.todo.state = true;
                }
                self.remove(key);
                return false;
            }
            self.rename(key, header.sender);
            let flags = &mut self.peer_mut(key).flags;
            flags.handshake = false;
            flags.master |= header.flags.master;
            flags.replica |= header.flags.replica;
        } else if self.peer(key).id != header.sender && !self.sabotaged(Sabotage::AnyIdIsTaken) {
            let peer = self.peer_mut(key);
            peer.flags.no_address = true;
            peer.ip = Arc::default();
            peer.port = 0;
            peer.bus_port = 0;
            self.close_link(key);
            return false;
        }
        true
    }

    fn hear_pong(&mut self, key: PeerKey, around: &Around<'_>) {
        let peer = self.pinged_mut(key);
        peer.pong_received = around.now;
        peer.ping_sent = 0;
        if peer.flags.suspected {
            self.peer_mut(key).flags.suspected = false;
            self.todo.state = true;
        } else if peer.flags.failed {
            self.clear_failure(key, around);
        }
    }

    /// What a node says of its slots, or of its master's.
    fn hear_slots(&mut self, key: PeerKey, header: &Arc<Header>, around: &Around<'_>) {
        let peer = self.peer(key);
        let master = if peer.flags.master {
            Some(key)
        } else {
            peer.replica_of
        };
        if let Some(master) = master {
            let known = &self.peer(master).slots;
            // Once the same, they are shared, and the next comparison costs nothing.
            if !Arc::ptr_eq(known, &header.slots) {
                if *known == header.slots {
                    self.heard_mut(master).slots = header.slots.clone();
                } else {
                    if self.peer(key).flags.master {
                        self.hear_claim(key, header.config_epoch, &header.slots, around);
                    }
                    self.correct_claim(key, header, around);
                }
            }
        }
        let (me, peer) = (self.myself(), self.peer(key));
        if me.flags.master && peer.flags.master && header.config_epoch == me.config_epoch {
            self.resolve_collision(key);
        }
    }
}
