//! A node's id.

use std::fmt;
use std::str::FromStr;

use super::as_text::{debug_as_text, serde_as_text};
use super::error::{ParseError, quoted};

/// A node's id: 160 random bits that a node takes when it first starts and keeps until `CLUSTER RESET HARD`; 40 lower-case
/// hex digits in text. `{id:.8}` prints the first eight, for people.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId([u8; 20]);

impl NodeId {
    /// The id with these bits, first digit first.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        NodeId(bytes)
    }

    /// The id's bits, first digit first.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl FromStr for NodeId {
    type Err = ParseError;

    /// Exactly 40 digits of `0-9a-f`. Upper case is refused: to Redis it is an unknown node.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let digits = text.as_bytes();
        if digits.len() != 40 {
            let why = format!(
                "{} has {} characters, an id has 40 hex digits",
                quoted(text),
                text.chars().count()
            );
            return Err(ParseError::new("node id", why));
        }
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            match (hex(pair[0]), hex(pair[1])) {
                (Some(high), Some(low)) => *byte = high << 4 | low,
                _ => {
                    let why = format!("{} is not made of the digits 0-9a-f", quoted(text));
                    return Err(ParseError::new("node id", why));
                }
            }
        }
        Ok(NodeId(bytes))
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(40);
        for byte in self.0 {
            text.push(DIGITS[usize::from(byte >> 4)].into());
            text.push(DIGITS[usize::from(byte & 15)].into());
        }
        f.pad(&text)
    }
}

debug_as_text!(NodeId);
serde_as_text!(NodeId);

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const TEXT: &str = "07c37dfeb235213a872192d90877d0cd55635b91";

    #[test]
    fn reads_and_prints_forty_digits() {
        let id: NodeId = TEXT.parse().unwrap();
        assert_eq!(id.as_bytes()[..3], [0x07, 0xc3, 0x7d]);
        assert_eq!(id.to_string(), TEXT);
        assert_eq!(format!("{id:.8} {id:?}"), format!("07c37dfe {TEXT}"));
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("{TEXT:?}"));
        assert_eq!(
            serde_json::from_str::<NodeId>(&format!("{TEXT:?}")).unwrap(),
            id
        );
    }

    #[rstest]
    #[case::empty("", r#"node id: "" has 0 characters, an id has 40 hex digits"#)]
    #[case::short(
        "07c37dfe",
        r#"node id: "07c37dfe" has 8 characters, an id has 40 hex digits"#
    )]
    #[case::upper_case(
        "07C37DFEB235213A872192D90877D0CD55635B91",
        r#"node id: "07C37DFEB235213A872192D90877D0CD55635B91" is not made of the digits 0-9a-f"#
    )]
    #[case::forty_bytes_of_two_byte_characters(
        "éééééééééééééééééééé",
        r#"node id: "éééééééééééééééééééé" is not made of the digits 0-9a-f"#
    )]
    fn refuses(#[case] text: &str, #[case] why: &str) {
        assert_eq!(text.parse::<NodeId>().unwrap_err().to_string(), why);
    }
}
