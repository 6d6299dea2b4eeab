//! A numbered database.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::dict::Dict;
use super::slot_index::SlotIndex;
use super::value::Value;
use crate::cluster::Slot;
use crate::double::node::client::ClientKey;

/// A key's value, and what is known about the key.
#[derive(Debug, Clone)]
pub(in crate::double::node) struct Entry {
    /// What it holds.
    pub value: Value,
    /// When it is over, in milliseconds since 1970. Set by [`Db::expire`] only, which keeps the order of all such moments.
    expires: Option<i64>,
    /// When it was used last, in milliseconds since 1970.
    pub used: i64,
    /// How often it was used, as the LFU policies count it.
    pub frequency: u8,
    /// Its link in the index of slots, if there is one.
    link: u32,
}

impl Entry {
    /// When it is over, in milliseconds since 1970; `None`: never.
    pub fn expires(&self) -> Option<i64> {
        self.expires
    }
}

/// Keys, and who waits for them.
#[derive(Debug, Default)]
pub(in crate::double::node) struct Db {
    keys: Dict<Entry>,
    /// Keys with an end, the next one first.
    ends: BTreeSet<(i64, Box<[u8]>)>,
    /// Which keys are in which slot.
    slots: Option<Box<SlotIndex>>,
    /// Who is blocked until something comes to a key, in the order in which they began to wait.
    pub waiting: HashMap<Box<[u8]>, VecDeque<ClientKey>>,
    /// Who has WATCHed a key.
    pub watched: BTreeMap<Box<[u8]>, Vec<ClientKey>>,
}

impl Db {
    /// How many keys there are, those that are over and not noticed yet among them.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// How many keys have an end.
    pub fn ending(&self) -> usize {
        self.ends.len()
    }

    /// Keys and entries, whether they are over or not.
    pub fn keys(&self) -> &Dict<Entry> {
        &self.keys
    }

    /// The number of a key in [`keys`](Self::keys); whether it is over is not looked at.
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        self.keys.find(key)
    }

    /// The entry of that number.
    pub fn at(&self, at: usize) -> (&[u8], &Entry) {
        self.keys.at(at)
    }

    /// The same, to be changed.
    pub fn at_mut(&mut self, at: usize) -> &mut Entry {
        self.keys.at_mut(at)
    }

    /// Keeps from now on which keys are in which slot.
    pub fn index_slots(&mut self) {
        let mut slots = Box::<SlotIndex>::default();
        for at in 0..self.keys.len() {
            let link = slots.insert(self.keys.at(at).0, at);
            self.keys.at_mut(at).link = link;
        }
        self.slots = Some(slots);
    }

    /// How many keys of a slot there are, those that are over and not noticed yet among them. 0 as well where this is not kept.
    pub fn count_in_slot(&self, slot: Slot) -> usize {
        self.slots.as_ref().map_or(0, |slots| slots.count(slot))
    }

    /// The keys of a slot, the one that came last first; none where this is not kept.
    pub fn keys_in_slot(&self, slot: Slot) -> impl Iterator<Item = &[u8]> {
        let slots = self.slots.as_ref().into_iter();
        slots
            .flat_map(move |slots| slots.of(slot))
            .map(|at| self.keys.at(at).0)
    }

    /// Sets a key's value; `keep`: its end stays as it was, otherwise it has none from now on.
    pub fn put(&mut self, key: &[u8], value: Value, keep: bool, now: i64) {
        match self.keys.find(key) {
            Some(at) => {
                let entry = self.keys.at_mut(at);
                entry.value = value;
                entry.used = now;
                if !keep && entry.expires.is_some() {
                    self.expire_at(at, None);
                }
            }
            None => {
                let at = self.keys.insert_new(
                    key,
                    Entry {
                        value,
                        expires: None,
                        used: now,
                        frequency: 5,
                        link: 0,
                    },
                );
                if let Some(slots) = &mut self.slots {
                    self.keys.at_mut(at).link = slots.insert(key, at);
                }
            }
        }
    }

    /// Sets when a key is over, in milliseconds since 1970, or that it never is. Whether the key is there.
    pub fn expire(&mut self, key: &[u8], when: Option<i64>) -> bool {
        match self.keys.find(key) {
            Some(at) => {
                self.expire_at(at, when);
                true
            }
            None => false,
        }
    }

    fn expire_at(&mut self, at: usize, when: Option<i64>) {
        let entry = self.keys.at_mut(at);
        let before = std::mem::replace(&mut entry.expires, when);
        let key: Box<[u8]> = self.keys.at(at).0.into();
        if let Some(before) = before {
            self.ends.remove(&(before, key.clone()));
        }
        if let Some(when) = when {
            self.ends.insert((when, key));
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let at = self.keys.find(key)?;
        let (key, entry) = self.keys.remove_at(at);
        if let Some(when) = entry.expires {
            self.ends.remove(&(when, key));
        }
        if let Some(slots) = &mut self.slots {
            slots.remove(entry.link);
            // The last one has its number now.
            if at < self.keys.len() {
                slots.renumber(self.keys.at(at).1.link, at);
            }
        }
        Some(entry)
    }

    /// The key whose end comes next, and when.
    pub fn next_end(&self) -> Option<(i64, &[u8])> {
        self.ends.first().map(|(when, key)| (*when, &**key))
    }

    /// How long the keys that have an end still have, on average, in milliseconds.
    pub fn average_time_left(&self, now: i64) -> i64 {
        let count = self.ends.len() as i128;
        let left = self
            .ends
            .iter()
            .map(|(when, _)| i128::from((when - now).max(0)));
        left.sum::<i128>().checked_div(count).unwrap_or(0) as i64
    }

    /// Takes all keys out.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.ends.clear();
        if let Some(slots) = &mut self.slots {
            **slots = SlotIndex::default();
        }
    }

    /// The same keys, without those who wait and watch.
    pub fn copy(&self) -> Db {
        Db {
            keys: self.keys.clone(),
            ends: self.ends.clone(),
            slots: self.slots.clone(),
            ..Db::default()
        }
    }

    /// Changes all keys with another database's, and leaves those who wait and watch where they are: SWAPDB.
    pub fn swap_keys(&mut self, other: &mut Db) {
        std::mem::swap(&mut self.keys, &mut other.keys);
        std::mem::swap(&mut self.ends, &mut other.ends);
        std::mem::swap(&mut self.slots, &mut other.slots);
    }
}
