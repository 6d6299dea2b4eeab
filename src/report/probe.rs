//! What a probe counted, in one line.

use crate::load::ProbeReport;

use super::layout::together;
use super::words::{number, span_of_ms};

/// `probe: 1,214 operations, 212 ASK and 320 MOVED met, 0 failed, 0 lost, longest gap 24 ms, p99 3 ms`, and what else is not as it
/// should be.
pub fn line(report: &ProbeReport) -> String {
    let operations = if report.operations == 1 {
        "operation"
    } else {
        "operations"
    };
    let mut parts = vec![
        format!("{} {operations}", number(report.operations)),
        format!(
            "{} ASK and {} MOVED met",
            number(report.asked),
            number(report.moved)
        ),
        format!("{} failed", number(report.failed)),
        // Lost is known only after every acknowledged key was read back.
        if report.audited {
            format!("{} lost", number(report.lost))
        } else {
            "lost writes not counted".to_owned()
        },
    ];
    let seldom = [
        (report.wrong, "wrong"),
        (report.late, "late"),
        (report.unknown, "unknown"),
        (report.dropped, "not sent"),
    ];
    parts.extend(
        seldom
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{} {what}", number(*n))),
    );
    parts.push(format!(
        "longest gap {}",
        together(&span_of_ms(report.longest_gap_ms))
    ));
    parts.push(format!(
        "p99 {}",
        together(&span_of_ms(report.latency.p99_ms))
    ));
    format!("probe: {}", parts.join(", "))
}

/// The errors that a probe met, by kind, and the first of them in full: `errors: 12 timeout, 3 CLUSTERDOWN; the first: …`.
pub(super) fn errors(report: &ProbeReport) -> Option<String> {
    let kinds: Vec<String> = report
        .errors
        .iter()
        .map(|(kind, n)| format!("{} {kind}", number(*n)))
        .collect();
    match (&report.first_failure, kinds.is_empty()) {
        (None, true) => None,
        (None, false) => Some(format!("errors: {}", kinds.join(", "))),
        (Some(first), true) => Some(format!("the first failure: {first}")),
        (Some(first), false) => Some(format!("errors: {}; the first: {first}", kinds.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::wrap;
    use super::*;

    fn report() -> ProbeReport {
        ProbeReport {
            operations: 1214,
            asked: 212,
            moved: 320,
            longest_gap_ms: 24.0,
            latency: crate::load::Latency {
                p99_ms: 3.04,
                ..Default::default()
            },
            audited: true,
            ..ProbeReport::default()
        }
    }

    #[test]
    fn a_good_probe_reads() {
        assert_eq!(
            wrap(&line(&report()), 200).concat(),
            "probe: 1,214 operations, 212 ASK and 320 MOVED met, 0 failed, 0 lost, longest gap 24 ms, p99 3 ms"
        );
        assert_eq!(errors(&report()), None);
    }

    #[test]
    fn a_bad_probe_reads() {
        let bad = ProbeReport {
            failed: 15,
            late: 2,
            dropped: 1,
            audited: false,
            errors: [("timeout".to_owned(), 12), ("CLUSTERDOWN".to_owned(), 3)].into(),
            first_failure: Some("SET probe:{a}:17: timeout".to_owned()),
            ..report()
        };
        assert_eq!(
            wrap(&line(&bad), 200).concat(),
            "probe: 1,214 operations, 212 ASK and 320 MOVED met, 15 failed, lost writes not counted, 2 late, 1 not sent, \
             longest gap 24 ms, p99 3 ms"
        );
        assert_eq!(
            errors(&bad).unwrap(),
            "errors: 3 CLUSTERDOWN, 12 timeout; the first: SET probe:{a}:17: timeout"
        );
    }
}
