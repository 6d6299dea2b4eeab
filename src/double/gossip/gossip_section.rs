//! Pings and pongs: what is told of third nodes, and what is believed of it.

use rand::Rng;

use super::around::Around;
use super::effect::LinkId;
use super::message::{Body, Gossip, Header, Message, Ping};
use super::peer::{Peer, PeerKey};
use super::sabotage::Sabotage;
use super::view::View;

/// By how much, in milliseconds, another node's clock may be ahead of this one's for its word on pongs to be believed.
const CLOCK_TOLERANCE: i64 = 500;

impl View {
    /// Sends PING, PONG or MEET.
    pub(super) fn send_ping(&mut self, link: LinkId, kind: Ping, around: &mut Around<'_>) {
        if kind == Ping::Ping
            && self.is_outgoing(link)
            && let Some(&key) = self.links.get(&link)
        {
            self.pinged_mut(key).ping_sent = around.now;
        }
        let header = self.header(false, around);
        let gossip = self.choose_gossip(around);
        let body = Body::Ping { kind, gossip };
        self.send(link, Message { header, body });
    }

    /// Some nodes by chance, and all that are suspected, so that failures come to be known soon.
    fn choose_gossip(&self, around: &mut Around<'_>) -> Vec<Gossip> {
        let known = self.order.len();
        // All but this node and the receiver.
        let mut fresh = known.saturating_sub(2);
        let wanted = (known / 10).max(3).min(fresh);
        let mut chosen: Vec<PeerKey> = Vec::with_capacity(wanted + self.suspected);
        let mut tries = wanted * 3;
        while fresh > 0 && chosen.len() < wanted && tries > 0 {
            tries -= 1;
            let key = self.order[around.random.random_range(0..known)];
            let peer = self.peer(key);
            if key == self.me || peer.flags.suspected {
                continue;
            }
            if peer.flags.handshake
                || peer.flags.no_address
                || (peer.link.is_none() && !peer.serves())
            {
                fresh -= 1;
                continue;
            }
            if !chosen.contains(&key) {
                chosen.push(key);
                fresh -= 1;
            }
        }
        if self.suspected > 0 {
            let suspects = self.order.iter().filter(|&&key| {
                let flags = self.peer(key).flags;
                flags.suspected && !flags.handshake && !flags.no_address
            });
            chosen.extend(suspects.take(self.suspected));
        }
        chosen
            .into_iter()
            .map(|key| told_of(self.peer(key)))
            .collect()
    }

    /// Takes in what a message says of third nodes.
    pub(super) fn hear_gossip(
        &mut self,
        link: LinkId,
        header: &Header,
        gossip: Vec<Gossip>,
        around: &Around<'_>,
    ) {
        let sender = match self.links.get(&link) {
            Some(&key) => Some(key),
            None => self.find(header.sender),
        };
        for told in gossip {
            match self.find(told.id) {
                Some(key) => self.hear_of_known(sender, key, &told, around),
                None => self.hear_of_unknown(sender, told, around),
            }
        }
    }

    fn hear_of_known(
        &mut self,
        sender: Option<PeerKey>,
        key: PeerKey,
        told: &Gossip,
        around: &Around<'_>,
    ) {
        let now = around.now;
        if let Some(sender) = sender
            && key != self.me
            && (self.peer(sender).flags.master || self.sabotaged(Sabotage::ReplicasReport))
        {
            if told.flags.unwell() {
                self.add_report(key, sender, now);
                self.fail_if_agreed(key, around);
            } else if !self.peer(key).reports.is_empty() {
                self.remove_report(key, sender, around);
            }
        }
        let peer = self.peer(key);
        if !told.flags.unwell()
            && peer.ping_sent == 0
            && told.pong_received > peer.pong_received
            && told.pong_received <= now + CLOCK_TOLERANCE
            && self.failure_reports(key, around) == 0
        {
            self.heard_mut(key).pong_received = told.pong_received;
        }
        // Whoever can talk to it knows better where it is.
        let peer = self.peer(key);
        if peer.flags.unwell()
            && !told.flags.no_address
            && !told.flags.unwell()
            && (!peer.ip.eq_ignore_ascii_case(&told.ip)
                || (peer.port, peer.bus_port) != (told.port, told.bus_port))
        {
            self.close_link(key);
            let peer = self.peer_mut(key);
            peer.ip.clone_from(&told.ip);
            peer.port = told.port;
            peer.bus_port = told.bus_port;
            peer.flags.no_address = false;
        }
    }

    fn hear_of_unknown(&mut self, sender: Option<PeerKey>, told: Gossip, around: &Around<'_>) {
        // A stranger's word could lead into another cluster.
        if sender.is_none()
            || told.flags.no_address
            || (self.is_banned(told.id, around.now) && !self.sabotaged(Sabotage::BanIgnored))
        {
            return;
        }
        self.insert(Peer {
            ip: told.ip,
            port: told.port,
            bus_port: told.bus_port,
            ..Peer::new(told.id, told.flags, around.now)
        });
    }
}

fn told_of(peer: &Peer) -> Gossip {
    Gossip {
        id: peer.id,
        ip: peer.ip.clone(),
        port: peer.port,
        bus_port: peer.bus_port,
        ping_sent: peer.ping_sent / 1000 * 1000,
        pong_received: peer.pong_received / 1000 * 1000,
        flags: peer.flags,
    }
}
