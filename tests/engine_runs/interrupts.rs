//! The wish to end, at every moment.

use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;
use labrunner::engine::event::Event;
use labrunner::engine::{Ending, Interrupt};

use crate::environment::{Wrong, with_servers, without_servers};
use crate::servers;
use crate::story::{Ended, LONG, Run, begin, begin_with, lab, steps};

/// Interrupts a run; it has to end soon, whatever it was waiting for.
async fn interrupt(run: Run) -> Ended {
    let asked = std::time::Instant::now();
    run.interrupt.request();
    let ended = run.end().await;
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "it took {:?}",
        asked.elapsed()
    );
    ended
}

#[tokio::test]
async fn before_the_first_step() {
    let interrupt = Interrupt::default();
    interrupt.request();
    let lab = steps("  - {id: a, title: T, run: redis-cli -p 7001 SAY x, expect: [exit: 0]}");
    let ended = begin_with(Arc::new(without_servers()), &lab, interrupt)
        .end()
        .await;
    assert_snapshot!(ended.story(), @"
    clean
    cleaned
    Interrupted: 0 passed, 0 failed, 0 skipped, 1 not run
    => Interrupted
    ");
}

#[tokio::test]
async fn while_the_environment_is_started() {
    let environment = without_servers().with(Wrong {
        start_hangs: true,
        ..Wrong::default()
    });
    let lab = lab(
        "given: {masters: {redis-1: 0-16383}}",
        "  - {id: a, title: T, run: redis-cli -p 7001 SAY x, expect: [exit: 0]}",
    );
    let run = begin(environment, &lab);
    run.told("the begin", |event| {
        matches!(event, Event::GivenPhase { .. })
    })
    .await;
    let ended = interrupt(run).await;
    assert_snapshot!(ended.story(), @"
    clean
    cleaned
    Interrupted: 0 passed, 0 failed, 0 skipped, 1 not run
    => Interrupted
    ");
    // The environment is not removed from under a start that is still at work.
    assert_eq!(ended.environment.performed(), ["start", "start was ended"]);
}

#[tokio::test]
async fn while_a_command_runs() {
    let lab = steps(
        r#"
  - {id: first, title: T, run: redis-cli -p 7001 SAY x, expect: [exit: 0], cleanup: [redis-cli -p 7001 SAY first]}
  - {id: hang, title: T, run: redis-cli -p 7001 HANG, expect: [exit: 0], cleanup: [redis-cli -p 7001 SAY hang]}
  - {id: never, title: T, run: redis-cli -p 7001 SAY x, expect: [exit: 0], cleanup: [redis-cli -p 7001 SAY never]}
"#,
    );
    let run = begin(without_servers(), &lab);
    run.command_begun("hang").await;
    assert_snapshot!(interrupt(run).await.story(), @"
    1 first
      $ redis-cli -p 7001 SAY x
      exit 0
      ok  expect after: exit 0 | exit 0
      Passed
    2 hang
      $ redis-cli -p 7001 HANG
      given up: interrupted
      Interrupted
    clean
      $ redis-cli -p 7001 SAY hang
      exit 0
      $ redis-cli -p 7001 SAY first
      exit 0
    cleaned
    Interrupted: 1 passed, 0 failed, 0 skipped, 2 not run
    => Interrupted
    ");
}

#[tokio::test]
async fn a_command_that_the_same_signal_ended_is_no_failure() {
    let lab = steps("  - {id: a, title: T, run: redis-cli -p 7001 DIE-WITH-IT, expect: [exit: 0]}");
    let run = begin(without_servers(), &lab);
    run.command_begun("a").await;
    assert_snapshot!(interrupt(run).await.story(), @"
    1 a
      $ redis-cli -p 7001 DIE-WITH-IT
      exit 130
      Interrupted
    clean
    cleaned
    Interrupted: 0 passed, 0 failed, 0 skipped, 1 not run
    => Interrupted
    ");
}

#[tokio::test]
async fn twice_leaves_out_the_lab_s_own_cleanup_and_nothing_else() {
    let lab = steps(
        r#"
  - id: hang
    title: T
    run: redis-cli -p 7001 HANG
    expect: [exit: 0]
    cleanup: [redis-cli -p 7001 SAY one, redis-cli -p 7001 HANG, redis-cli -p 7001 SAY two]
"#,
    );
    let run = begin(without_servers(), &lab);
    run.command_begun("hang").await;
    assert_eq!(run.interrupt.request(), 1);
    run.told(
        "the cleanup's own command",
        |event| matches!(event, Event::CommandStarted { typed, .. } if typed.ends_with("SAY one")),
    )
    .await;
    let environment = run.environment.clone();
    servers::eventually("the second HANG", LONG, async || {
        (environment
            .performed()
            .iter()
            .filter(|it| *it == "HANG")
            .count()
            == 2)
            .then_some(())
    })
    .await;
    // The second wish ends the cleanup command that hangs, and the one after it is not begun.
    assert_snapshot!(interrupt(run).await.story(), @"
    1 hang
      $ redis-cli -p 7001 HANG
      given up: interrupted
      Interrupted
    clean
      $ redis-cli -p 7001 SAY one
      exit 0
      $ redis-cli -p 7001 HANG
      given up: interrupted
    cleaned
    Interrupted: 0 passed, 0 failed, 0 skipped, 1 not run
    => Interrupted
    ");
}

#[tokio::test]
async fn twice_before_any_cleanup_began() {
    let lab = steps(
        r#"
  - {id: hang, title: T, run: redis-cli -p 7001 HANG, expect: [exit: 0], cleanup: [redis-cli -p 7001 SAY one]}
"#,
    );
    let run = begin(without_servers(), &lab);
    run.command_begun("hang").await;
    run.interrupt.request();
    let ended = interrupt(run).await;
    assert_eq!(ended.ending, Ending::Interrupted);
    assert_eq!(ended.environment.performed(), ["start", "HANG"]);
}

#[tokio::test]
async fn while_a_step_waits_and_something_is_watched() {
    if !servers::available("while_a_step_waits_and_something_is_watched") {
        return;
    }
    let lab = steps(
        r#"
  - {id: up, title: T, run: docker compose up -d redis-1, expect: [node: {name: redis-1, running: true}]}
  - {id: pause, title: T, wait: 10min, holds: [node: {name: redis-1, running: true}]}
"#,
    );
    let run = begin(with_servers(1), &lab);
    run.looked_before("pause").await;
    assert_snapshot!(interrupt(run).await.story(), @"
    1 up
      $ docker compose up -d redis-1
      exit 0
      ok  expect after: redis-1 answers | redis-1 answers
      Passed
    2 pause
      Interrupted
    clean
    cleaned
    Interrupted: 1 passed, 0 failed, 0 skipped, 1 not run
    => Interrupted
    ");
}

#[tokio::test]
async fn while_something_is_awaited() {
    let lab = steps(
        r#"
  - {id: wait, title: T, run: redis-cli -p 7001 SAY x, expect: [{node: {name: redis-1, running: true}, within: 10min}]}
"#,
    );
    let run = begin(without_servers(), &lab);
    run.told("what is awaited", |event| {
        matches!(event, Event::Waiting { .. })
    })
    .await;
    assert_snapshot!(interrupt(run).await.story(), @"
    1 wait
      $ redis-cli -p 7001 SAY x
      exit 0
      Interrupted
    clean
    cleaned
    Interrupted: 0 passed, 0 failed, 0 skipped, 1 not run
    => Interrupted
    ");
}

#[tokio::test]
async fn while_what_holds_is_watched_after_the_step() {
    let lab = steps(
        r#"
  - {id: watch, title: T, run: redis-cli -p 7001 SAY x, holds: [{node: {name: redis-1, running: false}, for: 10min}]}
"#,
    );
    let run = begin(without_servers(), &lab);
    run.command_ended("watch").await;
    assert_snapshot!(interrupt(run).await.story(), @"
    1 watch
      $ redis-cli -p 7001 SAY x
      exit 0
      Interrupted
    clean
    cleaned
    Interrupted: 0 passed, 0 failed, 0 skipped, 1 not run
    => Interrupted
    ");
}

#[tokio::test]
async fn while_a_frozen_node_is_looked_at_and_a_probe_is_stopped() {
    if !servers::available("while_a_frozen_node_is_looked_at_and_a_probe_is_stopped") {
        return;
    }
    let lab = lab(
        "given: {masters: {redis-1: 0-16383}, keys: {count: 100}}",
        r#"
  - id: freeze
    title: T
    run: redis-cli -p 7001 SAY x
    meanwhile: [probe: {rate: 200/s, slots: all}]
    expect:
      - info: {name: redis-1, fields: {maxmemory: 1}}
        within: 1s
    holds:
      - probe: {lost: 0}
"#,
    );
    let run = begin(with_servers(1), &lab);
    run.looked_before("freeze").await;
    run.command_ended("freeze").await;
    run.environment.signal("redis-1", "STOP");
    // The check fails after its second; then the probe, which gets no answers any more, is stopped, which takes many seconds.
    let overdue =
        |event: &Event| matches!(event, Event::Checked { verdict, .. } if !verdict.passed);
    run.told("the check that fails", overdue).await;
    let environment = run.environment.clone();
    let ended = interrupt(run).await;
    environment.signal("redis-1", "CONT");
    // The check had been decided, so this is no mere interruption.
    assert_eq!(ended.ending, Ending::Failed, "{}", ended.story());
    assert!(!ended.story().contains("probed"), "{}", ended.story());
}
