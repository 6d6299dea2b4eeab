//! `watch`: a line again and again, until it is stopped.

use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;
use labrunner::engine::event::Event;
use labrunner::engine::{Ending, Interrupt};

use crate::environment::without_servers;
use crate::servers;
use crate::story::{LONG, begin, begin_lab, loaded, run_lab, steps};

#[tokio::test]
async fn a_watch_goes_on_for_the_step_s_wait_and_prints_what_each_look_printed() {
    let lab = steps(
        r#"
  - {id: look, title: T, run: watch -n 0.1 'redis-cli -p 7001 COUNT', wait: 1s, expect: [exit: 0, stdout: {lines: ">= 2"}]}
"#,
    );
    let started = std::time::Instant::now();
    let ended = run_lab(without_servers(), &lab).await;
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(ended.ending, Ending::Passed, "{}", ended.story());
    let seen = ended.repetitions("look");
    // A pause of 100 ms between the end of one and the begin of the next leaves room for ten.
    assert!((2..=10).contains(&seen.len()), "{}", seen.len());
    let all: String = (1..=seen.len()).map(|n| format!("{n}\n")).collect();
    assert_eq!(ended.printed("look").stdout, all);
    let each: String = seen.iter().map(|output| output.stdout.as_str()).collect();
    assert_eq!(each, all);
    assert_eq!(ended.environment.performed().len(), 1 + seen.len());
}

