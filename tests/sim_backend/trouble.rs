//! Runs that do not come to their end.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::command::{Desk, LONG, Running, processes_about};
use crate::lab;

/// A step whose command does not end by itself. `word` is in its arguments, and in nobody else's.
fn endless(word: &str) -> String {
    let steps = format!(
        "  - id: up
    title: Start a node
    run: docker compose up -d redis-1
    expect:
      - node: {{name: redis-1, running: true}}
  - id: own
    title: Give it the slots
    run: redis-cli -p 7001 CLUSTER ADDSLOTSRANGE 0 16383
    expect:
      - cluster: {{state: ok}}
        within: 20s
  - id: block
    title: Wait for what nobody sends
    run: redis-cli -p 7001 BLPOP {word} 1000
    timeout: 15m
    expect:
      - exit: 0
"
    );
    lab("", &steps)
}

fn begin(desk: &Desk, word: &str) -> Running {
    desk.write("lab.yaml", endless(word));
    let mut command = desk.run_command(&["lab.yaml", "--backend", "sim"]);
    // With our own redis-cli.
    command.env("PATH", "/nonexistent");
    let mut running = desk.start(&mut command);
    running.wait_until("it waits", |_| {
        (!processes_about(&format!("BLPOP {word}")).is_empty()).then_some(())
    });
    running
}

fn nobody_is_left(word: &str) {
    let deadline = Instant::now() + LONG;
    while !processes_about(&format!("BLPOP {word}")).is_empty() {
        assert!(Instant::now() < deadline, "redis-cli runs on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_wish_to_end_is_heeded_while_a_command_runs() {
    let (desk, word) = (Desk::new(), format!("ends{}", std::process::id()));
    let running = begin(&desk, &word);
    running.signal(Signal::INT);
    running
        .end(Duration::from_secs(30))
        .says(130, &["interrupted"]);
    nobody_is_left(&word);
}

#[test]
fn nothing_of_a_run_that_is_killed_goes_on() {
    let (desk, word) = (Desk::new(), format!("dies{}", std::process::id()));
    let running = begin(&desk, &word);
    running.signal(Signal::KILL);
    assert_eq!(running.end(LONG).signal, Some(9));
    nobody_is_left(&word);
    // And nothing has to be removed.
    let mut command = desk.command(["clean"]);
    desk.start(command.env("PATH", "/nonexistent"))
        .end(LONG)
        .says(0, &["nothing to remove"]);
}

/// While time is leapt over as well.
#[test]
fn a_wish_to_end_is_heeded_while_time_is_leapt_over() {
    let steps = "  - id: wait
    title: Wait
    wait: 59m
    holds:
      - node: {name: redis-1, running: false}
";
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", steps));
    let mut running = desk.start(&mut desk.run_command(&["lab.yaml", "--backend", "sim"]));
    running.wait_for_event("step_started");
    running.signal(Signal::INT);
    let ended = running.end(Duration::from_secs(30));
    // It may have been quicker.
    assert!(matches!(ended.exit, Some(130 | 0)), "{ended}");
}
