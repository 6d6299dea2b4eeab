use rstest::rstest;

use super::*;
use crate::app::load_test::milliseconds;

fn latency(micros: u64) -> Percentiles {
    let at = |percent: u64| Duration::from_micros(micros * percent / 100);
    Percentiles {
        mean: at(27),
        p50: at(20),
        p90: at(60),
        p99: at(100),
        p99_9: at(103),
        max: at(110),
    }
}

fn kinds(kinds: &[(&str, u64)]) -> BTreeMap<String, u64> {
    kinds
        .iter()
        .map(|(kind, count)| ((*kind).to_owned(), *count))
        .collect()
}

fn operation(ok: u64, refused: &[(&str, u64)], errors: &[(&str, u64)]) -> OperationSummary {
    let (refused, errors) = (kinds(refused), kinds(errors));
    OperationSummary {
        count: ok + refused.values().chain(errors.values()).sum::<u64>(),
        ok,
        refused,
        errors,
        latency: latency(45_000),
        ..OperationSummary::default()
    }
}

fn summary(all: OperationSummary, operations: &[(&str, OperationSummary)]) -> Summary {
    Summary {
        all,
        operations: operations
            .iter()
            .map(|(name, summary)| ((*name).to_owned(), summary.clone()))
            .collect(),
        measured: Duration::from_millis(2345),
        achieved_rate: 21.3219,
        series: vec![
            Second {
                second: 0,
                ok: 50,
                p50: Duration::from_micros(9_000),
                p99: Duration::from_micros(45_000),
                max: Duration::from_micros(49_500),
                ..Second::default()
            },
            Second {
                second: 1,
                ..Second::default()
            },
        ],
        ..Summary::default()
    }
}

/// The course's own: 50 users, two seats each, of 100.
fn course() -> LoadReport {
    let reserve = operation(50, &[], &[]);
    let summary = summary(reserve.clone(), &[(RESERVE, reserve)]);
    let mut report = LoadReport::measured(
        &summary,
        LoopReport::Closed {
            users: 50,
            think_ms: 0.0,
        },
    );
    report.served(kinds(&[("127.0.0.1:7001", 50)]));
    report.audit = Some(AuditVerdict::of(AuditCounts {
        held: 100,
        seats: 100,
        ..AuditCounts::default()
    }));
    report
}

/// A mix at a rate, a node lost on the way, and an audit that found everything that can be found.
fn bad_day() -> LoadReport {
    let reserve = operation(
        400,
        &[("sold out", 60), ("seat taken", 7), ("rate limited", 3)],
        &[("no answer", 20)],
    );
    let read = operation(600, &[], &[("CLUSTERDOWN", 9), ("no answer", 1)]);
    let all = operation(
        1000,
        &[("rate limited", 3), ("seat taken", 7), ("sold out", 60)],
        &[("CLUSTERDOWN", 9), ("no answer", 21)],
    );
    let mut summary = summary(all, &[(RESERVE, reserve), ("read", read)]);
    summary.all.latency = latency(1_700);
    summary.dropped = 40;
    summary.warm_up_left_out = 500;
    let mut report = LoadReport::measured(
        &summary,
        LoopReport::Open {
            rate: 500,
            in_flight: 200,
        },
    );
    report.served(kinds(&[
        ("127.0.0.1:7001", 367),
        ("127.0.0.1:7002", 350),
        ("127.0.0.1:7010", 383),
    ]));
    report.redirects = Redirects {
        moved: 12,
        ask: 3,
        tryagain: 1,
    };
    report.retries = 15;
    report.audit = Some(AuditVerdict::of(AuditCounts {
        sold: 50,
        held: 700,
        free: 249,
        seats: 1000,
        unbalanced: 1,
        sold_twice: 4,
        successes_missing: 2,
        failures_present: 1,
        lost_acknowledged: 9,
    }));
    report
}

#[test]
fn the_course_reads_its_own_lines() {
    let text = course().text();
    let first: Vec<&str> = text.lines().take(6).collect();
    let expected = [
        "Load Test Results:",
        "- Total requests: 50",
        "- Successful reservations: 50",
        "- Failed (seat taken): 0",
        "- Average latency: 12ms",
        "- P99 latency: 45ms",
    ];
    assert_eq!(first, expected);
    insta::assert_snapshot!(text);
}

#[test]
fn a_bad_day_is_told_in_full() {
    insta::assert_snapshot!(bad_day().text());
}

#[test]
fn nobody_looked_and_nothing_came() {
    let nothing = LoadReport::measured(
        &Summary::default(),
        LoopReport::Closed {
            users: 3,
            think_ms: 100.0,
        },
    );
    insta::assert_snapshot!(nothing.text());
}

#[rstest]
#[case("course", course())]
#[case("bad_day", bad_day())]
fn programs_get_all_of_it(#[case] name: &str, #[case] report: LoadReport) {
    let json = serde_json::to_string_pretty(&report).unwrap();
    insta::assert_snapshot!(format!("json_{name}"), json);
}

#[rstest]
#[case(AuditCounts { sold: 1, held: 2, free: 3, seats: 6, ..AuditCounts::default() }, true)]
#[case(AuditCounts { seats: 6, free: 5, ..AuditCounts::default() }, false)]
#[case(AuditCounts { unbalanced: 1, ..AuditCounts::default() }, false)]
#[case(AuditCounts { sold_twice: 1, ..AuditCounts::default() }, false)]
#[case(AuditCounts { successes_missing: 1, ..AuditCounts::default() }, false)]
#[case(AuditCounts { failures_present: 1, ..AuditCounts::default() }, false)]
#[case(AuditCounts { lost_acknowledged: 1, ..AuditCounts::default() }, false)]
fn one_fault_is_enough(#[case] counts: AuditCounts, #[case] clean: bool) {
    assert_eq!(AuditVerdict::of(counts).is_clean(), clean);
}

#[rstest]
#[case(0.0, "0.0ms")]
#[case(3.4, "3.4ms")]
#[case(9.94, "9.9ms")]
#[case(9.96, "10ms")]
#[case(12.4, "12ms")]
#[case(1234.5678, "1235ms")]
fn latencies_are_as_exact_as_people_need(#[case] ms: f64, #[case] text: &str) {
    assert_eq!(milliseconds(ms), text);
}
