//! The labels of seats: a row in letters and a number, ten seats a row, as they are printed on a ticket.

use std::fmt;
use std::str::FromStr;

use super::error::AppError;

/// Seats in a row.
const ROW: u32 = 10;

/// A seat by its label, `A1` for the first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat(String);

impl Seat {
    /// The seat at a position, counted from 0: A1 to A10, B1 …, Z10, AA1 ….
    pub fn at(position: u32) -> Self {
        let mut row = position / ROW;
        let mut letters = Vec::new();
        loop {
            letters.push(b'A' + (row % 26) as u8);
            match row / 26 {
                0 => break,
                // There is no letter for nothing: after Z comes AA, not BA.
                more => row = more - 1,
            }
        }
        let letters: String = letters.iter().rev().map(|sign| char::from(*sign)).collect();
        Seat(format!("{letters}{}", position % ROW + 1))
    }

    /// The labels of all seats of an event that has `count`.
    pub fn all(count: u32) -> impl Iterator<Item = Seat> {
        (0..count).map(Seat::at)
    }

    /// The label.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A seat as the store has it.
    pub(super) fn stored(label: String) -> Self {
        Seat(label)
    }

    /// Its position, counted from 0; `None` for a label that no seat has.
    pub fn position(&self) -> Option<u32> {
        let digits = self.0.find(|sign: char| sign.is_ascii_digit())?;
        let (letters, number) = self.0.split_at(digits);
        let mut row: u32 = 0;
        for sign in letters.bytes() {
            row = row
                .checked_mul(26)?
                .checked_add(u32::from(sign.checked_sub(b'A')?) + 1)?;
        }
        let number: u32 = number.parse().ok()?;
        let position = row
            .checked_sub(1)?
            .checked_mul(ROW)?
            .checked_add(number.checked_sub(1)?)?;
        (Seat::at(position) == *self).then_some(position)
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Seat {
    type Err = AppError;

    /// As typed; small letters will do.
    fn from_str(text: &str) -> Result<Self, AppError> {
        let seat = Seat(text.trim().to_ascii_uppercase());
        match seat.0.len() <= 12 && seat.position().is_some() {
            true => Ok(seat),
            false => Err(AppError::invalid(
                format!("{} is not a seat", super::request::shown(text)),
                "a seat is a row and a number from 1 to 10, as in A1 or C10",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, "A1")]
    #[case(9, "A10")]
    #[case(10, "B1")]
    #[case(259, "Z10")]
    #[case(260, "AA1")]
    #[case(260 + 26 * 260, "AAA1")]
    #[case(49_999, "GJH10")]
    fn labels(#[case] position: u32, #[case] label: &str) {
        assert_eq!(Seat::at(position).as_str(), label);
        assert_eq!(label.parse::<Seat>().unwrap().position(), Some(position));
    }

    #[test]
    fn no_two_positions_have_one_label() {
        let labels: std::collections::BTreeSet<Seat> = Seat::all(60_000).collect();
        assert_eq!(labels.len(), 60_000);
    }

    #[rstest]
    #[case("")]
    #[case("A")]
    #[case("1")]
    #[case("A0")]
    #[case("A11")]
    #[case("A01")]
    #[case("A1B")]
    #[case("Ä1")]
    #[case("AAAAAAAAAAAAA1")]
    #[case("ZZZZZZZZZZ1")]
    fn what_is_no_seat_is_refused(#[case] text: &str) {
        assert!(text.parse::<Seat>().is_err());
    }

    #[test]
    fn small_letters_will_do() {
        assert_eq!(" b2".parse::<Seat>().unwrap(), Seat::at(11));
    }
}
