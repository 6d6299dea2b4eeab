//! Sorted sets: members, each with a score, in the order of scores and, where these are equal, of the members' bytes.
//!
//! A small set is a [`Packed`] one, which Redis calls `listpack`: three plain vectors, searched from the beginning. As soon as it has too many
//! members or one that is too long ([`Limits`]) it becomes an [`Indexed`] one, `skiplist`, and stays so whatever is taken out.
//!
//! What is asked by score or by member comes down to ranks (0 is the lowest): [`SortedSet::score_ranks`] and [`SortedSet::lex_ranks`] say which
//! ranks a range has, and counting, walking ([`SortedSet::iter`], both ways) and removing ([`SortedSet::remove_ranks`]) go by these.
//!
//! Found, put in, moved and taken out is in `O(log n)`, but for the moving up of at most a chunk's entries in memory.

mod chunks;
mod indexed;
mod iter;
mod packed;
mod range;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::ops::Range;

use rand::Rng;

use indexed::Indexed;
use packed::Packed;

pub(in crate::double) use iter::Iter;
pub(in crate::double) use range::{LexRange, ScoreRange};

/// A sorted set.
#[derive(Debug, Clone)]
pub(in crate::double) struct SortedSet {
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Packed(Packed),
    Indexed(Box<Indexed>),
}

/// How much a set of the listpack kind may hold. A set is held against them when a member is added, not when they change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) struct Limits {
    /// Members: `zset-max-listpack-entries`.
    pub entries: usize,
    /// Bytes of one member: `zset-max-listpack-value`.
    pub value: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            entries: 128,
            value: 64,
        }
    }
}

/// What became of a member that was to be put in. The scores are those that were asked for, as ZADD with INCR answers them: a zero may have
/// another sign than the one that is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::double) enum Change {
    /// It is new.
    Added(f64),
    /// It was there with another score.
    Updated(f64),
    /// It was there with this score.
    Same(f64),
    /// The caller wanted nothing done: nothing is.
    Declined,
    /// The score would be no number: nothing is done.
    NotANumber,
}

impl Default for SortedSet {
    fn default() -> Self {
        Self::new()
    }
}

impl SortedSet {
    /// An empty set, of the listpack kind.
    pub fn new() -> Self {
        SortedSet {
            body: Body::Packed(Packed::default()),
        }
    }

    /// One of these members, each of them there once. It is of the listpack kind if all of them are within the limits; so what is not never was,
    /// and has kept the signs of its zeros.
    pub fn of<M: AsRef<[u8]>>(scored: &[(M, f64)], limits: Limits) -> Self {
        let mut set = SortedSet::new();
        let short = |(member, _): &(M, f64)| member.as_ref().len() <= limits.value;
        if scored.len() > limits.entries || !scored.iter().all(short) {
            set.convert_to_skiplist();
        }
        for (member, score) in scored {
            set.insert(member.as_ref(), *score, limits);
        }
        set
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        match &self.body {
            Body::Packed(packed) => packed.len(),
            Body::Indexed(indexed) => indexed.len(),
        }
    }

