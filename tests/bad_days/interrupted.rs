//! Somebody wishes the run to end.

use std::time::Instant;

use rstest::rstest;
use rustix::process::Signal;

use crate::command::{Desk, Ended, LONG, Running};
use crate::engine::turn;
use crate::{A_WHILE, Broom, PING, SOON, SUBSCRIBE, lab, listens, nothing_is_left};

/// Sends `signal` and waits for the end of the run, which has to come soon and leave nothing.
fn interrupted(desk: &Desk, running: Running, signal: Signal) -> Ended {
    let asked = Instant::now();
    running.signal(signal);
    let ended = running.end(LONG);
    ended.says(130, &["interrupted; cleaning up"]);
    assert!(asked.elapsed() < SOON, "{:?}\n{ended}", asked.elapsed());
    nothing_is_left(desk);
    ended
}

#[rstest]
#[case::ctrl_c(Signal::INT)]
#[case::terminated(Signal::TERM)]
fn interrupted_while_given_is_made(#[case] signal: Signal) {
    let Some(_turn) = turn("interrupted_while_given_is_made") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", PING));
    running.wait_for_event("given_started");
    interrupted(&desk, running, signal).says(130, &["A bad day interrupted"]);
}

#[test]
fn interrupted_while_keys_are_written() {
    let Some(_turn) = turn("interrupted_while_keys_are_written") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("  keys: {count: 1000000}\n", PING));
    running.wait_for("keys are written", |event| {
        event["event"] == "given_phase"
            && event["phase"]
                .as_str()
                .is_some_and(|phase| phase.contains("keys"))
    });
    interrupted(&desk, running, Signal::INT);
}

#[test]
fn interrupted_while_a_command_runs() {
    let Some(_turn) = turn("interrupted_while_a_command_runs") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", SUBSCRIBE));
    listens(&mut running, &desk);
    interrupted(&desk, running, Signal::INT);
    let events = desk.events();
    let cleaned = events.iter().find(|event| {
        event["event"] == "command_started" && event["typed"] == "redis-cli -p 7001 SET cleaned up"
    });
    assert!(
        cleaned.is_some(),
        "the lab's own cleanup is run: {events:?}"
    );
    assert!(
        events
            .iter()
            .any(|event| event["event"] == "command_finished" && event["stdout"] == "OK\n"),
        "and it works"
    );
}

#[test]
fn interrupted_while_something_is_awaited() {
    let Some(_turn) = turn("interrupted_while_something_is_awaited") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let steps = format!("{PING}    - node: {{name: redis-1, slots: 0}}\n      within: 60s\n");
    let mut running = desk.start_lab(&lab("", &steps));
    running.wait_for_event("waiting");
    interrupted(&desk, running, Signal::INT);
}

#[test]
fn interrupted_while_it_is_removed() {
    let Some(_turn) = turn("interrupted_while_it_is_removed") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", PING));
    running.wait_for_event("cleanup_started");
    let asked = Instant::now();
    running.signal(Signal::INT);
    let ended = running.end(LONG);
    // What was asked for is under way already; the removal goes on.
    ended.says(130, &["interrupted"]);
    assert!(asked.elapsed() < SOON, "{ended}");
    nothing_is_left(&desk);
}

#[test]
fn interrupted_twice_leaves_out_the_labs_own_cleanup() {
    let Some(_turn) = turn("interrupted_twice_leaves_out_the_labs_own_cleanup") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", SUBSCRIBE));
    listens(&mut running, &desk);
    let asked = Instant::now();
    running.signal(Signal::INT);
    running.wait_for_event("interrupted");
    running.signal(Signal::INT);
    let ended = running.end(LONG);
    ended.says(130, &["interrupted again; the lab's cleanup is skipped"]);
    assert!(asked.elapsed() < SOON, "{ended}");
    let finished = desk
        .events()
        .iter()
        .filter(|event| event["event"] == "command_finished" && event["stdout"] == "OK\n")
        .count();
    assert_eq!(finished, 0, "the lab's own cleanup is not run");
    nothing_is_left(&desk);
}

#[test]
fn interrupted_three_times_ends_at_once() {
    let Some(_turn) = turn("interrupted_three_times_ends_at_once") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", SUBSCRIBE));
    listens(&mut running, &desk);
    for times in 1..=2 {
        running.signal(Signal::INT);
        running.wait_for("the interruption is heard", |event| {
            event["event"] == "interrupted" && event["times"] == times
        });
    }
    let asked = Instant::now();
    running.signal(Signal::INT);
    let ended = running.end(LONG);
    ended.says(130, &["something may be left: run `labrunner clean`"]);
    assert!(asked.elapsed() < A_WHILE, "{:?}", asked.elapsed());
    desk.labrunner(&["clean", &desk.run_id()]);
    nothing_is_left(&desk);
}

/// Signals that come faster than they are heard count as one. However many are heard: it ends, and `clean` finds what is left.
#[test]
fn interrupted_many_times_at_once_ends() {
    let Some(_turn) = turn("interrupted_many_times_at_once_ends") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", PING));
    running.wait_for_event("given_started");
    for _ in 0..3 {
        running.signal(Signal::INT);
    }
    let ended = running.end(SOON);
    ended.says(130, &["interrupted"]);
    desk.labrunner(&["clean", &desk.run_id()]);
    nothing_is_left(&desk);
}