#[tokio::test]
async fn a_look_that_is_cut_off_by_the_stop_is_not_printed() {
    let lab = steps(
        r#"
  - {id: look, title: T, run: watch -n 0.1 'redis-cli -p 7001 COUNT HANG 2', background: true, expect: [stdout: {equals: "1\n2"}]}
  - {id: pause, title: T, run: redis-cli -p 7001 AWAIT now, expect: [exit: 0]}
  - {id: stop, title: T, await: look, run: redis-cli -p 7001 SAY x, expect: [exit: 0]}
"#,
    );
    let run = begin(without_servers(), &lab);
    let environment = run.environment.clone();
    let looks = || {
        let performed = environment.performed();
        performed
            .iter()
            .filter(|it| it.starts_with("COUNT"))
            .count()
    };
    servers::eventually("the third look", LONG, async || {
        (looks() == 3).then_some(())
    })
    .await;
    run.environment.release("now");
    let ended = run.end().await;
    assert_snapshot!(ended.story_of("look"), @"
    1 look
      $ watch -n 0.1 'redis-cli -p 7001 COUNT HANG 2'
      goes on
    look is stopped
      exit 0
      ok  expect after: stdout is `1
    2` | stdout is `1 ⏎ 2`
      Passed
    ");
    assert_eq!(ended.repetitions("look").len(), 2);
    assert_eq!(ended.environment.under_way(), 0);
}

#[tokio::test]
async fn each_look_goes_through_the_filters_inside_of_the_quotes() {
    let lab = steps(
        r#"
  - {id: look, title: T, run: watch -n 0.1 'redis-cli -p 7001 LINES one two three | grep t', wait: 250ms, expect: [stdout: {contains: "two\nthree\n", lacks: one}]}
"#,
    );
    let ended = run_lab(without_servers(), &lab).await;
    assert_eq!(ended.ending, Ending::Passed, "{}", ended.story());
    // A filter through which nothing comes does not end a watch either.
    let lab = steps(
        r#"
  - {id: look, title: T, run: watch -n 0.1 'redis-cli -p 7001 LINES one two | grep four', wait: 250ms, expect: [exit: 0, stdout: {empty: true}]}
"#,
    );
    let ended = run_lab(without_servers(), &lab).await;
    assert_eq!(ended.ending, Ending::Passed, "{}", ended.story());
    assert!(ended.repetitions("look").len() > 1);
    assert!(
        ended
            .repetitions("look")
            .iter()
            .all(|output| output.exit == Some(1))
    );
}

#[tokio::test]
async fn a_watch_that_saw_nothing_proves_nothing() {
    let watch = |line: &str| {
        steps(&format!(
            "  - {{id: look, title: T, run: \"watch -n 0.1 'redis-cli -p 7001 {line}'\", wait: 50ms, expect: [stdout: {{lacks: x}}]}}"
        ))
    };
    assert_snapshot!(run_lab(without_servers(), &watch("HANG")).await.story(), @"
    1 look
      $ watch -n 0.1 'redis-cli -p 7001 HANG'
      exit 0
      BAD expect after: something is watched | nothing: it was stopped before it had looked once
      scene of 0 nodes
      Failed
    clean
    cleaned
    Failed: 0 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
    assert_snapshot!(run_lab(without_servers(), &watch("EXIT 3")).await.story(), @"
    1 look
      $ watch -n 0.1 'redis-cli -p 7001 EXIT 3'
      exit 0
      BAD expect after: something is watched | nothing: its command never worked; exit 3
      scene of 0 nodes
      Failed
    clean
    cleaned
    Failed: 0 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
    // What the filter lets through means nothing if no command worked.
    let ended = run_lab(without_servers(), &watch("EXIT 3 | grep -v x")).await;
    assert_eq!(ended.ending, Ending::Failed, "{}", ended.story());
    let ended = run_lab(without_servers(), &watch("FLOOD y | grep x")).await;
    assert!(
        ended.miss().seen.ends_with("were too much to be kept"),
        "{}",
        ended.story()
    );
}

#[tokio::test]
async fn some_looks_may_fail_since_that_is_what_one_watches_for() {
    let lab = steps(
        r#"
  - {id: look, title: T, run: watch -n 0.1 'redis-cli -p 7001 COUNT FAIL 1', wait: 350ms, expect: [exit: 0, stdout: {equals: "1"}, stderr: {contains: no more}]}
"#,
    );
    let ended = run_lab(without_servers(), &lab).await;
    assert_eq!(ended.ending, Ending::Passed, "{}", ended.story());
}

#[tokio::test]
async fn a_look_without_an_end_ends_the_watch_at_the_step_s_time_limit() {
    let mut lab = loaded(&steps(
        r#"
  - {id: look, title: T, run: watch -n 0.1 'redis-cli -p 7001 COUNT HANG-FOR-EVER 1', wait: 10min, expect: [exit: 0]}
"#,
    ));
    // A lab can't say a limit for a watch, so it is the minute that every step has.
    lab.steps[0].timeout = Duration::from_millis(50);
    let run = begin_lab(Arc::new(without_servers()), lab, Interrupt::default());
    assert_snapshot!(run.end().await.story(), @"
    1 look
      $ watch -n 0.1 'redis-cli -p 7001 COUNT HANG-FOR-EVER 1'
      stopped
      BAD expect after: the command ends | it ran for 50ms without an end, and was stopped
      scene of 0 nodes
      Failed
    clean
    cleaned
    Failed: 0 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
}

#[tokio::test]
async fn a_watch_of_what_cannot_be_carried_out_is_given_up() {
    let lab = steps(
        r#"
  - {id: look, title: T, run: watch -n 0.1 'redis-cli -p 7001 BREAK', wait: 10min, expect: [exit: 0]}
"#,
    );
    assert_snapshot!(run_lab(without_servers(), &lab).await.story(), @"
    1 look
      $ watch -n 0.1 'redis-cli -p 7001 BREAK'
      given up: the toolbox is gone
      trouble: the toolbox is gone
      scene of 0 nodes
      Broken
    clean
    cleaned
    Broken: 0 passed, 1 failed, 0 skipped, 0 not run
    => Broken
    ");
}

#[tokio::test]
async fn an_interruption_ends_a_watch_at_once() {
    let lab = steps(
        r#"
  - {id: look, title: T, run: watch -n 1000 'redis-cli -p 7001 COUNT', wait: 10min, expect: [exit: 0]}
"#,
    );
    let run = begin(without_servers(), &lab);
    run.told("a look", |event| matches!(event, Event::Repeated { .. }))
        .await;
    run.interrupt.request();
    let asked = std::time::Instant::now();
    let ended = run.end().await;
    assert!(asked.elapsed() < Duration::from_secs(3));
    assert_snapshot!(ended.story(), @"
    1 look
      $ watch -n 1000 'redis-cli -p 7001 COUNT'
      given up: interrupted
      Interrupted
    clean
    cleaned
    Interrupted: 0 passed, 0 failed, 0 skipped, 1 not run
    => Interrupted
    ");
}

#[tokio::test]
async fn what_holds_and_does_not_ends_a_watch() {
    if !servers::available("what_holds_and_does_not_ends_a_watch") {
        return;
    }
    let lab = steps(
        r#"
  - {id: up, title: T, run: docker compose up -d redis-1, expect: [node: {name: redis-1, running: true}]}
  - {id: look, title: T, run: watch -n 0.1 'redis-cli -p 7001 COUNT', wait: 10min, holds: [node: {name: redis-1, running: true}], expect: [exit: 0]}
"#,
    );
    let run = begin(crate::environment::with_servers(1), &lab);
    run.told("a look", |event| matches!(event, Event::Repeated { .. }))
        .await;
    run.environment.let_die("redis-1");
    let ended = run.end().await;
    assert_eq!(ended.ending, Ending::Broken, "{}", ended.story());
    // What it saw until then is told.
    assert!(ended.printed("look").stdout.starts_with("1\n"));
}
