//! Who belongs to the cluster: coming to know nodes, and forgetting them.

use std::net::IpAddr;
use std::sync::Arc;

use rand::Rng;

use super::around::Around;
use super::effect::{Effect, LinkId};
use super::message::Header;
use super::peer::{Flags, Peer, PeerKey};
use super::sabotage::Sabotage;
use super::view::View;
use crate::cluster::{NodeId, SLOTS, Slot, SlotSet};

/// For how many seconds a forgotten node can't come back.
const BAN: i64 = 60;
/// Where a node is in its second when it comes to know somebody: three ticks later it pings.
const TICKS_BEFORE_A_PING: u64 = 7;

impl View {
    /// Takes a node into the view.
    pub fn insert(&mut self, peer: Peer) -> PeerKey {
        if self.order.len() == 1 {
            // Which of a node's ticks are the ones of its seconds is a matter of when it was started. One that was alone so far tells others early, as soon as they can have answered it: who waits for a cluster to
            // come together, as redis-cli does by whole seconds, does not wait for chance.
            self.ticks = TICKS_BEFORE_A_PING;
        }
        let id = peer.id;
        let index = self.peers.insert(peer);
        let key = PeerKey(u16::try_from(index).unwrap_or(u16::MAX));
        self.by_id.insert(id, key);
        self.index.insert(id, key);
        self.order = self.by_id.values().copied().collect();
        self.chores.touch(key);
        key
    }

    /// It knows this node from now on, as a master without slots, or has known it already: for a cluster that is there from the start.
    pub fn introduce(&mut self, id: NodeId, ip: &Arc<str>, port: u16, bus_port: u16, now: i64) {
        if let Some(known) = self.find(id) {
            let known = self.peer_mut(known);
            known.ip = Arc::clone(ip);
            return;
        }
        let flags = Flags {
            master: true,
            ..Flags::default()
        };
        self.insert(Peer {
            ip: Arc::clone(ip),
            port,
            bus_port,
            ..Peer::new(id, flags, now)
        });
    }

    /// CLUSTER MEET. `false`: it is under way already, or this is no address.
    pub fn meet(&mut self, ip: &str, port: u16, bus_port: u16, around: &mut Around<'_>) -> bool {
        let Ok(ip) = ip.parse::<IpAddr>() else {
            return false;
        };
        let ip = ip.to_string();
        if port == 0 || bus_port == 0 || self.peers.len() >= usize::from(u16::MAX) {
            return false;
        }
        let under_way = self.peers.iter().any(|(_, peer)| {
            peer.flags.handshake
                && peer.ip.eq_ignore_ascii_case(&ip)
                && (peer.port, peer.bus_port) == (port, bus_port)
        });
        if under_way {
            return false;
        }
        let flags = Flags {
            handshake: true,
            meet: true,
            ..Flags::default()
        };
        let id = self.chance_id(around);
        self.insert(Peer {
            ip: ip.into(),
            port,
            bus_port,
            ..Peer::new(id, flags, around.now)
        });
        true
    }

    /// Somebody whom nobody here knows has come to meet this node.
    pub(super) fn meet_back(&mut self, header: &Header, around: &mut Around<'_>) {
        let flags = Flags {
            handshake: true,
            ..Flags::default()
        };
        let id = self.chance_id(around);
        self.insert(Peer {
            ip: header.address().into(),
            port: header.port,
            bus_port: header.bus_port,
            ..Peer::new(id, flags, around.now)
        });
    }

