//! The timeline of a failover, as a check of a step.

use std::time::{Duration, Instant};

use insta::assert_snapshot;
use labrunner::cluster::Timeline;
use labrunner::engine::Ending;
use labrunner::engine::event::{Event, Verdict, When};

use crate::environment::with_servers;
use crate::servers;
use crate::story::{Ended, Run, begin, lab};

/// Runs a lab of one step in a cluster of three masters of which redis-1 has a replica, redis-4.
fn step(step: &str) -> Run {
    let given = "given: {node_timeout: 700ms, masters: {redis-1: 0-5460, redis-2: 5461-10922, redis-3: 10923-16383}, \
                 replicas: {redis-4: redis-1}}";
    begin(with_servers(4), &lab(given, step))
}

fn timeline(ended: &Ended) -> &Timeline {
    let told = ended.events.iter().find_map(|event| match &event.event {
        Event::Timeline { timeline, .. } => Some(timeline),
        _ => None,
    });
    told.unwrap()
}

/// The story with the times left out, and what a probe meets in a cluster that is down for a while.
fn story(ended: &Ended) -> String {
    let differs = [
        (r"\b\d+\.\d\d s|\b\d+ ms", "T"),
        (r"\d+ operations$", "N operations"),
        (r"probed, \d+ failed", "probed"),
    ];
    differs.iter().fold(ended.story(), |story, (what, name)| {
        let what = regex::RegexBuilder::new(what).multi_line(true).build();
        what.unwrap().replace_all(&story, *name).into_owned()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_that_comes_in_time() {
    if !servers::available("a_failover_that_comes_in_time") {
        return;
    }
    let run = step(
        r#"
  - id: fail
    title: T
    run: docker stop redis-1
    meanwhile: [probe: {rate: 50/s, slots: 10923-16383}]
    expect:
      - timeline: {node: redis-1, to: redis-4, suspected: ">= 300ms", failed: "< 30s", promoted: "< 30s", recovered: "< 30s"}
      - node: {name: redis-4, role: master}
        within: 30s
      - probe: {operations: ">= 10"}
    holds:
      - node: {name: redis-3, role: master}
"#,
    );
    let ended = run.end().await;
    assert_snapshot!(story(&ended), @"
    given
    1 fail
      $ docker stop redis-1
      exit 0
      ok  expect after: redis-4 is a master | redis-4 is a master
      timeline of redis-1, awaited: suspected failed promoted recovered; seen: suspected failed promoted recovered
      ok  expect during: failover of redis-1 to redis-4: suspected after at least 300ms, failed after less than 30s, promoted after less than 30s, recovered after less than 30s | suspected after T, failed after T, promoted after T (redis-4), recovered after T
      probed
      ok  expect after: probe: at least 10 operations | N operations
      ok  holds after: redis-3 is a master | redis-3 is a master
      Passed
    clean
    cleaned
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    => Passed
    ");
    assert!(timeline(&ended).in_order());
    // What holds was watched, and the probe went on, until the last moment had come.
    let recovered = timeline(&ended).recovered.as_ref().unwrap().after;
    let begun = ended.at(|event| matches!(event, Event::CommandStarted { .. }));
    let probed = ended.at(|event| matches!(event, Event::Probed { .. }));
    assert!(
        probed - begun > recovered,
        "{begun:?} {recovered:?} {probed:?}"
    );
    let of_it = |verdict: &&&Verdict| verdict.when == When::During;
    let verdicts = ended.verdicts();
    let verdict = verdicts.iter().find(of_it).unwrap();
    assert!(
        verdict.looks > 100 && verdict.looked_for > recovered,
        "{verdict:?}"
    );
    assert_eq!(
        (verdict.within_ms, verdict.evidence.len()),
        (Some(30_000), 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_that_comes_too_late() {
    if !servers::available("a_failover_that_comes_too_late") {
        return;
    }
    let run = step(
        r#"
  - id: fail
    title: T
    run: docker kill redis-1
    expect: [timeline: {node: redis-1, suspected: "< 30s", promoted: "< 300ms"}]
"#,
    );
    let ended = run.end().await;
    // The first accepted write is not waited for; it is told if it came with the promotion.
    let told = story(&ended)
        .replace(" promoted recovered", " promoted")
        .replace(", recovered after T", "");
    assert_snapshot!(told, @"
    given
    1 fail
      $ docker kill redis-1
      exit 0
      timeline of redis-1, awaited: suspected promoted; seen: suspected failed promoted
      BAD expect during: failover of redis-1: suspected after less than 30s, promoted after less than 300ms | promoted after T (redis-4, T too late); suspected after T, failed after T
      scene of 4 nodes
      Failed
    clean
    cleaned
    Failed: 0 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
    let miss = ended.miss();
    let promotion = &miss.evidence[2];
    assert_eq!(promotion.node.as_str(), "redis-4");
    assert!(promotion.reply.contains("myself,master"), "{miss:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_that_never_comes() {
    if !servers::available("a_failover_that_never_comes") {
        return;
    }
    let run = step(
        r#"
  - id: fail
    title: T
    run: redis-cli -p 7001 SAY x
    expect:
      - timeline: {node: redis-1, promoted: "< 10s"}
        within: 600ms
"#,
    );
    let ended = run.end().await;
    assert_snapshot!(story(&ended), @"
    given
    1 fail
      $ redis-cli -p 7001 SAY x
      exit 0
      timeline of redis-1, awaited: promoted; seen: nothing
      BAD expect during: failover of redis-1: promoted after less than 10s | not promoted in T
      scene of 4 nodes
      Failed
    clean
    cleaned
    Failed: 0 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
    let (miss, within) = (ended.miss(), Duration::from_millis(600));
    assert!(
        miss.looked_for >= within && miss.looked_for < within * 5,
        "{miss:?}"
    );
    ended
        .at(|event| matches!(event, Event::Waiting { seen, .. } if seen == "no sign of a failure"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_t_be_timed() {
    if !servers::available("what_can_t_be_timed") {
        return;
    }
    // A step before has made a master of the replica, which no check of the file can know.
    let run = step(
        r#"
  - id: by-hand
    title: T
    run: redis-cli -p 7004 CLUSTER FAILOVER TAKEOVER
    expect: [node: {name: redis-1, role: replica}]
  - id: fail
    title: T
    run: docker stop redis-1
    expect: [timeline: {node: redis-1, promoted: "< 10s"}]
"#,
    );
    let ended = run.end().await;
    assert_snapshot!(story(&ended), @"
    given
    1 by-hand
      $ redis-cli -p 7004 CLUSTER FAILOVER TAKEOVER
      exit 0
      ok  expect after: redis-1 is a replica | redis-1 is a replica
      Passed
    2 fail
      trouble: redis-1 is a replica, of redis-4, so nobody takes over from it
      scene of 4 nodes
      Failed
    clean
    cleaned
    Failed: 1 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
    // It is found before anything is broken.
    assert!(
        !ended
            .environment
            .performed()
            .contains(&"stop redis-1".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_is_told_before_what_was_seen_of_it() {
    if !servers::available("a_command_that_fails_is_told_before_what_was_seen_of_it") {
        return;
    }
    let run = step(
        r#"
  - {id: fail, title: T, run: redis-cli -p 7001 EXIT 1, expect: [timeline: {node: redis-1, promoted: "< 10s"}]}
"#,
    );
    let ended = run.end().await;
    assert_snapshot!(story(&ended), @"
    given
    1 fail
      $ redis-cli -p 7001 EXIT 1
      exit 1
      BAD expect after: exit 0 | exit 1
      timeline of redis-1, awaited: promoted; seen: nothing
      scene of 4 nodes
      Failed
    clean
    cleaned
    Failed: 0 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_is_broken_while_a_failover_is_awaited() {
    if !servers::available("what_holds_is_broken_while_a_failover_is_awaited") {
        return;
    }
    let run = step(
        r#"
  - id: fail
    title: T
    run: redis-cli -p 7001 SAY x
    expect:
      - timeline: {node: redis-1, promoted: "< 10s"}
        within: 10min
    holds: [info: {name: redis-2, fields: {maxmemory: 0}}]
"#,
    );
    run.command_ended("fail").await;
    let client = run.environment.client("redis-2");
    let reply = client.call(&["CONFIG", "SET", "maxmemory", "7"]).await;
    assert!(reply.unwrap().is_ok());
    let ended = run.end().await;
    assert_snapshot!(story(&ended), @"
    given
    1 fail
      $ redis-cli -p 7001 SAY x
      exit 0
      BAD holds during: maxmemory is 0 on redis-2 | maxmemory is 7 on redis-2
      timeline of redis-1, awaited: promoted; seen: nothing
      scene of 4 nodes
      Failed
    clean
    cleaned
    Failed: 0 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wish_to_end_while_a_failover_is_awaited() {
    if !servers::available("the_wish_to_end_while_a_failover_is_awaited") {
        return;
    }
    let run = step(
        r#"
  - id: fail
    title: T
    run: redis-cli -p 7001 SAY x
    expect:
      - timeline: {node: redis-1, promoted: "< 10s"}
        within: 10min
"#,
    );
    run.told("what is awaited", |event| {
        matches!(event, Event::Waiting { .. })
    })
    .await;
    let asked = Instant::now();
    run.interrupt.request();
    let ended = run.end().await;
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(ended.ending, Ending::Interrupted);
    assert_snapshot!(story(&ended), @"
    given
    1 fail
      $ redis-cli -p 7001 SAY x
      exit 0
      timeline of redis-1, awaited: promoted; seen: nothing
      Interrupted
    clean
    cleaned
    Interrupted: 0 passed, 0 failed, 0 skipped, 1 not run
    => Interrupted
    ");
}
