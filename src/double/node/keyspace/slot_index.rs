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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::db::Db;
    use super::super::text::Text;
    use super::super::value::Value;
    use crate::cluster::Slot;

    /// Four slots, so that there are many keys in each.
    fn key(number: u8) -> Vec<u8> {
        format!("{{{}}}{number}", number % 4).into_bytes()
    }

    fn text() -> Value {
        Value::Text(Text::new(b"x"))
    }

    proptest! {
        #[test]
        fn keys_of_a_slot_are_those_that_a_scan_finds(
            steps in proptest::collection::vec((0..20u8, 0..40u8), 0..200)
        ) {
            let mut db = Db::default();
            db.put(&key(0), text(), false, 0);
            db.index_slots();
            // Those that are there, the newest last.
            let mut there = vec![key(0)];
            for (step, number) in steps {
                let key = key(number);
                match step {
                    0 => {
                        db.clear();
                        there.clear();
                    }
                    1..9 => {
                        db.remove(&key);
                        there.retain(|other| *other != key);
                    }
                    _ => {
                        db.put(&key, text(), false, 0);
                        if !there.contains(&key) {
                            there.push(key);
                        }
                    }
                }
            }
            for number in 0..4 {
                let slot = Slot::of_key(&key(number));
                let wanted: Vec<&[u8]> = there
                    .iter()
                    .rev()
                    .filter(|key| Slot::of_key(key) == slot)
                    .map(Vec::as_slice)
                    .collect();
                prop_assert_eq!(db.count_in_slot(slot), wanted.len());
                prop_assert_eq!(db.keys_in_slot(slot).collect::<Vec<_>>(), wanted);
            }
        }
    }
}
