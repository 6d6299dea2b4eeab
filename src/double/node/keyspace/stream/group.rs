//! Groups of consumers: what was delivered to whom, and is not acknowledged yet.

use std::collections::{BTreeMap, BTreeSet};

use slab::Slab;

use super::{Counts, Id, UNKNOWN};

/// A group of consumers.
#[derive(Debug, Clone)]
pub(in crate::double) struct Group {
    /// The last entry that was delivered.
    pub last_id: Id,
    /// How many entries it has read, those among them that are gone; [`UNKNOWN`] if nobody knows.
    pub entries_read: i64,
    /// What was delivered and not acknowledged.
    pending: BTreeMap<Id, Pending>,
    consumers: Slab<Consumer>,
    /// The consumers' places in the slab.
    names: BTreeMap<Box<[u8]>, usize>,
}

/// An entry that was delivered and not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) struct Pending {
    /// When it was delivered last, in milliseconds since 1970.
    pub delivered: i64,
    /// How often it was delivered.
    pub deliveries: u64,
    /// The number of the consumer in its group.
    pub consumer: usize,
}

/// A consumer of a group.
#[derive(Debug, Clone)]
pub(in crate::double) struct Consumer {
    /// Its name.
    pub name: Box<[u8]>,
    /// When it has tried to read last, in milliseconds since 1970.
    pub seen: i64,
    /// The ids of what is pending for it.
    pub pending: BTreeSet<Id>,
}

impl Group {
    /// One without consumers.
    pub fn new(last_id: Id, entries_read: i64) -> Group {
        Group {
            last_id,
            entries_read,
            pending: BTreeMap::new(),
            consumers: Slab::new(),
            names: BTreeMap::new(),
        }
    }

    /// What is pending, by id.
    pub fn pending(&self) -> &BTreeMap<Id, Pending> {
        &self.pending
    }

    /// The consumers, by their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.names.values().map(|at| &self.consumers[*at])
    }

    /// The number of the consumer of that name.
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The consumer of that number.
    pub fn consumer(&self, at: usize) -> Option<&Consumer> {
        self.consumers.get(at)
    }

    /// The consumer of that name has come to read: its number, and whether it is new.
    pub fn see_or_add(&mut self, name: &[u8], now: i64) -> (usize, bool) {
        if let Some(at) = self.find(name)
            && let Some(consumer) = self.consumers.get_mut(at)
        {
            consumer.seen = now;
            return (at, false);
        }
        (self.insert(name, now), true)
    }

    fn insert(&mut self, name: &[u8], now: i64) -> usize {
        let at = self.consumers.insert(Consumer {
            name: name.into(),
            seen: now,
            pending: BTreeSet::new(),
        });
        self.names.insert(name.into(), at);
        at
    }

    /// Adds a consumer: its number. `None`: the name is taken.
    pub fn add_consumer(&mut self, name: &[u8], now: i64) -> Option<usize> {
        match self.names.contains_key(name) {
            true => None,
            false => Some(self.insert(name, now)),
        }
    }

    /// Takes a consumer out, and what is pending for it: how much that was. `None`: there is no such consumer.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let at = self.names.remove(name)?;
        let consumer = self.consumers.remove(at);
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    /// An entry is delivered to a consumer for the first time: it is pending now, and if it was already, it starts anew.
    pub fn deliver(&mut self, id: Id, consumer: usize, now: i64) {
        let pending = Pending {
            delivered: now,
            deliveries: 1,
            consumer,
        };
        self.put(id, pending);
    }

    /// Sets what is known about a pending entry, and whose it is.
    pub fn put(&mut self, id: Id, pending: Pending) {
        let before = self.pending.insert(id, pending);
        match before {
            Some(before) if before.consumer == pending.consumer => {}
            before => {
                if let Some(owner) = before.and_then(|it| self.consumers.get_mut(it.consumer)) {
                    owner.pending.remove(&id);
                }
                if let Some(owner) = self.consumers.get_mut(pending.consumer) {
                    owner.pending.insert(id);
                }
            }
        }
    }

    /// An entry is not pending any more. Whether it was.
    pub fn acknowledge(&mut self, id: Id) -> bool {
        let Some(pending) = self.pending.remove(&id) else {
            return false;
        };
        if let Some(owner) = self.consumers.get_mut(pending.consumer) {
            owner.pending.remove(&id);
        }
        true
    }

    /// The group has got as far as this entry.
    pub fn advance(&mut self, id: Id, counts: &Counts) {
        if id <= self.last_id {
            return;
        }
        if self.entries_read != UNKNOWN && !counts.has_gaps_from(id) {
            self.entries_read = self.entries_read.wrapping_add(1);
        } else if counts.entries_added > 0 {
            self.entries_read = counts.entries_up_to(id);
        }
        self.last_id = id;
    }

    /// How many entries it still has to read. `None`: nobody knows.
    pub fn lag(&self, counts: &Counts) -> Option<i64> {
        if counts.entries_added == 0 {
            return Some(0);
        }
        let read = match self.entries_read {
            read if read != UNKNOWN && !counts.has_gaps_from(self.last_id) => read,
            _ => counts.entries_up_to(self.last_id),
        };
        (read != UNKNOWN).then(|| (counts.entries_added as i64).wrapping_sub(read))
    }
}
