//! A node's view of its cluster.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::FixedState;
use slab::Slab;

use super::around::Around;
use super::chores::Chores;
use super::effect::{Effect, LinkId};
use super::election::Election;
use super::manual::Manual;
use super::message::{Header, Message};
use super::peer::{Flags, Peer, PeerKey};
use super::rest::{Quiet, Rests};
use super::sabotage::Sabotage;
use super::state::StateHistory;
use crate::cluster::{NodeId, SLOTS, Slot, SlotSet};

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

/// What is left to do in [`View::settle`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Todo {
    pub failover: bool,
    pub manual_failover: bool,
    pub state: bool,
    pub settings: bool,
}

impl Todo {
    pub fn is_anything(self) -> bool {
        self.failover || self.manual_failover || self.state || self.settings
    }
}

/// A node's view of its cluster.
pub(in crate::double) struct View {
    /// Everybody whom it knows, itself among them. Put in only by [`insert`](View::insert).
    pub peers: Slab<Peer>,
    /// Where they are, by id: every loop over peers goes by it, so that the order is always the same.
    pub by_id: BTreeMap<NodeId, PeerKey>,
    /// The same to look one up, which each message has done many times.
    pub(super) index: HashMap<NodeId, PeerKey, FixedState>,
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
    /// The address at which other nodes reach it: what a socket would tell. It is taken for its own when a node comes to meet it, and sent as
    /// [`Header::seen_ip`]. `127.0.0.1` if nobody sets another one.
    pub address: String,
    /// A bug of the protocol that it has, put in on purpose.
    pub sabotage: Option<Sabotage>,
    pub(super) effects: Vec<Effect>,
    /// The peers in the order of `by_id`, for loops that change peers and for chance.
    pub(super) order: Vec<PeerKey>,
    /// Whose a link is: opened from here, or accepted and its sender known.
    pub(super) links: HashMap<LinkId, PeerKey, FixedState>,
    /// What was sent on links that do not stand yet.
    pub(super) queued: Vec<(LinkId, Message)>,
    pub(super) number: u32,
    pub(super) links_made: u32,
    /// Until when, in seconds since 1970, a forgotten node may not come back.
    pub(super) bans: BTreeMap<NodeId, i64>,
    /// Slots whose owner has ceased to claim them while nobody else does: not to be told of in UPDATE.
    pub(super) unclaimed: SlotSet,
    /// How many peers were suspected when the last tick began.
    pub(super) suspected: usize,
    pub(super) ticks: u64,
    pub(super) chores: Chores,
    pub(super) quiet: Quiet,
    /// It rests.
    pub(super) rests: Option<Rests>,
    pub(super) election: Election,
    pub(super) manual: Manual,
    pub(super) history: StateHistory,
    pub(super) todo: Todo,
    /// The last header that was sent: most are the same as the one before.
    pub(super) header: Option<Arc<Header>>,
    /// Slots whose shard channels end here, until [`settle`](View::settle) says so.
    pub(super) lost: Option<SlotSet>,
    /// `cluster-announce-ip` as it was last.
    pub(super) announced_ip: String,
    /// It was started again and has not yet compared its keys with its slots.
    pub(super) check_keys: bool,
}

impl View {
    /// A node that knows nobody. `number`: of all nodes of the cluster's life it alone has this one; its links' numbers are made from it.
    pub fn new(number: u32, me: NodeId, port: u16, bus_port: u16, now: i64) -> View {
        let flags = Flags {
            master: true,
            ..Flags::default()
        };
        let mut view = View::without_peers(number);
        view.effects.push(Effect::Log(format!(
            "No cluster configuration found, I'm {me}"
        )));
        view.me = view.insert(Peer {
            port,
            bus_port,
            ..Peer::new(me, flags, now)
        });
        view
    }

    pub(super) fn without_peers(number: u32) -> View {
        View {
            peers: Slab::new(),
            by_id: BTreeMap::new(),
            index: HashMap::default(),
            me: PeerKey(0),
            owners: vec![None; usize::from(SLOTS)].into_boxed_slice(),
            migrating: BTreeMap::new(),
            importing: BTreeMap::new(),
            current_epoch: 0,
            last_vote_epoch: 0,
            ok: false,
            size: 1,
            sent: [0; 11],
            received: [0; 11],
            address: "127.0.0.1".to_owned(),
            sabotage: None,
            effects: Vec::new(),
            order: Vec::new(),
            links: HashMap::default(),
            queued: Vec::new(),
            number,
            links_made: 0,
            bans: BTreeMap::new(),
            unclaimed: SlotSet::new(),
            suspected: 0,
            ticks: 0,
            chores: Chores::default(),
            quiet: Quiet::default(),
            rests: None,
            election: Election::default(),
            manual: Manual::default(),
            history: StateHistory::default(),
            todo: Todo::default(),
            header: None,
            lost: None,
            announced_ip: String::new(),
            check_keys: false,
        }
    }

