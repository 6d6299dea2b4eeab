//! The bus: seeded delays, cut links, nodes that are killed, and a clock that is stepped.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::cluster::{NodeId, Slot, SlotSet};
use crate::double::gossip::{
    Around, Effect, Flags, LinkId, MasterLink, Message, PeerKey, Settings, View,
};

/// When every history begins, in milliseconds since 1970.
pub const START: i64 = 1_700_000_000_000;

pub struct Node {
    pub view: View,
    pub settings: Settings,
    pub random: StdRng,
    pub up: bool,
    pub frozen: bool,
    /// How often it was started again: ticks of an earlier life are over.
    pub life: u32,
    pub offset: i64,
    /// Whom it replicates, and how that stands.
    pub follows: Option<NodeId>,
    /// It gets no more of its master's commands, though the link is up.
    pub stalled: bool,
    pub link: MasterLink,
    /// Keys by slot.
    pub keys: BTreeMap<Slot, usize>,
    pub paused: Option<i64>,
    pub log: Vec<String>,
    pub published: Vec<Vec<u8>>,
}

enum Happening {
    Tick(u32),
    Connect(LinkId, u16),
    Connected(LinkId),
    Message(LinkId, Box<Message>),
    Closed(LinkId),
}

struct Due {
    at: i64,
    turn: u64,
    node: usize,
    what: Happening,
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        (self.at, self.turn) == (other.at, other.turn)
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Due) -> std::cmp::Ordering {
        (self.at, self.turn).cmp(&(other.at, other.turn))
    }
}

pub struct Bus {
    pub now: i64,
    pub nodes: Vec<Node>,
    queue: BinaryHeap<Reverse<Due>>,
    turn: u64,
    links: BTreeMap<LinkId, [usize; 2]>,
    random: StdRng,
    /// Pairs that can't reach each other.
    cut: BTreeSet<[usize; 2]>,
    pub messages: u64,
}

pub fn settings(node_timeout: i64) -> Settings {
    Settings {
        node_timeout,
        validity_factor: 10,
        migration_barrier: 1,
        replica_migration: true,
        full_coverage: true,
        no_failover: false,
        replica_ping_period: 10,
        hostname: String::new(),
        announced_ip: String::new(),
    }
}

impl Bus {
    /// Nodes that do not know each other.
    pub fn new(count: usize, node_timeout: i64, seed: u64) -> Bus {
        let mut bus = Bus {
            now: START,
            nodes: Vec::new(),
            queue: BinaryHeap::new(),
            turn: 0,
            links: BTreeMap::new(),
            random: StdRng::seed_from_u64(seed),
            cut: BTreeSet::new(),
            messages: 0,
        };
        for _ in 0..count {
            bus.add_node_with(node_timeout);
        }
        bus
    }

    /// One more node, that knows nobody.
    pub fn add_node(&mut self) {
        self.add_node_with(self.nodes[0].settings.node_timeout);
    }

    fn add_node_with(&mut self, node_timeout: i64) {
        let number = u16::try_from(self.nodes.len()).unwrap();
        let id = NodeId::from_bytes(self.random.random());
        let view = View::new(
            u32::from(number),
            id,
            7000 + number,
            17000 + number,
            self.now,
        );
        self.nodes.push(Node {
            view,
            settings: settings(node_timeout),
            random: StdRng::seed_from_u64(self.random.random()),
            up: true,
            frozen: false,
            life: 0,
            offset: 0,
            follows: None,
            stalled: false,
            link: MasterLink::None,
            keys: BTreeMap::new(),
            paused: None,
            log: Vec::new(),
            published: Vec::new(),
        });
        let first = self.now + self.random.random_range(0..100);
        self.at(first, usize::from(number), Happening::Tick(0));
    }

    /// A node that knows nobody is brought into the cluster of node 0.
    pub fn join(&mut self, node: usize) {
        self.meet(0, node);
        let count = self.nodes.len();
        self.until("all know the new node", 10_000, |bus| {
            bus.nodes.iter().all(|node| {
                node.view.by_id.len() == count
                    && node
                        .view
                        .peers
                        .iter()
                        .all(|(_, peer)| !peer.flags.handshake)
            })
        });
    }

