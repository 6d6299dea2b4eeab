//! An element of a listpack as bytes: its encoding, its bytes, and the length of both once more, to be read backwards. Values in the keyspace and payloads
//! of DUMP consist of the same ones.

use std::borrow::Cow;

use super::number::parse_i64;
use super::out::Out;

/// A text in a listpack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Element<'a> {
    /// The integer whose decimal form is the text.
    Integer(i64),
    /// The text itself.
    Text(&'a [u8]),
}

impl<'a> Element<'a> {
    /// A text as a listpack keeps it: as an integer wherever it is the one way to write it.
    pub fn of(text: &'a [u8]) -> Self {
        parse_i64(text).map_or(Element::Text(text), Element::Integer)
    }

    /// Writes it as a string of bytes.
    pub(super) fn write(self, out: &mut Out) {
        match self {
            Element::Integer(number) => out.bulk_int(number),
            Element::Text(text) => out.bulk(text),
        }
    }

    /// Calls `with` with the text.
    pub fn with<R>(self, with: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Element::Integer(number) => with(itoa::Buffer::new().format(number).as_bytes()),
            Element::Text(text) => with(text),
        }
    }

    /// The text.
    pub fn text(self) -> Cow<'a, [u8]> {
        match self {
            Element::Integer(_) => Cow::Owned(self.to_vec()),
            Element::Text(text) => Cow::Borrowed(text),
        }
    }

    /// The text, as a copy.
    pub fn to_vec(self) -> Vec<u8> {
        self.with(<[u8]>::to_vec)
    }

    /// How many bytes the text has.
    pub fn len(self) -> usize {
        self.with(<[u8]>::len)
    }

    /// The integer that the element is, also if it is kept as a text.
    pub fn integer(self) -> Option<i64> {
        match self {
            Element::Integer(number) => Some(number),
            Element::Text(text) => parse_i64(text),
        }
    }
}

/// An element as it is going to be written.
pub(super) struct Encoded<'a> {
    head: [u8; 9],
    head_length: usize,
    /// Nothing, if it is an integer.
    text: &'a [u8],
    tail: [u8; 5],
    tail_length: usize,
}

impl<'a> Encoded<'a> {
    pub fn of(element: Element<'a>) -> Self {
        let ((head, head_length), text) = match element {
            Element::Integer(number) => (integer_head(number), &[][..]),
            Element::Text(text) => (text_head(text.len()), text),
        };
        let length = head_length + text.len();
        let tail_length = length_length(length);
        let mut tail = [0; 5];
        // Seven bits a byte, the highest first; all but the first are marked, since they are read from the end.
        for (at, byte) in tail.iter_mut().take(tail_length).enumerate() {
            let mark = if at == 0 { 0 } else { 0x80 };
            *byte = (length >> (7 * (tail_length - 1 - at))) as u8 & 0x7f | mark;
        }
        Encoded {
            head,
            head_length,
            text,
            tail,
            tail_length,
        }
    }

    /// Its bytes, in three pieces.
    pub fn parts(&self) -> [&[u8]; 3] {
        [
            &self.head[..self.head_length],
            self.text,
            &self.tail[..self.tail_length],
        ]
    }

    /// Writes it behind what there is.
    pub fn append(&self, to: &mut Vec<u8>) {
        for part in self.parts() {
            to.extend_from_slice(part);
        }
    }

    /// How many bytes it has.
    pub fn size(&self) -> usize {
        self.head_length + self.text.len() + self.tail_length
    }
}

fn text_head(length: usize) -> ([u8; 9], usize) {
    let mut head = [0; 9];
    let used = match length {
        0..0x40 => {
            head[0] = 0x80 | length as u8;
            1
        }
        0x40..0x1000 => {
            head[0] = 0xe0 | (length >> 8) as u8;
            head[1] = length as u8;
            2
        }
        _ => {
            head[0] = 0xf0;
            head[1..5].copy_from_slice(&(length as u32).to_le_bytes());
            5
        }
    };
    (head, used)
}

fn integer_head(number: i64) -> ([u8; 9], usize) {
    let bytes = number.to_le_bytes();
    let mut head = [0; 9];
    let (mark, width) = match number {
        0..=0x7f => {
            head[0] = bytes[0];
            return (head, 1);
        }
        -0x1000..=0xfff => {
            head[0] = 0xc0 | (bytes[1] & 0x1f);
            head[1] = bytes[0];
            return (head, 2);
        }
        -0x8000..=0x7fff => (0xf1, 2),
        -0x80_0000..=0x7f_ffff => (0xf2, 3),
        -0x8000_0000..=0x7fff_ffff => (0xf3, 4),
        _ => (0xf4, 8),
    };
    head[0] = mark;
    head[1..=width].copy_from_slice(&bytes[..width]);
    (head, width + 1)
}

/// How long the encoding and the bytes are of the element that `bytes` begins with.
pub(super) fn encoded_length(bytes: &[u8]) -> usize {
    match bytes[0] {
        0..=0x7f => 1,
        0x80..=0xbf => 1 + usize::from(bytes[0] & 0x3f),
        0xc0..=0xdf => 2,
        0xe0..=0xef => 2 + (usize::from(bytes[0] & 0x0f) << 8 | usize::from(bytes[1])),
        0xf0 => 5 + u32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]) as usize,
        0xf1 => 3,
        0xf2 => 4,
        0xf3 => 5,
        _ => 9,
    }
}

/// The element that `bytes` begins with, and how long its encoding and bytes are.
pub(super) fn decode(bytes: &[u8]) -> (Element<'_>, usize) {
    let length = encoded_length(bytes);
    let integer = |width: usize| {
        // The sign is in the last byte.
        let mut wide = [0; 8];
        wide[8 - width..].copy_from_slice(&bytes[1..=width]);
        Element::Integer(i64::from_le_bytes(wide) >> (64 - 8 * width))
    };
    let element = match bytes[0] {
        0..=0x7f => Element::Integer(i64::from(bytes[0])),
        0x80..=0xbf => Element::Text(&bytes[1..length]),
        0xc0..=0xdf => {
            let thirteen = u16::from(bytes[0] & 0x1f) << 8 | u16::from(bytes[1]);
            Element::Integer(i64::from((thirteen << 3) as i16 >> 3))
        }
        0xe0..=0xef => Element::Text(&bytes[2..length]),
        0xf0 => Element::Text(&bytes[5..length]),
        0xf1 => integer(2),
        0xf2 => integer(3),
        0xf3 => integer(4),
        _ => integer(8),
    };
    (element, length)
}

/// In how many bytes an element's length is written behind it. Redis goes to the next byte one before the last one is full.
pub(super) fn length_length(length: usize) -> usize {
    match length {
        0..=0x7f => 1,
        0x80..0x3fff => 2,
        0x3fff..0x1f_ffff => 3,
        0x1f_ffff..0xfff_ffff => 4,
        _ => 5,
    }
}

/// The end of the element at `at`, if it is sound in all its parts and ends within these bytes.
pub(super) fn sound(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let head = match rest.first()? {
        0..=0xbf | 0xf1..=0xf4 => 1,
        0xc0..=0xef => 2,
        0xf0 => 5,
        0xf5..=0xff => return None,
    };
    if rest.len() < head {
        return None;
    }
    let length = encoded_length(rest);
    let end = at.checked_add(length)?.checked_add(length_length(length))?;
    (length_before(bytes.get(..end)?)? == length).then_some(end)
}

/// The length that these bytes end with, read backwards. As in Redis, its last byte may be one that is marked and not needed.
fn length_before(bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    for (at, byte) in bytes.iter().rev().take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}
