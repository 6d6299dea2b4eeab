//! All slots of a cluster as a bar of a few columns.

use crate::cluster::{SLOTS, Slot, SlotRange, SlotSet};

/// How much of a column's slots a node owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    None,
    Some,
    All,
}

impl Cell {
    pub(super) fn sign(self, unicode: bool) -> char {
        match (self, unicode) {
            (Cell::All, true) => '█',
            (Cell::Some, true) => '▒',
            (Cell::None, true) => '·',
            (Cell::All, false) => '#',
            (Cell::Some, false) => '+',
            (Cell::None, false) => '.',
        }
    }
}

/// Slots by which the borders of thirds and quarters of a cluster miss those of the columns.
const SLIVER: usize = 2;

/// The bar of a node that owns `slots`, `width` columns, each for as many slots as the others, give or take one.
///
/// 16384 slots can't be parted evenly among three masters, nor among twelve columns. So that a third shows as four columns and not as three
/// and two halves, a column that lacks no more than a sliver is full, and a sliver beside a full column is part of that.
pub(super) fn bar(slots: &SlotSet, width: usize) -> Vec<Cell> {
    let border = |column: usize| column * usize::from(SLOTS) / width.max(1);
    let parts: Vec<(usize, usize)> = (0..width)
        .map(|column| {
            let part = part(border(column), border(column + 1));
            (slots.intersection(&part).len(), part.len())
        })
        .collect();
    let full = |column: Option<usize>| {
        let part = column.and_then(|column| parts.get(column));
        part.is_some_and(|(owned, all)| *owned > 0 && owned + SLIVER >= *all)
    };
    (0..width)
        .map(|column| {
            let owned = parts[column].0;
            let beside = full(column.checked_sub(1)) || full(Some(column + 1));
            match owned {
                0 => Cell::None,
                _ if full(Some(column)) => Cell::All,
                _ if owned <= SLIVER && beside => Cell::None,
                _ => Cell::Some,
            }
        })
        .collect()
}

/// The slots from `start` up to and without `end`.
fn part(start: usize, end: usize) -> SlotSet {
    let slot = |n: usize| u16::try_from(n).ok().and_then(|n| Slot::new(n).ok());
    let range = slot(start)
        .zip(slot(end.saturating_sub(1)))
        .and_then(|(start, end)| SlotRange::new(start, end).ok());
    range.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn drawn(slots: &str, width: usize) -> String {
        let slots: SlotSet = slots.parse().unwrap();
        bar(&slots, width)
            .into_iter()
            .map(|cell| cell.sign(false))
            .collect()
    }

    #[rstest]
    #[case("0-5460", 12, "####........")]
    #[case("5461-10922", 12, "....####....")]
    #[case("10923-16383", 12, "........####")]
    #[case("0-4095", 12, "###.........")]
    #[case("4096-8191", 24, "......######............")]
    #[case("0-5459", 12, "####........")]
    #[case("0-5400", 12, "###+........")]
    #[case("0-16383", 12, "############")]
    #[case("16383", 12, "...........+")]
    #[case("0-1364 5461-6826 10923-12287", 12, "#...#...#...")]
    #[case("0-16383", 0, "")]
    fn a_bar_shows_where_slots_are(#[case] slots: &str, #[case] width: usize, #[case] bar: &str) {
        assert_eq!(drawn(slots, width), bar);
    }

    #[test]
    fn no_slots_make_an_empty_bar() {
        assert!(
            bar(&SlotSet::new(), 7)
                .iter()
                .all(|cell| *cell == Cell::None)
        );
    }

    proptest! {
        #[test]
        fn a_slot_alone_shows_in_exactly_one_column(slot in 0_u16..16384, width in 1_usize..200) {
            let mut slots = SlotSet::new();
            slots.insert(Slot::new(slot).unwrap());
            let cells = bar(&slots, width);
            prop_assert_eq!(cells.len(), width);
            prop_assert_eq!(cells.iter().filter(|cell| **cell != Cell::None).count(), 1);
        }

        #[test]
        fn slots_of_two_never_fill_the_same_column(border in 300_u16..16000, width in 1_usize..50) {
            let range = |start, end| {
                let slots: SlotSet = format!("{start}-{end}").parse().unwrap();
                bar(&slots, width)
            };
            for (one, other) in range(0, border).iter().zip(range(border + 1, 16383)) {
                prop_assert!(*one != Cell::All || other != Cell::All);
                prop_assert!(*one != Cell::None || other != Cell::None);
            }
        }
    }
}
