//! Numbers that commands are given.

use crate::double::node::failure::Failure;
use crate::double::node::number;

/// A whole number.
pub(super) fn integer(word: &[u8]) -> Result<i64, Failure> {
    number::parse_i64(word).ok_or(Failure::NOT_AN_INTEGER)
}

/// A whole number that is not less than `least`. `words`: what is said of all others.
pub(super) fn at_least(word: &[u8], least: i64, words: &'static str) -> Result<i64, Failure> {
    number::parse_i64(word)
        .filter(|number| *number >= least)
        .ok_or(Failure::text(words))
}

/// How many elements POP takes. Not negative.
pub(super) fn count(word: &[u8]) -> Result<usize, Failure> {
    let count = at_least(word, 0, "ERR value is out of range, must be positive")?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// How many random elements: negative, if one may come more than once.
pub(super) fn sample(word: &[u8]) -> Result<i64, Failure> {
    const RANGE: Failure = Failure::text(
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
    match integer(word)? {
        i64::MIN => Err(RANGE),
        count => Ok(count),
    }
}

/// The elements of a row of `length` that lie between `start` and `end`, both of them included; negative ones count from the end. The first one's
/// number, and how many they are; maybe none.
pub(super) fn between(length: usize, start: i64, end: i64) -> (usize, usize) {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let from_start = |at: i64| {
        if at < 0 {
            at.saturating_add(length)
        } else {
            at
        }
    };
    let start = from_start(start).max(0);
    let end = from_start(end).min(length - 1);
    match start > end {
        true => (0, 0),
        false => (start as usize, (end - start) as usize + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(0, -1, (0, 5))]
    #[case(-3, -2, (2, 2))]
    #[case(-2, -3, (0, 0))]
    #[case(-100, 1, (0, 2))]
    #[case(3, 100, (3, 2))]
    #[case(5, 6, (0, 0))]
    #[case(0, -100, (0, 0))]
    #[case(i64::MIN, i64::MAX, (0, 5))]
    #[case(i64::MAX, i64::MIN, (0, 0))]
    fn ranges(#[case] start: i64, #[case] end: i64, #[case] is: (usize, usize)) {
        assert_eq!(between(5, start, end), is);
        assert_eq!(between(0, start, end), (0, 0));
    }
}