    /// A cluster of masters that share all slots, each with so many replicas, created as an operator does it. Well, and replicating.
    pub fn cluster(masters: usize, replicas: usize, node_timeout: i64, seed: u64) -> Bus {
        let count = masters * (replicas + 1);
        let mut bus = Bus::new(count, node_timeout, seed);
        bus.share_slots(masters);
        for node in 0..count {
            let epoch = node as u64 + 1;
            bus.with(node, |view, _| {
                let me = usize::from(view.me.0);
                view.peers[me].config_epoch = epoch;
                view.current_epoch = epoch;
                view.note_change();
            });
        }
        for other in 1..count {
            bus.meet(0, other);
        }
        bus.until("all know each other", 10_000, |bus| {
            bus.nodes.iter().all(|node| {
                node.view.by_id.len() == count
                    && node
                        .view
                        .peers
                        .iter()
                        .all(|(_, peer)| !peer.flags.handshake)
            })
        });
        for replica in masters..count {
            bus.follow(replica, (replica - masters) % masters);
        }
        bus.until("all agree and are well", 20_000, |bus| {
            bus.all_well() && bus.agree()
        });
        bus
    }

    pub fn share_slots(&mut self, masters: usize) {
        for master in 0..masters {
            let (from, to) = (16384 * master / masters, 16384 * (master + 1) / masters);
            self.with(master, |view, _| {
                for slot in from..to {
                    view.give_slot(slot_of(slot), Some(view.me));
                }
            });
        }
    }

    // What happens to nodes.

    pub fn meet(&mut self, node: usize, other: usize) -> bool {
        let port = 7000 + u16::try_from(other).unwrap();
        self.with(node, |view, around| {
            view.meet("127.0.0.1", port, port + 10000, around)
        })
    }

    pub fn follow(&mut self, replica: usize, master: usize) {
        let id = self.id(master);
        self.with(replica, |view, around| {
            let key = view.find(id).unwrap();
            view.follow(key, around);
        });
    }

    pub fn kill(&mut self, node: usize) {
        self.nodes[node].up = false;
        let ends = self.links.iter().filter(|(_, ends)| ends.contains(&node));
        let links: Vec<(LinkId, [usize; 2])> = ends.map(|(link, ends)| (*link, *ends)).collect();
        for (link, ends) in links {
            self.links.remove(&link);
            let other = if ends[0] == node { ends[1] } else { ends[0] };
            if !self.is_cut(node, other) {
                self.later(other, Happening::Closed(link));
            }
        }
    }

    pub fn start(&mut self, node: usize) {
        let now = self.now;
        let it = &mut self.nodes[node];
        let number = 1000 + u32::try_from(node).unwrap();
        let view = std::mem::replace(
            &mut it.view,
            View::new(number, NodeId::from_bytes([0; 20]), 1, 1, 0),
        );
        it.view = view.restarted(now);
        it.up = true;
        it.link = MasterLink::None;
        it.follows = None;
        it.paused = None;
        it.life += 1;
        let tick = Happening::Tick(it.life);
        self.later(node, tick);
    }

    /// Nodes of different groups can't reach each other from now on; those of none reach all.
    pub fn partition(&mut self, groups: &[&[usize]]) {
        for (index, group) in groups.iter().enumerate() {
            for other in &groups[index + 1..] {
                for &a in *group {
                    for &b in *other {
                        self.cut.insert([a.min(b), a.max(b)]);
                    }
                }
            }
        }
    }

    pub fn heal(&mut self) {
        self.cut.clear();
    }

    fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cut.contains(&[a.min(b), a.max(b)])
    }

    /// Does something with a node's view, and what comes of it.
    pub fn with<T>(
        &mut self,
        node: usize,
        what: impl FnOnce(&mut View, &mut Around<'_>) -> T,
    ) -> T {
        self.replicate(node);
        let it = &mut self.nodes[node];
        let keys = &it.keys;
        let mut around = Around {
            now: self.now,
            settings: &it.settings,
            offset: it.offset,
            master_link: it.link,
            keys_in: &|slot| keys.get(&slot).copied().unwrap_or(0),
            random: &mut it.random,
        };
        let result = what(&mut it.view, &mut around);
        it.view.settle(&mut around);
        let effects = it.view.take_effects();
        for effect in effects {
            self.take_effect(node, effect);
        }
        result
    }

    /// A replica that reaches its master has all that it has.
    fn replicate(&mut self, node: usize) {
        let Some(master) = self.nodes[node].follows else {
            self.nodes[node].link = MasterLink::None;
            return;
        };
        let found = (0..self.nodes.len()).find(|&other| self.id(other) == master);
        let reached = found.filter(|&other| {
            let it = &self.nodes[other];
            it.up && !it.frozen && !self.is_cut(node, other)
        });
        let now = self.now;
        if let Some(other) = reached {
            let (offset, keys) = (self.nodes[other].offset, self.nodes[other].keys.clone());
            let it = &mut self.nodes[node];
            if !it.stalled {
                it.offset = offset;
                it.keys = keys;
            }
            it.link = MasterLink::Up { heard: now };
        } else {
            let it = &mut self.nodes[node];
            it.link = match it.link {
                MasterLink::Up { heard } => MasterLink::Down { since: Some(heard) },
                MasterLink::None => MasterLink::Down { since: None },
                down => down,
            };
        }
    }

    fn take_effect(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Connect { link, bus_port, .. } => {
                self.links
                    .insert(link, [node, usize::from(bus_port) - 17000]);
                self.later(node, Happening::Connect(link, bus_port));
            }
            Effect::Send { link, message } => {
                let Some(&[from, to]) = self.links.get(&link) else {
                    // The other side does not know it any more.
                    self.later(node, Happening::Closed(link));
                    return;
                };
                let receiver = if from == node { to } else { from };
                self.messages += 1;
                self.later(receiver, Happening::Message(link, Box::new(message)));
            }
            Effect::Close { link } => {
                if let Some([from, to]) = self.links.remove(&link) {
                    let other = if from == node { to } else { from };
                    self.later(other, Happening::Closed(link));
                }
            }
            Effect::Follow { master, .. } => {
                if self.nodes[node].follows != Some(master) {
                    self.nodes[node].follows = Some(master);
                    self.nodes[node].link = MasterLink::Down { since: None };
                }
            }
            Effect::Lead => {
                self.nodes[node].follows = None;
                self.nodes[node].link = MasterLink::None;
            }
            Effect::DropKeys(slot) => {
                self.nodes[node].keys.remove(&slot);
            }
            Effect::DropAllKeys => self.nodes[node].keys.clear(),
            Effect::DropChannels(_) => {}
            Effect::Publish { message, .. } => self.nodes[node].published.push(message),
            Effect::Pause { until } => self.nodes[node].paused = Some(until),
            Effect::Unpause => self.nodes[node].paused = None,
            Effect::Log(line) => self.nodes[node].log.push(line),
        }
    }

    // Time.

    fn later(&mut self, node: usize, what: Happening) {
        let at = self.now + self.random.random_range(1..4);
        self.at(at, node, what);
    }

    fn at(&mut self, at: i64, node: usize, what: Happening) {
        self.turn += 1;
        let turn = self.turn;
        self.queue.push(Reverse(Due {
            at,
            turn,
            node,
            what,
        }));
    }

    /// Lets so many milliseconds pass.
    pub fn pass(&mut self, milliseconds: i64) {
        let end = self.now + milliseconds;
        while self.queue.peek().is_some_and(|Reverse(due)| due.at <= end) {
            let Some(Reverse(due)) = self.queue.pop() else {
                break;
            };
            self.now = due.at;
            self.happen(due);
        }
        self.now = end;
    }

    fn happen(&mut self, due: Due) {
        let node = due.node;
        if !self.nodes[node].up {
            if let Happening::Connect(link, _) = due.what {
                self.links.remove(&link);
            }
            return;
        }
        if self.nodes[node].frozen {
            self.at(due.at + 10, node, due.what);
            return;
        }
        match due.what {
            Happening::Tick(life) => {
                if life == self.nodes[node].life {
                    self.with(node, View::tick);
                    let next = self.now + 100;
                    self.at(next, node, Happening::Tick(life));
                }
            }
            Happening::Connect(link, port) => {
                let other = usize::from(port) - 17000;
                if self.is_cut(node, other) || !self.links.contains_key(&link) {
                } else if self.nodes[other].up {
                    self.later(node, Happening::Connected(link));
                } else {
                    self.links.remove(&link);
                    self.later(node, Happening::Closed(link));
                }
            }
            Happening::Connected(link) => {
                if self.links.contains_key(&link) {
                    self.with(node, |view, around| view.connected(link, around));
                }
            }
            Happening::Message(link, message) => {
                let Some(&[from, to]) = self.links.get(&link) else {
                    return;
                };
                if self.is_cut(from, to) {
                    // Sent again until it comes through, as by a kernel.
                    self.at(due.at + 20, node, Happening::Message(link, message));
                } else {
                    self.with(node, |view, around| view.receive(link, *message, around));
                }
            }
            Happening::Closed(link) => {
                self.with(node, |view, around| view.closed(link, around));
            }
        }
    }

    /// Lets time pass until something holds; returns how many milliseconds it took.
    #[track_caller]
    pub fn until(
        &mut self,
        what: &str,
        limit: i64,
        mut holds: impl FnMut(&mut Bus) -> bool,
    ) -> i64 {
        let began = self.now;
        while self.now - began < limit {
            if holds(self) {
                return self.now - began;
            }
            self.pass(10);
        }
        panic!("not after {limit} ms: {what}\n{}", self.picture());
    }

    // What is seen.

    pub fn id(&self, node: usize) -> NodeId {
        self.nodes[node].view.myself().id
    }

    pub fn index(&self, id: NodeId) -> usize {
        (0..self.nodes.len())
            .find(|&node| self.id(node) == id)
            .unwrap()
    }

    /// What one node takes another one for.
    pub fn flags(&self, by: usize, of: usize) -> Flags {
        let view = &self.nodes[by].view;
        view.peer(self.key(by, of)).flags
    }

    pub fn key(&self, by: usize, of: usize) -> PeerKey {
        self.nodes[by].view.find(self.id(of)).unwrap()
    }

    pub fn slots(&self, by: usize, of: usize) -> SlotSet {
        let view = &self.nodes[by].view;
        (*view.peer(self.key(by, of)).slots).clone()
    }

    pub fn is_master(&self, node: usize) -> bool {
        self.nodes[node].view.myself().flags.master
    }

    pub fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.up && !node.frozen)
    }

    /// Every running node takes the cluster for well.
    pub fn all_well(&self) -> bool {
        self.running().all(|node| node.view.ok)
    }

    /// All running nodes know the same nodes, masters, slots and epochs, and suspect nobody of them.
    pub fn agree(&self) -> bool {
        let mut views = self.running().map(|node| self.summary(&node.view));
        let Some(first) = views.next() else {
            return true;
        };
        views.all(|other| other == first)
    }

    /// What a view says of nodes that run: id, whether it is a master, its master, its slots, its epoch, whether it is well.
    #[allow(clippy::type_complexity)]
    fn summary(
        &self,
        view: &View,
    ) -> Vec<(
        NodeId,
        bool,
        Option<NodeId>,
        Arc<SlotSet>,
        Option<u64>,
        bool,
    )> {
        let runs = |id: &NodeId| {
            self.nodes
                .iter()
                .any(|node| node.up && node.view.myself().id == *id)
        };
        view.by_id
            .iter()
            .map(|(id, key)| {
                let peer = view.peer(*key);
                (
                    *id,
                    peer.flags.master,
                    peer.replica_of.map(|master| view.peer(master).id),
                    peer.slots.clone(),
                    peer.serves().then_some(peer.config_epoch),
                    runs(id) && (peer.flags.suspected || peer.flags.failed || peer.flags.handshake),
                )
            })
            .collect()
    }

    pub fn picture(&self) -> String {
        let mut text = String::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let view = &node.view;
            text += &format!(
                "{index} up={} ok={} epoch={}\n",
                node.up, view.ok, view.current_epoch
            );
            for (id, key) in &view.by_id {
                let peer = view.peer(*key);
                let flags = peer.flags;
                text += &format!(
                    "   {id:.8} :{} master={} fail?={} fail={} handshake={} of={:?} epoch={} link={:?} {}\n",
                    peer.port,
                    flags.master,
                    flags.suspected,
                    flags.failed,
                    flags.handshake,
                    peer.replica_of.map(|key| view.peer(key).port),
                    peer.config_epoch,
                    peer.link.map(|link| link.up),
                    peer.slots
                );
            }
            for line in &node.log {
                text += &format!("     {line}\n");
            }
        }
        text
    }
}

pub fn slot_of(number: usize) -> Slot {
    Slot::new(u16::try_from(number).unwrap()).unwrap()
}
