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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::keys::PROBED;
    use crate::lab::quantity::{Comparison, Unit};

    fn test(counts: &[(&'static str, &str)]) -> ProbeTest {
        let counts = counts
            .iter()
            .map(|(name, wanted)| {
                let unit = if ["longest_gap", "p99"].contains(name) {
                    Unit::Time
                } else {
                    Unit::Count
                };
                (*name, Comparison::parse(wanted, unit).unwrap())
            })
            .collect();
        ProbeTest { counts }
    }

    fn good() -> ProbeReport {
        ProbeReport {
            operations: 10,
            acknowledged: 5,
            audited: true,
            ..ProbeReport::default()
        }
    }

    fn judge(counts: &[(&'static str, &str)], report: &ProbeReport) -> Judged {
        judge_probe(&test(counts), Some(report))
    }

    #[test]
    fn what_was_counted_decides() {
        let all = [
            ("operations", "10"),
            ("failed", "0"),
            ("lost", "0"),
            ("wrong", "0"),
            ("longest_gap", "< 1s"),
        ];
        assert!(judge(&all, &good()).holds);
        let failed = ProbeReport {
            failed: 2,
            first_failure: Some("no answer".to_owned()),
            ..good()
        };
        assert_eq!(
            judge(&all, &failed),
            Judged::new(false, "2 failed; the first: no answer")
        );
        assert_eq!(
            judge(&[("failed", "<= 2")], &failed),
            Judged::new(true, "2 failed")
        );
        let slow = ProbeReport {
            longest_gap_ms: 1500.0,
            ..good()
        };
        assert_eq!(
            judge(&all, &slow),
            Judged::new(false, "longest gap 1500 ms")
        );
    }

    #[test]
    fn a_probe_that_did_nothing_proves_nothing() {
        let idle = ProbeReport {
            audited: true,
            ..ProbeReport::default()
        };
        for key in PROBED.names() {
            let wanted = if ["longest_gap", "p99"].contains(&key) {
                "< 10s"
            } else {
                "0"
            };
            // That there was no operation is the one thing that can be asked of it.
            assert_eq!(
                judge(&[(key, wanted)], &idle).holds,
                key == "operations",
                "{key}"
            );
            assert!(!judge_probe(&test(&[(key, wanted)]), None).holds, "{key}");
        }
        assert!(!judge(&[], &good()).holds);
    }

    #[test]
    fn what_was_not_read_back_may_be_lost_or_wrong() {
        for name in ["lost", "wrong"] {
            let unread = ProbeReport {
                audited: false,
                ..good()
            };
            assert!(!judge(&[(name, "0")], &unread).holds);
            let none = ProbeReport {
                acknowledged: 0,
                ..good()
            };
            assert_eq!(
                judge(&[(name, "0")], &none),
                Judged::new(
                    false,
                    format!("no write was acknowledged, so none could be {name}")
                )
            );
        }
        // Failures are counted as they happen.
        assert!(
            judge(
                &[("failed", "0")],
                &ProbeReport {
                    audited: false,
                    ..good()
                }
            )
            .holds
        );
    }

    #[test]
    fn every_count_of_the_language_is_counted() {
        for key in PROBED.names() {
            let wanted = if ["longest_gap", "p99"].contains(&key) {
                ">= 0ms"
            } else {
                ">= 0"
            };
            let judged = judge(&[(key, wanted)], &good());
            assert!(judged.holds, "{key}: {}", judged.seen);
        }
        assert!(!judge(&[("nobody", "0")], &good()).holds);
    }
}
