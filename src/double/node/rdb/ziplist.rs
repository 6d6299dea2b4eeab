//! Ziplists, which versions before 7.0 had in the place of listpacks. They are only read.
//!
//! A ziplist is its length in bytes (4 bytes), where its last element begins (4), the count of elements (2; 65535 for "too many to say"), the
//! elements, and `0xff`. An element is the length of the one before it, its encoding, and its bytes. All but the lengths of texts is little-endian.

use super::listpack::Element;

const HEADER: usize = 10;
const END: u8 = 0xff;
const UNCOUNTED: u16 = u16::MAX;
/// The first byte of a length of four more bytes.
const LONG: u8 = 0xfe;

/// Gives each element to `each`, if these bytes are a ziplist in all their parts and `each` takes all of them.
pub(super) fn read(bytes: &[u8], mut each: impl FnMut(Element<'_>) -> Option<()>) -> Option<()> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (last, rest) = rest.split_first_chunk()?;
    let (said, elements) = rest.split_first_chunk()?;
    let (&end, elements) = elements.split_last()?;
    if u32::from_le_bytes(*length) as usize != bytes.len() || end != END {
        return None;
    }
    let mut at = 0;
    let mut before = 0;
    let mut count = 0_usize;
    while at < elements.len() && elements[at] != END {
        let (element, len) = element(&elements[at..], before)?;
        each(element)?;
        at += len;
        before = len;
        count += 1;
    }
    if at != elements.len() {
        return None;
    }
    let last = u32::from_le_bytes(*last) as usize;
    let last_is_last = match count {
        0 => last < bytes.len(),
        _ => last == HEADER + at - before,
    };
    let said = u16::from_le_bytes(*said);
    let counted = said == UNCOUNTED || usize::from(said) == count;
    (last_is_last && counted).then_some(())
}

/// The element that these bytes begin with, and how many bytes it takes. The one before it takes `before`.
fn element(bytes: &[u8], before: usize) -> Option<(Element<'_>, usize)> {
    let (&first, rest) = bytes.split_first()?;
    let (said, rest) = match first {
        ..LONG => (usize::from(first), rest),
        LONG.. => {
            let (said, rest) = rest.split_first_chunk()?;
            (u32::from_le_bytes(*said) as usize, rest)
        }
    };
    if said != before {
        return None;
    }
    let (element, rest) = after_the_length(rest)?;
    Some((element, bytes.len() - rest.len()))
}

fn after_the_length(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&encoding, rest) = bytes.split_first()?;
    match encoding {
        0x00..=0x3f => text_of(usize::from(encoding), rest),
        0x40..=0x7f => {
            let (low, rest) = rest.split_first()?;
            text_of(usize::from(encoding & 0x3f) << 8 | usize::from(*low), rest)
        }
        0x80..=0xbf => {
            let (len, rest) = rest.split_first_chunk()?;
            text_of(u32::from_be_bytes(*len) as usize, rest)
        }
        0xc0 => integer(rest, |bytes| i16::from_le_bytes(bytes).into()),
        0xd0 => integer(rest, |bytes| i32::from_le_bytes(bytes).into()),
        0xe0 => integer(rest, i64::from_le_bytes),
        0xf0 => integer(rest, |[a, b, c]| {
            i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)
        }),
        0xfe => integer(rest, |[byte]| i64::from(byte as i8)),
        0xf1..=0xfd => Some((Element::Integer(i64::from(encoding & 0x0f) - 1), rest)),
        _ => None,
    }
}

fn text_of(len: usize, rest: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (text, rest) = rest.split_at_checked(len)?;
    Some((Element::Text(text), rest))
}

fn integer<const WIDTH: usize>(
    bytes: &[u8],
    number: impl Fn([u8; WIDTH]) -> i64,
) -> Option<(Element<'_>, &[u8])> {
    let (bytes, rest) = bytes.split_first_chunk()?;
    Some((Element::Integer(number(*bytes)), rest))
}
