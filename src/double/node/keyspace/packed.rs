//! Short texts in a row, in one piece of memory: Redis's listpack. A small hash is one, and a list is a chain of them.
//!
//! A listpack has a header of six bytes before its elements and one byte behind them; they are not kept here, but [`Packed::size`] counts them.

pub(in crate::double) use crate::double::node::element::Element;
use crate::double::node::element::{Encoded, decode, encoded_length, length_length, sound};
use crate::double::node::number;

/// The bytes of a listpack that are no element's: its length (4), how many elements there are (2), and its end (1).
const FRAME: usize = 7;
const HEADER: usize = 6;
const END: u8 = 0xff;

/// A row of texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::double) struct Packed {
    bytes: Vec<u8>,
    count: usize,
}

/// A text that elements are compared with; it is looked only once whether it is an integer.
#[derive(Debug, Clone, Copy)]
pub(in crate::double) struct Needle<'a> {
    text: &'a [u8],
    number: Option<i64>,
}

impl<'a> Needle<'a> {
    /// This text.
    pub fn new(text: &'a [u8]) -> Needle<'a> {
        Needle {
            text,
            number: number::parse_i64(text),
        }
    }

    /// Whether the element is this text.
    pub fn is(&self, element: Element<'_>) -> bool {
        match element {
            Element::Integer(number) => self.number == Some(number),
            Element::Text(text) => self.text == text,
        }
    }
}

impl Packed {
    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many bytes the listpack has, its header and end among them.
    pub fn size(&self) -> usize {
        self.bytes.len() + FRAME
    }

    /// The place behind the last element.
    pub fn end(&self) -> usize {
        self.bytes.len()
    }

    /// The place of the element with this number; [`end`](Self::end) if there are not so many. Looked for from the nearer end.
    pub fn place(&self, index: usize) -> usize {
        if index >= self.count {
            return self.end();
        }
        let mut at;
        if index <= self.count / 2 {
            at = 0;
            for _ in 0..index {
                at = self.next(at);
            }
        } else {
            at = self.end();
            for _ in index..self.count {
                at = self.before(at);
            }
        }
        at
    }

    /// The element at a place that is not the end.
    pub fn at(&self, place: usize) -> Element<'_> {
        decode(&self.bytes[place..]).0
    }

    /// The place behind the element at this one.
    pub fn next(&self, place: usize) -> usize {
        let length = encoded_length(&self.bytes[place..]);
        place + length + length_length(length)
    }

    /// The place before this one, which is not the first.
    pub fn before(&self, place: usize) -> usize {
        let mut length = 0_usize;
        let mut at = place;
        let mut shift = 0;
        while at > 0 && shift < 35 {
            at -= 1;
            length |= usize::from(self.bytes[at] & 0x7f) << shift;
            shift += 7;
            if self.bytes[at] & 0x80 == 0 {
                break;
            }
        }
        at.saturating_sub(length)
    }

    /// Adds a text at the end.
    pub fn push(&mut self, text: &[u8]) {
        Encoded::of(Element::of(text)).append(&mut self.bytes);
        self.count += 1;
    }

    /// Adds a text before the element at a place, or at the end.
    pub fn insert(&mut self, place: usize, text: &[u8]) {
        if place == self.end() {
            return self.push(text);
        }
        self.put(place, 0, &Encoded::of(Element::of(text)));
        self.count += 1;
    }

    /// Puts a text in the place of the element that is there.
    pub fn replace(&mut self, place: usize, text: &[u8]) {
        let old = self.next(place) - place;
        self.put(place, old, &Encoded::of(Element::of(text)));
    }

