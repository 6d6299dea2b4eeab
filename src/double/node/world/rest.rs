//! When all nodes of a world have nothing left to tell each other: then their ticks do nothing and no pings are under way, until somebody stirs them. What a cluster of sixty nodes costs
//! is its pings, of which it sends eighty times as many as one of six.

#[cfg(test)]
pub(in crate::double) mod proof;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::World;
use super::lives::Life;
use crate::cluster::NodeId;
use crate::double::gossip::Header;

/// The least time, in milliseconds, in which nobody has done anything before a world comes to rest.
const LEAST: i64 = 2000;
/// How often, in milliseconds, it is asked whether all is quiet.
const LOOKS: i64 = 1000;
/// How long, in microseconds, a packet may take in a world that rests: so all have come that were sent before anything was done last.
const LONGEST_DELAY: u64 = 1_000_000;

/// How a world rests. All moments are in milliseconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// Since when all rest; `None`: they don't.
    since: Cell<Option<i64>>,
    /// When something was done last that could change anything.
    stirred: Cell<i64>,
    /// When it is asked next whether all is quiet.
    next_look: Cell<i64>,
    #[cfg(test)]
    proof: proof::Proof,
}

/// A node that is at rest, by itself.
struct AtRest {
    place: usize,
    says: Arc<Header>,
    knows: u64,
}

impl World {
    /// Something is done, or has happened, that may change what nodes have to tell each other; whoever looks at their bookkeeping stirs them as well.
    pub(super) fn stir(&self) {
        let now = self.now / 1000;
        self.rest.stirred.set(now);
        if let Some(since) = self.rest.since.take() {
            self.wake(since, now);
        }
        #[cfg(test)]
        self.end_claim();
    }

    /// The same if a node has learned something.
    pub(super) fn stir_if_anything_was_learned(&self, place: usize) {
        let learned = |place| {
            self.seen(place, |server| {
                let member = server.cluster.as_deref();
                member.is_some_and(|member| member.view.is_unrested())
            })
        };
        if self.rest.since.get().is_some() && learned(place) {
            self.stir();
        }
    }

    /// Whether all rest. Asked at each tick: it finds out, too.
    pub(in crate::double) fn is_at_rest(&self) -> bool {
        if self.rest.since.get().is_some() {
            return true;
        }
        let now = self.now / 1000;
        if now < self.rest.next_look.get() {
            return false;
        }
        self.rest.next_look.set(now + LOOKS);
        let rests = self.is_quiet();
        #[cfg(test)]
        let rests = self.rests_or_claims(rests);
        if rests {
            self.rest.since.set(Some(now));
        }
        rests
    }

    /// It does not rest before this moment, in microseconds since 1970: a past that is played through is to leave traces.
    pub(super) fn never_rest_before(&self, moment: i64) {
        self.rest.next_look.set(moment / 1000);
    }

    /// Whether nothing that a node could tell another one would change anything there.
    fn is_quiet(&self) -> bool {
        let now = self.now / 1000;
        if now - self.rest.stirred.get() < LEAST || !self.bus.borrow().is_calm(LONGEST_DELAY) {
            return false;
        }
        let mut nodes = BTreeMap::new();
        for place in 0..self.len() {
            match self.life(place) {
                Life::Running => {}
                Life::Frozen => return false,
                // Whoever knows it does not find it below.
                Life::Stopped => continue,
            }
            let server = self.untouched(place);
            let mut server = server.borrow_mut();
            if server.cluster.is_none() {
                continue;
            }
            server.set_time(self.now);
            let alone = server.in_cluster(|view, around| {
                let says = view.at_rest(around)?;
                let knows = view.membership();
                Some(AtRest { place, says, knows })
            });
            let Some(node) = alone.flatten() else {
                return false;
            };
            nodes.insert(node.says.sender, node);
        }
        nodes.values().all(|node| self.agrees(node, &nodes))
    }

    /// Whether a node takes all whom it knows for what they say of themselves, and they know the same ones.
    fn agrees(&self, node: &AtRest, nodes: &BTreeMap<NodeId, AtRest>) -> bool {
        self.seen(node.place, |server| {
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

    /// All go on from where they stood.
    fn wake(&self, since: i64, now: i64) {
        let places = || (0..self.len()).filter(|place| self.life(*place) == Life::Running);
        let offsets: Vec<(NodeId, i64)> = places()
            .filter_map(|place| {
                self.seen(place, |server| {
                    let member = server.cluster.as_deref()?;
                    Some((member.view.myself().id, server.replication.offset()))
                })
            })
            .collect();
        for place in places() {
            let server = self.untouched(place);
            if let Some(member) = server.borrow_mut().cluster.as_deref_mut() {
                member.view.wake(since, now, &offsets);
            }
        }
    }
}
