//! LZF, the compression of long strings. A stream of LZF is a row of items, told apart by the top three bits of their first byte:
//!
//! - `000nnnnn`: the `n + 1` bytes that follow, as they are;
//! - `lllooooo oooooooo` with `l` of 1 to 6: `l + 2` bytes that stand `o + 1` bytes before this place;
//! - `111ooooo llllllll oooooooo`: the same for `l + 9` bytes.
//!
//! Which items stand for a text is the compressor's choice. This one chooses as the one of Redis does, so that payloads are equal.

/// How many bytes an item can hold as they are.
const LITERALS: usize = 32;
/// How far back a copy reaches.
const REACH: usize = 1 << 13;
/// How many bytes a copy gives at most.
const COPY: usize = (1 << 8) + (1 << 3);
/// The table of places has two to this many slots.
const HASH_BITS: u32 = 16;
/// No text is longer than this many times its compressed form: three bytes stand for 264.
const RATIO: usize = COPY / 3;

/// Compresses texts, one after the other.
#[derive(Debug, Default)]
pub(super) struct Compressor {
    /// Where three bytes were seen last, by their hash: a place in the text plus `base`. What earlier texts left is not above `base`.
    seen: Vec<u32>,
    base: u32,
}

impl Compressor {
    /// The compressed text, or nothing if it does not fit into `limit` bytes. As Redis's compressor, this gives up a few bytes early.
    pub fn compress(&mut self, text: &[u8], limit: usize) -> Option<Vec<u8>> {
        let len = u32::try_from(text.len()).ok()?;
        if len == 0 || limit == 0 {
            return None;
        }
        self.make_room(len)?;
        let done = self.run(text, limit);
        self.base += len;
        done
    }

    fn make_room(&mut self, len: u32) -> Option<()> {
        if self.base.checked_add(len).is_none() {
            self.seen.fill(0);
            self.base = 0;
            self.base.checked_add(len)?;
        }
        self.seen.resize(1 << HASH_BITS, 0);
        Some(())
    }

    fn run(&mut self, text: &[u8], limit: usize) -> Option<Vec<u8>> {
        let mut out = Output::new(limit);
        let mut at = 0;
        // The last two bytes begin no three.
        while at + 2 < text.len() {
            let before = self.seen_before(text, at);
            self.see(text, at);
            let Some(before) = before else {
                out.literal(text[at])?;
                at += 1;
                continue;
            };
            let len = copy_len(text, before, at);
            out.copy(at - before, len)?;
            at += len;
            if at + 2 >= text.len() {
                break;
            }
            // Of the places inside the copy only the last two are remembered.
            self.see(text, at - 2);
            self.see(text, at - 1);
        }
        out.finish(&text[at..])
    }

    /// Where the three bytes at `at` were seen last, if a copy can reach there. The text's very first place is never found again: the
    /// reference keeps it as 0, which means "nowhere" there.
    fn seen_before(&self, text: &[u8], at: usize) -> Option<usize> {
        let place = self.seen[slot(text, at)].checked_sub(self.base)? as usize;
        let found = place > 0 && at - place <= REACH && text[place..place + 3] == text[at..at + 3];
        found.then_some(place)
    }

    fn see(&mut self, text: &[u8], at: usize) {
        self.seen[slot(text, at)] = self.base + at as u32;
    }
}

/// The slot of the three bytes at `at`.
fn slot(text: &[u8], at: usize) -> usize {
    let three = u32::from_be_bytes([0, text[at], text[at + 1], text[at + 2]]);
    let hash = (three >> (24 - HASH_BITS)).wrapping_sub(three.wrapping_mul(5));
    (hash & ((1 << HASH_BITS) - 1)) as usize
}

/// How many bytes are equal at both places: at least the three that are known to be.
///
/// The reference compares sixteen bytes blindly where there are enough, and stops two bytes before the end of the text elsewhere. So a copy
/// can end early near the end of a text, and that shows in the payload.
fn copy_len(text: &[u8], before: usize, at: usize) -> usize {
    let left = text.len() - at;
    let limit = (left - 2).min(COPY);
    let same = |len: usize| text[before + len] == text[at + len];
    let mut len = 2;
    if limit > 16 {
        for _ in 0..16 {
            len += 1;
            if !same(len) {
                return len;
            }
        }
    }
    loop {
        len += 1;
        if len >= limit || !same(len) {
            return len;
        }
    }
}

/// The compressed text as it grows. An item of plain bytes is open all the time; the byte in front of it is filled in when it ends.
struct Output {
    bytes: Vec<u8>,
    literals: usize,
    limit: usize,
}

impl Output {
    fn new(limit: usize) -> Self {
        Output {
            bytes: vec![0],
            literals: 0,
            limit,
        }
    }

    fn literal(&mut self, byte: u8) -> Option<()> {
        if self.bytes.len() >= self.limit {
            return None;
        }
        self.push_literal(byte);
        Some(())
    }

    fn push_literal(&mut self, byte: u8) {
        self.bytes.push(byte);
        self.literals += 1;
        if self.literals == LITERALS {
            self.end_literals();
            self.bytes.push(0);
        }
    }

    fn end_literals(&mut self) {
        if self.literals == 0 {
            self.bytes.pop();
            return;
        }
        let front = self.bytes.len() - self.literals - 1;
        self.bytes[front] = (self.literals - 1) as u8;
        self.literals = 0;
    }