    fn put(&mut self, place: usize, old: usize, element: &Encoded<'_>) {
        let (new, end) = (element.size(), self.bytes.len());
        if new > old {
            self.bytes.resize(end + new - old, 0);
        }
        self.bytes.copy_within(place + old..end, place + new);
        if new < old {
            self.bytes.truncate(end + new - old);
        }
        let mut at = place;
        for part in element.parts() {
            self.bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
    }

    /// Takes out as many elements from a place on, or as many as there are.
    pub fn remove(&mut self, place: usize, count: usize) {
        let (mut to, mut removed) = (place, 0);
        if count >= self.count && place == 0 {
            return self.clear();
        }
        while removed < count && to < self.bytes.len() {
            to = self.next(to);
            removed += 1;
        }
        self.bytes.drain(place..to);
        self.count -= removed;
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// Cuts off the elements from this number on.
    pub fn split_off(&mut self, index: usize) -> Packed {
        let place = self.place(index);
        let bytes = self.bytes.split_off(place);
        let count = self.count.saturating_sub(index);
        self.count -= count;
        Packed { bytes, count }
    }

    /// Adds all of another one's elements at the end.
    pub fn append(&mut self, other: &Packed) {
        self.bytes.extend_from_slice(&other.bytes);
        self.count += other.count;
    }

    /// Gives back memory that is not needed.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// The elements from first to last, or from last to first.
    pub fn iter(&self) -> Iter<'_> {
        self.iter_from(0)
    }

    /// The elements from a place on.
    pub fn iter_from(&self, place: usize) -> Iter<'_> {
        Iter {
            packed: self,
            front: place,
            back: self.end(),
        }
    }

    /// The place of the first element that is this text, if only every `step`-th is looked at.
    pub fn find(&self, text: &[u8], step: usize) -> Option<usize> {
        let needle = Needle::new(text);
        let mut at = 0;
        while at < self.bytes.len() {
            let (element, mut length) = decode(&self.bytes[at..]);
            if needle.is(element) {
                return Some(at);
            }
            for _ in 1..step {
                at += length + length_length(length);
                length = encoded_length(&self.bytes[at..]);
            }
            at += length + length_length(length);
        }
        None
    }

    /// The whole listpack, as DUMP has it.
    pub fn to_listpack(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size());
        bytes.extend_from_slice(&(self.size() as u32).to_le_bytes());
        // So many or more are not counted there.
        let count = u16::try_from(self.count).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&self.bytes);
        bytes.push(END);
        bytes
    }

    /// What a listpack holds. `None`: it is none.
    pub fn from_listpack(listpack: &[u8]) -> Option<Packed> {
        let bytes = listpack.get(HEADER..)?.strip_suffix(&[END])?;
        let (mut at, mut count) = (0, 0);
        while at < bytes.len() {
            at = sound(bytes, at)?;
            count += 1;
        }
        let bytes = bytes.to_vec();
        Some(Packed { bytes, count })
    }
}

