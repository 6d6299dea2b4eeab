//! What one worker, or a few, have counted.

use std::borrow::Cow;
use std::sync::Mutex;
use std::time::Duration;

use super::series::Series;
use crate::load::histogram::Histogram;
use crate::load::{Done, Outcome};

/// Different kinds of refusals or errors of one operation that are told apart. The texts of errors may come from a server, and
/// memory must not grow with what it can think of.
const MOST_KINDS: usize = 50;
/// All further kinds.
const OTHER: &str = "other";

/// Answered with yes, answered with no, not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Ok,
    Refused,
    Error,
}

impl Class {
    pub(super) const ALL: [Class; 3] = [Class::Ok, Class::Refused, Class::Error];
}

/// The counts of one worker, or of a few that seldom meet.
#[derive(Debug, Default)]
pub(super) struct Shard {
    /// The second, from the start of the measurement, that its histograms are about.
    second: u64,
    operations: Vec<(&'static str, [Tally; 3])>,
    pub(super) left_out: u64,
}

/// One kind of operation and one class of outcome.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) count: u64,
    /// Empty for [`Class::Ok`].
    pub(super) kinds: Vec<(Cow<'static, str>, u64)>,
    /// Latencies of the current second. Made when it is needed: most classes of most operations never are.
    current: Option<Box<Histogram>>,
}

impl Tally {
    fn count_kind(&mut self, kind: Cow<'static, str>) {
        if let Some((_, count)) = self.kinds.iter_mut().find(|(known, _)| *known == kind) {
            *count += 1;
        } else if self.kinds.len() < MOST_KINDS {
            self.kinds.push((kind, 1));
        } else if let Some((_, count)) = self.kinds.iter_mut().find(|(known, _)| known == OTHER) {
            *count += 1;
        } else {
            self.kinds.push((Cow::Borrowed(OTHER), 1));
        }
    }
}

impl Shard {
    /// An operation has ended in `second`.
    pub(super) fn record(
        &mut self,
        done: Done,
        second: u64,
        latency: Duration,
        series: &Mutex<Series>,
    ) {
        self.turn_over(second, series);
        let tally = self.tally(
            done.operation,
            match done.outcome {
                Outcome::Ok => Class::Ok,
                Outcome::Refused(_) => Class::Refused,
                Outcome::Error(_) => Class::Error,
            },
        );
        let Some(tally) = tally else { return };
        tally.count += 1;
        tally
            .current
            .get_or_insert_with(|| Box::new(Histogram::new()))
            .record(latency);
        if let Outcome::Refused(kind) | Outcome::Error(kind) = done.outcome {
            tally.count_kind(kind);
        }
    }

    /// Gives what belongs to earlier seconds than this one to the series. (What two workers of one shard end within the
    /// same microseconds may count in the later second.)
    pub(super) fn turn_over(&mut self, second: u64, series: &Mutex<Series>) {
        if second > self.second {
            self.end(series);
            self.second = second;
        }
    }

    /// Gives all that it has measured to the series. May be called again.
    pub(super) fn end(&mut self, series: &Mutex<Series>) {
        let mut series = super::locked(series);
        for (operation, tallies) in &mut self.operations {
            for (class, tally) in Class::ALL.into_iter().zip(tallies) {
                if let Some(current) = &mut tally.current
                    && current.count() > 0
                {
                    series.add(self.second, operation, class, current.take());
                }
            }
        }
    }

    /// The counts since the start of the measurement.
    pub(super) fn tallies(&self) -> impl Iterator<Item = (&'static str, Class, &Tally)> {
        self.operations.iter().flat_map(|(operation, tallies)| {
            Class::ALL
                .into_iter()
                .zip(tallies)
                .map(|(class, tally)| (*operation, class, tally))
        })
    }

    fn tally(&mut self, operation: &'static str, class: Class) -> Option<&mut Tally> {
        // A handful of operations: looking through them beats hashing.
        let place = self
            .operations
            .iter()
            .position(|(known, _)| *known == operation)
            .unwrap_or_else(|| {
                self.operations.push((operation, Default::default()));
                self.operations.len() - 1
            });
        let (_, tallies) = self.operations.get_mut(place)?;
        tallies.get_mut(class as usize)
    }
}
