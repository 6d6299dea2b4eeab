//! Checks of state: false before the step, true after it, in one and the same look; what holds, throughout.

use std::time::Duration;

use insta::assert_snapshot;
use labrunner::engine::Ending;
use labrunner::engine::event::{Event, When};
use labrunner::resp::Client;

use crate::environment::{with_servers, without_servers};
use crate::servers::{self, eventually};
use crate::story::{LONG, begin, run_lab, steps};

const UP: &str = "
  - {id: up, title: T, run: docker compose up -d redis-1, expect: [node: {name: redis-1, running: true}]}
";

/// A lab whose first step starts redis-1.
fn with_redis_1(more: &str) -> String {
    steps(&format!("{UP}{more}"))
}

async fn set(client: &Client, name: &str, value: &str) {
    let reply = client.call(&["CONFIG", "SET", name, value]).await.unwrap();
    assert!(reply.is_ok(), "{reply:?}");
}

/// Waits until the engine has looked at the server this often from now on.
async fn looked_at(client: &Client, times: u64) {
    let mut own = 0;
    let mut count = async || {
        let reply = client.call(&["INFO", "commandstats"]).await.unwrap();
        let text = reply.as_text().unwrap().into_owned();
        let all = text
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_info:calls="))
            .and_then(|rest| rest.split(',').next()?.parse::<u64>().ok())
            .unwrap_or(0);
        own += 1;
        all + 1 - own
    };
    let before = count().await;
    eventually("looks at the server", LONG, async || {
        (count().await >= before + times).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_a_step_brings_about() {
    if !servers::available("what_a_step_brings_about") {
        return;
    }
    let lab = with_redis_1(
        r#"
  - id: set
    title: T
    run: redis-cli -p 7001 CONFIG SET maxmemory 1000000
    expect:
      - stdout: {equals: OK}
      - info: {name: redis-1, fields: {maxmemory: 1000000}}
      - info: {name: redis-1, fields: {maxmemory: ">= 1000000"}}
        for: 200ms
    holds:
      - info: {name: redis-1, fields: {maxmemory_policy: noeviction}}
  - id: look
    title: T
    holds:
      - info: {name: redis-1, fields: {maxmemory: 1000000}}
      - info: {name: redis-1, fields: {maxmemory_policy: noeviction}}
        for: 200ms
"#,
    );
    let ended = run_lab(with_servers(1), &lab).await;
    assert_snapshot!(ended.story(), @"
    1 up
      $ docker compose up -d redis-1
      exit 0
      ok  expect after: redis-1 answers | redis-1 answers
      Passed
    2 set
      $ redis-cli -p 7001 CONFIG SET maxmemory 1000000
      exit 0
      ok  expect after: stdout is `OK` | stdout is `OK`
      ok  expect after: maxmemory is 1000000 on redis-1 | maxmemory is 1000000 on redis-1
      ok  expect after: maxmemory is at least 1000000 on redis-1, for 200ms | maxmemory is 1000000 on redis-1
      ok  holds after: maxmemory_policy is noeviction on redis-1 | maxmemory_policy is noeviction on redis-1
      Passed
    3 look
      ok  holds after: maxmemory is 1000000 on redis-1 | maxmemory is 1000000 on redis-1
      ok  holds after: maxmemory_policy is noeviction on redis-1, for 200ms | maxmemory_policy is noeviction on redis-1
      Passed
    clean
    cleaned
    Passed: 3 passed, 0 failed, 0 skipped, 0 not run
    => Passed
    ");
    let lasting = ended.verdicts()[3];
    assert!(
        lasting.looked_for >= Duration::from_millis(200) && lasting.looks >= 2,
        "{lasting:?}"
    );
}

#[tokio::test]
async fn what_is_true_already_is_not_brought_about() {
    if !servers::available("what_is_true_already_is_not_brought_about") {
        return;
    }
    let lab = with_redis_1(
        r#"
  - id: set
    title: T
    run: redis-cli -p 7001 CONFIG SET maxmemory 0
    expect: [info: {name: redis-1, fields: {maxmemory: 0}}]
"#,
    );
    let ended = run_lab(with_servers(1), &lab).await;
    assert_snapshot!(ended.story(), @"
    1 up
      $ docker compose up -d redis-1
      exit 0
      ok  expect after: redis-1 answers | redis-1 answers
      Passed
    2 set
      BAD expect before: maxmemory is 0 on redis-1 | maxmemory is 0 on redis-1
      scene of 1 nodes
      Failed
    clean
    cleaned
    Failed: 1 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
    // The command is not run at all, and the verdict has its evidence.
    assert_eq!(ended.environment.performed(), ["start", "up redis-1"]);
    assert_eq!(ended.miss().evidence.len(), 1);
}

#[tokio::test]
async fn what_does_not_come_true_fails_at_its_deadline() {
    let lab = steps(
        r#"
  - id: wait
    title: T
    run: redis-cli -p 7001 SAY x
    expect:
      - node: {name: redis-1, running: true}
        within: 600ms
        why: It should.
"#,
    );
    let ended = run_lab(without_servers(), &lab).await;
    assert_eq!(ended.ending, Ending::Failed);
    let miss = ended.miss();
    assert_eq!(
        (miss.when, miss.list, miss.within_ms),
        (When::After, "expect", Some(600))
    );
    assert_eq!(miss.expected, "redis-1 answers");
    assert!(
        miss.seen.starts_with("redis-1 does not answer ("),
        "{miss:?}"
    );
    assert!(miss.looks > 2, "{miss:?}");
    let (least, most) = (Duration::from_millis(600), Duration::from_secs(3));
    assert!((least..most).contains(&miss.looked_for), "{miss:?}");
    assert_eq!(
        (miss.place.line, miss.why.as_deref()),
        (10, Some("It should."))
    );
    let waiting =
        |event: &Event| matches!(event, Event::Waiting { what, .. } if what == "redis-1 answers");
    ended.at(waiting);
}

#[tokio::test]
async fn two_checks_that_are_true_at_times_but_never_together() {
    if !servers::available("two_checks_that_are_true_at_times_but_never_together") {
        return;
    }
    let lab = with_redis_1(
        r#"
  - id: both
    title: T
    run: redis-cli -p 7001 SAY x
    expect:
      - info: {name: redis-1, fields: {maxmemory: 1000000}}
        within: 1500ms
      - info: {name: redis-1, fields: {maxmemory_policy: allkeys-lru}}
        within: 1500ms
"#,
    );
    let run = begin(with_servers(1), &lab);
    run.looked_before("both").await;
    let client = run.environment.client("redis-1");
    let swing = async {
        loop {
            set(&client, "maxmemory", "1000000").await;
            looked_at(&client, 1).await;
            set(&client, "maxmemory", "0").await;
            set(&client, "maxmemory-policy", "allkeys-lru").await;
            looked_at(&client, 1).await;
            set(&client, "maxmemory-policy", "noeviction").await;
        }
    };
    let ended = tokio::select! {
        ended = run.end() => ended,
        () = swing => unreachable!("it goes on for ever"),
    };
    assert_eq!(ended.ending, Ending::Failed, "{}", ended.story());
    // That each of them was true in its own time is not held against it; see `coming_true`.
    assert!(ended.miss().looks >= 3, "{:?}", ended.miss());
    assert_eq!(ended.miss().when, When::After);
}

#[tokio::test]
async fn what_does_not_stay_true_for_long_enough() {
    if !servers::available("what_does_not_stay_true_for_long_enough") {
        return;
    }
    let lab = with_redis_1(
        r#"
  - id: stay
    title: T
    run: redis-cli -p 7001 CONFIG SET maxmemory 1000000
    expect:
      - info: {name: redis-1, fields: {maxmemory: 1000000}}
        within: 2s
        for: 30s
"#,
    );
    let run = begin(with_servers(1), &lab);
    run.command_ended("stay").await;
    let client = run.environment.client("redis-1");
    looked_at(&client, 2).await;
    set(&client, "maxmemory", "7").await;
    let ended = run.end().await;
    assert_snapshot!(ended.story(), @"
    1 up
      $ docker compose up -d redis-1
      exit 0
      ok  expect after: redis-1 answers | redis-1 answers
      Passed
    2 stay
      $ redis-cli -p 7001 CONFIG SET maxmemory 1000000
      exit 0
      BAD expect after: maxmemory is 1000000 on redis-1, for 30s | maxmemory is 7 on redis-1
      scene of 1 nodes
      Failed
    clean
    cleaned
    Failed: 1 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
    assert!(
        ended.miss().looked_for < Duration::from_secs(30),
        "{:?}",
        ended.miss()
    );
}

const PAUSE: &str = r#"
  - id: pause
    title: T
    wait: 1500ms
    holds:
      - info: {name: redis-1, fields: {maxmemory: 0}}
"#;

#[tokio::test]
async fn what_holds_is_broken_during_a_pause_and_repaired_before_its_end() {
    if !servers::available("what_holds_is_broken_during_a_pause_and_repaired_before_its_end") {
        return;
    }
    let run = begin(with_servers(1), &with_redis_1(PAUSE));
    run.looked_before("pause").await;
    let client = run.environment.client("redis-1");
    set(&client, "maxmemory", "7").await;
    looked_at(&client, 1).await;
    set(&client, "maxmemory", "0").await;
    assert_snapshot!(run.end().await.story(), @"
    1 up
      $ docker compose up -d redis-1
      exit 0
      ok  expect after: redis-1 answers | redis-1 answers
      Passed
    2 pause
      BAD holds during: maxmemory is 0 on redis-1 | maxmemory is 7 on redis-1
      scene of 1 nodes
      Failed
    clean
    cleaned
    Failed: 1 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
}

#[tokio::test]
async fn what_holds_is_broken_while_the_result_is_awaited() {
    if !servers::available("what_holds_is_broken_while_the_result_is_awaited") {
        return;
    }
    let lab = with_redis_1(
        r#"
  - id: set
    title: T
    run: redis-cli -p 7001 SAY x
    expect: [{info: {name: redis-1, fields: {maxmemory_policy: allkeys-lru}}, within: 10min}]
    holds: [info: {name: redis-1, fields: {maxmemory: 0}}]
"#,
    );
    let run = begin(with_servers(1), &lab);
    run.command_ended("set").await;
    let client = run.environment.client("redis-1");
    // By the time at which the result came, this may be repaired; so it is seen at once, and ends the step.
    set(&client, "maxmemory", "7").await;
    assert_snapshot!(run.end().await.story(), @"
    1 up
      $ docker compose up -d redis-1
      exit 0
      ok  expect after: redis-1 answers | redis-1 answers
      Passed
    2 set
      $ redis-cli -p 7001 SAY x
      exit 0
      BAD holds during: maxmemory is 0 on redis-1 | maxmemory is 7 on redis-1
      scene of 1 nodes
      Failed
    clean
    cleaned
    Failed: 1 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
}

#[tokio::test]
async fn what_holds_is_broken_after_the_step() {
    if !servers::available("what_holds_is_broken_after_the_step") {
        return;
    }
    let lab = with_redis_1(
        r#"
  - id: quick
    title: T
    run: redis-cli -p 7001 SAY x
    holds:
      - info: {name: redis-1, fields: {maxmemory: 0}}
        for: 30s
      - info: {name: redis-1, fields: {maxmemory_policy: noeviction}}
"#,
    );
    let run = begin(with_servers(1), &lab);
    run.command_ended("quick").await;
    let client = run.environment.client("redis-1");
    looked_at(&client, 2).await;
    set(&client, "maxmemory", "7").await;
    assert_snapshot!(run.end().await.story(), @"
    1 up
      $ docker compose up -d redis-1
      exit 0
      ok  expect after: redis-1 answers | redis-1 answers
      Passed
    2 quick
      $ redis-cli -p 7001 SAY x
      exit 0
      BAD holds after: maxmemory is 0 on redis-1, for 30s | maxmemory is 7 on redis-1
      scene of 1 nodes
      Failed
    clean
    cleaned
    Failed: 1 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
}

#[tokio::test]
async fn what_should_hold_and_does_not_to_begin_with() {
    let lab = steps(
        "  - {id: a, title: T, run: redis-cli -p 7001 SAY x, holds: [{node: {name: redis-1, running: false}}, {node: {name: redis-1, slots: 0}}]}",
    );
    assert_snapshot!(run_lab(without_servers(), &lab).await.story(), @"
    1 a
      BAD holds before: redis-1 owns 0 slots | no member of the cluster answers
      scene of 0 nodes
      Failed
    clean
    cleaned
    Failed: 0 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
}

#[tokio::test]
async fn a_command_that_fails_does_not_hide_what_it_broke() {
    if !servers::available("a_command_that_fails_does_not_hide_what_it_broke") {
        return;
    }
    let lab = with_redis_1(
        r#"
  - id: hang
    title: T
    timeout: 1s
    run: redis-cli -p 7001 HANG
    expect: [exit: 0]
    holds: [info: {name: redis-1, fields: {maxmemory: 0}}]
"#,
    );
    let run = begin(with_servers(1), &lab);
    run.command_begun("hang").await;
    set(&run.environment.client("redis-1"), "maxmemory", "7").await;
    assert_snapshot!(run.end().await.story(), @"
    1 up
      $ docker compose up -d redis-1
      exit 0
      ok  expect after: redis-1 answers | redis-1 answers
      Passed
    2 hang
      $ redis-cli -p 7001 HANG
      BAD holds during: maxmemory is 0 on redis-1 | maxmemory is 7 on redis-1
      stopped
      BAD expect after: the command ends | it ran for 1s without an end, and was stopped
      scene of 1 nodes
      Failed
    clean
    cleaned
    Failed: 1 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
}

#[tokio::test]
async fn steps_and_checks_that_are_not_for_this_server_are_left_out() {
    if !servers::available("steps_and_checks_that_are_not_for_this_server_are_left_out") {
        return;
    }
    let lab = with_redis_1(
        r#"
  - {id: old, title: T, on: "< 5.0", run: redis-cli -p 7001 EXIT 1, expect: [stdout: {empty: true}]}
  - id: some
    title: T
    run: redis-cli -p 7001 SAY x
    expect:
      - stdout: {equals: x}
      - stdout: {equals: y}
        on: "< 5.0"
      - exit: 1
        on: "< 5.0"
"#,
    );
    assert_snapshot!(run_lab(with_servers(1), &lab).await.story(), @"
    1 up
      $ docker compose up -d redis-1
      exit 0
      ok  expect after: redis-1 answers | redis-1 answers
      Passed
    2 old
      skipped: only on < 5.0
    3 some
      left out: stdout is `y` (only on < 5.0)
      left out: exit 1 (only on < 5.0)
      $ redis-cli -p 7001 SAY x
      exit 0
      ok  expect after: stdout is `x` | stdout is `x`
      Passed
    clean
    cleaned
    Passed: 2 passed, 0 failed, 1 skipped, 0 not run
    => Passed
    ");
}
