//! What an operation comes to when nodes redirect, refuse, stall and break off.

use rstest::rstest;

use super::*;

/// Acknowledged, failed, of unknown fate, late.
fn counts(report: &ProbeReport) -> (u64, u64, u64, u64) {
    (
        report.acknowledged,
        report.failed,
        report.unknown,
        report.late,
    )
}

/// Its failures by kind.
fn errors(report: &ProbeReport) -> Vec<(&str, u64)> {
    report
        .errors
        .iter()
        .map(|(kind, count)| (kind.as_str(), *count))
        .collect()
}

#[rstest]
#[case("NOREPLICAS Not enough good replicas to write.")]
#[case("OOM command not allowed when used memory > 'maxmemory'.")]
#[case("READONLY You can't write against a read only replica.")]
#[case(
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."
)]
#[case("MOVED")]
#[tokio::test]
async fn a_write_that_is_refused_has_failed_at_once_and_its_fate_is_known(#[case] error: &str) {
    let mut script = Script::new();
    script.on("SET * *").errs(error).times(1);
    let stage = Stage::new(SOON, script).await;
    let report = stage.operate(WRITE).await;
    assert_eq!(counts(&report), (0, 1, 0, 0));
    assert_eq!(errors(&report), [(error.split(' ').next().unwrap(), 1)]);
    let said = report.first_failure.unwrap();
    assert!(
        said.starts_with("SET probe:{") && said.contains(&format!("{error} (1 attempts")),
        "{said}"
    );
}

#[rstest]
#[case("TRYAGAIN Multiple keys request during rehashing of slot", 2)]
#[case("CLUSTERDOWN The cluster is down", 0)]
#[case("LOADING Redis is loading the dataset in memory", 0)]
#[case(
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    0
)]
#[tokio::test]
async fn what_passes_is_waited_out_and_what_stays_has_failed_by_the_deadline(
    #[case] error: &str,
    #[case] tried_again: u64,
) {
    let mut script = Script::new();
    script.on("SET * *").errs(error).times(2);
    script.on("SET * *").gives_in_turn([ok()]);
    let report = Stage::new(SOON, script).await.operate(WRITE).await;
    assert_eq!(counts(&report), (1, 0, 0, 0));
    assert_eq!(report.tried_again, tried_again);

    let mut script = Script::new();
    script.on("SET * *").errs(error);
    let report = Stage::new(SHORT * 3, script).await.operate(WRITE).await;
    assert_eq!(counts(&report), (0, 1, 0, 0), "it was refused every time");
    assert_eq!(errors(&report), [(error.split(' ').next().unwrap(), 1)]);
    assert!(
        report.latency.max_ms < SHORT.as_secs_f64() * 4500.0,
        "{report:?}"
    );
    assert!(
        report
            .first_failure
            .unwrap()
            .contains("redis-1 kept answering")
    );
}

#[tokio::test]
async fn a_slot_that_has_moved_is_counted_once_and_learnt() {
    let mut script = Script::new();
    script.on("SET * *").errs("MOVED 7 10.0.0.2:7002").times(1);
    let stage = Stage::new(SOON, script).await;
    stage.two.instead(|script| {
        script.on("SET * *").times(2);
    });
    stage.operate(WRITE).await;
    let report = stage.operate(WRITE + 2).await;
    assert_eq!(counts(&report), (2, 0, 0, 0));
    assert_eq!((report.moved, report.asked), (1, 0));
}

#[tokio::test]
async fn a_slot_on_its_way_is_asked_for_each_time() {
    let mut script = Script::new();
    script.on("SET * *").errs("ASK 7 10.0.0.2:7002").times(2);
    let stage = Stage::new(SOON, script).await;
    stage.two.instead(|script| {
        script.on("ASKING").times(2);
        script.on("SET * *").times(2);
    });
    stage.operate(WRITE).await;
    let report = stage.operate(WRITE + 2).await;
    assert_eq!(counts(&report), (2, 0, 0, 0));
    assert_eq!((report.moved, report.asked), (0, 2));
}

#[tokio::test]
async fn nodes_that_send_it_to_each_other_have_failed_it() {
    let mut script = Script::new();
    script.on("SET * *").errs("MOVED 7 10.0.0.2:7002");
    let stage = Stage::new(SHORT, script).await;
    stage.two.instead(|script| {
        script.on("SET * *").errs("MOVED 7 10.0.0.1:7001");
    });
    let report = stage.operate(WRITE).await;
    assert_eq!(counts(&report), (0, 1, 0, 0));
    assert_eq!(errors(&report), [("MOVED", 1)]);
    let asked = stage.one.times("SET * *") + stage.two.times("SET * *");
    assert_eq!(report.moved, asked as u64);
    assert!((5..100).contains(&asked), "not without a pause: {asked}");
}

#[tokio::test]
async fn a_node_that_the_environment_does_not_have_is_a_kind_of_its_own() {
    let mut script = Script::new();
    script.on("SET * *").errs("MOVED 7 10.9.9.9:7009").times(1);
    let report = Stage::new(SOON, script).await.operate(WRITE).await;
    assert_eq!(counts(&report), (0, 1, 0, 0));
    assert_eq!(errors(&report), [("unknown address", 1)]);
}

/// How the connection ends under a first attempt.
type Breaks = fn(&mut Script, &str);

