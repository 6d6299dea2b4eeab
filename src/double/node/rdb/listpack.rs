//! Listpacks: a row of short texts and integers in one piece of memory. Redis keeps small values and the nodes of lists and streams so,
//! and a payload holds them as they are.
//!
//! A listpack is its length in bytes (4 bytes, little-endian, header and end included), the count of elements (2 bytes; 65535 for "too many
//! to say"), the elements, and `0xff`.

use std::collections::HashSet;
use std::ops::Range;

pub(crate) use crate::double::node::element::Element;
use crate::double::node::element::{Encoded, decode, length_length, sound};

/// Length and count.
const HEADER: usize = 6;
const END: u8 = 0xff;
/// The count that says nothing: there are this many elements, or more.
const UNCOUNTED: u16 = u16::MAX;
/// No listpack is made longer than this: 1 GiB, as in Redis.
const LONGEST: usize = 1 << 30;

/// Something would not fit into one listpack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a listpack holds 1 GiB at most")]
pub(crate) struct TooBig;

/// A sound listpack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listpack(Vec<u8>);

impl Default for Listpack {
    fn default() -> Self {
        Listpack::new()
    }
}

impl Listpack {
    /// An empty one.
    pub fn new() -> Self {
        Listpack(vec![HEADER as u8 + 1, 0, 0, 0, 0, 0, END])
    }

    /// Takes bytes for a listpack if they are one in all their parts.
    pub fn read(bytes: impl Into<Vec<u8>>) -> Option<Self> {
        let (listpack, count) = Listpack::read_uncounted(bytes)?;
        let counted = listpack.count() == UNCOUNTED || usize::from(listpack.count()) == count;
        counted.then_some(listpack)
    }

    /// The same, but its own count of elements may be wrong; gives the right one. This is how Redis reads the nodes of streams.
    pub(super) fn read_uncounted(bytes: impl Into<Vec<u8>>) -> Option<(Self, usize)> {
        let bytes = bytes.into();
        let (length, _) = bytes.split_first_chunk()?;
        if u32::from_le_bytes(*length) as usize != bytes.len() || bytes.len() <= HEADER {
            return None;
        }
        let end = bytes.len() - 1;
        if bytes[end] != END {
            return None;
        }
        let mut at = HEADER;
        let mut count = 0_usize;
        while at < end && bytes[at] != END {
            at = sound(&bytes[..end], at)?;
            count += 1;
        }
        (at == end).then_some((Listpack(bytes), count))
    }

    /// A listpack of these texts.
    pub fn of<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Result<Self, TooBig> {
        let mut made = Listpack::new();
        texts
            .into_iter()
            .try_for_each(|text| made.push(text.as_ref()))?;
        Ok(made)
    }

    /// All of its bytes, as a payload holds them.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many elements it says there are. Counts them if they are 65535 or more.
    pub fn len(&self) -> usize {
        match self.count() {
            UNCOUNTED => self.iter().count(),
            count => usize::from(count),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.len() == HEADER + 1
    }

    /// Adds a text at the end.
    pub fn push(&mut self, text: &[u8]) -> Result<(), TooBig> {
        self.extend([Element::of(text)])
    }

    /// Adds an integer at the end.
    pub fn push_integer(&mut self, number: i64) -> Result<(), TooBig> {
        self.extend([Element::Integer(number)])
    }

    /// Adds all of these at the end, or none.
    pub fn extend<'a>(
        &mut self,
        elements: impl IntoIterator<Item = Element<'a>>,
    ) -> Result<(), TooBig> {
        let before = self.0.len();
        let mut added = 0;
        self.0.pop();
        for element in elements {
            if !fits(self.0.len() + 1, element) {
                self.0.truncate(before - 1);
                self.0.push(END);
                return Err(TooBig);
            }
            Encoded::of(element).append(&mut self.0);
            added += 1;
        }
        self.0.push(END);
        self.say_length();
        self.count_more(added);
        Ok(())
    }

    /// Adds a text before all others.
    #[cfg(test)]
    pub fn push_front(&mut self, text: &[u8]) -> Result<(), TooBig> {
        let element = Element::of(text);
        if !fits(self.0.len(), element) {
            return Err(TooBig);
        }
        let mut written = Vec::with_capacity(text.len() + 10);
        Encoded::of(element).append(&mut written);
        self.0.splice(HEADER..HEADER, written);
        self.say_length();
        self.count_more(1);
        Ok(())
    }

