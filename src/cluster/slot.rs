//! Hash slots, and how a key finds its own.

use std::fmt;
use std::str::FromStr;

use super::as_text::{debug_as_text, serde_as_text};
use super::error::{ParseError, number};

/// How many hash slots a cluster has. Fixed by the Redis Cluster specification.
pub const SLOTS: u16 = 16384;

/// A hash slot: the unit in which keys are given to masters. 0 to 16383.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u16);

impl Slot {
    /// The slot with this number.
    ///
    /// # Errors
    /// The number is 16384 or more.
    pub fn new(n: u16) -> Result<Self, ParseError> {
        if n < SLOTS {
            Ok(Slot(n))
        } else {
            Err(ParseError::new(
                "slot",
                format!("{n} is more than {}, the last slot", SLOTS - 1),
            ))
        }
    }

    /// The slot whose number is `n` modulo 16384.
    pub(super) const fn wrapping(n: u16) -> Self {
        Slot(n % SLOTS)
    }

    /// The slot's number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The slot that a key belongs to: CRC16 (XMODEM) of the key, or of its [hash tag](Slot::hashed_part), modulo 16384, as in
    /// the Redis Cluster specification.
    pub fn of_key(key: &[u8]) -> Self {
        Slot::wrapping(crc16(Slot::hashed_part(key)))
    }

    /// The part of a key that decides its slot: what stands between the first `{` and the first `}` after it, if that is not
    /// empty; otherwise the whole key. Keys with the same tag share a slot.
    pub fn hashed_part(key: &[u8]) -> &[u8] {
        let Some(open) = key.iter().position(|&b| b == b'{') else {
            return key;
        };
        let after = &key[open + 1..];
        match after.iter().position(|&b| b == b'}') {
            Some(length) if length > 0 => &after[..length],
            _ => key,
        }
    }
}

impl FromStr for Slot {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Slot::new(number("slot", "the slot", text)?)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

debug_as_text!(Slot);
serde_as_text!(Slot);

/// CRC16 in the variant named XMODEM: polynomial 0x1021, start at 0, nothing reflected.
fn crc16(bytes: &[u8]) -> u16 {
    const TABLE: [u16; 256] = crc16_table();
    bytes.iter().fold(0, |crc: u16, &byte| {
        (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)]
    })
}

const fn crc16_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 {
                (crc << 1) ^ 0x1021
            } else {
                crc << 1
            };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn crc16_gives_the_check_value_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(crc16(b""), 0);
    }

    // Slots as CLUSTER KEYSLOT of Redis 7.0.15 answers them.
    #[rstest]
    #[case("foo", 12182)]
    #[case("bar", 5061)]
    #[case("", 0)]
    #[case("{user1000}.following", 3443)]
    #[case("{user1000}.followers", 3443)]
    #[case::empty_tag_counts_as_no_tag("foo{}{bar}", 8363)]
    #[case::tag_ends_at_the_first_brace("foo{{bar}}zap", 4015)]
    #[case::first_tag_only("foo{bar}{zap}", 5061)]
    #[case::no_closing_brace("foo{bar", 15278)]
    #[case::closing_before_opening("}foo{bar}", 5061)]
    fn keys_find_their_slot(#[case] key: &str, #[case] slot: u16) {
        assert_eq!(Slot::of_key(key.as_bytes()).get(), slot);
    }

    #[test]
    fn sixteen_thousand_three_hundred_and_eighty_four() {
        assert_eq!(Slot::new(16383).unwrap().to_string(), "16383");
        assert_eq!(
            Slot::new(16384).unwrap_err().to_string(),
            "slot: 16384 is more than 16383, the last slot"
        );
        assert_eq!("5461".parse::<Slot>().unwrap().get(), 5461);
        assert_eq!(
            "-1".parse::<Slot>().unwrap_err().to_string(),
            r#"slot: the slot "-1" is not a number"#
        );
        assert_eq!(
            serde_json::to_string(&Slot::new(7).unwrap()).unwrap(),
            r#""7""#
        );
    }
}
