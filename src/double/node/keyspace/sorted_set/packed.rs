//! A small sorted set: 12 bytes a member and what the member itself has.

use std::ops::Range;

use super::{LexRange, Limits, order};

/// The most bytes of members. Redis lets no listpack grow beyond 1 GiB; and `ends` needs no more than 32 bits so.
const MOST_BYTES: usize = 1 << 30;

/// Scores and members in their order. The members' bytes stand one after the other.
///
/// A zero has no sign here: a listpack keeps whole numbers as whole numbers, so that a score of `-0` reads `0` in Redis too.
#[derive(Debug, Clone, Default)]
pub(super) struct Packed {
    scores: Vec<f64>,
    /// Where in `bytes` each member ends.
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl Packed {
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// The member of a rank. There must be one.
    pub fn get(&self, at: usize) -> (&[u8], f64) {
        (&self.bytes[self.place(at)], self.scores[at])
    }

    fn start(&self, at: usize) -> usize {
        match at {
            0 => 0,
            _ => self.ends[at - 1] as usize,
        }
    }

    fn place(&self, at: usize) -> Range<usize> {
        self.start(at)..self.ends[at] as usize
    }

    /// A member's rank.
    pub fn find(&self, member: &[u8]) -> Option<usize> {
        let mut start = 0;
        self.ends.iter().position(|end| {
            let end = *end as usize;
            let same = end - start == member.len() && self.bytes[start..end] == *member;
            start = end;
            same
        })
    }

    pub fn has_room_for(&self, member: &[u8], limits: Limits) -> bool {
        self.len() < limits.entries
            && member.len() <= limits.value
            && self.bytes.len() + member.len() <= MOST_BYTES
    }

    /// Puts in a member that is not there.
    pub fn insert(&mut self, member: &[u8], score: f64) {
        let score = score + 0.0;
        let at = self.partition(|other, its| order((its, other), (score, member)).is_lt());
        let start = self.start(at);
        self.scores.insert(at, score);
        self.ends.insert(at, start as u32);
        for end in &mut self.ends[at..] {
            *end += member.len() as u32;
        }
        self.bytes.extend_from_slice(member);
        self.bytes[start..].rotate_right(member.len());
    }

    /// Gives the member of a rank another score.
    pub fn rescore(&mut self, at: usize, score: f64) {
        let score = score + 0.0;
        let place = self.place(at);
        let length = place.len();
        let member = &self.bytes[place.clone()];
        let to = self.partition(|other, its| order((its, other), (score, member)).is_lt());
        self.scores[at] = score;
        if to > at {
            // Upwards; it has counted itself among those before it.
            let to = to - 1;
            self.scores[at..=to].rotate_left(1);
            self.bytes[place.start..self.ends[to] as usize].rotate_left(length);
            for moved in at..to {
                self.ends[moved] = self.ends[moved + 1] - length as u32;
            }
        } else {
            let start = self.start(to);
            self.scores[to..=at].rotate_right(1);
            self.bytes[start..place.end].rotate_right(length);
            for moved in (to + 1..=at).rev() {
                self.ends[moved] = self.ends[moved - 1] + length as u32;
            }
            self.ends[to] = (start + length) as u32;
        }
    }

    /// Takes out the members of these ranks, all of which there must be.
    pub fn remove(&mut self, ranks: Range<usize>) {
        let (start, end) = (self.start(ranks.start), self.start(ranks.end));
        self.scores.drain(ranks.clone());
        self.ends.drain(ranks.clone());
        for place in &mut self.ends[ranks.start..] {
            *place -= (end - start) as u32;
        }
        self.bytes.drain(start..end);
    }

    pub fn partition(&self, before: impl Fn(&[u8], f64) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            let (member, score) = self.get(middle);
            match before(member, score) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// What [`SortedSet::lex_part`](super::SortedSet::lex_part) says. Found as Redis finds it whatever the scores: the set's two ends must not be
    /// out of the range, and what is found from one end must not be beyond the other.
    pub fn lex_part(&self, range: &LexRange, downwards: bool, skip: usize) -> Option<Range<usize>> {
        let mut members = self.may_hold(range)?;
        let reaches = |at: &usize| range.reaches(self.get(*at).0);
        let admits = |at: &usize| range.admits(self.get(*at).0);
        if downwards {
            let last = members.rev().find(admits).filter(reaches)?;
            let end = (last + 1).saturating_sub(skip);
            let count = (0..end).rev().take_while(reaches).count();
            Some(end - count..end)
        } else {
            let first = members.find(reaches).filter(admits)?;
            let start = first.saturating_add(skip).min(self.len());
            let count = (start..self.len()).take_while(admits).count();
            Some(start..start + count)
        }
    }

    fn may_hold(&self, range: &LexRange) -> Option<Range<usize>> {
        let last = self.len().checked_sub(1)?;
        let may = range.reaches(self.get(last).0) && range.admits(self.get(0).0);
        may.then_some(0..self.len())
    }
}
