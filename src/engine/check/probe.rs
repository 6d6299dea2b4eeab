//! The `probe` check: what the step's probe counted.

use super::Judged;
use crate::lab::model::ProbeTest;
use crate::load::ProbeReport;

/// Decides what a probe counted. Without a report there was none.
pub fn judge_probe(test: &ProbeTest, report: Option<&ProbeReport>) -> Judged {
    let Some(report) = report else {
        return Judged::new(false, "there was no probe");
    };
    if report.operations == 0 && test.counts.iter().all(|(name, _)| *name != "operations") {
        // Whatever is asked of nothing is true of it.
        return Judged::new(false, "the probe did not begin a single operation");
    }
    let parts = test.counts.iter().map(|(name, wanted)| {
        let (actual, words) = match *name {
            "operations" => count(report.operations, "operations"),
            "failed" => count(report.failed, "failed"),
            // Little is known of lost and changed writes before every acknowledged key was read back, and nothing if there is none.
            "lost" | "wrong" if !report.audited => {
                let met = format!("{} lost and {} wrong until then", report.lost, report.wrong);
                return Judged::new(
                    false,
                    format!("the acknowledged keys could not be read back ({met})"),
                );
            }
            "lost" | "wrong" if report.acknowledged == 0 => {
                return Judged::new(
                    false,
                    format!("no write was acknowledged, so none could be {name}"),
                );
            }
            "lost" => count(report.lost, "lost"),
            "wrong" => count(report.wrong, "wrong"),
            "unknown" => count(report.unknown, "unknown"),
            "late" => count(report.late, "late"),
            "asked" => count(report.asked, "ASK met"),
            "moved" => count(report.moved, "MOVED met"),
            "longest_gap" => (
                report.longest_gap_ms,
                format!("longest gap {:.0} ms", report.longest_gap_ms),
            ),
            "p99" => (
                report.latency.p99_ms,
                format!("p99 {:.1} ms", report.latency.p99_ms),
            ),
            // A key of the language that is not counted here would pass unseen: it fails instead.
            other => return Judged::new(false, format!("a probe does not count `{other}`")),
        };
        let mut judged = Judged::new(wanted.holds(actual), words);
        let first = match *name {
            "failed" => &report.first_failure,
            "lost" | "wrong" => &report.first_fault,
            _ => &None,
        };
        if let (false, Some(first)) = (judged.holds, first) {
            judged.seen = format!("{}; the first: {first}", judged.seen);
        }
        judged
    });
    Judged::all(parts.collect())
}

fn count(number: u64, what: &str) -> (f64, String) {
    (number as f64, format!("{number} {what}"))
}
