//! The report of a load test: plain data, and JSON with these very names.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{RESERVE, SEAT_TAKEN, SOLD_OUT};
use crate::app::audit::Audit;
use crate::load::{OperationSummary, Percentiles, Second, Summary};

/// What a load test came to. Its text is [`LoadReport::text`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadReport {
    /// Requests of all kinds that have ended, warm-up left out.
    pub total_requests: u64,
    /// Reservations that got their seats.
    pub successful_reservations: u64,
    /// Reservations that were refused since the seats were taken, by name or all of them.
    pub failed_seat_taken: u64,
    /// Requests of all kinds that were answered with no, by kind. Those of `failed_seat_taken` are among them.
    pub refused: BTreeMap<String, u64>,
    /// Requests that broke, by kind.
    pub errors: BTreeMap<String, u64>,
    /// Of all requests, from when they were due.
    pub latency_ms: LatencyMs,
    /// The same by kind of request.
    pub operations: BTreeMap<String, OperationReport>,
    /// Where the requests came from.
    #[serde(rename = "loop")]
    pub shape: LoopReport,
    /// Requests a second that were wanted. `None` for a closed loop, which has no rate of its own.
    pub offered_rate: Option<f64>,
    /// Requests a second that were answered, be it with no.
    pub achieved_rate: f64,
    /// How long it was measured.
    pub duration_ms: f64,
    /// Requests that were due and never sent, since too many waited already.
    pub dropped: u64,
    /// Requests due within the warm-up.
    pub warm_up_left_out: u64,
    /// Requests by the node that served them, under the address it is known by.
    pub per_node: BTreeMap<String, NodeShare>,
    /// Redirections, as the nodes have counted them.
    pub redirects: Redirects,
    /// Requests that were sent again.
    pub retries: u64,
    /// Every second of the measurement.
    pub series: Vec<SecondReport>,
    /// What was found afterwards by reading every seat. `None` when nobody looked.
    pub audit: Option<AuditVerdict>,
}

/// Milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct LatencyMs {
    /// The average.
    pub mean: f64,
    /// Half took no longer.
    pub p50: f64,
    /// 90 of 100 took no longer.
    pub p90: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
    /// 999 of 1000 took no longer.
    pub p99_9: f64,
    /// The longest.
    pub max: f64,
}

/// The requests of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct OperationReport {
    /// All that have ended.
    pub requests: u64,
    /// Those that did what was asked.
    pub ok: u64,
    /// Those that were answered with no.
    pub refused: u64,
    /// Those that broke.
    pub errors: u64,
    /// Of all of them.
    pub latency_ms: LatencyMs,
}

/// Where the requests of a load test came from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LoopReport {
    /// Users who wait for each answer.
    Closed {
        /// How many.
        users: u64,
        /// How long each thinks before the next request.
        think_ms: f64,
    },
    /// Requests at a rate.
    Open {
        /// Requests a second.
        rate: u32,
        /// How many may be in flight at once.
        in_flight: usize,
    },
}

/// The requests that one node served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct NodeShare {
    /// How many.
    pub requests: u64,
    /// Their part of all, from 0 to 1.
    pub share: f64,
}

/// Redirections and their kin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Redirects {
    /// The slot has another owner.
    pub moved: u64,
    /// The slot is on its way, and the key is there already.
    pub ask: u64,
    /// The slot is on its way, and the keys are in both places.
    pub tryagain: u64,
}

/// One second of the measurement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct SecondReport {
    /// From the start of the measurement, in seconds.
    pub second: u64,
    /// Requests that did what was asked.
    pub ok: u64,
    /// Requests that were answered with no.
    pub refused: u64,
    /// Requests that broke.
    pub errors: u64,
    /// Half took no longer, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 took no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// What an audit has counted, over all events of the load test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AuditCounts {
    /// Seats of confirmed reservations.
    pub sold: u64,
    /// Seats of reservations that still may be confirmed.
    pub held: u64,
    /// Seats that nobody has.
    pub free: u64,
    /// Seats that there are.
    pub seats: u64,
    /// Events of which sold, held and free seats together are not all of its seats.
    pub unbalanced: u64,
    /// Seats that more than one reservation has.
    pub sold_twice: u64,
    /// Reservations that were answered with success and are not there, although no node has failed.
    pub successes_missing: u64,
    /// Reservations that were answered with a refusal and are there.
    pub failures_present: u64,
    /// Reservations that were answered with success and went with a node that failed.
    pub lost_acknowledged: u64,
}

