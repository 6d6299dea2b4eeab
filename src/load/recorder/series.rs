//! What was counted, second by second.

use std::collections::BTreeMap;

use super::shard::Class;
use crate::load::histogram::{Counts, Histogram};

/// The seconds of a measurement that are over, each with what has ended in it. Some kilobytes a second.
#[derive(Debug, Default)]
pub(super) struct Series {
    seconds: BTreeMap<u64, Vec<Cell>>,
}

/// What a shard has counted of one operation and one class within a second.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) operation: &'static str,
    pub(super) class: Class,
    pub(super) counts: Counts,
}

impl Series {
    pub(super) fn add(
        &mut self,
        second: u64,
        operation: &'static str,
        class: Class,
        counts: Counts,
    ) {
        self.seconds.entry(second).or_default().push(Cell {
            operation,
            class,
            counts,
        });
    }

    /// The seconds in which something has ended, in order.
    pub(super) fn seconds(&self) -> impl Iterator<Item = (u64, &[Cell])> {
        self.seconds
            .iter()
            .map(|(second, cells)| (*second, cells.as_slice()))
    }

    /// What has ended in this second.
    pub(super) fn second(&self, second: u64) -> &[Cell] {
        self.seconds.get(&second).map_or(&[], Vec::as_slice)
    }
}

/// How many of `cells` are of `class`.
pub(super) fn count(cells: &[Cell], class: Class) -> u64 {
    let of_class = cells.iter().filter(|cell| cell.class == class);
    of_class.map(|cell| cell.counts.count()).sum()
}

/// Makes `histogram` hold the latencies of these cells and nothing else.
pub(super) fn fill<'a>(histogram: &mut Histogram, cells: impl IntoIterator<Item = &'a Cell>) {
    histogram.clear();
    for cell in cells {
        histogram.add(&cell.counts);
    }
}
