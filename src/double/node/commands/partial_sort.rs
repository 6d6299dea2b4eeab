//! Sorting of which only a part is looked at, as GEOSEARCH with COUNT and SORT with LIMIT do it.
//!
//! Which of several equal rows stand in that part is left to the algorithm, and clients see it. So it is the one that Redis has: the quicksort of
//! Jon L. Bentley and M. Douglas McIlroy, "Engineering a Sort Function", 1993, that leaves alone what lies outside of the part.

use std::cmp::Ordering;
use std::ops::Range;

/// Fewer rows than these are sorted by insertion.
const FEW: usize = 7;
/// From more rows than these on, the pivot is the median of three medians.
const MANY: usize = 40;

/// Brings the rows of `part` to where they stand if all are sorted. The others stand on their side of it, in no order.
pub(super) fn sort_part<T>(
    rows: &mut [T],
    part: Range<usize>,
    compare: impl Fn(&T, &T) -> Ordering,
) {
    // Not by recursion: there are orders of rows that would make it deep.
    let mut left: Vec<Range<usize>> = std::iter::once(0..rows.len()).collect();
    while let Some(range) = left.pop() {
        let rows = &mut rows[range.clone()];
        if rows.len() < FEW {
            insert_each(rows, &compare);
            continue;
        }
        let (less, greater) = divide(rows, &compare);
        let start = range.start;
        for side in [start..start + less, range.end - greater..range.end] {
            if side.len() > 1 && side.start < part.end && part.start < side.end {
                left.push(side);
            }
        }
    }
}

fn insert_each<T>(rows: &mut [T], compare: &impl Fn(&T, &T) -> Ordering) {
    for next in 1..rows.len() {
        let mut at = next;
        while at > 0 && compare(&rows[at - 1], &rows[at]).is_gt() {
            rows.swap(at - 1, at);
            at -= 1;
        }
    }
}

/// The place of the middle one of three rows.
fn median<T>(rows: &[T], [a, b, c]: [usize; 3], compare: &impl Fn(&T, &T) -> Ordering) -> usize {
    let order = |a: usize, b: usize| compare(&rows[a], &rows[b]);
    match order(a, b).is_lt() {
        true if order(b, c).is_lt() => b,
        true if order(a, c).is_lt() => c,
        true => a,
        false if order(b, c).is_gt() => b,
        false if order(a, c).is_lt() => a,
        false => c,
    }
}

fn pivot<T>(rows: &[T], compare: &impl Fn(&T, &T) -> Ordering) -> usize {
    let length = rows.len();
    let (mut low, mut middle, mut high) = (0, length / 2, length - 1);
    if length == FEW {
        return middle;
    }
    if length > MANY {
        let step = length / 8;
        low = median(rows, [low, low + step, low + 2 * step], compare);
        middle = median(rows, [middle - step, middle, middle + step], compare);
        high = median(rows, [high - 2 * step, high - step, high], compare);
    }
    median(rows, [low, middle, high], compare)
}

/// Puts the rows that are less than a pivot to the beginning, those that are greater to the end, and those that are equal between them. How many
/// are less, and how many are greater.
fn divide<T>(rows: &mut [T], compare: &impl Fn(&T, &T) -> Ordering) -> (usize, usize) {
    let length = rows.len();
    rows.swap(0, pivot(rows, compare));
    // Equal ones are collected at both ends: before `equal`, and from `equal_end` on. Between `low` and `high` is what was not looked at.
    let (mut equal, mut low) = (1, 1);
    let (mut high, mut equal_end) = (length, length);
    loop {
        while low < high {
            match compare(&rows[low], &rows[0]) {
                Ordering::Greater => break,
                Ordering::Equal => {
                    rows.swap(equal, low);
                    equal += 1;
                }
                Ordering::Less => {}
            }
            low += 1;
        }
        while low < high {
            match compare(&rows[high - 1], &rows[0]) {
                Ordering::Less => break,
                Ordering::Equal => {
                    equal_end -= 1;
                    rows.swap(high - 1, equal_end);
                }
                Ordering::Greater => {}
            }
            high -= 1;
        }
        if low >= high {
            break;
        }
        rows.swap(low, high - 1);
        low += 1;
        high -= 1;
    }
    let (less, greater) = (low - equal, equal_end - low);
    exchange(rows, 0, low, equal.min(less));
    exchange(rows, low, length, greater.min(length - equal_end));
    (less, greater)
}

/// Exchanges so many rows from `from` on with as many before `end`.
fn exchange<T>(rows: &mut [T], from: usize, end: usize, count: usize) {
    for at in 0..count {
        rows.swap(from + at, end - count + at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_part_is_as_if_all_was_sorted(rows in prop::collection::vec(0..60_u8, 0..200), from in 0..200_usize, count in 0..200_usize) {
            let mut rows = rows;
            let mut sorted = rows.clone();
            sorted.sort();
            let from = from.min(rows.len());
            let part = from..(from + count).min(rows.len());
            sort_part(&mut rows, part.clone(), u8::cmp);
            prop_assert_eq!(&rows[part.clone()], &sorted[part]);
            rows.sort();
            prop_assert_eq!(rows, sorted);
        }
    }

    /// What quicksort is slow with shall not be deep.
    #[test]
    fn rows_that_are_sorted_or_equal() {
        for rows in [
            (0..2_000).collect::<Vec<u32>>(),
            (0..2_000).rev().collect(),
            vec![1; 2_000],
        ] {
            let (mut part, mut sorted) = (rows.clone(), rows);
            sorted.sort();
            sort_part(&mut part, 10..20, u32::cmp);
            assert_eq!(part[10..20], sorted[10..20]);
        }
    }
}
