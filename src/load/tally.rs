//! Counting what operations came to.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::histogram::Histogram;
use super::keys::{ProbeKey, picked};
use super::{Latency, ProbeReport};
use crate::cluster::Slot;
use crate::resp::Routed;

/// Keys that a probe remembers. After this many writes it only reads; at 200 operations a second that is two hours and a
/// half away.
pub(super) const MOST_KEYS: usize = 1_000_000;

/// What became of one operation by its deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The write was acknowledged.
    Written,
    /// The read found what it should: the key's value, or nothing under a key that was never written.
    Read,
    /// The read found nothing under an acknowledged key.
    Lost,
    /// The read found another value; with what it found.
    Wrong(String),
    /// No success in time.
    Failed {
        /// In a word or two.
        kind: String,
        /// In a sentence.
        what: String,
        /// Whether it may have been executed.
        unknown: bool,
    },
}

#[derive(Debug)]
pub(super) struct Tally {
    started: Instant,
    ended: Option<Instant>,
    report: ProbeReport,
    latencies: Histogram,
    succeeded: u64,
    last_success: Instant,
    longest_gap: Duration,
    acknowledged: Vec<ProbeKey>,
    /// The latest acknowledged key of a slot, by its place in `acknowledged`.
    by_slot: HashMap<Slot, usize>,
    /// Keys of writes with an unknown fate: they may be there.
    unknown: Vec<ProbeKey>,
    faulty: HashSet<(u64, bool)>,
}

impl Tally {
    pub(super) fn new(started: Instant, rate: u32) -> Self {
        Tally {
            started,
            ended: None,
            report: ProbeReport {
                offered_rate: f64::from(rate),
                ..ProbeReport::default()
            },
            latencies: Histogram::new(),
            succeeded: 0,
            last_success: started,
            longest_gap: Duration::ZERO,
            acknowledged: Vec::new(),
            by_slot: HashMap::new(),
            unknown: Vec::new(),
            faulty: HashSet::new(),
        }
    }

    pub(super) fn dropped(&mut self) {
        self.report.dropped += 1;
    }

    /// An operation begins.
    pub(super) fn begun(&mut self, write: bool, aimed: bool) {
        self.report.operations += 1;
        self.report.aimed += u64::from(aimed);
        if write {
            self.report.writes += 1;
        } else {
            self.report.reads += 1;
        }
    }

    /// An operation has come to something, `latency` after it was due.
    pub(super) fn ended(
        &mut self,
        now: Instant,
        key: ProbeKey,
        name: &str,
        outcome: Outcome,
        latency: Duration,
    ) {
        self.latencies.record(latency);
        let success = !matches!(outcome, Outcome::Failed { .. });
        if success {
            self.succeeded += 1;
            self.longest_gap = self
                .longest_gap
                .max(now.saturating_duration_since(self.last_success));
            self.last_success = self.last_success.max(now);
        }
        match outcome {
            Outcome::Written => {
                self.report.acknowledged += 1;
                self.by_slot.insert(key.slot, self.acknowledged.len());
                self.acknowledged.push(key);
            }
            Outcome::Read => {}
            Outcome::Lost => self.lost(key, name),
            Outcome::Wrong(found) => self.wrong(key, name, &found),
            Outcome::Failed {
                kind,
                what,
                unknown,
            } => {
                self.report.failed += 1;
                if unknown {
                    self.report.unknown += 1;
                    self.unknown.push(key);
                }
                *self.report.errors.entry(kind).or_default() += 1;
                self.report.first_failure.get_or_insert(what);
            }
        }
    }

    /// What an operation met on its way, and, if its answer came after the operation had been given up, that.
    pub(super) fn met(&mut self, routed: &Routed, late: bool) {
        self.report.asked += u64::from(routed.asked);
        self.report.moved += u64::from(routed.moved);
        self.report.tried_again += u64::from(routed.tried_again);
        self.report.late += u64::from(late);
    }

    /// It has turned out that this write, said to be unknown, was never executed.
    pub(super) fn not_executed(&mut self, key: ProbeKey) {
        // It is among the latest.
        if let Some(place) = self.unknown.iter().rposition(|other| *other == key) {
            self.unknown.remove(place);
            self.report.unknown -= 1;
        }
    }

    pub(super) fn unknown_but_applied(&mut self) {
        self.report.unknown_but_applied += 1;
    }

    pub(super) fn lost(&mut self, key: ProbeKey, name: &str) {
        if self.faulty.insert((key.number, key.absent)) {
            self.report.lost += 1;
            self.fault(format!(
                "{name} (slot {}) was acknowledged and is not there",
                key.slot
            ));
        }
    }

    pub(super) fn wrong(&mut self, key: ProbeKey, name: &str, found: &str) {
        if self.faulty.insert((key.number, key.absent)) {
            self.report.wrong += 1;
            let found: String = found.chars().take(100).collect();
            let was = if key.absent {
                "was never written"
            } else {
                "has another value than the one written"
            };
            self.fault(format!("{name} (slot {}) {was}: {found:?}", key.slot));
        }
    }

    fn fault(&mut self, what: String) {
        self.report.first_fault.get_or_insert(what);
    }

    /// Whether another key can be remembered.
    pub(super) fn has_room(&self) -> bool {
        self.acknowledged.len() + self.unknown.len() < MOST_KEYS
    }

    /// An acknowledged key, all with the same chance.
    pub(super) fn any_acknowledged(&self, pick: u64) -> Option<ProbeKey> {
        picked(&self.acknowledged, pick)
    }

    /// The latest acknowledged key of a slot.
    pub(super) fn acknowledged_in(&self, slot: Slot) -> Option<ProbeKey> {
        self.by_slot
            .get(&slot)
            .and_then(|place| self.acknowledged.get(*place))
            .copied()
    }

