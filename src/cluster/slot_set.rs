//! Sets of slots.

use std::fmt;
use std::str::FromStr;

use super::as_text::serde_as_text;
use super::error::ParseError;
use super::slot::{SLOTS, Slot};
use super::slot_range::SlotRange;

const WORDS: usize = SLOTS as usize / 64;

/// A set of slots. Text form: ranges in order, separated by one space, `0-1364 5461-6826`; the empty set is the empty text.
///
/// One bit a slot, as Redis keeps it and sends it over the bus: 2 KiB, whatever a reshard has made of the ranges, and union,
/// intersection and comparison are a pass over 256 words.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SlotSet {
    words: Box<[u64; WORDS]>,
    /// How many bits are set: who serves no slot, and who serves how many, is asked far more often than it changes.
    count: u16,
}

impl SlotSet {
    /// No slot.
    pub fn new() -> Self {
        SlotSet {
            words: Box::new([0; WORDS]),
            count: 0,
        }
    }

    /// Every slot of a cluster.
    pub fn all() -> Self {
        SlotSet {
            words: Box::new([u64::MAX; WORDS]),
            count: SLOTS,
        }
    }

    /// How many slots it holds.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether it holds all 16384.
    pub fn is_all(&self) -> bool {
        self.count == SLOTS
    }

    /// Whether it holds this slot.
    pub fn contains(&self, slot: Slot) -> bool {
        let (word, bit) = place(slot);
        self.words[word] & bit != 0
    }

    /// Puts a slot in; it may be there already.
    pub fn insert(&mut self, slot: Slot) {
        let (word, bit) = place(slot);
        self.count += u16::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
    }

    /// Puts all slots of a range in.
    pub fn insert_range(&mut self, range: SlotRange) {
        // Word by word: most ranges are thousands of slots long.
        let (start, end) = (range.start.get(), range.end.get());
        for word in start / 64..=end / 64 {
            let (first, last) = (word * 64, word * 64 + 63);
            let from = start.max(first) - first;
            let beyond = last - end.min(last);
            let bits = (u64::MAX << from) & (u64::MAX >> beyond);
            let word = &mut self.words[usize::from(word)];
            self.count += (bits & !*word).count_ones() as u16;
            *word |= bits;
        }
    }

    /// Takes a slot out; it need not be there.
    pub fn remove(&mut self, slot: Slot) {
        let (word, bit) = place(slot);
        self.count -= u16::from(self.words[word] & bit != 0);
        self.words[word] &= !bit;
    }

    /// The slots that are in either.
    pub fn union(&self, other: &Self) -> Self {
        self.combine(other, |a, b| a | b)
    }

    /// The slots that are in both.
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |a, b| a & b)
    }

    /// The slots that are in `self` and not in `other`.
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(other, |a, b| a & !b)
    }

    /// Whether no slot is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.words
            .iter()
            .zip(other.words.iter())
            .all(|(a, b)| a & b == 0)
    }

    /// The fewest ranges that hold exactly these slots, in order.
    pub fn ranges(&self) -> Vec<SlotRange> {
        let mut ranges: Vec<SlotRange> = Vec::new();
        // A step for each end of a range and for each word: a node has thousands of slots and tells of them all the time.
        let mut start = None;
        for (&word, base) in self.words.iter().zip((0u16..).step_by(64)) {
            let mut bit = 0;
            while bit < 64 {
                let rest = word >> bit;
                match start {
                    None if rest == 0 => break,
                    None => {
                        bit += rest.trailing_zeros();
                        start = Some(Slot::wrapping(base + bit as u16));
                    }
                    Some(first) => {
                        bit += rest.trailing_ones();
                        if bit < 64 {
                            let end = Slot::wrapping(base + bit as u16 - 1);
                            ranges.push(SlotRange { start: first, end });
                            start = None;
                        }
                    }
                }
            }
        }
        if let Some(start) = start {
            let end = Slot::wrapping(SLOTS - 1);
            ranges.push(SlotRange { start, end });
        }
        ranges
    }

    /// The slots in order.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.words.iter().zip(0u16..).flat_map(|(&word, index)| {
            // Clears the lowest bit each time: an empty word, which most are in a node's set, costs one step.
            std::iter::successors(Some(word), |rest| {
                rest.checked_sub(1).map(|less| rest & less)
            })
            .take_while(|&rest| rest != 0)
            .map(move |rest| Slot::wrapping(index * 64 + rest.trailing_zeros() as u16))
        })
    }

    /// The lowest slot.
    pub fn first(&self) -> Option<Slot> {
        self.iter().next()
    }

    fn combine(&self, other: &Self, with: impl Fn(u64, u64) -> u64) -> Self {
        let mut result = SlotSet::new();
        for (index, word) in result.words.iter_mut().enumerate() {
            *word = with(self.words[index], other.words[index]);
            result.count += word.count_ones() as u16;
        }
        result
    }
}

/// Where a slot's bit is.
fn place(slot: Slot) -> (usize, u64) {
    (usize::from(slot.get()) / 64, 1 << (slot.get() % 64))
}

impl Default for SlotSet {
    fn default() -> Self {
        SlotSet::new()
    }
}

impl FromStr for SlotSet {
    type Err = ParseError;

