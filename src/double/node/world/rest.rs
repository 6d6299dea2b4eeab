//! When all nodes of a world have nothing left to tell each other: then their ticks do nothing and no pings are under way, until somebody stirs them. What a cluster of sixty nodes costs
//! is its pings, of which it sends eighty times as many as one of six.

#[cfg(test)]
pub(in crate::double) mod proof;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::World;
use super::lives::Life;
use crate::cluster::NodeId;
use crate::double::gossip::{Header, PeerKey};

/// The least time, in milliseconds, in which nobody has done anything before a world comes to rest.
const LEAST: i64 = 2000;
/// How often, in milliseconds, it is asked whether all is quiet.
const LOOKS: i64 = 1000;
/// How long, in microseconds, a packet may take in a world that rests: so all have come that were sent before anything was done last.
const LONGEST_DELAY: u64 = 1_000_000;

/// How a world rests. All moments are in milliseconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// Those that rest, by their places; empty: nobody does.
    resting: RefCell<BTreeMap<usize, AtRest>>,
    /// When something was done last that could change anything.
    stirred: Cell<i64>,
    /// When it is asked next whether all is quiet, or, while all rest, when offsets are told next.
    next_look: Cell<i64>,
    #[cfg(test)]
    proof: proof::Proof,
}

/// A node that is at rest, by itself.
#[derive(Debug)]
struct AtRest {
    /// What it says of itself.
    says: Arc<Header>,
    /// Whom it knows, as one number.
    knows: u64,
    /// The replication offset that it has told last.
    offset: Cell<i64>,
    /// Who knows it, by place, and what it is there.
    known: Vec<(usize, PeerKey)>,
}

impl World {
    /// Something is done, or has happened, that may change what nodes have to tell each other.
    pub(super) fn stir(&self) {
        let now = self.now / 1000;
        self.rest.stirred.set(now);
        #[cfg(test)]
        self.end_claim();
        for place in self.rest.resting.take().into_keys() {
            let server = self.untouched(place);
            if let Some(member) = server.borrow_mut().cluster.as_deref_mut() {
                member.view.end_rest(now);
            }
        }
    }

    /// The same if a node that rests has anything to tell or to do by itself that it had not when it came to rest. Whether it rests on: then there is nothing to be settled.
    pub(super) fn rests_on(&self, place: usize) -> bool {
        if self.never_rests() {
            return false;
        }
        let resting = self.rest.resting.borrow();
        let Some(node) = resting.get(&place) else {
            return false;
        };
        let rests = self.seen(place, |server| {
            let member = server.cluster.as_deref();
            member.is_some_and(|member| !member.view.is_stirred(&node.says, &member.settings))
        });
        drop(resting);
        if !rests {
            self.stir();
        }
        rests
    }

    /// Whether this node rests.
    pub(super) fn is_resting(&self, place: usize) -> bool {
        self.rest.resting.borrow().contains_key(&place) && !self.never_rests()
    }

    /// Whether all rest. Asked at each tick: it finds out, too.
    pub(in crate::double) fn is_at_rest(&self) -> bool {
        let now = self.now / 1000;
        let mut rests = !self.rest.resting.borrow().is_empty();
        if now < self.rest.next_look.get() {
            return rests && !self.never_rests();
        }
        self.rest.next_look.set(now + LOOKS);
        if rests {
            self.tell_offsets();
        } else if let Some(resting) = self.all_at_rest() {
            rests = !resting.is_empty();
            self.begin_rest(now, resting);
        }
        rests && !self.never_rests()
    }

    fn begin_rest(&self, now: i64, resting: BTreeMap<usize, AtRest>) {
        #[cfg(test)]
        if self.never_rests() {
            self.begin_claim();
        }
        for place in resting.keys().filter(|_| !self.never_rests()) {
            let server = self.untouched(*place);
            if let Some(member) = server.borrow_mut().cluster.as_deref_mut() {
                member.view.begin_rest(now);
            }
        }
        *self.rest.resting.borrow_mut() = resting;
    }

    /// Whether it only finds out whether it could rest.
    fn never_rests(&self) -> bool {
        #[cfg(test)]
        let never = self.rest.proof.is_wanted();
        #[cfg(not(test))]
        let never = false;
        never
    }

    /// What else goes on while all rest: clients write, and each node comes to know how far the others are.
    fn tell_offsets(&self) {
        let resting = self.rest.resting.borrow();
        for (place, node) in resting.iter() {
            let offset = self.seen(*place, |server| server.replication.offset());
            if node.offset.replace(offset) == offset {
                continue;
            }
            let servers = self.servers.borrow();
            for (other, key) in &node.known {
                if let Some(member) = servers[*other].borrow_mut().cluster.as_deref_mut() {
                    member.view.hear_offset(*key, offset);
                }
            }
        }
    }

    /// It does not rest before this moment, in microseconds since 1970: a past that is played through is to leave traces.
    pub(super) fn never_rest_before(&self, moment: i64) {
        self.rest.next_look.set(moment / 1000);
    }

    /// All nodes that run, if nothing that one of them could tell another one would change anything there.
    fn all_at_rest(&self) -> Option<BTreeMap<usize, AtRest>> {
        let now = self.now / 1000;
        if now - self.rest.stirred.get() < LEAST || !self.bus.borrow().is_calm(LONGEST_DELAY) {
            return None;
        }
        let mut nodes = BTreeMap::new();
        for place in 0..self.len() {
            match self.life(place) {
                Life::Running => {}
                Life::Frozen => return None,
                // Whoever knows it does not find it below.
                Life::Stopped => continue,
            }
            let server = self.untouched(place);
            let mut server = server.borrow_mut();
            if server.cluster.is_none() {
                continue;
            }
            server.set_time(self.now);
            let offset = Cell::new(server.replication.offset());
            let alone = server.in_cluster(|view, around| {
                let says = view.at_rest(around)?;
                let knows = view.membership();
                Some(AtRest {
                    says,
                    knows,
                    offset,
                    known: Vec::new(),
                })
            });
            nodes.insert(place, alone.flatten()?);
        }
        let by_id = nodes.values().map(|node| (node.says.sender, node));
        let by_id: BTreeMap<NodeId, &AtRest> = by_id.collect();
        let mut all = nodes.iter();
        if !all.all(|(place, node)| self.agrees(*place, node, &by_id)) {
            return None;
        }
        let places: Vec<usize> = nodes.keys().copied().collect();
        for (place, node) in &mut nodes {
            let others = places.iter().filter(|other| *other != place);
            let known = others.filter_map(|other| {
                self.seen(*other, |server| {
                    let key = server.cluster.as_deref()?.view.find(node.says.sender)?;
                    Some((*other, key))
                })
            });
            node.known = known.collect();
        }
        Some(nodes)
    }

    /// Whether a node takes all whom it knows for what they say of themselves, and they know the same ones.
    fn agrees(&self, place: usize, node: &AtRest, nodes: &BTreeMap<NodeId, &AtRest>) -> bool {
        self.seen(place, |server| {
            let Some(member) = server.cluster.as_deref() else {
                return false;
            };
            let view = &member.view;
            view.by_id.keys().all(|id| {
                let other = nodes.get(id).filter(|other| other.knows == node.knows);
                other.is_some_and(|other| view.hears_nothing_new(&other.says))
            })
        })
    }
}
