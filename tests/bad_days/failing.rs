//! A lab fails.

use std::time::{Duration, Instant};

use crate::command::{Desk, LONG};
use crate::engine::turn;
use crate::{Broom, PING, SUBSCRIBE, lab, nothing_is_left, on_one_screen, run_lab};

#[test]
fn a_check_that_fails_is_on_one_screen() {
    let Some(_turn) = turn("a_check_that_fails_is_on_one_screen") else {
        return;
    };
    let desk = Desk::new();
    let ended = run_lab(
        &desk,
        &lab("", &PING.replace("equals: PONG", "equals: PING")),
    );
    ended.says(1, &["A bad day failed: 0 steps passed, 1 failed"]);
    let screen = on_one_screen(&ended);
    for part in [
        "expected",
        "stdout is `PING`",
        "seen",
        "stdout is `PONG`",
        "lab.yaml:",
        "redis-cli -p 7001 PING",
        "exit 0",
        "redis-1",
        "16384 slots",
        "journal.jsonl",
    ] {
        assert!(
            screen.contains(part),
            "{part:?} is not on the screen\n{screen}"
        );
    }
}

#[test]
fn what_was_true_before_proves_nothing() {
    let Some(_turn) = turn("what_was_true_before_proves_nothing") else {
        return;
    };
    let desk = Desk::new();
    let steps = format!("{PING}    - node: {{name: redis-1, slots: 16384}}\n");
    run_lab(&desk, &lab("", &steps)).says(
        1,
        &[
            "redis-1 owns 16384 slots",
            "was true before the step already, so the step proves nothing",
        ],
    );
    assert!(
        !desk
            .events()
            .iter()
            .any(|event| event["event"] == "command_started"),
        "the command is not run"
    );
}

#[test]
fn what_has_to_hold_and_does_not_is_told() {
    let Some(_turn) = turn("what_has_to_hold_and_does_not_is_told") else {
        return;
    };
    let desk = Desk::new();
    let steps = "
- id: flush
  title: Flush
  run: redis-cli -p 7001 FLUSHALL
  expect:
    - stdout: {equals: OK}
  holds:
    - given_keys: intact
";
    let ended = run_lab(&desk, &lab("  keys: {count: 100}\n", steps));
    ended.says(
        1,
        &[
            "must hold",
            "every key of `given` has its value",
            "0 of 100 keys intact, 100 missing",
            "redis-cli -p 7001 FLUSHALL",
        ],
    );
    on_one_screen(&ended);
}

#[test]
fn a_program_that_prints_100_mb_is_cut() {
    let Some(_turn) = turn("a_program_that_prints_100_mb_is_cut") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let steps = "
- id: shout
  title: Shout
  run: redis-cli -p 7001 EVAL \"return string.rep('x', 100000000)\" 0
  expect:
    - stdout: {contains: y}
";
    let mut running = desk.start_lab(&lab("", steps));
    let mut peak = 0;
    let until = Instant::now() + LONG;
    while !running.has_ended() {
        assert!(Instant::now() < until, "it does not end");
        peak = peak.max(running.peak_memory().unwrap_or_default());
        std::thread::sleep(Duration::from_millis(5));
    }
    let ended = running.end(LONG);
    ended.says(
        1,
        &[
            "stdout contains `y`",
            "stdout is too long to be checked",
            "EVAL",
        ],
    );
    on_one_screen(&ended);
    assert!(peak > 0 && peak < 200_000_000, "{peak} bytes of memory");
    let journal = std::fs::metadata(desk.path().join("journal.jsonl"))
        .unwrap()
        .len();
    assert!(journal < 10_000_000, "{journal} bytes of journal");
    nothing_is_left(&desk);
}

#[test]
fn a_command_that_never_ends_is_stopped() {
    let Some(_turn) = turn("a_command_that_never_ends_is_stopped") else {
        return;
    };
    let desk = Desk::new();
    let ended = run_lab(
        &desk,
        &lab(
            "",
            &SUBSCRIBE.replace("  expect", "  timeout: 1s\n  expect"),
        ),
    );
    ended.says(
        1,
        &[
            "the command ends",
            "it ran for 1s without an end, and was stopped",
            "redis-cli -p 7001 SUBSCRIBE news",
        ],
    );
    on_one_screen(&ended);
    // What it printed until then is shown.
    assert!(on_one_screen(&ended).contains("subscribe"), "{ended}");
}

#[test]
fn a_full_disk_does_not_stop_a_run() {
    let Some(_turn) = turn("a_full_disk_does_not_stop_a_run") else {
        return;
    };
    if !std::path::Path::new("/dev/full").exists() {
        eprintln!("SKIPPED a_full_disk_does_not_stop_a_run: there is no /dev/full");
        return;
    }
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING));
    let ended = desk.labrunner(&[
        "run",
        "lab.yaml",
        "--state-dir",
        "state",
        "--journal",
        "/dev/full",
    ]);
    ended.says(0, &["journal: /dev/full is not complete: it ends before the first event: No space left on device", "A bad day passed"]);
    let runs = desk.path().join("state/runs");
    assert_eq!(
        std::fs::read_dir(runs).map_or(0, Iterator::count),
        0,
        "nothing is left"
    );
}

#[test]
fn a_reader_that_goes_away_does_not_stop_a_run() {
    let Some(_turn) = turn("a_reader_that_goes_away_does_not_stop_a_run") else {
        return;
    };
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = desk
        .run_command(&["lab.yaml"])
        .stdout(writer)
        .stderr(std::process::Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.as_ref()), (Some(0), ""));
    nothing_is_left(&desk);
}
