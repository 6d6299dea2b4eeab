//! A sorted set of any size.
//!
//! Each member stands once, in `entries`, under a number that it keeps. Two indexes lead there: a hash table from members, and the order, which
//! is a list of chunks of at most [`MOST`] entries, with a tree of sums beside it that makes a rank of a place and a place of a rank.

use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

use foldhash::quality::FixedState;

use super::chunks::Counts;
use super::packed::Packed;
use super::{Change, order};

/// Entries of a chunk. Many make each insertion move more memory, few make more chunks to be moved when one is cut in two.
const MOST: usize = 512;

/// No entry. There is no memory for so many.
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone)]
pub(super) struct Indexed {
    entries: Vec<Entry>,
    /// The first of the free entries, which are linked by `next`.
    free: u32,
    len: usize,
    /// The first entry of each chain; a power of two of them, so that cursors outlive a growth (see [`Self::scan`]).
    buckets: Vec<u32>,
    /// The order. No chunk is empty.
    chunks: Vec<Vec<Place>>,
    counts: Counts,
    /// [`MOST`], except in tests.
    most: usize,
}

#[derive(Debug, Clone)]
struct Entry {
    member: Box<[u8]>,
    /// A NaN where the entry is free.
    score: f64,
    hash: u32,
    next: u32,
}

/// An entry in the order. The score stands here too, so that searching needs the entry only among equal ones.
#[derive(Debug, Clone, Copy)]
struct Place {
    score: f64,
    entry: u32,
}

impl Default for Indexed {
    fn default() -> Self {
        Self::with_chunks_of(MOST)
    }
}

impl From<&Packed> for Indexed {
    fn from(packed: &Packed) -> Self {
        let mut indexed = Indexed::default();
        for at in 0..packed.len() {
            let (member, score) = packed.get(at);
            indexed.insert(member, score);
        }
        indexed
    }
}

impl Indexed {
    /// `most` is at least 2.
    pub fn with_chunks_of(most: usize) -> Self {
        Indexed {
            entries: Vec::new(),
            free: NONE,
            len: 0,
            buckets: vec![NONE; 4],
            chunks: Vec::new(),
            counts: Counts::default(),
            most,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn score(&self, member: &[u8]) -> Option<f64> {
        let found = self.find(member, hash(member))?;
        Some(self.entries[found as usize].score)
    }

    /// Puts in a member that is not there.
    pub fn insert(&mut self, member: &[u8], score: f64) {
        let hash = hash(member);
        self.add(member, hash, score);
    }

    /// Does to a member what `change` makes of its score.
    pub fn upsert(
        &mut self,
        member: &[u8],
        change: impl FnOnce(Option<f64>) -> (Change, f64),
    ) -> Change {
        let hash = hash(member);
        let found = self.find(member, hash);
        let old = found.map(|entry| self.entries[entry as usize].score);
        let (change, score) = change(old);
        match (change, found) {
            (Change::Added(_), _) => self.add(member, hash, score),
            (Change::Updated(_), Some(entry)) => {
                let (chunk, at) = self.locate(entry);
                self.take_place(chunk, at);
                self.entries[entry as usize].score = score;
                self.put_place(entry);
            }
            _ => {}
        }
        change
    }

    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let entry = self.find(member, hash(member))?;
        let score = self.entries[entry as usize].score;
        let (chunk, at) = self.locate(entry);
        self.take_place(chunk, at);
        self.release(entry);
        self.shrink();
        Some(score)
    }

    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        let entry = self.find(member, hash(member))?;
        let (chunk, at) = self.locate(entry);
        Some(self.counts.before(chunk) + at)
    }

    /// The chunk of a rank, and the place in there. For the rank after the last: the number of chunks, and 0.
    pub fn place(&self, rank: usize) -> (usize, usize) {
        self.counts.find(rank)
    }

    pub fn chunk_len(&self, chunk: usize) -> usize {
        self.chunks[chunk].len()
    }

    pub fn get(&self, chunk: usize, at: usize) -> (&[u8], f64) {
        self.at(self.chunks[chunk][at])
    }

