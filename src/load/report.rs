//! What a probe has measured.

use std::collections::BTreeMap;

use serde::Serialize;

/// What a probe has measured. Redirections and latencies are those of its operations alone; asking which slot moves, and
/// reading back at the end, are not in them.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ProbeReport {
    /// Operations that were begun.
    pub operations: u64,
    /// Of these, writes: a SET of a key of its own to a value of its own.
    pub writes: u64,
    /// Of the writes, those that were answered `OK` in time.
    pub acknowledged: u64,
    /// Of the operations, reads: of keys acknowledged before, and some of keys that were never written.
    pub reads: u64,
    /// Of the operations, those that were aimed at a slot on its way.
    pub aimed: u64,
    /// Operations that did not succeed within their deadline, for whatever reason; `errors` has them by kind. A read that
    /// found the wrong thing did succeed as an operation: it counts in `lost` or `wrong`.
    pub failed: u64,
    /// `ASK` redirections met.
    pub asked: u64,
    /// `MOVED` redirections met.
    pub moved: u64,
    /// `TRYAGAIN` answers met.
    pub tried_again: u64,
    /// Keys whose write was acknowledged and that a later read did not find: during the run, or when all were read back
    /// at the end. Each key counts once.
    pub lost: u64,
    /// Keys that a read found with another value than the one written, and never written keys that were found. Each key
    /// counts once.
    pub wrong: u64,
    /// Operations counted as failed, since their deadline had passed, whose answer came after all, up to 10 s later. (An
    /// operation that a full queue of such waiters left no room for is not counted.)
    pub late: u64,
    /// Failed writes of which it is not known whether they were executed: something was sent and no answer came in time.
    /// (One that proves not to have been sent after all is taken out again.)
    pub unknown: u64,
    /// Of these, those whose key had its value at the end.
    pub unknown_but_applied: u64,
    /// Operations that were not begun when they were due, since too many were in flight.
    pub dropped: u64,
    /// The longest time without a success, in milliseconds. The start and the end of the probe count as successes, so
    /// that a probe that never succeeded has a gap of its whole length.
    pub longest_gap_ms: f64,
    /// From the moment an operation was *due* to its result, failures included: an operation that waited for its turn
    /// has waited (no coordinated omission). For an aimed operation, asking where to aim is part of it.
    pub latency: Latency,
    /// Failed operations by kind: `no connection`, `no answer`, `CLUSTERDOWN` and so on.
    pub errors: BTreeMap<String, u64>,
    /// The first failed operation, in a sentence.
    pub first_failure: Option<String>,
    /// The first lost or wrong key, in a sentence.
    pub first_fault: Option<String>,
    /// Whether every acknowledged key was read back at the end. Until then `lost` and `wrong` only have what reads met.
    pub audited: bool,
    /// The probe's keys that could not be removed at the end.
    pub left_behind: u64,
    /// Operations a second that were wanted.
    pub offered_rate: f64,
    /// Operations a second that succeeded.
    pub achieved_rate: f64,
    /// How long the probe has run, in milliseconds, the end's reading back not included.
    pub duration_ms: f64,
}

/// Percentiles in milliseconds, exact to 0.1 %; the greatest value is exact. All zero when there was no operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half of the operations took no longer.
    pub p50_ms: f64,
    /// 99 of 100 operations took no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}
