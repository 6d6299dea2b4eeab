//! What a load came to.

use std::collections::BTreeMap;
use std::time::Duration;

use super::series::{Series, count, fill};
use super::shard::{Class, Shard};
use crate::load::histogram::Histogram;

/// What a load came to, from the end of its warm-up on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// All operations together.
    pub all: OperationSummary,
    /// The same by kind of operation.
    pub operations: BTreeMap<String, OperationSummary>,
    /// Operations that were due within the warm-up; they are nowhere else.
    pub warm_up_left_out: u64,
    /// Operations that were due and not begun, since too many were waiting already. They have no latency: with any of them,
    /// the percentiles are too good.
    pub dropped: u64,
    /// From the end of the warm-up to the end of the load.
    pub measured: Duration,
    /// Operations a second that were answered, be it with no.
    pub achieved_rate: f64,
    /// Every second of it, those in which nothing has ended included.
    pub series: Vec<Second>,
}

/// What the operations of one kind came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OperationSummary {
    /// All that have ended.
    pub count: u64,
    /// Of these, those that did what was asked.
    pub ok: u64,
    /// Those that were answered with no, by kind.
    pub refused: BTreeMap<String, u64>,
    /// Those that broke, by kind.
    pub errors: BTreeMap<String, u64>,
    /// Of all: from when they were due to their end.
    pub latency: Percentiles,
    /// Of those that did what was asked alone.
    pub ok_latency: Percentiles,
    /// Of those that were answered with no.
    pub refused_latency: Percentiles,
    /// Of those that broke. Often it is the deadline, and says nothing on the server.
    pub error_latency: Percentiles,
}

/// Percentiles are exact to 0.1 % and a microsecond, mean and maximum exact. All zero when there was no operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// The average.
    pub mean: Duration,
    /// Half of the operations took no longer.
    pub p50: Duration,
    /// 90 of 100 took no longer.
    pub p90: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// 999 of 1000 took no longer.
    pub p99_9: Duration,
    /// The longest.
    pub max: Duration,
}

/// What has ended within one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Second {
    /// Seconds from the end of the warm-up to the start of this one.
    pub second: u64,
    /// Operations that did what was asked.
    pub ok: u64,
    /// Operations that were answered with no.
    pub refused: u64,
    /// Operations that broke.
    pub errors: u64,
    /// Half of them took no longer.
    pub p50: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl Percentiles {
    fn of(histogram: &Histogram) -> Self {
        Percentiles {
            mean: histogram.mean(),
            p50: histogram.percentile(0.5),
            p90: histogram.percentile(0.9),
            p99: histogram.percentile(0.99),
            p99_9: histogram.percentile(0.999),
            max: histogram.max(),
        }
    }
}

impl OperationSummary {
    /// The refusals of all kinds.
    pub fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }

    /// The errors of all kinds.
    pub fn failures(&self) -> u64 {
        self.errors.values().sum()
    }

    fn count(&mut self, class: Class, count: u64, kinds: &[(std::borrow::Cow<'static, str>, u64)]) {
        self.count += count;
        let names = match class {
            Class::Ok => {
                self.ok += count;
                return;
            }
            Class::Refused => &mut self.refused,
            Class::Error => &mut self.errors,
        };
        for (kind, count) in kinds {
            *names.entry(kind.to_string()).or_default() += count;
        }
    }

    fn time(&mut self, series: &Series, operation: Option<&str>, scratch: &mut Histogram) {
        let mut percentiles = |class: Option<Class>| {
            let cells = series.seconds().flat_map(|(_, cells)| cells);
            let wanted = cells.filter(|cell| {
                operation.is_none_or(|operation| operation == cell.operation)
                    && class.is_none_or(|class| class == cell.class)
            });
            fill(scratch, wanted);
            Percentiles::of(scratch)
        };
        self.latency = percentiles(None);
        self.ok_latency = percentiles(Some(Class::Ok));
        self.refused_latency = percentiles(Some(Class::Refused));
        self.error_latency = percentiles(Some(Class::Error));
    }
}

impl Summary {
    pub(super) fn count(&mut self, shard: &Shard) {
        self.warm_up_left_out += shard.left_out;
        for (operation, class, tally) in shard.tallies() {
            self.all.count(class, tally.count, &tally.kinds);
            let of_operation = self.operations.entry(operation.to_owned()).or_default();
            of_operation.count(class, tally.count, &tally.kinds);
        }
    }

    pub(super) fn time(&mut self, series: &Series, measured: Duration) {
        let mut scratch = Histogram::new();
        self.all.time(series, None, &mut scratch);
        for (operation, summary) in &mut self.operations {
            summary.time(series, Some(operation), &mut scratch);
        }
        self.measured = measured;
        let answered = self.all.count - self.all.failures();
        if !measured.is_zero() {
            self.achieved_rate = answered as f64 / measured.as_secs_f64();
        }
        let last = series.seconds().last().map(|(second, _)| second + 1);
        let begun = measured.as_secs() + u64::from(measured.subsec_nanos() > 0);
        self.series = (0..begun.max(last.unwrap_or(0)))
            .map(|second| row(series, second, &mut scratch))
            .collect();
    }
}

fn row(series: &Series, second: u64, scratch: &mut Histogram) -> Second {
    let cells = series.second(second);
    fill(scratch, cells);
    Second {
        second,
        ok: count(cells, Class::Ok),
        refused: count(cells, Class::Refused),
        errors: count(cells, Class::Error),
        p50: scratch.percentile(0.5),
        p99: scratch.percentile(0.99),
        max: scratch.max(),
    }
}
