//! Neighbouring slots.

use std::fmt;
use std::str::FromStr;

use super::as_text::{debug_as_text, serde_as_text};
use super::error::{ParseError, quoted};
use super::slot::Slot;

/// Neighbouring slots, both ends included. As Redis prints it: `0-1364`, or `5461` alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotRange {
    /// The first slot.
    pub start: Slot,
    /// The last slot; a range whose `end` is before its `start` holds nothing.
    pub end: Slot,
}

impl SlotRange {
    /// The slots from `start` to `end`.
    ///
    /// # Errors
    /// `end` is before `start`.
    pub fn new(start: Slot, end: Slot) -> Result<Self, ParseError> {
        if start <= end {
            Ok(SlotRange { start, end })
        } else {
            Err(ParseError::new(
                "slots",
                format!("{start}-{end} runs backwards"),
            ))
        }
    }

    /// How many slots it holds.
    pub fn len(self) -> usize {
        usize::from((self.end.get() + 1).saturating_sub(self.start.get()))
    }

    /// Whether it holds nothing, which no range that was read from text does.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Its slots, in order.
    pub fn iter(self) -> impl Iterator<Item = Slot> {
        (self.start.get()..=self.end.get()).map(Slot::wrapping)
    }
}

impl From<Slot> for SlotRange {
    fn from(slot: Slot) -> Self {
        SlotRange {
            start: slot,
            end: slot,
        }
    }
}

impl FromStr for SlotRange {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let slot = |piece: &str| {
            piece
                .parse::<Slot>()
                .map_err(|e| ParseError::new("slots", format!("{}: {}", quoted(text), e.why)))
        };
        match text.split_once('-') {
            Some((start, end)) => SlotRange::new(slot(start)?, slot(end)?),
            None => Ok(slot(text)?.into()),
        }
    }
}

impl fmt::Display for SlotRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.start == self.end {
            write!(f, "{}", self.start)
        } else {
            write!(f, "{}-{}", self.start, self.end)
        }
    }
}

debug_as_text!(SlotRange);
serde_as_text!(SlotRange);

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("0-1364", 1365)]
    #[case("5461", 1)]
    #[case("0-16383", 16384)]
    fn reads_and_prints(#[case] text: &str, #[case] len: usize) {
        let range: SlotRange = text.parse().unwrap();
        assert_eq!(range.to_string(), text);
        assert_eq!(range.len(), len);
        assert_eq!(range.iter().count(), len);
    }

    #[rstest]
    #[case("", r#"slots: "": the slot "" is not a number"#)]
    #[case("5-", r#"slots: "5-": the slot "" is not a number"#)]
    #[case("1-2-3", r#"slots: "1-2-3": the slot "2-3" is not a number"#)]
    #[case("9-3", "slots: 9-3 runs backwards")]
    #[case(
        "0-16384",
        r#"slots: "0-16384": 16384 is more than 16383, the last slot"#
    )]
    fn refuses(#[case] text: &str, #[case] why: &str) {
        assert_eq!(text.parse::<SlotRange>().unwrap_err().to_string(), why);
    }

    #[test]
    fn a_backward_range_made_by_hand_is_empty() {
        let range = SlotRange {
            start: Slot::wrapping(9),
            end: Slot::wrapping(3),
        };
        assert!(range.is_empty());
        assert_eq!(range.iter().count(), 0);
    }
}
