//! A hash table whose walk can be interrupted: what SCAN, HSCAN and SSCAN stand on.
//!
//! Entries lie one after another in a vector, so that a random one is found at once; buckets chain them by number. A cursor counts bucket numbers
//! with their bits reversed, as Redis's does: whatever is there from the first call to the last is seen, even if the table has grown or shrunk in between.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::FixedState;

const NONE: u32 = u32::MAX;
const SMALLEST: usize = 4;

/// Byte strings with a value each.
#[derive(Debug, Clone)]
pub(in crate::double) struct Dict<V> {
    buckets: Vec<u32>,
    entries: Vec<Entry<V>>,
}

#[derive(Debug, Clone)]
struct Entry<V> {
    hash: u64,
    next: u32,
    key: Box<[u8]>,
    value: V,
}

impl<V> Default for Dict<V> {
    fn default() -> Self {
        Dict {
            buckets: Vec::new(),
            entries: Vec::new(),
        }
    }
}

fn hash(key: &[u8]) -> u64 {
    // Always the same seed: a simulated cluster has to do the same twice.
    let mut hasher = FixedState::with_seed(0x5ea7).build_hasher();
    hasher.write(key);
    hasher.finish()
}

impl<V> Dict<V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    fn bucket(&self, hash: u64) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }

    /// The number of an entry. It holds until the next insertion or removal.
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        if self.entries.is_empty() {
            return None;
        }
        self.find_hashed(key, hash(key))
    }

    fn find_hashed(&self, key: &[u8], hash: u64) -> Option<usize> {
        let mut at = *self.buckets.get(self.bucket(hash))?;
        while at != NONE {
            let entry = &self.entries[at as usize];
            if entry.hash == hash && *entry.key == *key {
                return Some(at as usize);
            }
            at = entry.next;
        }
        None
    }

    /// Whether the key is there.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.find(key).is_some()
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&V> {
        self.find(key).map(|at| &self.entries[at].value)
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &[u8]) -> Option<&mut V> {
        self.find(key).map(|at| &mut self.entries[at].value)
    }

    /// The entry of that number, which must be one of [`find`](Self::find) or less than [`len`](Self::len).
    pub fn at(&self, at: usize) -> (&[u8], &V) {
        let entry = &self.entries[at];
        (&entry.key, &entry.value)
    }

    /// The same, its value to be changed.
    pub fn at_mut(&mut self, at: usize) -> &mut V {
        &mut self.entries[at].value
    }

    /// Sets a key's value. What it had before, if it was there.
    pub fn insert(&mut self, key: &[u8], value: V) -> Option<V> {
        let hash = hash(key);
        if !self.entries.is_empty()
            && let Some(at) = self.find_hashed(key, hash)
        {
            return Some(std::mem::replace(&mut self.entries[at].value, value));
        }
        self.append(key.into(), hash, value);
        None
    }

    /// Adds a key that is not there. Its number.
    pub fn insert_new(&mut self, key: &[u8], value: V) -> usize {
        let hash = hash(key);
        self.append(key.into(), hash, value)
    }

    fn append(&mut self, key: Box<[u8]>, hash: u64, value: V) -> usize {
        if self.entries.len() >= self.buckets.len() {
            self.rehash((self.buckets.len() * 2).max(SMALLEST));
        }
        let at = self.entries.len();
        let bucket = self.bucket(hash);
        self.entries.push(Entry {
            hash,
            next: self.buckets[bucket],
            key,
            value,
        });
        self.buckets[bucket] = at as u32;
        at
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &[u8]) -> Option<V> {
        self.find(key).map(|at| self.remove_at(at).1)
    }

    /// Takes the entry of that number out. The last entry gets its number.
    pub fn remove_at(&mut self, at: usize) -> (Box<[u8]>, V) {
        let next = self.entries[at].next;
        self.relink(at as u32, next);
        let last = self.entries.len() - 1;
        if at != last {
            self.relink(last as u32, at as u32);
        }
        let entry = self.entries.swap_remove(at);
        if self.buckets.len() > SMALLEST && self.entries.len() * 10 < self.buckets.len() {
            self.rehash(self.entries.len().max(SMALLEST).next_power_of_two());
        }
        (entry.key, entry.value)
    }

    /// Whoever points at `from` points at `to` from now on.
    fn relink(&mut self, from: u32, to: u32) {
        let bucket = self.bucket(self.entries[from as usize].hash);
        let mut link = self.buckets[bucket];
        if link == from {
            self.buckets[bucket] = to;
            return;
        }
        while link != NONE {
            let entry = &mut self.entries[link as usize];
            if entry.next == from {
                entry.next = to;
                return;
            }
            link = entry.next;
        }
    }

    fn rehash(&mut self, size: usize) {
        self.buckets.clear();
        self.buckets.resize(size, NONE);
        self.buckets.shrink_to(size);
        let mask = size - 1;
        for (at, entry) in self.entries.iter_mut().enumerate() {
            let bucket = &mut self.buckets[entry.hash as usize & mask];
            entry.next = *bucket;
            *bucket = at as u32;
        }
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        *self = Dict::default();
    }

    /// All entries, in no order that means anything.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &V)> {
        self.entries.iter().map(|entry| (&*entry.key, &entry.value))
    }

    /// All keys.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.entries.iter().map(|entry| &*entry.key)
    }

    /// One step of a walk: shows the entries of one bucket. The cursor for the next step; 0 at the end, as at the beginning.
    pub fn scan(&self, cursor: u64, mut see: impl FnMut(&[u8], &V)) -> u64 {
        if self.entries.is_empty() {
            return 0;
        }
        let mask = self.buckets.len() as u64 - 1;
        let mut at = self.buckets[(cursor & mask) as usize];
        while at != NONE {
            let entry = &self.entries[at as usize];
            see(&entry.key, &entry.value);
            at = entry.next;
        }
        // The bits of the bucket's number, counted up from the highest.
        (cursor | !mask)
            .reverse_bits()
            .wrapping_add(1)
            .reverse_bits()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn walk(
        dict: &mut Dict<u32>,
        mut between: impl FnMut(&mut Dict<u32>, u32),
    ) -> BTreeSet<Vec<u8>> {
        let mut seen = BTreeSet::new();
        let mut cursor = 0;
        for step in 0.. {
            cursor = dict.scan(cursor, |key, _| {
                seen.insert(key.to_vec());
            });
            if cursor == 0 {
                break;
            }
            between(dict, step);
        }
        seen
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((any::<bool>(), 0..40u8, any::<u32>()), 0..300)) {
            let mut dict = Dict::default();
            let mut model = BTreeMap::new();
            for (insert, key, value) in steps {
                let key = [key];
                if insert {
                    prop_assert_eq!(dict.insert(&key, value), model.insert(key.to_vec(), value));
                } else {
                    prop_assert_eq!(dict.remove(&key), model.remove(&key[..]));
                }
                prop_assert_eq!(dict.len(), model.len());
            }
            let all: BTreeMap<Vec<u8>, u32> = dict.iter().map(|(key, value)| (key.to_vec(), *value)).collect();
            prop_assert_eq!(&all, &model);
            let seen = walk(&mut dict, |_, _| {});
            prop_assert_eq!(seen, model.into_keys().collect::<BTreeSet<_>>());
        }

        #[test]
        fn what_stays_is_seen_whatever_comes_and_goes(stay in 1..60u32, others in 1..400u32, removed in any::<bool>()) {
            let mut dict = Dict::default();
            let staying: BTreeSet<Vec<u8>> = (0..stay).map(|n| format!("stay{n}").into_bytes()).collect();
            for key in &staying {
                dict.insert(key, 0);
            }
            let other = |n: u32| format!("other{n}").into_bytes();
            if removed {
                for n in 0..others {
                    dict.insert(&other(n), 1);
                }
            }
            let seen = walk(&mut dict, |dict, step| {
                for n in step * 7..((step + 1) * 7).min(others) {
                    if removed {
                        dict.remove(&other(n));
                    } else {
                        dict.insert(&other(n), 1);
                    }
                }
            });
            prop_assert!(seen.is_superset(&staying));
        }
    }
}