    /// No operation is begun any more.
    pub(super) fn stop(&mut self, now: Instant) {
        self.ended = Some(now);
    }

    pub(super) fn audited(&mut self, complete: bool, left_behind: u64) {
        self.report.audited = complete;
        self.report.left_behind = left_behind;
    }

    /// The keys of all acknowledged writes, and those of writes with an unknown fate.
    pub(super) fn written(&self) -> (Vec<ProbeKey>, Vec<ProbeKey>) {
        (self.acknowledged.clone(), self.unknown.clone())
    }

    pub(super) fn report(&self, now: Instant) -> ProbeReport {
        let end = self.ended.unwrap_or(now);
        let duration = end.saturating_duration_since(self.started);
        let gap = self
            .longest_gap
            .max(end.saturating_duration_since(self.last_success));
        let achieved = if duration.is_zero() {
            0.0
        } else {
            self.succeeded as f64 / duration.as_secs_f64()
        };
        ProbeReport {
            longest_gap_ms: milliseconds(gap),
            latency: Latency {
                p50_ms: milliseconds(self.latencies.percentile(0.5)),
                p99_ms: milliseconds(self.latencies.percentile(0.99)),
                max_ms: milliseconds(self.latencies.max()),
            },
            achieved_rate: (achieved * 10.0).round() / 10.0,
            duration_ms: milliseconds(duration),
            ..self.report.clone()
        }
    }
}

/// With microseconds as decimals.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> ProbeKey {
        ProbeKey {
            number,
            slot: Slot::new(7).unwrap(),
            absent: false,
        }
    }

    fn at(started: Instant, ms: u64) -> Instant {
        started + Duration::from_millis(ms)
    }

    fn failed(kind: &str, unknown: bool) -> Outcome {
        Outcome::Failed {
            kind: kind.into(),
            what: format!("it failed: {kind}"),
            unknown,
        }
    }

    #[test]
    fn the_longest_gap_is_between_successes_and_at_both_ends() {
        let started = Instant::now();
        let mut tally = Tally::new(started, 200);
        let latency = Duration::from_millis(1);
        assert_eq!(tally.report(at(started, 500)).longest_gap_ms, 500.0);
        tally.ended(at(started, 100), key(1), "k1", Outcome::Written, latency);
        tally.ended(
            at(started, 150),
            key(2),
            "k2",
            failed("no answer", true),
            latency,
        );
        tally.ended(at(started, 400), key(3), "k3", Outcome::Read, latency);
        assert_eq!(tally.report(at(started, 401)).longest_gap_ms, 300.0);
        tally.stop(at(started, 1400));
        let report = tally.report(at(started, 9999));
        assert_eq!(report.longest_gap_ms, 1000.0);
        assert_eq!(report.duration_ms, 1400.0);
        assert_eq!(report.achieved_rate, 1.4);
    }

    #[test]
    fn a_faulty_key_counts_once_whoever_finds_it() {
        let now = Instant::now();
        let mut tally = Tally::new(now, 200);
        tally.ended(now, key(1), "k1", Outcome::Lost, Duration::ZERO);
        tally.lost(key(1), "k1");
        tally.wrong(key(1), "k1", "x");
        tally.wrong(key(2), "k2", "x");
        let report = tally.report(now);
        assert_eq!((report.lost, report.wrong, report.failed), (1, 1, 0));
        insta::assert_snapshot!(report.first_fault.unwrap(), @"k1 (slot 7) was acknowledged and is not there");
    }

    #[test]
    fn failures_are_counted_by_kind_and_the_first_is_told() {
        let now = Instant::now();
        let mut tally = Tally::new(now, 200);
        for (kind, unknown) in [
            ("no answer", true),
            ("CLUSTERDOWN", false),
            ("no answer", false),
        ] {
            tally.ended(now, key(1), "k1", failed(kind, unknown), Duration::ZERO);
        }
        let report = tally.report(now);
        assert_eq!((report.failed, report.unknown), (3, 1));
        let errors: Vec<String> = report
            .errors
            .iter()
            .map(|(kind, n)| format!("{kind} {n}"))
            .collect();
        assert_eq!(errors, ["CLUSTERDOWN 1", "no answer 2"]);
        assert_eq!(
            report.first_failure.as_deref(),
            Some("it failed: no answer")
        );
    }

    #[test]
    fn an_unknown_write_that_was_not_executed_is_no_longer_unknown() {
        let now = Instant::now();
        let mut tally = Tally::new(now, 200);
        for number in 1..=3 {
            tally.ended(
                now,
                key(number),
                "k",
                failed("no answer", true),
                Duration::ZERO,
            );
        }
        tally.not_executed(key(2));
        tally.not_executed(key(2));
        tally.not_executed(key(9));
        assert_eq!(tally.written().1, [key(1), key(3)]);
        let report = tally.report(now);
        assert_eq!((report.failed, report.unknown), (3, 2));
    }

    #[test]
    fn acknowledged_keys_are_found_again() {
        let now = Instant::now();
        let mut tally = Tally::new(now, 200);
        assert_eq!(tally.any_acknowledged(5), None);
        assert_eq!(tally.acknowledged_in(key(1).slot), None);
        for number in 1..=3 {
            tally.ended(now, key(number), "k", Outcome::Written, Duration::ZERO);
        }
        assert_eq!(tally.acknowledged_in(key(1).slot), Some(key(3)));
        assert_eq!(tally.any_acknowledged(4), Some(key(2)));
    }

    #[test]
    fn a_report_is_json() {
        let report = Tally::new(Instant::now(), 200).report(Instant::now());
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["offered_rate"], 200.0);
        assert_eq!(json["latency"]["p99_ms"], 0.0);
    }
}