impl AuditCounts {
    /// Adds what was found of one more event. Where a replica has taken over meanwhile, what is missing was lost with the old master.
    pub fn add(&mut self, audit: &Audit, failed_over: bool) {
        self.sold += audit.sold;
        self.held += audit.held;
        self.free += audit.free;
        self.seats += audit.seats;
        self.unbalanced += u64::from(audit.astray > 0);
        self.sold_twice += audit.sold_twice;
        self.failures_present += audit.failures_present;
        match failed_over {
            true => self.lost_acknowledged += audit.successes_missing,
            false => self.successes_missing += audit.successes_missing,
        }
    }
}

/// What an audit has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AuditVerdict {
    #[serde(flatten)]
    counts: AuditCounts,
    clean: bool,
}

impl AuditVerdict {
    /// The verdict that follows from these counts.
    pub fn of(counts: AuditCounts) -> Self {
        let faults = counts.unbalanced
            + counts.sold_twice
            + counts.successes_missing
            + counts.failures_present
            + counts.lost_acknowledged;
        let balanced = counts.sold + counts.held + counts.free == counts.seats;
        AuditVerdict {
            counts,
            clean: balanced && faults == 0,
        }
    }

    /// Whether every seat is in one place only, every success is there and every failure is not.
    pub fn is_clean(&self) -> bool {
        self.clean
    }

    /// What was counted.
    pub fn counts(&self) -> &AuditCounts {
        &self.counts
    }
}

impl LoadReport {
    /// What a recorder knows. Nodes, redirections, retries and the audit are for others to fill in.
    pub fn measured(summary: &Summary, shape: LoopReport) -> Self {
        let reserve = summary.operations.get(RESERVE);
        let refused = |kind: &str| reserve.and_then(|all| all.refused.get(kind)).copied();
        LoadReport {
            total_requests: summary.all.count,
            successful_reservations: reserve.map_or(0, |all| all.ok),
            failed_seat_taken: refused(SOLD_OUT).unwrap_or(0) + refused(SEAT_TAKEN).unwrap_or(0),
            refused: summary.all.refused.clone(),
            errors: summary.all.errors.clone(),
            latency_ms: summary.all.latency.into(),
            operations: summary
                .operations
                .iter()
                .map(|(operation, all)| (operation.clone(), all.into()))
                .collect(),
            offered_rate: match shape {
                LoopReport::Open { rate, .. } => Some(f64::from(rate)),
                LoopReport::Closed { .. } => None,
            },
            shape,
            achieved_rate: (summary.achieved_rate * 10.0).round() / 10.0,
            duration_ms: ms(summary.measured),
            dropped: summary.dropped,
            warm_up_left_out: summary.warm_up_left_out,
            per_node: BTreeMap::new(),
            redirects: Redirects::default(),
            retries: 0,
            series: summary.series.iter().map(SecondReport::from).collect(),
            audit: None,
        }
    }

    /// Fills in how many requests each node has served.
    pub fn served(&mut self, requests: BTreeMap<String, u64>) {
        let all: u64 = requests.values().sum();
        let share = |requests: u64| NodeShare {
            requests,
            share: (requests as f64 / all.max(1) as f64 * 1000.0).round() / 1000.0,
        };
        self.per_node = requests
            .into_iter()
            .map(|(node, requests)| (node, share(requests)))
            .collect();
    }
}

impl From<Percentiles> for LatencyMs {
    fn from(from: Percentiles) -> Self {
        LatencyMs {
            mean: ms(from.mean),
            p50: ms(from.p50),
            p90: ms(from.p90),
            p99: ms(from.p99),
            p99_9: ms(from.p99_9),
            max: ms(from.max),
        }
    }
}

impl From<&OperationSummary> for OperationReport {
    fn from(from: &OperationSummary) -> Self {
        OperationReport {
            requests: from.count,
            ok: from.ok,
            refused: from.refusals(),
            errors: from.failures(),
            latency_ms: from.latency.into(),
        }
    }
}

impl From<&Second> for SecondReport {
    fn from(from: &Second) -> Self {
        SecondReport {
            second: from.second,
            ok: from.ok,
            refused: from.refused,
            errors: from.errors,
            p50_ms: ms(from.p50),
            p99_ms: ms(from.p99),
            max_ms: ms(from.max),
        }
    }
}

/// With microseconds as decimals.
fn ms(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