/// See [`Packed::iter`].
#[derive(Debug, Clone)]
pub(in crate::double) struct Iter<'a> {
    packed: &'a Packed,
    front: usize,
    back: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        if self.front >= self.back {
            return None;
        }
        let (element, length) = decode(&self.packed.bytes[self.front..]);
        self.front += length + length_length(length);
        Some(element)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        self.back = self.packed.before(self.back);
        Some(self.packed.at(self.back))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn of<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Packed {
        let mut packed = Packed::default();
        texts
            .into_iter()
            .for_each(|text| packed.push(text.as_ref()));
        packed
    }

    fn texts(packed: &Packed) -> Vec<Vec<u8>> {
        packed.iter().map(Element::to_vec).collect()
    }

    /// Integers on both sides of each limit of their encodings.
    #[rstest]
    #[case::seven_bits(&[0, 127], 1)]
    #[case::thirteen_bits(&[128, 4095, -1, -4096], 2)]
    #[case::two_bytes(&[4096, 32767, -4097, -32768], 3)]
    #[case::three_bytes(&[32768, 8_388_607, -32769, -8_388_608], 4)]
    #[case::four_bytes(&[8_388_608, 2_147_483_647, -8_388_609, -2_147_483_648], 5)]
    #[case::eight_bytes(&[2_147_483_648, i64::MAX, -2_147_483_649, i64::MIN], 9)]
    fn integers(#[case] numbers: &[i64], #[case] width: usize) {
        for number in numbers {
            let packed = of([number.to_string()]);
            assert_eq!(packed.size(), 7 + width + 1, "{number}");
            assert_eq!(packed.at(0), Element::Integer(*number));
        }
    }

    #[rstest]
    #[case::six_bits(&[0, 63], 1)]
    #[case::twelve_bits(&[64, 4095], 2)]
    #[case::four_bytes(&[4096, 16_377, 16_378, 16_379, 2_097_145, 2_097_146, 2_097_147], 5)]
    fn long_texts(#[case] lengths: &[usize], #[case] head: usize) {
        for length in lengths {
            let text = vec![b'x'; *length];
            let packed = of([&text[..], b"y"]);
            assert_eq!(packed.bytes[head..][..*length], text);
            assert!(
                packed
                    .iter()
                    .rev()
                    .map(Element::to_vec)
                    .eq([b"y".to_vec(), text])
            );
        }
    }

    /// What another encoding than the usual one stands for is the same text.
    #[test]
    fn wider_than_needed() {
        let listpack = b"\x0e\0\0\0\x02\0\x811\x02\xf1\x01\x00\x03\xff";
        let packed = Packed::from_listpack(listpack).unwrap();
        assert_eq!(texts(&packed), [b"1", b"1"]);
        assert_eq!(packed.find(b"1", 1), Some(0));
        assert_eq!(packed.find(b"2", 1), None);
        assert_eq!(packed.to_listpack(), listpack);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(usize, Vec<u8>),
        Replace(usize, Vec<u8>),
        Remove(usize, usize),
        Cut(usize),
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            4 => prop::collection::vec(any::<u8>(), 0..80),
            4 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
            2 => (-200..200_i64).prop_map(|number| number.to_string().into_bytes()),
            1 => (4000..20_000_usize).prop_map(|length| vec![b'l'; length]),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_row(steps in prop::collection::vec(prop_oneof![
            5 => (any::<usize>(), text()).prop_map(|(at, text)| Step::Insert(at, text)),
            2 => (any::<usize>(), text()).prop_map(|(at, text)| Step::Replace(at, text)),
            2 => (any::<usize>(), 0..4_usize).prop_map(|(at, count)| Step::Remove(at, count)),
            1 => any::<usize>().prop_map(Step::Cut),
        ], 0..60)) {
            let (mut packed, mut model) = (Packed::default(), Vec::<Vec<u8>>::new());
            for step in steps {
                match step {
                    Step::Insert(at, text) => {
                        let at = at % (model.len() + 1);
                        packed.insert(packed.place(at), &text);
                        model.insert(at, text);
                    }
                    Step::Replace(at, text) if !model.is_empty() => {
                        let at = at % model.len();
                        packed.replace(packed.place(at), &text);
                        model[at] = text;
                    }
                    Step::Remove(at, count) => {
                        let at = at % (model.len() + 1);
                        packed.remove(packed.place(at), count);
                        model.drain(at..(at + count).min(model.len()));
                    }
                    Step::Cut(at) if !model.is_empty() => {
                        let at = at % model.len();
                        let mut rest = packed.split_off(at);
                        prop_assert_eq!(rest.len(), model.len() - at);
                        rest.append(&packed);
                        packed = rest;
                        model.rotate_left(at);
                    }
                    _ => {}
                }
                prop_assert_eq!(packed.len(), model.len());
            }
            prop_assert_eq!(&texts(&packed), &model);
            let backwards: Vec<_> = packed.iter().rev().map(Element::to_vec).collect();
            prop_assert!(backwards.iter().eq(model.iter().rev()));
            prop_assert_eq!(&packed, &of(&model));
            prop_assert_eq!(Packed::from_listpack(&packed.to_listpack()), Some(packed.clone()));
            for (at, text) in model.iter().enumerate() {
                prop_assert_eq!(packed.at(packed.place(at)).to_vec(), &text[..]);
                let first = model.iter().position(|other| other == text);
                prop_assert_eq!(packed.find(text, 1), first.map(|first| packed.place(first)));
            }
        }

        #[test]
        fn any_bytes_are_a_listpack_or_none(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let listpack = [&[0; 6][..], &bytes, &[END]].concat();
            if let Some(packed) = Packed::from_listpack(&listpack) {
                prop_assert_eq!(packed.iter().count(), packed.len());
                prop_assert_eq!(packed.iter().rev().count(), packed.len());
            }
        }
    }
}