    /// What is to be done, in this order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// What the effects were in, to be used again.
    pub fn give_back(&mut self, emptied: Vec<Effect>) {
        if self.effects.capacity() == 0 {
            self.effects = emptied;
        }
    }

    /// Said after everything else that was told, once: what only has to be done in the end is done now (`clusterBeforeSleep`).
    pub fn settle(&mut self, around: &mut Around<'_>) {
        let todo = std::mem::take(&mut self.todo);
        if todo.settings {
            self.take_settings(around);
        }
        if todo.manual_failover {
            if self.myself().flags.replica {
                self.go_on_with_manual_failover(around);
                self.go_on_with_election(around);
            }
        } else if todo.failover {
            self.go_on_with_election(around);
        }
        if todo.state || self.todo.state {
            self.update_state(around);
        }
        if let Some(slots) = self.lost.take() {
            self.effects.push(Effect::DropChannels(Arc::new(slots)));
        }
    }

    /// Something that clients see has changed; `cluster_state` and the rest are to be looked at in [`settle`](Self::settle).
    pub fn note_change(&mut self) {
        self.todo.state = true;
    }

    /// Settings have changed: they are looked at in [`settle`](Self::settle), and in every tick.
    pub fn note_settings(&mut self) {
        self.todo.settings = true;
    }

    /// PUBLISH and SPUBLISH: to all others, or to the nodes of the same shard.
    pub fn publish(
        &mut self,
        channel: &[u8],
        message: &[u8],
        sharded: bool,
        around: &mut Around<'_>,
    ) {
        let body = super::message::Body::Publish {
            channel: channel.to_vec(),
            message: message.to_vec(),
            sharded,
        };
        if !sharded {
            self.broadcast(body, false, around);
            return;
        }
        let me = self.myself();
        let master = if me.flags.master {
            Some(self.me)
        } else {
            me.replica_of
        };
        let Some(master) = master else { return };
        let mut shard = vec![master];
        shard.extend(&self.peer(master).replicas);
        for key in shard {
            let peer = self.peer(key);
            if key != self.me
                && !peer.flags.handshake
                && let Some(link) = peer.link
            {
                let header = self.header(false, around);
                let body = body.clone();
                self.send(link.id, Message { header, body });
            }
        }
    }

    /// Settings that are part of what others are told.
    pub(super) fn take_settings(&mut self, around: &Around<'_>) {
        let settings = around.settings;
        let changed_ip = self.announced_ip != settings.announced_ip;
        let me = &mut self.peers[usize::from(self.me.0)];
        if me.hostname != settings.hostname {
            me.hostname.clone_from(&settings.hostname);
        }
        if me.flags.no_failover != settings.no_failover {
            me.flags.no_failover = settings.no_failover;
            self.todo.state = true;
        }
        if changed_ip {
            // Without one it is found out again by the next that comes to meet.
            me.ip = settings.announced_ip.as_str().into();
            self.announced_ip.clone_from(&settings.announced_ip);
        }
    }

    pub(super) fn log(&mut self, line: impl Into<String>) {
        self.effects.push(Effect::Log(line.into()));
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

    /// A node, to have anything of it changed.
    pub fn peer_mut(&mut self, key: PeerKey) -> &mut Peer {
        self.chores.touch(key);
        &mut self.peers[usize::from(key.0)]
    }

    /// A node, to note that it was pinged or has answered: [`ping_sent`](Peer::ping_sent) and [`pong_received`](Peer::pong_received). Nothing else may be changed by this.
    pub(super) fn pinged_mut(&mut self, key: PeerKey) -> &mut Peer {
        self.chores.hurry(key);
        &mut self.peers[usize::from(key.0)]
    }

    /// A node, to note what was heard of it: later moments than those that stand there, its offset, its epoch, who reports it, whether it may fail over, an equal set of slots. Nothing else may be changed by this: the tick does not look
    /// at the peer for that.
    pub(super) fn heard_mut(&mut self, key: PeerKey) -> &mut Peer {
        &mut self.peers[usize::from(key.0)]
    }

    /// A node by its id, also one in handshake.
    pub fn find(&self, id: NodeId) -> Option<PeerKey> {
        self.index.get(&id).copied()
    }

    /// Who serves a slot.
    pub fn owner(&self, slot: Slot) -> Option<PeerKey> {
        self.owners[usize::from(slot.get())]
    }

    /// Whether it has this bug.
    pub(super) fn sabotaged(&self, bug: Sabotage) -> bool {
        self.sabotage == Some(bug)
    }
}
