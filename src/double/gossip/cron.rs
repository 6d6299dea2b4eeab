//! What is done ten times a second.

use rand::Rng;

use super::around::{Around, MasterLink};
use super::message::Ping;
use super::peer::PeerKey;
use super::sabotage::Sabotage;
use super::view::View;

impl View {
    /// A tenth of a second has passed: `clusterCron`.
    pub fn tick(&mut self, around: &mut Around<'_>) {
        self.ticks += 1;
        self.take_settings(around);
        if std::mem::take(&mut self.check_keys) {
            self.compare_keys_with_slots(around);
        }
        let due = self.peers_due(around);
        self.see_to_links(&due, around);
        self.count_peers(around);
        if self.ticks.is_multiple_of(10) {
            self.ping_somebody(around);
        }
        let mut suspicion = false;
        for key in &due {
            suspicion |= self.look_after(*key, around);
        }
        self.note_looked_after(due, around);
        let me = self.myself();
        if me.flags.replica
            && around.master_link == MasterLink::None
            && let Some(master) = me.replica_of
            && !self.peer(master).flags.no_address
        {
            self.replicate_from(master);
        }
        self.end_manual_failover_in_time(around);
        if self.myself().flags.replica {
            self.go_on_with_manual_failover(around);
            self.go_on_with_election(around);
            let replicas = self.chores.replicas;
            if replicas.orphans > 0
                && replicas.most >= 2
                && replicas.mine == replicas.most
                && around.settings.replica_migration
            {
                self.migrate_to_orphan(replicas.most, around);
            }
        }
        if suspicion || !self.ok {
            self.update_state(around);
        }
    }

    /// Opens links that are missing, and gives up handshakes that were not answered.
    fn see_to_links(&mut self, due: &[PeerKey], around: &Around<'_>) {
        let now = around.now;
        let handshake = around.settings.node_timeout.max(1000);
        for &key in due {
            let peer = self.peer(key);
            if key == self.me || peer.flags.no_address {
                continue;
            }
            if peer.flags.handshake
                && now - peer.since > handshake
                && !self.sabotaged(Sabotage::HandshakesStay)
            {
                self.remove(key);
            } else if peer.link.is_none() {
                self.open_link(key, now);
            }
        }
    }

    /// Once a second: of a few chosen by chance, the one that was heard of longest ago.
    fn ping_somebody(&mut self, around: &mut Around<'_>) {
        let mut oldest: Option<PeerKey> = None;
        for _ in 0..5 {
            let key = self.order[around.random.random_range(0..self.order.len())];
            let peer = self.peer(key);
            if key != self.me
                && peer.link.is_some()
                && peer.ping_sent == 0
                && !peer.flags.handshake
                && oldest.is_none_or(|other| self.peer(other).pong_received > peer.pong_received)
            {
                oldest = Some(key);
            }
        }
        if let Some(link) = oldest.and_then(|key| self.peer(key).link) {
            self.send_ping(link.id, Ping::Ping, around);
        }
    }

    /// Pings a peer, makes its link anew, or suspects it, as it is due. Returns whether it has come under suspicion.
    fn look_after(&mut self, key: PeerKey, around: &mut Around<'_>) -> bool {
        let (now, timeout) = (around.now, around.settings.node_timeout);
        // Its handshake may just have been given up.
        let Some(peer) = self.peers.get(usize::from(key.0)) else {
            return false;
        };
        if key == self.me || peer.flags.no_address || peer.flags.handshake {
            return false;
        }
        let ping_delay = now - peer.ping_sent;
        let data_delay = now - peer.data_received;
        let mut link = peer.link;
        let (waits, pong_received) = (peer.ping_sent != 0, peer.pong_received);
        // A link that does not come to stand is tried anew even if the peer's own link brings data: there is nobody here who goes on trying, as a kernel does.
        if let Some(own) = link
            && now - own.since > timeout
            && (!own.up || (waits && ping_delay > timeout / 2 && data_delay > timeout / 2))
        {
            self.close_link(key);
            link = None;
        }
        if let Some(own) = link {
            let ask_often = self.manual.replica == Some(key)
                && self.manual.until.is_some()
                && me_is_master(self);
            if (!waits && now - pong_received > timeout / 2) || ask_often {
                self.send_ping(own.id, Ping::Ping, around);
                return false;
            }
        }
        if !waits || ping_delay.min(data_delay) <= timeout {
            return false;
        }
        let flags = &mut self.peer_mut(key).flags;
        if flags.unwell() {
            return false;
        }
        flags.suspected = true;
        true
    }
}

fn me_is_master(view: &View) -> bool {
    view.myself().flags.master
}
