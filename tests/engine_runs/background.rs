//! Commands that go on while the next steps run.

use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;
use labrunner::engine::Ending;
use labrunner::engine::event::Event;

use crate::environment::without_servers;
use crate::servers;
use crate::story::{LONG, Run, begin, run_lab, steps};

/// Waits until something has ended in the background.
async fn command_ended(run: &Run, id: &str) {
    let ended = |event: &Event| matches!(event, Event::CommandFinished { step, .. } | Event::CommandGivenUp { step, .. } if step == id);
    run.told("the end of the command", ended).await;
}

#[tokio::test]
async fn the_lab_goes_on_and_what_was_printed_is_decided_when_it_is_awaited() {
    let lab = steps(
        r#"
  - {id: wait, title: T, run: redis-cli -p 7001 AWAIT it, background: true, save: {got: stdout}, expect: [stdout: {equals: it}]}
  - {id: release, title: T, run: redis-cli -p 7001 RELEASE it, expect: [stdout: {equals: OK}]}
  - {id: use, title: T, await: wait, run: "redis-cli -p 7001 SAY got ${got}", expect: [stdout: {equals: got it}]}
"#,
    );
    let ended = run_lab(without_servers(), &lab).await;
    assert_eq!(
        ended.course(),
        [
            "wait begins",
            "wait goes on",
            "release begins",
            "release: Passed",
            "wait is awaited",
            "wait: Passed",
            "use begins",
            "use: Passed",
        ]
    );
    assert_snapshot!(ended.story_of("wait"), @"
    1 wait
      $ redis-cli -p 7001 AWAIT it
      goes on
      exit 0
    wait is awaited
      saved got=it
      ok  expect after: stdout is `it` | stdout is `it`
      Passed
    ");
    assert_snapshot!(ended.story_of("use"), @"
    3 use
      $ redis-cli -p 7001 SAY got it
      exit 0
      ok  expect after: stdout is `got it` | stdout is `got it`
      Passed
    ");
    assert_eq!(ended.ending, Ending::Passed);
    assert_eq!(
        ended.environment.performed(),
        ["start", "AWAIT it", "RELEASE it", "SAY got it"]
    );
}

#[tokio::test]
async fn what_ended_badly_long_ago_fails_when_it_is_awaited_and_not_before() {
    let lab = steps(
        r#"
  - id: bad
    title: T
    run: redis-cli -p 7001 AWAIT else
    background: true
    expect:
      - stdout: {equals: it}
        why: It has to be.
  - {id: between, title: T, run: redis-cli -p 7001 RELEASE else, expect: [exit: 0]}
  - {id: never, title: T, await: bad, run: redis-cli -p 7001 SAY x, expect: [exit: 0]}
"#,
    );
    let ended = run_lab(without_servers(), &lab).await;
    assert_eq!(
        ended.course(),
        [
            "bad begins",
            "bad goes on",
            "between begins",
            "between: Passed",
            "bad is awaited",
            "bad: Failed",
        ]
    );
    assert_snapshot!(ended.story_of("bad"), @"
    1 bad
      $ redis-cli -p 7001 AWAIT else
      goes on
      exit 0
    bad is awaited
      BAD expect after: stdout is `it` | stdout is `else`
      scene of 0 nodes
      Failed
    ");
    // The verdict is the step's own, wherever the lab has come to meanwhile.
    assert_eq!(ended.miss().place.line, 11);
    assert_eq!(ended.miss().why.as_deref(), Some("It has to be."));
    // The step that awaits it is not begun.
    assert_eq!(
        ended.environment.performed(),
        ["start", "AWAIT else", "RELEASE else"]
    );
    let last = ended.story();
    assert!(
        last.ends_with("Failed: 1 passed, 1 failed, 0 skipped, 1 not run\n=> Failed"),
        "{last}"
    );
}

#[tokio::test]
async fn an_exit_code_a_time_limit_and_a_pipe_are_decided_as_in_any_step() {
    for (keys, story) in [
        (
            "run: redis-cli -p 7001 EXIT 3",
            "BAD expect after: exit 0 | exit 3",
        ),
        (
            "timeout: 50ms, run: redis-cli -p 7001 HANG",
            "BAD expect after: the command ends | it ran for 50ms without an end, and was stopped",
        ),
        (
            "run: redis-cli -p 7001 EXIT 1 | grep -v x",
            "BAD expect after: exit 0 of the command before `| grep` | exit 1 of the command before `| grep`",
        ),
    ] {
        let lab = steps(&format!(
            r#"
  - {{id: bad, title: T, {keys}, background: true, expect: [stdout: {{empty: true}}]}}
  - {{id: await, title: T, await: bad}}
"#
        ));
        let ended = run_lab(without_servers(), &lab).await;
        let told = ended.story_of("bad");
        assert!(told.contains(story), "{told}");
        assert_eq!(ended.ending, Ending::Failed);
    }
}

#[tokio::test]
async fn a_time_limit_counts_from_the_begin_of_the_command_and_not_from_when_it_is_awaited() {
    let lab = steps(
        r#"
  - {id: slow, title: T, timeout: 2s, run: redis-cli -p 7001 HANG, background: true, expect: [exit: 0]}
  - {id: pause, title: T, wait: 1500ms, holds: [node: {name: redis-1, running: false}]}
  - {id: await, title: T, await: slow}
"#,
    );
    let ended = run_lab(without_servers(), &lab).await;
    assert_eq!(ended.ending, Ending::Failed);
    let at = |what: &str| {
        ended.at(|event| match event {
            Event::StepAwaited { .. } => what == "awaited",
            Event::StepFinished { step, .. } => what == step,
            _ => false,
        })
    };
    let waited = at("slow").saturating_sub(at("awaited"));
    assert!(waited < Duration::from_millis(1500), "{waited:?}");
}

#[tokio::test]
async fn what_cannot_be_begun_is_told_at_once() {
    let lab = steps(
        r#"
  - {id: bad, title: T, run: "redis-cli -p 7001 SAY ${redis-2.id}", background: true, expect: [exit: 0]}
  - {id: never, title: T, run: redis-cli -p 7001 SAY x, expect: [exit: 0]}
  - {id: await, title: T, await: bad}
"#,
    );
    assert_snapshot!(run_lab(without_servers(), &lab).await.story(), @"
    1 bad
      trouble: the id of redis-2 is not known: it has not answered yet
      scene of 0 nodes
      Failed
    clean
    cleaned
    Failed: 0 passed, 1 failed, 0 skipped, 2 not run
    => Failed
    ");
}

#[tokio::test]
async fn a_panic_or_a_broken_environment_in_the_background_ends_the_lab_when_it_is_awaited() {
    for (word, ending) in [("PANIC", Ending::Bug), ("BREAK", Ending::Broken)] {
        let lab = steps(&format!(
            r#"
  - {{id: bad, title: T, run: redis-cli -p 7001 {word}, background: true, expect: [exit: 0]}}
  - {{id: say, title: T, run: redis-cli -p 7001 SAY x, expect: [exit: 0]}}
  - {{id: await, title: T, await: bad}}
"#
        ));
        let ended = run_lab(without_servers(), &lab).await;
        assert_eq!(ended.ending, ending, "{}", ended.story());
        assert_eq!(
            ended.course(),
            [
                "bad begins",
                "bad goes on",
                "say begins",
                "say: Passed",
                "bad is awaited",
                "bad: Broken",
            ]
        );
    }
}

#[tokio::test]
async fn to_await_what_was_left_out_is_nothing() {
    let lab = steps(
        r#"
  - {id: out, title: T, skip_on: {local: Not here.}, run: redis-cli -p 7001 HANG, background: true, expect: [exit: 0]}
  - {id: await, title: T, await: out, run: redis-cli -p 7001 SAY x, expect: [exit: 0]}
"#,
    );
    let ended = run_lab(without_servers(), &lab).await;
    assert_eq!(
        ended.course(),
        [
            "out begins",
            "out is skipped",
            "await begins",
            "await: Passed"
        ]
    );
}

#[tokio::test]
async fn a_step_that_is_left_out_still_awaits() {
    let lab = steps(
        r#"
  - {id: bad, title: T, run: redis-cli -p 7001 EXIT 1, background: true, expect: [stdout: {empty: true}]}
  - {id: out, title: T, await: bad, skip_on: {local: Not here.}, run: redis-cli -p 7001 SAY x, expect: [exit: 0]}
"#,
    );
    let ended = run_lab(without_servers(), &lab).await;
    // Otherwise nobody would ever say that it failed.
    assert_eq!(
        ended.course(),
        ["bad begins", "bad goes on", "bad is awaited", "bad: Failed"]
    );
}

#[tokio::test]
async fn a_lab_that_fails_leaves_nothing_running() {
    let lab = steps(
        r#"
  - {id: wait, title: T, run: redis-cli -p 7001 HANG, background: true, expect: [exit: 0], cleanup: [redis-cli -p 7001 SAY cleanup]}
  - {id: look, title: T, run: watch -n 1 'redis-cli -p 7001 HANG', background: true, expect: [exit: 0]}
  - {id: fail, title: T, run: redis-cli -p 7001 EXIT 1, expect: [stdout: {empty: true}]}
  - {id: await, title: T, await: wait}
  - {id: await-too, title: T, await: look}
"#,
    );
    let ended = run_lab(without_servers(), &lab).await;
    assert_eq!(
        ended.course(),
        [
            "wait begins",
            "wait goes on",
            "look begins",
            "look goes on",
            "fail begins",
            "fail: Failed",
            "wait: Interrupted",
            "look: Interrupted",
        ]
    );
    assert_snapshot!(ended.story_of("wait"), @"
    1 wait
      $ redis-cli -p 7001 HANG
      goes on
      given up: called off
      Interrupted
      $ redis-cli -p 7001 SAY cleanup
      exit 0
    ");
    assert_eq!(ended.environment.under_way(), 0);
    let last = ended.story();
    assert!(
        last.ends_with("Failed: 0 passed, 1 failed, 0 skipped, 4 not run\n=> Failed"),
        "{last}"
    );
}

#[tokio::test]
async fn a_command_that_heeds_nobody_is_dropped_when_the_lab_ends() {
    let lab = steps(
        r#"
  - {id: wait, title: T, run: redis-cli -p 7001 DEAF, background: true, expect: [exit: 0]}
  - {id: fail, title: T, run: redis-cli -p 7001 EXIT 1, expect: [stdout: {empty: true}]}
  - {id: await, title: T, await: wait}
"#,
    );
    let ended = run_lab(without_servers(), &lab).await;
    assert_snapshot!(ended.story_of("wait"), @"
    1 wait
      $ redis-cli -p 7001 DEAF
      goes on
      given up: it did not stop in time
      Interrupted
    ");
    assert_eq!(ended.environment.under_way(), 0);
}

#[tokio::test]
async fn an_interruption_ends_what_goes_on_in_the_background() {
    let lab = steps(
        r#"
  - {id: wait, title: T, run: redis-cli -p 7001 HANG, background: true, expect: [exit: 0]}
  - {id: look, title: T, run: watch -n 1 'redis-cli -p 7001 SAY x', background: true, expect: [exit: 0]}
  - {id: hang, title: T, run: redis-cli -p 7001 HANG, expect: [exit: 0]}
  - {id: await, title: T, await: wait}
  - {id: await-too, title: T, await: look}
"#,
    );
    let run = begin(without_servers(), &lab);
    run.command_begun("hang").await;
    run.interrupt.request();
    let asked = std::time::Instant::now();
    let ended = run.end().await;
    assert!(asked.elapsed() < Duration::from_secs(3));
    assert_eq!(ended.ending, Ending::Interrupted, "{}", ended.story());
    for (id, why) in [("wait", "interrupted"), ("look", "interrupted")] {
        let told = ended.story_of(id);
        assert!(
            told.ends_with(&format!("  given up: {why}\n  Interrupted")),
            "{told}"
        );
    }
    assert_eq!(ended.environment.under_way(), 0);
}

#[tokio::test]
async fn an_interruption_ends_the_waiting_for_what_goes_on() {
    let lab = steps(
        r#"
  - {id: wait, title: T, run: redis-cli -p 7001 HANG, background: true, expect: [exit: 0]}
  - {id: await, title: T, await: wait}
"#,
    );
    let run = begin(without_servers(), &lab);
    run.told("the waiting", |event| {
        matches!(event, Event::StepAwaited { .. })
    })
    .await;
    run.interrupt.request();
    let ended = run.end().await;
    assert_snapshot!(ended.story(), @"
    1 wait
      $ redis-cli -p 7001 HANG
      goes on
    wait is awaited
      given up: interrupted
      Interrupted
    clean
    cleaned
    Interrupted: 0 passed, 0 failed, 0 skipped, 2 not run
    => Interrupted
    ");
    assert_eq!(ended.environment.under_way(), 0);
}

#[tokio::test]
async fn a_run_that_is_dropped_takes_its_background_along() {
    let lab = steps(
        r#"
  - {id: wait, title: T, run: redis-cli -p 7001 HANG, background: true, expect: [exit: 0]}
  - {id: hang, title: T, run: redis-cli -p 7001 HANG, expect: [exit: 0]}
  - {id: await, title: T, await: wait}
"#,
    );
    let run = begin(without_servers(), &lab);
    run.command_begun("hang").await;
    let environment = Arc::clone(&run.environment);
    servers::eventually("both commands", LONG, async || {
        (environment.under_way() == 2).then_some(())
    })
    .await;
    run.drop_now().await;
    servers::eventually("the end of both", LONG, async || {
        (environment.under_way() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_ended_before_the_interruption_is_not_lost() {
    let lab = steps(
        r#"
  - {id: early, title: T, run: redis-cli -p 7001 SAY early, background: true, expect: [exit: 0]}
  - {id: hang, title: T, run: redis-cli -p 7001 HANG, expect: [exit: 0]}
  - {id: await, title: T, await: early}
"#,
    );
    let run = begin(without_servers(), &lab);
    command_ended(&run, "early").await;
    run.command_begun("hang").await;
    run.interrupt.request();
    let ended = run.end().await;
    // Its output is told; what it comes to nobody has decided.
    assert_eq!(ended.printed("early").stdout, "early\n");
    assert!(
        ended.story_of("early").ends_with("Interrupted"),
        "{}",
        ended.story()
    );
}