    fn copy(&mut self, back: usize, len: usize) -> Option<()> {
        let open = usize::from(self.literals == 0);
        if self.bytes.len() - open + 4 >= self.limit {
            return None;
        }
        self.end_literals();
        let (offset, len) = (back - 1, len - 2);
        if len < 7 {
            self.bytes.push((len << 5 | offset >> 8) as u8);
        } else {
            self.bytes.push((7 << 5 | offset >> 8) as u8);
            self.bytes.push((len - 7) as u8);
        }
        self.bytes.push(offset as u8);
        self.bytes.push(0);
        Some(())
    }

    fn finish(mut self, rest: &[u8]) -> Option<Vec<u8>> {
        if self.bytes.len() + 3 > self.limit {
            return None;
        }
        rest.iter().for_each(|byte| self.push_literal(*byte));
        self.end_literals();
        Some(self.bytes)
    }
}

/// The text of `len` bytes that was compressed, if these bytes give just that.
pub(super) fn decompress(packed: &[u8], len: usize) -> Option<Vec<u8>> {
    // Said before anything is allocated for it.
    if len > packed.len().saturating_mul(RATIO) {
        return None;
    }
    let mut text = Vec::with_capacity(len);
    let mut rest = packed;
    while let Some((&first, after)) = rest.split_first() {
        if usize::from(first) < LITERALS {
            let (bytes, after) = after.split_at_checked(usize::from(first) + 1)?;
            if text.len() + bytes.len() > len {
                return None;
            }
            text.extend_from_slice(bytes);
            rest = after;
        } else {
            rest = unpack_copy(&mut text, first, after, len)?;
        }
    }
    (text.len() == len).then_some(text)
}

/// Adds what a copy says, and gives what follows it.
fn unpack_copy<'a>(
    text: &mut Vec<u8>,
    first: u8,
    mut rest: &'a [u8],
    limit: usize,
) -> Option<&'a [u8]> {
    let mut len = usize::from(first >> 5) + 2;
    if first >> 5 == 7 {
        let (more, after) = rest.split_first()?;
        len += usize::from(*more);
        rest = after;
    }
    let (low, rest) = rest.split_first()?;
    let back = (usize::from(first & 0x1f) << 8 | usize::from(*low)) + 1;
    let from = text.len().checked_sub(back)?;
    if text.len() + len > limit {
        return None;
    }
    if back >= len {
        text.extend_from_within(from..from + len);
    } else {
        // The copy reads what it writes.
        for place in from..from + len {
            text.push(text[place]);
        }
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::{Compressor, RATIO, decompress};

    #[rstest]
    #[case::nothing(b"", 0, Some(&b""[..]))]
    #[case::as_it_is(b"\x02abc", 3, Some(&b"abc"[..]))]
    #[case::a_copy(b"\x02abc\x20\x02", 6, Some(&b"abcabc"[..]))]
    #[case::a_copy_of_itself(b"\x00a\xe0\xff\x00", 265, Some(&[b'a'; 265][..]))]
    #[case::shorter_than_said(b"\x02abc", 4, None)]
    #[case::longer_than_said(b"\x02abc", 2, None)]
    #[case::a_copy_longer_than_said(b"\x02abc\x20\x02", 5, None)]
    #[case::too_few_plain_bytes(b"\x02ab", 3, None)]
    #[case::a_copy_without_offset(b"\x02abc\x20", 6, None)]
    #[case::a_long_copy_without_length(b"\x02abc\xe0", 12, None)]
    #[case::before_the_beginning(b"\x02abc\x20\x03", 6, None)]
    #[case::more_than_it_can_be(b"\x02abc", usize::MAX, None)]
    fn unpacked(#[case] packed: &[u8], #[case] len: usize, #[case] text: Option<&[u8]>) {
        assert_eq!(decompress(packed, len).as_deref(), text);
    }

    #[test]
    fn no_text_is_denser_than_is_taken_for_possible() {
        let text = vec![b'x'; 1 << 20];
        let packed = Compressor::default().compress(&text, text.len()).unwrap();
        assert!(packed.len() * RATIO > text.len(), "{}", packed.len());
        assert_eq!(decompress(&packed, text.len()).unwrap(), text);
    }

    proptest! {
        /// One compressor for all of them: what it saw in one text does not show in the next.
        #[test]
        fn there_and_back(texts in prop::collection::vec("[ab]{0,3000}|[a-z]{0,600}|(abcdefghijk|lmnop|q){0,300}", 1..4)) {
            let mut shared = Compressor::default();
            for text in &texts {
                let text = text.as_bytes();
                let packed = shared.compress(text, text.len() + 100);
                prop_assert_eq!(&packed, &Compressor::default().compress(text, text.len() + 100));
                if let Some(packed) = packed {
                    let unpacked = decompress(&packed, text.len());
                    prop_assert_eq!(unpacked.as_deref(), Some(text));
                }
            }
        }

        #[test]
        fn any_bytes_are_unpacked_or_refused(packed in prop::collection::vec(any::<u8>(), 0..200), len in 0_usize..20_000) {
            if let Some(text) = decompress(&packed, len) {
                prop_assert_eq!(text.len(), len);
            }
        }

        #[test]
        fn never_more_than_the_limit(text in "[ab]{1,300}|[a-z]{1,300}", limit in 0_usize..400) {
            if let Some(packed) = Compressor::default().compress(text.as_bytes(), limit) {
                prop_assert!(packed.len() <= limit);
            }
        }
    }
}