#[rstest]
#[tokio::test]
async fn a_lost_answer_is_asked_for_again(
    #[values(
        |script: &mut Script, command: &str| { script.on(command).hangs_up().times(1); },
        |script: &mut Script, command: &str| { script.on(command).gives_half(ok()).times(1); }
    )]
    breaks: Breaks,
) {
    let mut script = Script::new();
    breaks(&mut script, "SET * *");
    script.on("SET * *").gives_in_turn([ok()]);
    let report = Stage::new(SOON, script).await.operate(WRITE).await;
    assert_eq!(counts(&report), (1, 0, 0, 0));

    // Refused after that, nobody knows what became of the first attempt.
    let mut script = Script::new();
    breaks(&mut script, "SET * *");
    script
        .on("SET * *")
        .errs("OOM command not allowed when used memory > 'maxmemory'.")
        .times(1);
    let report = Stage::new(SOON, script).await.operate(WRITE).await;
    assert_eq!(counts(&report), (0, 1, 1, 0));

    // What a read did is no matter.
    let mut script = Script::new();
    breaks(&mut script, "GET *");
    script.on("GET *").errs("NOPERM no").times(1);
    let report = Stage::new(SOON, script).await.operate(read(true)).await;
    assert_eq!(counts(&report), (0, 1, 0, 0));
}

#[tokio::test]
async fn a_node_that_hangs_costs_the_deadline_and_no_place_among_those_in_flight() {
    let mut script = Script::new();
    script.on("SET * *").hangs();
    let stage = Stage::new(SHORT, script).await;
    let free = stage.shared.in_flight.available_permits();
    let waiting = stage.begin(WRITE);
    assert_eq!(stage.shared.in_flight.available_permits(), free - 1);
    eventually(|| stage.report().failed == 1).await;
    eventually(|| stage.shared.in_flight.available_permits() == free).await;
    let report = stage.report();
    assert_eq!(counts(&report), (0, 1, 1, 0));
    assert_eq!(errors(&report), [("no answer", 1)]);
    let said = report.first_failure.unwrap();
    assert!(
        said.ends_with("(slot 7): redis-1: no answer within 300ms"),
        "{said}"
    );
    // Its answer is still awaited, but not beyond the probe's end.
    assert!(!waiting.is_finished());
    stage.shared.ended.cancel();
    let ended = tokio::time::timeout(SOON / 4, waiting).await;
    assert!(ended.is_ok(), "it is still awaited");
}

/// What comes after the operation was given up, and what that tells of a write.
#[rstest]
#[case::done(ok(), (0, 1, 1, 1))]
#[case::refused(Reply::Error("OOM command not allowed when used memory > 'maxmemory'.".into()), (0, 1, 0, 1))]
#[case::down(Reply::Error("CLUSTERDOWN The cluster is down".into()), (0, 1, 0, 1))]
#[case::moved(Reply::Error("MOVED 7 10.0.0.2:7002".into()), (0, 1, 0, 1))]
#[case::to_a_stranger(Reply::Error("MOVED 7 10.9.9.9:7009".into()), (0, 1, 0, 1))]
#[tokio::test]
async fn a_late_answer_is_counted_and_a_late_no_says_that_nothing_was_done(
    #[case] reply: Reply,
    #[case] expected: (u64, u64, u64, u64),
) {
    let clock = Clock::stepped();
    let mut script = Script::new().with_clock(clock.clone());
    let hour = Duration::from_secs(3600);
    script.on("SET * *").after(hour).gives(reply).times(1);
    let stage = Stage::new(SHORT, script).await;
    let waiting = stage.begin(WRITE);
    eventually(|| stage.report().failed == 1).await;
    assert_eq!(counts(&stage.report()), (0, 1, 1, 0), "not known yet");
    clock.advance(hour);
    eventually(|| waiting.is_finished()).await;
    assert_eq!(counts(&stage.report()), expected);
}

#[tokio::test]
async fn a_connection_that_ends_late_is_no_answer() {
    let clock = Clock::stepped();
    let mut script = Script::new().with_clock(clock.clone());
    let hour = Duration::from_secs(3600);
    script.on("SET * *").after(hour).hangs_up().times(1);
    let stage = Stage::new(SHORT, script).await;
    let waiting = stage.begin(WRITE);
    eventually(|| stage.report().failed == 1).await;
    clock.advance(hour);
    eventually(|| waiting.is_finished()).await;
    assert_eq!(counts(&stage.report()), (0, 1, 1, 0));
}

/// Lost, wrong, failed.
#[rstest]
#[case::there(false, None, (0, 0, 0))]
#[case::gone(false, Some(Reply::Nil), (1, 0, 0))]
#[case::changed(false, Some("another".into()), (0, 1, 0))]
#[case::of_another_type(false, Some(Reply::Error("WRONGTYPE Operation against a key holding the wrong kind of value".into())), (0, 0, 1))]
#[case::never_there(true, Some(Reply::Nil), (0, 0, 0))]
#[case::there_and_never_written(true, Some("from nowhere".into()), (0, 1, 0))]
#[tokio::test]
async fn what_a_read_finds(
    #[case] absent: bool,
    #[case] reply: Option<Reply>,
    #[case] expected: (u64, u64, u64),
) {
    let stage = Stage::new(SOON, Script::new()).await;
    let (name, value) = stage.acknowledged(WRITE);
    stage.one.instead(|script| {
        let asked = if absent {
            "GET *".to_owned()
        } else {
            format!("GET {name}")
        };
        script
            .on(&asked)
            .gives(reply.unwrap_or(value.as_str().into()))
            .times(1);
    });
    let report = stage.operate(read(absent)).await;
    assert_eq!(
        (report.lost, report.wrong, report.failed),
        expected,
        "{report:?}"
    );
    assert_eq!(report.first_fault.is_some(), report.lost + report.wrong > 0);
}
