//! Ids of entries: `1526919030474-55`.

use super::Id;
use crate::double::node::number::parse_i64;

/// Where an id has no second number, that is taken instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) enum Missing {
    /// The lowest: where the id is an entry's, or the start of a range.
    Lowest,
    /// The highest: where it is the end of a range.
    Highest,
}

/// No id is longer than this.
const LONGEST: usize = 127;
/// As many bytes as an id may have when it is printed.
const PRINTED: usize = 41;

impl Id {
    /// Reads an id, or `-` and `+` for the lowest and the highest one.
    pub fn parse(word: &[u8], missing: Missing) -> Option<Id> {
        match word {
            b"-" => Some(Id::MIN),
            b"+" => Some(Id::MAX),
            _ => Id::parse_strict(word, missing),
        }
    }

    /// Reads an id.
    pub fn parse_strict(word: &[u8], missing: Missing) -> Option<Id> {
        let (ms, seq) = split(word)?;
        let seq = match (seq, missing) {
            (Some(seq), _) => number(seq)?,
            (None, Missing::Lowest) => 0,
            (None, Missing::Highest) => u64::MAX,
        };
        Some(Id {
            ms: number(ms)?,
            seq,
        })
    }

    /// Reads an id as XADD takes it: `5-*` leaves the second number to the stream, which is then `None`.
    pub fn parse_new(word: &[u8]) -> Option<(u64, Option<u64>)> {
        let (ms, seq) = split(word)?;
        let seq = match seq {
            Some(b"*") => None,
            Some(seq) => Some(number(seq)?),
            None => Some(0),
        };
        Some((number(ms)?, seq))
    }

    /// The id after this one. `None`: there is none.
    pub fn next(self) -> Option<Id> {
        match (self.ms.checked_add(1), self.seq.checked_add(1)) {
            (_, Some(seq)) => Some(Id { ms: self.ms, seq }),
            (Some(ms), None) => Some(Id { ms, seq: 0 }),
            (None, None) => None,
        }
    }

    /// The id before this one. `None`: there is none.
    pub fn previous(self) -> Option<Id> {
        match (self.ms.checked_sub(1), self.seq.checked_sub(1)) {
            (_, Some(seq)) => Some(Id { ms: self.ms, seq }),
            (Some(ms), None) => Some(Id { ms, seq: u64::MAX }),
            (None, None) => None,
        }
    }

    /// The id as it is printed, given to `use_it`.
    pub fn printed<R>(self, use_it: impl FnOnce(&[u8]) -> R) -> R {
        let mut text = [0; PRINTED];
        let mut digits = itoa::Buffer::new();
        let mut length = 0;
        for part in [digits.format(self.ms), "-"] {
            text[length..length + part.len()].copy_from_slice(part.as_bytes());
            length += part.len();
        }
        let seq = digits.format(self.seq);
        text[length..length + seq.len()].copy_from_slice(seq.as_bytes());
        use_it(&text[..length + seq.len()])
    }
}

/// The two numbers of an id. Redis looks at it as a C string, which ends with the first zero.
fn split(word: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    if word.len() > LONGEST {
        return None;
    }
    let word = word.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut parts = word.splitn(2, |byte| *byte == b'-');
    Some((parts.next().unwrap_or_default(), parts.next()))
}

/// A number of an id. What is not written in the one usual way is taken as C's `strtoull` takes it: spaces and a sign in front, zeros.
fn number(word: &[u8]) -> Option<u64> {
    if let Some(number) = parse_i64(word) {
        return u64::try_from(number).ok();
    }
    let begin = word
        .iter()
        .position(|byte| !matches!(byte, b' ' | b'\t'..=b'\r'))?;
    let (negative, digits) = match &word[begin..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() {
        return None;
    }
    let mut number: u64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
    }
    Some(if negative {
        number.wrapping_neg()
    } else {
        number
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("5-3", Some((5, 3)))]
    #[case("5", Some((5, 0)))]
    #[case("18446744073709551615-18446744073709551615", Some((u64::MAX, u64::MAX)))]
    #[case("18446744073709551616-0", None)]
    #[case(" 5-+03", Some((5, 3)))]
    #[case("5--03", Some((5, 3_u64.wrapping_neg())))]
    #[case("5--3", None)]
    #[case("5-3\0x", Some((5, 3)))]
    #[case("", None)]
    #[case("-", None)]
    #[case("5-", None)]
    #[case("5-+", None)]
    #[case("5-3-1", None)]
    #[case("0x5", None)]
    fn ids(#[case] word: &str, #[case] expected: Option<(u64, u64)>) {
        let id = Id::parse_strict(word.as_bytes(), Missing::Lowest);
        assert_eq!(id.map(|id| (id.ms, id.seq)), expected);
    }

    #[test]
    fn neighbours() {
        let id = |ms, seq| Id { ms, seq };
        assert_eq!(id(1, u64::MAX).next(), Some(id(2, 0)));
        assert_eq!(id(2, 0).previous(), Some(id(1, u64::MAX)));
        assert_eq!(Id::MAX.next(), None);
        assert_eq!(Id::MIN.previous(), None);
    }

    #[test]
    fn printed_in_full() {
        let text = Id::MAX.printed(<[u8]>::to_vec);
        assert_eq!(text, b"18446744073709551615-18446744073709551615");
    }
}
