//! How far a load has come.

use std::time::Duration;

use super::series::{Cell, count, fill};
use super::shard::{Class, Shard};
use crate::load::histogram::Histogram;

/// How far a load has come. The warm-up's operations are only in `left_out`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// From the start of the load, warm-up included.
    pub elapsed: Duration,
    /// Whether the warm-up is not over yet.
    pub warming_up: bool,
    /// Operations due within the warm-up that have ended.
    pub left_out: u64,
    /// Operations that have begun and not ended.
    pub in_flight: u64,
    /// Operations that did what was asked.
    pub ok: u64,
    /// Operations that were answered with no.
    pub refused: u64,
    /// Operations that broke.
    pub errors: u64,
    /// Operations that were due and never begun.
    pub dropped: u64,
    /// Operations that ended within the last whole second.
    pub rate: u64,
    /// 99 of 100 of these took no longer.
    pub p99: Duration,
}

impl Progress {
    /// Operations that have ended.
    pub fn done(&self) -> u64 {
        self.ok + self.refused + self.errors
    }

    pub(super) fn count(&mut self, shard: &Shard) {
        self.left_out += shard.left_out;
        for (_, class, tally) in shard.tallies() {
            *match class {
                Class::Ok => &mut self.ok,
                Class::Refused => &mut self.refused,
                Class::Error => &mut self.errors,
            } += tally.count;
        }
    }

    /// `cells` are those of the last whole second.
    pub(super) fn last_second(&mut self, cells: &[Cell]) {
        let mut histogram = Histogram::new();
        fill(&mut histogram, cells);
        self.rate = Class::ALL
            .into_iter()
            .map(|class| count(cells, class))
            .sum();
        self.p99 = histogram.percentile(0.99);
    }
}
