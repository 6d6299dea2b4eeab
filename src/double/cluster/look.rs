//! What is to be seen of a cluster at one moment.

use crate::cluster::{NodeId, Slot, SlotSet};
use crate::double::gossip::View;
use crate::double::node::world::{Life, World};

/// The nodes of a cluster at one moment, each as it sees itself and the others. A node that does not run is as it was last.
#[derive(Clone, Copy)]
pub struct Look<'a>(pub(super) &'a World);

impl Look<'_> {
    #[expect(
        clippy::expect_used,
        reason = "all nodes of a cluster are made with a view"
    )]
    fn view<T>(&self, node: usize, what: impl FnOnce(&View) -> T) -> T {
        self.0.seen(node, |server| {
            let member = server.cluster.as_deref();
            what(&member.expect("a node of a cluster has a view of it").view)
        })
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a node runs: it is neither stopped nor frozen.
    pub fn is_running(&self, node: usize) -> bool {
        self.0.life(node) == Life::Running
    }

    /// A node's id.
    pub fn id(&self, node: usize) -> NodeId {
        self.view(node, |view| view.myself().id)
    }

    /// Whether a node takes itself for a master.
    pub fn is_master(&self, node: usize) -> bool {
        self.view(node, |view| view.myself().flags.master)
    }

    /// The node whose replica a node takes itself for.
    pub fn master_of(&self, node: usize) -> Option<usize> {
        let master = self.view(node, |view| {
            view.myself().replica_of.map(|key| view.peer(key).id)
        });
        self.number(master?)
    }

    /// The number of the node with this id.
    pub fn number(&self, id: NodeId) -> Option<usize> {
        (0..self.len()).find(|node| self.id(*node) == id)
    }

    /// Whether a node takes the cluster for well: `cluster_state:ok`.
    pub fn is_ok(&self, node: usize) -> bool {
        self.view(node, |view| view.ok)
    }

    /// How many slots a node serves, in its own view.
    pub fn slots(&self, node: usize) -> usize {
        self.view(node, |view| view.myself().slots.len())
    }

    /// Whether a node serves any slot, in its own view.
    pub fn serves(&self, node: usize) -> bool {
        self.view(node, |view| view.myself().serves())
    }

    /// The slots that a node serves, in its own view.
    pub fn slot_set(&self, node: usize) -> SlotSet {
        self.view(node, |view| SlotSet::clone(&view.myself().slots))
    }

    /// A node's config epoch, in its own view: by which it claims its slots.
    pub fn epoch(&self, node: usize) -> u64 {
        self.view(node, |view| view.myself().config_epoch)
    }

    /// The config epoch of `node` as `viewer` sees it; `None`: it does not know that node.
    pub fn sees_epoch(&self, viewer: usize, node: usize) -> Option<u64> {
        let id = self.id(node);
        self.view(viewer, |view| {
            view.find(id).map(|key| view.peer(key).config_epoch)
        })
    }

    /// The node whose replica `viewer` takes `node` for.
    pub fn sees_master_of(&self, viewer: usize, node: usize) -> Option<usize> {
        let id = self.id(node);
        let master = self.view(viewer, |view| {
            let peer = view.peer(view.find(id)?);
            peer.replica_of.map(|key| view.peer(key).id)
        });
        self.number(master?)
    }

    /// How many masters with slots a node counts, itself among them: `cluster_size`. More than half of them are a majority.
    pub fn size(&self, node: usize) -> usize {
        self.view(node, |view| view.size)
    }

    /// A node's replication offset: how many bytes of the stream it has written as a master, or carried out as a replica.
    pub fn offset(&self, node: usize) -> i64 {
        self.0.seen(node, |server| server.replication.offset())
    }

    /// Whether `viewer` knows a node with this id, be it in handshake or not.
    pub fn knows(&self, viewer: usize, id: NodeId) -> bool {
        self.view(viewer, |view| view.find(id).is_some())
    }

    /// The nodes that a node suspects or knows to have failed.
    pub fn unwell(&self, viewer: usize) -> Vec<usize> {
        let ids: Vec<NodeId> = self.view(viewer, |view| {
            let all = view.by_id.iter();
            all.filter(|(_, key)| view.peer(**key).flags.unwell())
                .map(|(id, _)| *id)
                .collect()
        });
        ids.into_iter().filter_map(|id| self.number(id)).collect()
    }

    /// What a node has logged, in the words of Redis, without the first so many lines of those that are kept: the last 10,000.
    pub fn logged(&self, node: usize, without: usize) -> Vec<String> {
        self.0.seen(node, |server| {
            let lines = server.log.iter().skip(without);
            lines.map(|(_, line)| line.clone()).collect()
        })
    }

    /// Who serves a slot, as `viewer` sees it.
    pub fn owner(&self, viewer: usize, slot: Slot) -> Option<usize> {
        let owner = self.view(viewer, |view| view.owner(slot).map(|key| view.peer(key).id));
        self.number(owner?)
    }

    /// How many nodes a node knows, itself among them, without those it is still in handshake with.
    pub fn known(&self, node: usize) -> usize {
        self.view(node, |view| {
            let all = view.by_id.values();
            all.filter(|key| !view.peer(**key).flags.handshake).count()
        })
    }

    /// Whether `viewer` suspects `node`: its flag `fail?`.
    pub fn suspects(&self, viewer: usize, node: usize) -> bool {
        let id = self.id(node);
        self.view(viewer, |view| {
            let peer = view.find(id).map(|key| view.peer(key));
            peer.is_some_and(|peer| peer.flags.suspected)
        })
    }

    /// Whether `viewer` knows that `node` has failed: its flag `fail`.
    pub fn sees_failed(&self, viewer: usize, node: usize) -> bool {
        let id = self.id(node);
        self.view(viewer, |view| {
            let peer = view.find(id).map(|key| view.peer(key));
            peer.is_some_and(|peer| peer.flags.failed)
        })
    }

    /// Whether a replica's link to its master is up.
    pub fn is_linked(&self, node: usize) -> bool {
        use crate::double::gossip::MasterLink;
        self.0.seen(node, |server| {
            matches!(server.replication.master_link(), MasterLink::Up { .. })
        })
    }

    /// Whether all nodes that run are content: each is ok, all see the same owners of slots, replicas and flags, and every replica's link is up.
    pub fn is_settled(&self) -> bool {
        let running: Vec<usize> = (0..self.len()).filter(|at| self.is_running(*at)).collect();
        let Some(first) = running.first() else {
            return true;
        };
        let sight = |node: usize| {
            self.view(node, |view| {
                let all = view.by_id.iter().map(|(id, key)| {
                    let peer = view.peer(*key);
                    let flags = peer.flags;
                    (
                        *id,
                        (flags.master, flags.suspected, flags.failed, flags.handshake),
                        peer.replica_of.map(|key| view.peer(key).id),
                        // A replica's is its master's.
                        if flags.master { peer.config_epoch } else { 0 },
                        std::sync::Arc::clone(&peer.slots),
                    )
                });
                all.collect::<Vec<_>>()
            })
        };
        let expected = sight(*first);
        let quiet = !expected.iter().any(|(_, flags, ..)| flags.1 || flags.3);
        quiet
            && running.iter().all(|node| self.is_ok(*node))
            && running.iter().all(|node| sight(*node) == expected)
            && running
                .iter()
                .all(|node| self.is_master(*node) || self.is_linked(*node))
    }
}
