//! Which slots a reshard moves.

use crate::cluster::{SLOTS, Slot, SlotSet};

/// A slot and the place of the node that it leaves.
pub(super) type Move = (usize, Slot);

/// Takes `count` slots from the sources, from each by its share, the lowest first. The source with the most slots comes first and its part is
/// rounded up; the others' are rounded down, so that there may be fewer than `count` in all.
pub(super) fn plan(sources: &[(usize, &SlotSet)], count: i64) -> Vec<Move> {
    let count = usize::try_from(count)
        .unwrap_or_default()
        .min(usize::from(SLOTS));
    let total: usize = sources.iter().map(|(_, slots)| slots.len()).sum();
    let mut sources = sources.to_vec();
    sources.sort_by_key(|(_, slots)| std::cmp::Reverse(slots.len()));
    let mut moves: Vec<Move> = Vec::new();
    for (at, (node, slots)) in sources.iter().enumerate() {
        // In 32 bits and in this order, so that the parts are rounded as redis-cli rounds them.
        let part = count as f32 / total as f32 * slots.len() as f32;
        let part = if at == 0 { part.ceil() } else { part.floor() } as usize;
        let room = count.saturating_sub(moves.len());
        moves.extend(slots.iter().take(part.min(room)).map(|slot| (*node, slot)));
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(text: &str) -> SlotSet {
        text.parse().unwrap()
    }

    #[test]
    fn the_largest_gives_first_and_the_rounding() {
        let (a, b, c) = (slots("0-9"), slots("10-29"), slots("30-39"));
        let moves = plan(&[(0, &a), (1, &b), (2, &c)], 5);
        let numbers: Vec<(usize, u16)> = moves
            .iter()
            .map(|(node, slot)| (*node, slot.get()))
            .collect();
        assert_eq!(numbers, [(1, 10), (1, 11), (1, 12), (0, 0), (2, 30)]);
    }

    #[test]
    fn no_more_than_there_are() {
        let a = slots("0-9");
        assert_eq!(plan(&[(0, &a)], 100).len(), 10);
        assert_eq!(plan(&[(0, &SlotSet::new())], 100).len(), 0);
        assert_eq!(plan(&[], 1).len(), 0);
    }
}
