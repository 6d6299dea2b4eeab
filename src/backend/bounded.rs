//! Keeping the beginning and the end of a text of any length within a fixed number of bytes.

use std::collections::VecDeque;

/// Bytes of which only the first and the last are kept, half of the limit each; what lies between is counted.
///
/// Memory stays within the limit however much is pushed.
#[derive(Debug)]
pub(crate) struct Bounded {
    head: Vec<u8>,
    head_limit: usize,
    tail: VecDeque<u8>,
    tail_limit: usize,
    cut: u64,
}

impl Bounded {
    /// Keeps at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        let head_limit = limit.div_ceil(2);
        Bounded {
            head: Vec::new(),
            head_limit,
            tail: VecDeque::new(),
            tail_limit: limit - head_limit,
            cut: 0,
        }
    }

    /// Adds `bytes` at the end.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let room = self.head_limit - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        if rest.is_empty() {
            return;
        }
        let skipped = rest.len().saturating_sub(self.tail_limit);
        let last = &rest[skipped..];
        let overflow = (self.tail.len() + last.len()).saturating_sub(self.tail_limit);
        self.tail.drain(..overflow);
        self.tail.extend(last);
        self.cut += (skipped + overflow) as u64;
    }

    /// What was kept, as text, and how many bytes were not. Where bytes were cut out, a line of its own says how many. A character
    /// that the cut went through is cut out whole; other bytes that are not UTF-8 become U+FFFD.
    pub(crate) fn into_text(mut self) -> (String, u64) {
        self.tail.make_contiguous();
        let (tail, _) = self.tail.as_slices();
        if self.cut == 0 {
            self.head.extend_from_slice(tail);
            return (into_lossy(self.head), 0);
        }
        let head = &self.head[..whole_characters(&self.head)];
        let tail = &tail[broken_characters(tail)..];
        let cut = self.cut
            + (self.head.len() - head.len()) as u64
            + (self.tail.len() - tail.len()) as u64;
        let head = String::from_utf8_lossy(head);
        let tail = String::from_utf8_lossy(tail);
        let line_end = if head.is_empty() || head.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        (
            format!("{head}{line_end}[… {cut} bytes not kept …]\n{tail}"),
            cut,
        )
    }
}

fn into_lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The length of `bytes` without a character that is begun at their end and not finished. A character has at most four bytes.
fn whole_characters(bytes: &[u8]) -> usize {
    let floor = bytes.len().saturating_sub(3);
    for start in (floor..bytes.len()).rev() {
        let needed = match bytes[start] {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            // The middle of a character: its beginning is further to the front.
            0x80..=0xBF => continue,
            _ => 1,
        };
        return if bytes.len() - start < needed {
            start
        } else {
            bytes.len()
        };
    }
    bytes.len()
}

/// How many bytes at the beginning are the rest of a character.
fn broken_characters(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take(3)
        .take_while(|byte| (0x80..=0xBF).contains(*byte))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn kept(limit: usize, pieces: &[&[u8]]) -> (String, u64) {
        let mut bounded = Bounded::new(limit);
        for piece in pieces {
            bounded.push(piece);
        }
        bounded.into_text()
    }

    #[rstest]
    #[case::nothing(8, "", "", 0)]
    #[case::short(8, "abc", "abc", 0)]
    #[case::exactly(8, "abcd|efgh", "abcdefgh", 0)]
    #[case::one_too_many(8, "abcdefghi", "abcd\n[… 1 bytes not kept …]\nfghi", 1)]
    #[case::in_pieces(8, "ab|cdef|g|hijk", "abcd\n[… 3 bytes not kept …]\nhijk", 3)]
    #[case::a_line_ends_at_the_cut(8, "abc\nxxxxefgh", "abc\n[… 4 bytes not kept …]\nefgh", 4)]
    #[case::limit_of_nothing(0, "abc", "[… 3 bytes not kept …]\n", 3)]
    // "é" is two bytes; both cuts go through one.
    #[case::through_characters(8, "abcéxxéfgh", "abc\n[… 6 bytes not kept …]\nfgh", 6)]
    fn keeps_both_ends(
        #[case] limit: usize,
        #[case] pieces: &str,
        #[case] text: &str,
        #[case] cut: u64,
    ) {
        let pieces: Vec<&[u8]> = pieces.split('|').map(str::as_bytes).collect();
        assert_eq!(kept(limit, &pieces), (text.to_owned(), cut));
    }

    #[test]
    fn what_is_not_text_is_replaced() {
        assert_eq!(kept(8, &[b"a\xff", b"b"]), ("a\u{fffd}b".to_owned(), 0));
    }

    proptest! {
        #[test]
        fn never_holds_more_than_the_limit(limit in 0usize..40, pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..12)) {
            let mut bounded = Bounded::new(limit);
            let mut all = Vec::new();
            for piece in &pieces {
                bounded.push(piece);
                all.extend_from_slice(piece);
                prop_assert!(bounded.head.len() + bounded.tail.len() <= limit);
                prop_assert_eq!(bounded.head.len() + bounded.tail.len() + usize::try_from(bounded.cut).unwrap_or(usize::MAX), all.len());
            }
            prop_assert!(all.starts_with(&bounded.head));
            let tail: Vec<u8> = bounded.tail.iter().copied().collect();
            prop_assert!(all.ends_with(&tail));
            bounded.into_text();
        }
    }
}