    /// Puts an integer in the place of the element that stands at `place`, which [`Listpack::places`] gave.
    pub fn replace_with_integer(&mut self, place: Range<usize>, number: i64) {
        let mut written = Vec::with_capacity(10);
        Encoded::of(Element::Integer(number)).append(&mut written);
        self.0.splice(place, written);
        self.say_length();
    }

    /// The elements from first to last.
    pub fn iter(&self) -> impl Iterator<Item = Element<'_>> + Clone {
        self.places().map(|(_, element)| element)
    }

    /// The elements, and at which bytes each stands.
    pub fn places(&self) -> Places<'_> {
        Places {
            bytes: &self.0[..self.0.len() - 1],
            at: HEADER,
        }
    }

    /// The elements two by two. One that is left over at the end is not given.
    pub fn pairs(&self) -> impl Iterator<Item = (Element<'_>, Element<'_>)> + Clone {
        let mut elements = self.iter();
        std::iter::from_fn(move || Some((elements.next()?, elements.next()?)))
    }

    /// Whether it consists of pairs of which no two begin with the same text.
    pub fn is_map(&self) -> bool {
        let mut seen = HashSet::new();
        self.len().is_multiple_of(2) && self.pairs().all(|(name, _)| seen.insert(same(name)))
    }

    fn count(&self) -> u16 {
        u16::from_le_bytes([self.0[4], self.0[5]])
    }

    fn count_more(&mut self, added: usize) {
        // From 65535 on it does not say how many there are.
        let added = u16::try_from(added).unwrap_or(UNCOUNTED);
        let count = self.count().saturating_add(added);
        self.0[4..HEADER].copy_from_slice(&count.to_le_bytes());
    }

    fn say_length(&mut self) {
        let len = self.0.len() as u32;
        self.0[..4].copy_from_slice(&len.to_le_bytes());
    }
}

/// The same for all elements of one text, however they are kept.
fn same(element: Element<'_>) -> Element<'_> {
    element.integer().map_or(element, Element::Integer)
}

/// See [`Listpack::places`].
#[derive(Debug, Clone)]
pub(crate) struct Places<'a> {
    /// Without the end.
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Places<'a> {
    type Item = (Range<usize>, Element<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let begin = self.at;
        // They are sound: something stands there, or nothing.
        let rest = self.bytes.get(begin..).filter(|rest| !rest.is_empty())?;
        let (element, length) = decode(rest);
        self.at = begin + length + length_length(length);
        Some((begin..self.at, element))
    }
}

