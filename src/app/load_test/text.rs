//! The report of a load test for people.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter, Write};

use super::report::{AuditVerdict, LoadReport, LoopReport};

/// Milliseconds as people read them: `3.4ms`, `45ms`.
pub fn milliseconds(ms: f64) -> String {
    let tenths = (ms * 10.0).round() / 10.0;
    if tenths < 10.0 {
        format!("{tenths:.1}ms")
    } else {
        format!("{ms:.0}ms")
    }
}

impl LoadReport {
    /// For people. The first six lines are those of the course.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // To write to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, to: &mut String) -> fmt::Result {
        writeln!(to, "Load Test Results:")?;
        writeln!(to, "- Total requests: {}", self.total_requests)?;
        writeln!(
            to,
            "- Successful reservations: {}",
            self.successful_reservations
        )?;
        writeln!(to, "- Failed (seat taken): {}", self.failed_seat_taken)?;
        writeln!(
            to,
            "- Average latency: {}",
            milliseconds(self.latency_ms.mean)
        )?;
        writeln!(to, "- P99 latency: {}", milliseconds(self.latency_ms.p99))?;
        writeln!(to)?;
        self.write_measured(to)?;
        self.write_kinds(to)?;
        self.write_cluster(to)?;
        if let Some(audit) = &self.audit {
            writeln!(to, "Audit: {audit}")?;
        }
        Ok(())
    }

    fn write_measured(&self, to: &mut String) -> fmt::Result {
        let latency = &self.latency_ms;
        writeln!(
            to,
            "Latency: p50 {}, p90 {}, p99.9 {}, max {}, from when a request was due",
            milliseconds(latency.p50),
            milliseconds(latency.p90),
            milliseconds(latency.p99_9),
            milliseconds(latency.max)
        )?;
        match &self.shape {
            LoopReport::Closed { users, think_ms } => {
                let think = if *think_ms > 0.0 {
                    format!("think time {}", milliseconds(*think_ms))
                } else {
                    "no think time".into()
                };
                writeln!(to, "Loop: closed, {users} users, {think}")?;
                writeln!(to, "Rate: {:.1}/s achieved", self.achieved_rate)?;
            }
            LoopReport::Open { rate, in_flight } => {
                writeln!(to, "Loop: open, at most {in_flight} in flight")?;
                let achieved = self.achieved_rate;
                writeln!(
                    to,
                    "Rate: {rate}/s offered, {achieved:.1}/s achieved, {} dropped",
                    self.dropped
                )?;
            }
        }
        // Users who come once are done in a few milliseconds.
        let measured = match self.duration_ms {
            short if short < 1000.0 => milliseconds(short),
            long => format!("{:.1}s", long / 1000.0),
        };
        match self.warm_up_left_out {
            0 => writeln!(to, "Measured: {measured}"),
            left_out => writeln!(
                to,
                "Measured: {measured}; the warm-up's {left_out} requests left out"
            ),
        }
    }

    fn write_kinds(&self, to: &mut String) -> fmt::Result {
        // One kind alone is what the first lines say already.
        if self.operations.len() > 1 {
            writeln!(to, "Requests:")?;
            let width = widest(self.operations.keys());
            for (operation, all) in &self.operations {
                let p99 = milliseconds(all.latency_ms.p99);
                writeln!(
                    to,
                    "  {operation:width$}  {} ok, {} refused, {} errors, p99 {p99}",
                    all.ok, all.refused, all.errors
                )?;
            }
        }
        if !self.refused.is_empty() {
            writeln!(to, "Refused: {}", counts(&self.refused))?;
        }
        if self.errors.is_empty() {
            writeln!(to, "Errors: none")
        } else {
            writeln!(to, "Errors: {}", counts(&self.errors))
        }
    }

    fn write_cluster(&self, to: &mut String) -> fmt::Result {
        if !self.per_node.is_empty() {
            writeln!(to, "Nodes:")?;
            let width = widest(self.per_node.keys());
            for (node, share) in &self.per_node {
                let percent = share.share * 100.0;
                writeln!(
                    to,
                    "  {node:width$}  {percent:.1}%  {} requests",
                    share.requests
                )?;
            }
        }
        let redirects = &self.redirects;
        writeln!(
            to,
            "Redirects: {} MOVED, {} ASK, {} TRYAGAIN; {} retries",
            redirects.moved, redirects.ask, redirects.tryagain, self.retries
        )
    }
}

/// The sum first, then whatever is wrong.
impl Display for AuditVerdict {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let counts = self.counts();
        let sum = counts.sold + counts.held + counts.free;
        let sign = if sum == counts.seats { "=" } else { "is not" };
        write!(
            to,
            "{}: {} sold + {} held + {} free {sign} {} seats",
            if self.is_clean() { "clean" } else { "FAILED" },
            counts.sold,
            counts.held,
            counts.free,
            counts.seats
        )?;
        for (count, what) in [
            (counts.unbalanced, "events whose seats do not add up"),
            (counts.sold_twice, "seats sold twice"),
            (counts.successes_missing, "successes that are missing"),
            (counts.failures_present, "failures that are there"),
            (
                counts.lost_acknowledged,
                "acknowledged and lost with a node",
            ),
        ] {
            if count > 0 {
                write!(to, "; {what}: {count}")?;
            }
        }
        Ok(())
    }
}

fn widest<'a>(names: impl Iterator<Item = &'a String>) -> usize {
    names.map(|name| name.chars().count()).max().unwrap_or(0)
}

fn counts(kinds: &BTreeMap<String, u64>) -> String {
    let mut text = String::new();
    for (kind, count) in kinds {
        let comma = if text.is_empty() { "" } else { ", " };
        // Kinds of errors may come from a server.
        let kind: String = kind.chars().filter(|c| !c.is_control()).collect();
        let _ = write!(text, "{comma}{count} {kind}");
    }
    text
}