    /// Whether there is none. (A key that holds such a set is removed: that is the caller's to do.)
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `listpack` or `skiplist`, as OBJECT ENCODING says.
    pub fn encoding(&self) -> &'static str {
        match &self.body {
            Body::Packed(_) => "listpack",
            Body::Indexed(_) => "skiplist",
        }
    }

    /// A member's score.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.body {
            Body::Packed(packed) => packed.find(member).map(|at| packed.get(at).1),
            Body::Indexed(indexed) => indexed.score(member),
        }
    }

    /// Puts a member in, or gives it a new score.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: Limits) -> Change {
        self.upsert(member, limits, |_| Some(score))
    }

    /// Gives a member the score that `wanted` makes of the one it has, if it is there; `None` leaves all as it is. One search does for both, so
    /// that all of ZADD's and ZINCRBY's ways are made of this.
    pub fn upsert(
        &mut self,
        member: &[u8],
        limits: Limits,
        wanted: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Change {
        match &mut self.body {
            Body::Packed(packed) => {
                let found = packed.find(member);
                let old = found.map(|at| packed.get(at).1);
                let (change, score) = change(old, wanted(old));
                match (change, found) {
                    (Change::Updated(_), Some(at)) => packed.rescore(at, score),
                    (Change::Added(_), _) if packed.has_room_for(member, limits) => {
                        packed.insert(member, score);
                    }
                    (Change::Added(_), _) => {
                        let mut indexed = Indexed::from(&*packed);
                        indexed.insert(member, score);
                        self.body = Body::Indexed(Box::new(indexed));
                    }
                    _ => {}
                }
                change
            }
            Body::Indexed(indexed) => indexed.upsert(member, |old| change(old, wanted(old))),
        }
    }

    /// Takes a member out. Its score, if it was there.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.body {
            Body::Packed(packed) => {
                let at = packed.find(member)?;
                let (_, score) = packed.get(at);
                packed.remove(at..at + 1);
                Some(score)
            }
            Body::Indexed(indexed) => indexed.remove(member),
        }
    }

    /// How many members stand before this one. (From the other end: `len() - 1` less this.)
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        match &self.body {
            Body::Packed(packed) => packed.find(member),
            Body::Indexed(indexed) => indexed.rank(member),
        }
    }

    /// The member of a rank, and its score.
    pub fn by_rank(&self, rank: usize) -> Option<(&[u8], f64)> {
        self.iter(rank..rank.saturating_add(1)).next()
    }

    /// The members of these ranks, upwards, or downwards with `rev()`. Ranks that there aren't are left out.
    pub fn iter(&self, ranks: Range<usize>) -> Iter<'_> {
        let end = ranks.end.min(self.len());
        let ranks = ranks.start.min(end)..end;
        match &self.body {
            Body::Packed(packed) => Iter::packed(packed, ranks),
            Body::Indexed(indexed) => Iter::indexed(indexed, ranks),
        }
    }

    /// The ranks of the members whose scores are in the range.
    pub fn score_ranks(&self, range: &ScoreRange) -> Range<usize> {
        let start = self.partition(|_, score| !range.reaches(score));
        let end = self.partition(|_, score| range.admits(score));
        start..end.max(start)
    }

    /// The ranks of the members that are in the range. This has a meaning only where all scores are equal; where they are not, a set of the
    /// listpack kind answers as Redis does, which looks at the members one after the other.
    pub fn lex_ranks(&self, range: &LexRange) -> Range<usize> {
        self.lex_part(range, false, 0)
    }

    /// The ranks of the members that are in the range and that are left when so many at its beginning (`downwards`: at its end) are passed over.
    /// With unequal scores, a set of the listpack kind has those from there on that stand together in the range: Redis passes over members
    /// without looking at them.
    pub fn lex_part(&self, range: &LexRange, downwards: bool, skip: usize) -> Range<usize> {
        match &self.body {
            Body::Packed(packed) => packed.lex_part(range, downwards, skip).unwrap_or(0..0),
            Body::Indexed(_) if !self.may_hold(range) => 0..0,
            Body::Indexed(_) => {
                let start = self.partition(|member, _| !range.reaches(member));
                let end = self.partition(|member, _| range.admits(member)).max(start);
                match downwards {
                    false => start.saturating_add(skip).min(end)..end,
                    true => start..end.saturating_sub(skip).max(start),
                }
            }
        }
    }

    /// Whether neither of the set's ends is out of the range on its side; with unequal scores this says nothing, but Redis goes by it.
    fn may_hold(&self, range: &LexRange) -> bool {
        let first = self
            .by_rank(0)
            .is_some_and(|(first, _)| range.admits(first));
        let last = self.by_rank(self.len().saturating_sub(1));
        first && last.is_some_and(|(last, _)| range.reaches(last))
    }

    /// Takes out the members of these ranks. How many there were.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) -> usize {
        let end = ranks.end.min(self.len());
        let ranks = ranks.start.min(end)..end;
        let count = ranks.len();
        match &mut self.body {
            Body::Packed(packed) => packed.remove(ranks),
            Body::Indexed(indexed) => indexed.remove_ranks(ranks),
        }
        count
    }

    /// Any member, each as likely as any other.
    pub fn random(&self, random: &mut impl Rng) -> Option<(&[u8], f64)> {
        let len = self.len();
        (len > 0).then(|| self.by_rank(random.random_range(0..len)))?
    }

    /// Shows some members, about `count` of them, and gives the cursor with which to go on: 0 is both the first one and the sign that all were
    /// shown. A member that is there from the first call to the last is shown at least once, whatever happens to the others between the
    /// calls; one may be shown twice. Any cursor may be given. A set of the listpack kind is shown at once.
    pub fn scan(&self, cursor: u64, count: usize, mut show: impl FnMut(&[u8], f64)) -> u64 {
        match &self.body {
            Body::Packed(packed) => {
                for at in 0..packed.len() {
                    let (member, score) = packed.get(at);
                    show(member, score);
                }
                0
            }
            Body::Indexed(indexed) => indexed.scan(cursor, count, show),
        }
    }

    /// Makes it one of the skiplist kind, whatever it holds.
    pub fn convert_to_skiplist(&mut self) {
        if let Body::Packed(packed) = &self.body {
            self.body = Body::Indexed(Box::new(Indexed::from(packed)));
        }
    }

    /// The rank of the first member for which `before` is false; it must be true for those before one for which it is.
    fn partition(&self, before: impl Fn(&[u8], f64) -> bool) -> usize {
        match &self.body {
            Body::Packed(packed) => packed.partition(before),
            Body::Indexed(indexed) => indexed.partition(before),
        }
    }
}

/// What a wish comes to, and the score it is about.
fn change(old: Option<f64>, wanted: Option<f64>) -> (Change, f64) {
    let Some(score) = wanted else {
        return (Change::Declined, 0.0);
    };
    let change = match old {
        _ if score.is_nan() => Change::NotANumber,
        None => Change::Added(score),
        Some(old) if old == score => Change::Same(score),
        Some(_) => Change::Updated(score),
    };
    (change, score)
}

/// The order of a set. There is no NaN in it, and the two zeros are equal.
pub(in crate::double) fn order(a: (f64, &[u8]), b: (f64, &[u8])) -> Ordering {
    let scores = a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal);
    scores.then_with(|| a.1.cmp(b.1))
}