/// Whether an element has room in a listpack of so many bytes.
fn fits(bytes: usize, element: Element<'_>) -> bool {
    let text = match element {
        Element::Integer(_) => 0,
        Element::Text(text) => text.len(),
    };
    // The longest encodings and lengths have ten bytes together.
    bytes.saturating_add(text).saturating_add(10) <= LONGEST
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::{Element, Listpack};

    /// Integers at both sides of each limit of their encodings.
    #[rstest]
    #[case::seven_bits(&[0, 127], 1)]
    #[case::thirteen_bits(&[128, 4095, -1, -4096], 2)]
    #[case::two_bytes(&[4096, 32767, -4097, -32768], 3)]
    #[case::three_bytes(&[32768, 8_388_607, -32769, -8_388_608], 4)]
    #[case::four_bytes(&[8_388_608, 2_147_483_647, -8_388_609, -2_147_483_648], 5)]
    #[case::eight_bytes(&[2_147_483_648, i64::MAX, -2_147_483_649, i64::MIN], 9)]
    fn integers(#[case] numbers: &[i64], #[case] width: usize) {
        for number in numbers {
            let listpack = Listpack::of([number.to_string()]).unwrap();
            assert_eq!(listpack.bytes().len(), 7 + width + 1, "{number}");
            let read = Listpack::read(listpack.bytes()).unwrap();
            assert!(
                read.iter().eq([Element::Integer(*number)]),
                "{number}: {read:?}"
            );
        }
    }

    #[rstest]
    #[case::six_bits(&[0, 63], 1)]
    #[case::twelve_bits(&[64, 4095], 2)]
    #[case::four_bytes(&[4096, 16377, 16378, 16379, 70_000, 2_097_145, 2_097_146, 2_097_147], 5)]
    fn texts(#[case] lengths: &[usize], #[case] head: usize) {
        for len in lengths {
            let text = vec![b'x'; *len];
            let listpack = Listpack::of([&text]).unwrap();
            assert_eq!(listpack.bytes()[6..][head..][..*len], text);
            let read = Listpack::read(listpack.bytes()).unwrap();
            assert!(read.iter().eq([Element::Text(&text)]), "{len}");
        }
    }

    /// Elements in encodings that nobody chooses for them are read, and are the texts that they stand for.
    #[test]
    fn wider_than_needed() {
        let bytes = b"\x0e\0\0\0\x02\0\x811\x02\xf1\x01\x00\x03\xff";
        let read = Listpack::read(*bytes).unwrap();
        assert!(read.iter().eq([Element::Text(b"1"), Element::Integer(1)]));
        assert!(!Listpack::of(["1", "a", "1", "b"]).unwrap().is_map());
        let twice = b"\x12\0\0\0\x04\0\x811\x02\x05\x01\xf1\x01\x00\x03\x05\x01\xff";
        assert!(!Listpack::read(*twice).unwrap().is_map());
    }

    #[rstest]
    #[case::nothing(b"")]
    #[case::no_end(b"\x06\0\0\0\0\0")]
    #[case::another_end(b"\x07\0\0\0\0\0\xfe")]
    #[case::longer_than_said(b"\x07\0\0\0\0\0\xff\xff")]
    #[case::shorter_than_said(b"\x08\0\0\0\0\0\xff")]
    #[case::an_end_too_many(b"\x08\0\0\0\0\0\xff\xff")]
    #[case::more_than_said(b"\x09\0\0\0\0\0\x01\x01\xff")]
    #[case::fewer_than_said(b"\x09\0\0\0\x02\0\x01\x01\xff")]
    #[case::another_length_behind(b"\x09\0\0\0\x01\0\x01\x02\xff")]
    #[case::no_length_behind(b"\x08\0\0\0\x01\0\x01\xff")]
    #[case::a_length_behind_without_end(b"\x09\0\0\0\x01\0\x01\x81\xff")]
    #[case::no_such_encoding(b"\x09\0\0\0\x01\0\xf5\x01\xff")]
    #[case::into_the_end(b"\x09\0\0\0\x01\0\x81\x01\xff")]
    #[case::far_beyond_the_end(b"\x0d\0\0\0\x01\0\xf0\xff\xff\xff\xff\x05\xff")]
    fn refused(#[case] bytes: &[u8]) {
        assert_eq!(Listpack::read(bytes), None);
    }

    #[test]
    fn counts_what_is_too_many_to_say() {
        let mut listpack = Listpack::of((0..65_534).map(|at| at.to_string())).unwrap();
        assert_eq!((listpack.count(), listpack.len()), (65_534, 65_534));
        listpack.push(b"x").unwrap();
        assert_eq!((listpack.count(), listpack.len()), (65_535, 65_535));
        listpack.push(b"x").unwrap();
        assert_eq!((listpack.count(), listpack.len()), (65_535, 65_536));
        assert_eq!(Listpack::read(listpack.bytes()), Some(listpack));
    }

    #[test]
    fn an_integer_in_anothers_place() {
        let mut listpack = Listpack::of(["a", "5", "b"]).unwrap();
        let (place, _) = listpack.places().nth(1).unwrap();
        listpack.replace_with_integer(place, 5000);
        assert_eq!(listpack, Listpack::of(["a", "5000", "b"]).unwrap());
    }

    proptest! {
        #[test]
        fn any_texts(texts in prop::collection::vec(prop_oneof![prop::collection::vec(any::<u8>(), 0..100), any::<i64>().prop_map(|n| n.to_string().into_bytes())], 0..20)) {
            let listpack = Listpack::of(&texts).unwrap();
            let read = Listpack::read(listpack.bytes()).unwrap();
            prop_assert_eq!(read.len(), texts.len());
            prop_assert_eq!(read.is_empty(), texts.is_empty());
            prop_assert!(read.iter().map(|element| element.text().into_owned()).eq(texts.iter().cloned()));
            let mut backwards = Listpack::new();
            texts.iter().rev().for_each(|text| backwards.push_front(text).unwrap());
            prop_assert_eq!(backwards, listpack);
        }

        #[test]
        fn any_bytes(mut bytes in prop::collection::vec(any::<u8>(), 7..60)) {
            let len = bytes.len();
            bytes[..6].copy_from_slice(&[len as u8, 0, 0, 0, 0xff, 0xff]);
            bytes[len - 1] = 0xff;
            if let Some(read) = Listpack::read(bytes) {
                prop_assert_eq!(read.iter().count(), read.len());
            }
        }
    }
}