    /// An id that no node has.
    fn chance_id(&self, around: &mut Around<'_>) -> NodeId {
        loop {
            let id = NodeId::from_bytes(around.random.random());
            if !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }

    /// The handshake is over: the peer has told its own id.
    pub fn rename(&mut self, key: PeerKey, id: NodeId) {
        let old = std::mem::replace(&mut self.peer_mut(key).id, id);
        self.by_id.remove(&old);
        self.index.remove(&old);
        self.by_id.insert(id, key);
        self.index.insert(id, key);
        self.order = self.by_id.values().copied().collect();
    }

    /// CLUSTER FORGET: for a minute nobody can bring it back.
    pub fn forget(&mut self, peer: PeerKey, around: &mut Around<'_>) {
        if peer == self.me {
            return;
        }
        let seconds = around.now / 1000;
        self.bans.retain(|_, until| *until >= seconds);
        self.bans.insert(self.peer(peer).id, seconds + BAN);
        self.remove(peer);
        self.todo.state = true;
    }

    pub(super) fn is_banned(&mut self, id: NodeId, now: i64) -> bool {
        self.bans.retain(|_, until| *until >= now / 1000);
        self.bans.contains_key(&id)
    }

    /// Takes a node out of the view, and everything that names it.
    pub(super) fn remove(&mut self, key: PeerKey) {
        self.importing.retain(|_, from| *from != key);
        self.migrating.retain(|_, to| *to != key);
        self.take_all_slots(key);
        for (_, peer) in self
            .peers
            .iter_mut()
            .filter(|(_, peer)| !peer.reports.is_empty())
        {
            peer.reports.retain(|(by, _)| *by != key);
        }
        for replica in std::mem::take(&mut self.peer_mut(key).replicas) {
            self.peer_mut(replica).replica_of = None;
        }
        if let Some(master) = self.peer(key).replica_of {
            self.remove_replica(master, key);
        }
        if self.manual.replica == Some(key) {
            // The clients stay paused until the end that was set.
            self.manual.replica = None;
        }
        self.close_link(key);
        self.close_inbound(key);
        let peer = self.peers.remove(usize::from(key.0));
        self.by_id.remove(&peer.id);
        self.index.remove(&peer.id);
        self.order.retain(|other| *other != key);
    }

    /// A replica belongs to a master.
    pub(super) fn add_replica(&mut self, master: PeerKey, replica: PeerKey) {
        let peer = self.peer_mut(master);
        if !peer.replicas.contains(&replica) {
            peer.replicas.push(replica);
            peer.flags.migrate_to = true;
        }
    }

    /// A replica belongs to a master no more.
    pub(super) fn remove_replica(&mut self, master: PeerKey, replica: PeerKey) {
        let peer = self.peer_mut(master);
        if let Some(index) = peer.replicas.iter().position(|key| *key == replica) {
            peer.replicas.remove(index);
            if peer.replicas.is_empty() {
                peer.flags.migrate_to = false;
            }
        }
    }

    /// A node that was taken for a replica is a master.
    pub(super) fn set_as_master(&mut self, key: PeerKey) {
        if self.peer(key).flags.master {
            return;
        }
        if let Some(master) = self.peer(key).replica_of {
            self.remove_replica(master, key);
            if key != self.me {
                self.peer_mut(key).flags.migrate_to = true;
            }
        }
        let peer = self.peer_mut(key);
        peer.flags.replica = false;
        peer.flags.master = true;
        peer.replica_of = None;
        self.todo.state = true;
    }

    /// CLUSTER REPLICATE.
    pub fn follow(&mut self, master: PeerKey, _around: &mut Around<'_>) {
        self.set_master(master);
        self.todo.state = true;
    }

    /// This node is a replica of that one from now on.
    pub(super) fn set_master(&mut self, master: PeerKey) {
        if master == self.me {
            return;
        }
        if self.myself().flags.master {
            let flags = &mut self.peer_mut(self.me).flags;
            flags.master = false;
            flags.migrate_to = false;
            flags.replica = true;
            self.migrating.clear();
            self.importing.clear();
        } else if let Some(old) = self.myself().replica_of {
            self.remove_replica(old, self.me);
        }
        self.peer_mut(self.me).replica_of = Some(master);
        self.add_replica(master, self.me);
        self.replicate_from(master);
        self.reset_manual_failover();
    }

    pub(super) fn replicate_from(&mut self, master: PeerKey) {
        let peer = self.peer(master);
        let effect = Effect::Follow {
            master: peer.id,
            ip: peer.ip.to_string(),
            port: peer.port,
        };
        self.effects.push(effect);
    }

    /// The address from which a node speaks is the one by which it is reached from now on. Returns whether it is a new one.
    pub(super) fn update_address(&mut self, key: PeerKey, link: LinkId, header: &Header) -> bool {
        let peer = self.peer(key);
        let ip = header.address();
        if peer.link.is_some_and(|own| own.id == link)
            || ip.is_empty()
            || ((peer.port, peer.bus_port) == (header.port, header.bus_port) && *peer.ip == *ip)
        {
            return false;
        }
        let peer = self.peer_mut(key);
        peer.ip = ip.into();
        peer.port = header.port;
        peer.bus_port = header.bus_port;
        peer.flags.no_address = false;
        let (id, ip, port) = (peer.id, peer.ip.clone(), peer.port);
        self.close_link(key);
        self.log(format!("Address updated for node {id}, now {ip}:{port}"));
        let me = self.myself();
        if me.flags.replica && me.replica_of == Some(key) {
            self.replicate_from(key);
        }
        true
    }

    /// CLUSTER RESET.
    pub fn reset(&mut self, hard: bool, around: &mut Around<'_>) {
        if self.myself().flags.replica {
            self.set_as_master(self.me);
            self.effects.push(Effect::Lead);
            self.effects.push(Effect::DropAllKeys);
        }
        self.migrating.clear();
        self.importing.clear();
        self.reset_manual_failover();
        for slot in (0..SLOTS).filter_map(|number| Slot::new(number).ok()) {
            if !(self.sabotaged(Sabotage::ResetKeepsSlots) && self.owner(slot) == Some(self.me)) {
                self.unbind(slot);
            }
        }
        for key in self.order.clone() {
            if key != self.me {
                self.remove(key);
            }
        }
        if hard {
            self.current_epoch = 0;
            self.last_vote_epoch = 0;
            self.peer_mut(self.me).config_epoch = 0;
            self.log("configEpoch set to 0 via CLUSTER RESET HARD");
            let id = self.chance_id(around);
            self.rename(self.me, id);
            self.log(format!("Node hard reset, now I'm {id}"));
        }
        self.todo.state = true;
    }

    /// What is left of it when the node was stopped and is started again: what stands in `nodes.conf`.
    pub fn restarted(self, now: i64) -> View {
        let mut view = View::without_peers(self.number);
        view.links_made = self.links_made;
        view.address.clone_from(&self.address);
        view.announced_ip.clone_from(&self.announced_ip);
        view.sabotage = self.sabotage;
        view.current_epoch = self.current_epoch;
        view.last_vote_epoch = self.last_vote_epoch;
        if self.sabotaged(Sabotage::VoteForgottenAtRestart) {
            view.last_vote_epoch = 0;
        }
        let kept = |key: &PeerKey| !self.peer(*key).flags.handshake;
        // First all nodes, then what names them.
        for old in self
            .order
            .iter()
            .filter(|key| kept(key))
            .map(|key| self.peer(*key))
        {
            let flags = Flags {
                meet: false,
                migrate_to: false,
                ..old.flags
            };
            let replica = flags.replica && old.replica_of.is_some();
            view.insert(Peer {
                ip: old.ip.clone(),
                port: old.port,
                bus_port: old.bus_port,
                hostname: old.hostname.clone(),
                config_epoch: if replica { 0 } else { old.config_epoch },
                failed_since: if flags.failed { now } else { 0 },
                ping_sent: if old.ping_sent == 0 { 0 } else { now },
                pong_received: if old.pong_received == 0 { 0 } else { now },
                ..Peer::new(old.id, flags, now)
            });
        }
        let new_key = |view: &View, key: PeerKey| view.find(self.peer(key).id);
        if let Some(me) = new_key(&view, self.me) {
            view.me = me;
        }
        for &old in self.order.iter().filter(|key| kept(key)) {
            let Some(key) = new_key(&view, old) else {
                continue;
            };
            if let Some(master) = self
                .peer(old)
                .replica_of
                .and_then(|key| new_key(&view, key))
            {
                view.peer_mut(key).replica_of = Some(master);
                view.add_replica(master, key);
            }
            for slot in self.peer(old).slots.iter() {
                view.bind(slot, key);
            }
        }
        let kept_slots = |slots: &std::collections::BTreeMap<Slot, PeerKey>| {
            let pairs = slots.iter();
            pairs
                .filter_map(|(slot, key)| Some((*slot, new_key(&view, *key)?)))
                .collect()
        };
        let (migrating, importing) = (kept_slots(&self.migrating), kept_slots(&self.importing));
        view.migrating = migrating;
        view.importing = importing;
        view.catch_up_epoch();
        view.lost = None;
        view.check_keys = true;
        let id = view.myself().id;
        view.log(format!("Node configuration loaded, I'm {id}"));
        view
    }

    /// A node that was started again may hold keys of slots that are not its own: unassigned ones become its own, others are taken for slots on their way here.
    pub(super) fn compare_keys_with_slots(&mut self, around: &Around<'_>) {
        if self.myself().flags.replica {
            return;
        }
        for slot in (0..SLOTS).filter_map(|number| Slot::new(number).ok()) {
            let owner = self.owner(slot);
            if owner == Some(self.me)
                || self.importing.contains_key(&slot)
                || (around.keys_in)(slot) == 0
            {
                continue;
            }
            match owner {
                None => {
                    self.log(format!(
                        "I have keys for unassigned slot {slot}. Taking responsibility for it."
                    ));
                    self.bind(slot, self.me);
                }
                Some(other) => {
                    self.log(format!(
                        "I have keys for slot {slot}, but the slot is assigned to another node. Setting it to importing state."
                    ));
                    self.importing.insert(slot, other);
                }
            }
        }
    }

    /// A node says that it is a replica, and whose.
    pub(super) fn hear_replica(&mut self, sender: PeerKey, master: NodeId) {
        if self.peer(sender).flags.master {
            self.take_all_slots(sender);
            let flags = &mut self.peer_mut(sender).flags;
            flags.master = false;
            flags.migrate_to = false;
            flags.replica = true;
            self.todo.state = true;
        }
        if let Some(master) = self.find(master)
            && self.peer(sender).replica_of != Some(master)
        {
            if let Some(old) = self.peer(sender).replica_of {
                self.remove_replica(old, sender);
            }
            self.add_replica(master, sender);
            self.peer_mut(sender).replica_of = Some(master);
        }
    }

    /// All slots of a node are nobody's from now on.
    pub(super) fn take_all_slots(&mut self, key: PeerKey) {
        let slots: Arc<SlotSet> = self.peer(key).slots.clone();
        for slot in slots.iter() {
            self.unbind(slot);
        }
    }
}