    fn at(&self, place: Place) -> (&[u8], f64) {
        (&self.entries[place.entry as usize].member, place.score)
    }

    pub fn partition(&self, before: impl Fn(&[u8], f64) -> bool) -> usize {
        let (chunk, at) = self.first_not(before);
        self.counts.before(chunk) + at
    }

    /// Where the first stands for which `before` does not hold. If there is none: the number of chunks, and 0.
    fn first_not(&self, before: impl Fn(&[u8], f64) -> bool) -> (usize, usize) {
        let before = |place: &Place| {
            let (member, score) = self.at(*place);
            before(member, score)
        };
        let chunk = self
            .chunks
            .partition_point(|chunk| chunk.last().is_some_and(before));
        let at = self
            .chunks
            .get(chunk)
            .map_or(0, |chunk| chunk.partition_point(before));
        (chunk, at)
    }

    /// Takes out the members of these ranks, all of which there must be.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) {
        if ranks.len() == 1 {
            let (chunk, at) = self.place(ranks.start);
            let entry = self.take_place(chunk, at);
            self.release(entry);
        } else if !ranks.is_empty() {
            let (first, at) = self.place(ranks.start);
            let mut left = ranks.len();
            let mut from = at;
            let mut taken = Vec::with_capacity(left);
            for chunk in &mut self.chunks[first..] {
                let until = chunk.len().min(from + left);
                left -= until - from;
                taken.extend(chunk.drain(from..until).map(|place| place.entry));
                from = 0;
                if left == 0 {
                    break;
                }
            }
            self.chunks.retain(|chunk| !chunk.is_empty());
            self.recount();
            for entry in taken {
                self.release(entry);
            }
        }
        self.shrink();
    }

    /// Shows whole chains of the table until there were `count` members, but no more than ten times as many chains.
    ///
    /// The cursor counts with its highest bit first. So a table twice as large has, for each chain that is done with, two that are done with, and
    /// one half as large has only chains of which both halves are, or it begins them again.
    pub fn scan(&self, cursor: u64, count: usize, mut show: impl FnMut(&[u8], f64)) -> u64 {
        let mask = self.buckets.len() as u64 - 1;
        let mut cursor = cursor;
        let mut shown = 0;
        for _ in 0..count.saturating_mul(10).max(1) {
            let mut entry = self.buckets[(cursor & mask) as usize];
            while let Some(found) = self.entries.get(entry as usize) {
                show(&found.member, found.score);
                shown += 1;
                entry = found.next;
            }
            cursor = (cursor | !mask)
                .reverse_bits()
                .wrapping_add(1)
                .reverse_bits();
            if cursor == 0 || shown >= count {
                break;
            }
        }
        cursor
    }

    fn bucket(&self, hash: u32) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }

    fn find(&self, member: &[u8], hash: u32) -> Option<u32> {
        let mut entry = self.buckets[self.bucket(hash)];
        while let Some(found) = self.entries.get(entry as usize) {
            if found.hash == hash && *found.member == *member {
                return Some(entry);
            }
            entry = found.next;
        }
        None
    }

    fn add(&mut self, member: &[u8], hash: u32, score: f64) {
        if self.len == self.buckets.len() {
            self.rehash(self.buckets.len() * 2);
        }
        let bucket = self.bucket(hash);
        let new = Entry {
            member: member.into(),
            score,
            hash,
            next: self.buckets[bucket],
        };
        let entry = match self.entries.get_mut(self.free as usize) {
            Some(free) => std::mem::replace(&mut self.free, free.next_after(new)),
            None => {
                self.entries.push(new);
                self.entries.len() as u32 - 1
            }
        };
        self.buckets[bucket] = entry;
        self.len += 1;
        self.put_place(entry);
    }

    /// Takes an entry out of the table; it is out of the order already.
    fn release(&mut self, entry: u32) {
        let Entry { hash, next, .. } = self.entries[entry as usize];
        let bucket = self.bucket(hash);
        if self.buckets[bucket] == entry {
            self.buckets[bucket] = next;
        } else {
            let mut before = self.buckets[bucket];
            while let Some(found) = self.entries.get_mut(before as usize) {
                if found.next == entry {
                    found.next = next;
                    break;
                }
                before = found.next;
            }
        }
        self.entries[entry as usize] = Entry {
            member: Box::default(),
            score: f64::NAN,
            hash: 0,
            next: self.free,
        };
        self.free = entry;
        self.len -= 1;
    }

    fn rehash(&mut self, buckets: usize) {
        self.buckets.clear();
        self.buckets.resize(buckets, NONE);
        self.buckets.shrink_to_fit();
        let mask = buckets - 1;
        for (at, entry) in self.entries.iter_mut().enumerate() {
            if !entry.score.is_nan() {
                let bucket = &mut self.buckets[entry.hash as usize & mask];
                entry.next = std::mem::replace(bucket, at as u32);
            }
        }
    }

    /// Gives memory back after much was taken out.
    fn shrink(&mut self) {
        if self.entries.len() < 64 || self.len > self.entries.len() / 8 {
            return;
        }
        let mut entries = Vec::with_capacity(self.len);
        for place in self.chunks.iter_mut().flatten() {
            let old = &mut self.entries[place.entry as usize];
            place.entry = entries.len() as u32;
            entries.push(Entry {
                member: std::mem::take(&mut old.member),
                ..*old
            });
        }
        self.entries = entries;
        self.free = NONE;
        self.rehash(self.len.next_power_of_two().max(4));
    }

    /// Where an entry stands in the order.
    fn locate(&self, entry: u32) -> (usize, usize) {
        let entry = &self.entries[entry as usize];
        self.search(entry.score, &entry.member)
    }

    /// Where the first stands that is not before this one. If there is none: the number of chunks, and 0.
    fn search(&self, score: f64, member: &[u8]) -> (usize, usize) {
        self.first_not(|other, at| order((at, other), (score, member)).is_lt())
    }

    /// Puts an entry into the order.
    fn put_place(&mut self, entry: u32) {
        let score = self.entries[entry as usize].score;
        let place = Place { score, entry };
        let (mut chunk, mut at) = self.locate(entry);
        if chunk == self.chunks.len() {
            // Behind all others. A full chunk stays full: scores often come in their order.
            match self.chunks.last() {
                Some(last) if last.len() < self.most => {
                    chunk -= 1;
                    at = last.len();
                }
                _ => {
                    self.chunks.push(vec![place]);
                    self.recount();
                    return;
                }
            }
        }
        if self.chunks[chunk].len() >= self.most {
            let half = self.chunks[chunk].len() / 2;
            let upper = self.chunks[chunk].split_off(half);
            self.chunks.insert(chunk + 1, upper);
            if at > half {
                chunk += 1;
                at -= half;
            }
            self.chunks[chunk].insert(at, place);
            self.recount();
        } else {
            self.chunks[chunk].insert(at, place);
            self.counts.increase(chunk);
        }
    }

    /// Takes an entry out of the order.
    fn take_place(&mut self, chunk: usize, at: usize) -> u32 {
        let entry = self.chunks[chunk].remove(at).entry;
        let left = self.chunks[chunk].len();
        // Small ones join their neighbour, so that there are never many more chunks than it takes.
        let next = self.chunks.get(chunk + 1).map_or(self.most, Vec::len);
        if left == 0 {
            self.chunks.remove(chunk);
            self.recount();
        } else if left < self.most / 4 && left + next <= self.most / 2 {
            let next = self.chunks.remove(chunk + 1);
            self.chunks[chunk].extend(next);
            self.recount();
        } else {
            self.counts.decrease(chunk);
        }
        entry
    }

    fn recount(&mut self) {
        self.counts.rebuild(self.chunks.iter().map(Vec::len));
    }
}

fn hash(member: &[u8]) -> u32 {
    // Always the same seed: a simulated cluster has to do the same twice.
    let mut hasher = FixedState::with_seed(0x5ea7).build_hasher();
    hasher.write(member);
    hasher.finish() as u32
}

impl Entry {
    /// Puts another entry here, and gives the one that was linked to this.
    fn next_after(&mut self, new: Entry) -> u32 {
        std::mem::replace(self, new).next
    }
}
