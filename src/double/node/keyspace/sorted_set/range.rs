//! Ranges of scores and of members.

use crate::double::node::number;

/// Scores from `min` to `max`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::double) struct ScoreRange {
    pub min: f64,
    pub min_exclusive: bool,
    pub max: f64,
    pub max_exclusive: bool,
}

impl ScoreRange {
    /// Reads both bounds; one with a `(` is excluded. `None` is what Redis says `min or max is not a float` to.
    pub fn parse(min: &[u8], max: &[u8]) -> Option<Self> {
        let bound = |text: &[u8]| match text {
            [b'(', text @ ..] => number::parse_bound(text).map(|bound| (bound, true)),
            text => number::parse_bound(text).map(|bound| (bound, false)),
        };
        let (min, min_exclusive) = bound(min)?;
        let (max, max_exclusive) = bound(max)?;
        Some(ScoreRange {
            min,
            min_exclusive,
            max,
            max_exclusive,
        })
    }

    /// Whether a score is not below the range.
    pub fn reaches(&self, score: f64) -> bool {
        match self.min_exclusive {
            true => score > self.min,
            false => score >= self.min,
        }
    }

    /// Whether a score is not above the range.
    pub fn admits(&self, score: f64) -> bool {
        match self.max_exclusive {
            true => score < self.max,
            false => score <= self.max,
        }
    }
}

/// An end of a range of members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) enum LexBound<'a> {
    /// `-`: below all members.
    Lowest,
    /// `+`: above all members.
    Highest,
    /// `[member`.
    Included(&'a [u8]),
    /// `(member`.
    Excluded(&'a [u8]),
}

impl<'a> LexBound<'a> {
    /// Reads a bound. `None` is what Redis says `min or max not valid string range item` to.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        match text {
            // For Redis a byte 0 is where such a text ends.
            [b'-'] | [b'-', 0, ..] => Some(LexBound::Lowest),
            [b'+'] | [b'+', 0, ..] => Some(LexBound::Highest),
            [b'[', member @ ..] => Some(LexBound::Included(member)),
            [b'(', member @ ..] => Some(LexBound::Excluded(member)),
            _ => None,
        }
    }
}

/// Members from `min` to `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) struct LexRange<'a> {
    pub min: LexBound<'a>,
    pub max: LexBound<'a>,
}

impl<'a> LexRange<'a> {
    /// Reads both bounds.
    pub fn parse(min: &'a [u8], max: &'a [u8]) -> Option<Self> {
        let (min, max) = (LexBound::parse(min)?, LexBound::parse(max)?);
        Some(LexRange { min, max })
    }

    /// Whether a member is not below the range.
    pub fn reaches(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Lowest => true,
            LexBound::Highest => false,
            LexBound::Included(min) => member >= min,
            LexBound::Excluded(min) => member > min,
        }
    }

    /// Whether a member is not above the range.
    pub fn admits(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Included(max) => member <= max,
            LexBound::Excluded(max) => member < max,
        }
    }
}
