//! Which keys of a database are in which slot, those that came last first. Only the nodes of a cluster keep this.
//!
//! The keys of a slot are chained through links of their own, each of which has the number of its key's entry: nothing is copied, and nothing but the ends of two
//! chains is touched when a key comes or goes.

use slab::Slab;

use crate::cluster::{SLOTS, Slot};

const NONE: u32 = u32::MAX;

/// The chains of all slots.
#[derive(Debug, Clone)]
pub(super) struct SlotIndex {
    links: Slab<Link>,
    chains: Box<[Chain]>,
}

/// The place of a key in its slot's chain.
#[derive(Debug, Clone, Copy)]
struct Link {
    /// The number of the key's entry.
    at: u32,
    newer: u32,
    older: u32,
    slot: Slot,
}

#[derive(Debug, Clone, Copy)]
struct Chain {
    newest: u32,
    count: u32,
}

const EMPTY: Chain = Chain {
    newest: NONE,
    count: 0,
};

impl Default for SlotIndex {
    fn default() -> Self {
        SlotIndex {
            links: Slab::new(),
            chains: vec![EMPTY; usize::from(SLOTS)].into(),
        }
    }
}

impl SlotIndex {
    /// A key has come, whose entry has this number. What its entry is to keep, for when the key goes.
    pub fn insert(&mut self, key: &[u8], at: usize) -> u32 {
        let slot = Slot::of_key(key);
        let chain = &mut self.chains[usize::from(slot.get())];
        let older = chain.newest;
        let link = self.links.insert(Link {
            at: at as u32,
            newer: NONE,
            older,
            slot,
        }) as u32;
        chain.newest = link;
        chain.count += 1;
        if let Some(older) = self.links.get_mut(older as usize) {
            older.newer = link;
        }
        link
    }

    /// A key has gone.
    pub fn remove(&mut self, link: u32) {
        let Some(gone) = self.links.try_remove(link as usize) else {
            return;
        };
        if let Some(older) = self.links.get_mut(gone.older as usize) {
            older.newer = gone.newer;
        }
        let chain = &mut self.chains[usize::from(gone.slot.get())];
        chain.count -= 1;
        match self.links.get_mut(gone.newer as usize) {
            Some(newer) => newer.older = gone.older,
            None => chain.newest = gone.older,
        }
    }

    /// The entry of a key has another number from now on.
    pub fn renumber(&mut self, link: u32, at: usize) {
        if let Some(link) = self.links.get_mut(link as usize) {
            link.at = at as u32;
        }
    }

    /// How many keys a slot has.
    pub fn count(&self, slot: Slot) -> usize {
        self.chains[usize::from(slot.get())].count as usize
    }

    /// The numbers of a slot's keys, the newest first.
    pub fn of(&self, slot: Slot) -> impl Iterator<Item = usize> {
        let newest = self.chains[usize::from(slot.get())].newest;
        let link = |at: u32| self.links.get(at as usize);
        std::iter::successors(link(newest), move |now| link(now.older)).map(|link| link.at as usize)
    }
}