    /// Ranges in any order, between any white space; they may overlap.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        text.split_ascii_whitespace()
            .map(str::parse::<SlotRange>)
            .collect()
    }
}

impl fmt::Display for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.ranges().into_iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{range}")?;
        }
        Ok(())
    }
}

/// In braces, so that the empty set can be seen.
impl fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

serde_as_text!(SlotSet);

impl From<SlotRange> for SlotSet {
    fn from(range: SlotRange) -> Self {
        [range].into_iter().collect()
    }
}

impl From<Slot> for SlotSet {
    fn from(slot: Slot) -> Self {
        [slot].into_iter().collect()
    }
}

impl FromIterator<Slot> for SlotSet {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut set = SlotSet::new();
        set.extend(slots);
        set
    }
}

impl FromIterator<SlotRange> for SlotSet {
    fn from_iter<I: IntoIterator<Item = SlotRange>>(ranges: I) -> Self {
        let mut set = SlotSet::new();
        set.extend(ranges);
        set
    }
}

impl Extend<Slot> for SlotSet {
    fn extend<I: IntoIterator<Item = Slot>>(&mut self, slots: I) {
        slots.into_iter().for_each(|slot| self.insert(slot));
    }
}

impl Extend<SlotRange> for SlotSet {
    fn extend<I: IntoIterator<Item = SlotRange>>(&mut self, ranges: I) {
        ranges
            .into_iter()
            .for_each(|range| self.insert_range(range));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_done_it_holds_what_a_set_of_numbers_holds(
            steps in prop::collection::vec((0u8..3, 0..SLOTS, 0u16..300), 0..40),
            other in prop::collection::vec((0..SLOTS, 0u16..3000), 0..6),
        ) {
            let range = |from: u16, more: u16| SlotRange {
                start: Slot::wrapping(from),
                end: Slot::wrapping((from + more).min(SLOTS - 1)),
            };
            let (mut set, mut numbers) = (SlotSet::new(), BTreeSet::new());
            for (what, from, more) in steps {
                let (slot, range) = (Slot::wrapping(from), range(from, more));
                match what {
                    0 => { set.insert(slot); numbers.insert(slot); }
                    1 => { set.insert_range(range); numbers.extend(range.iter()); }
                    _ => for slot in range.iter() { set.remove(slot); numbers.remove(&slot); },
                }
            }
            let other: SlotSet = other.into_iter().map(|(from, more)| range(from, more)).collect();
            let others: BTreeSet<Slot> = other.iter().collect();
            for (set, numbers) in [
                (set.clone(), numbers.clone()),
                (set.union(&other), &numbers | &others),
                (set.intersection(&other), &numbers & &others),
                (set.difference(&other), &numbers - &others),
            ] {
                prop_assert_eq!(set.len(), numbers.len());
                prop_assert_eq!(set.is_empty(), numbers.is_empty());
                prop_assert!(set.iter().eq(numbers.iter().copied()));
                prop_assert_eq!(&set, &numbers.into_iter().collect::<SlotSet>());
            }
        }
    }

    fn set(text: &str) -> SlotSet {
        text.parse().unwrap()
    }

    #[test]
    fn text_is_the_fewest_ranges_in_order() {
        assert_eq!(
            set("5461-6826 3 0-2 5 10-11 11-12").to_string(),
            "0-3 5 10-12 5461-6826"
        );
        assert_eq!(set("").to_string(), "");
        assert_eq!(SlotSet::all().to_string(), "0-16383");
        assert_eq!(format!("{:?} {:?}", set("7"), SlotSet::new()), "{7} {}");
        assert_eq!(serde_json::to_string(&set("0-63 64")).unwrap(), r#""0-64""#);
        assert_eq!(
            serde_json::from_str::<SlotSet>(r#""1 2""#).unwrap(),
            set("1-2")
        );
        assert_eq!(
            "0-5 x".parse::<SlotSet>().unwrap_err().to_string(),
            r#"slots: "x": the slot "x" is not a number"#
        );
    }

    #[test]
    fn counts_and_finds() {
        let mut slots = set("0-1364 5461-6826 10923-12287");
        assert_eq!(slots.len(), 1365 + 1366 + 1365);
        assert!(slots.contains(Slot::wrapping(5461)) && !slots.contains(Slot::wrapping(5460)));
        slots.remove(Slot::wrapping(0));
        slots.remove(Slot::wrapping(16383));
        assert_eq!(slots.first(), Some(Slot::wrapping(1)));
        assert!(
            SlotSet::all().is_all()
                && !slots.is_all()
                && !slots.is_empty()
                && SlotSet::new().is_empty()
        );
        assert_eq!(SlotSet::all().len(), usize::from(SLOTS));
    }

    #[test]
    fn the_four_labs_masters_share_all_slots() {
        let masters = [
            "1365-5460",
            "6827-10922",
            "12288-16383",
            "0-1364 5461-6826 10923-12287",
        ]
        .map(set);
        let all = masters.iter().fold(SlotSet::new(), |all, master| {
            assert!(all.is_disjoint(master));
            all.union(master)
        });
        assert_eq!(all, SlotSet::all());
        assert_eq!(
            all.difference(&masters[3]).to_string(),
            "1365-5460 6827-10922 12288-16383"
        );
        assert!(!all.is_disjoint(&masters[0]));
    }
}
