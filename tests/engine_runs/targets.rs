//! The course's make targets, as steps of a lab.

use insta::assert_snapshot;
use labrunner::engine::Ending;
use labrunner::engine::event::Event;

use crate::endings::without_ports;
use crate::environment::with_servers;
use crate::servers;
use crate::story::{begin, lab, run_lab, steps};

const THREE_AND_ONE: &str = "given: {node_timeout: 2s, masters: {redis-1: 0-5460, redis-2: 5461-10922, redis-3: 10923-16383}, replicas: {redis-4: redis-1}}";

#[tokio::test]
async fn a_target_is_a_step_s_command_and_each_of_its_own_is_told() {
    if !servers::available("a_target_is_a_step_s_command_and_each_of_its_own_is_told") {
        return;
    }
    let lab = lab(
        THREE_AND_ONE,
        r#"
  - {id: count, title: T, run: make cluster-nodes | grep -c master, expect: [stdout: {equals: "3"}]}
  - {id: stop, title: T, run: make failover, expect: [node: {name: redis-1, running: false}]}
  - {id: start, title: T, run: make recover, expect: [node: {name: redis-1, running: true}]}
"#,
    );
    let ended = run_lab(with_servers(4), &lab).await;
    assert_eq!(ended.ending, Ending::Passed, "{}", ended.story());
    // The node that was stopped on purpose has not died by itself, else the lab would have broken off.
    assert_snapshot!(without_ports(&ended.story_of("stop")), @"
    2 stop
      $ make failover
      + docker stop redis-1
      exit 0
      ok  expect after: redis-1 does not answer | redis-1 does not answer (…)
      Passed
    ");
    assert_snapshot!(ended.story_of("start"), @"
    3 start
      $ make recover
      + docker start redis-1
      exit 0
      ok  expect after: redis-1 answers | redis-1 answers
      Passed
    ");
    let counted = ended.printed("count");
    assert!(
        counted
            .stderr
            .starts_with("$ redis-cli -p 7001 CLUSTER NODES\n"),
        "{counted:?}"
    );
}

#[tokio::test]
async fn a_node_that_a_target_started_should_be_running_from_then_on() {
    if !servers::available("a_node_that_a_target_started_should_be_running_from_then_on") {
        return;
    }
    let lab = lab(
        THREE_AND_ONE,
        r#"
  - {id: stop, title: T, run: make failover, expect: [node: {name: redis-1, running: false}]}
  - {id: start, title: T, run: make recover, expect: [node: {name: redis-1, running: true}]}
  - {id: wait, title: T, run: redis-cli -p 7001 AWAIT death, expect: [exit: 0]}
"#,
    );
    let run = begin(with_servers(4), &lab);
    run.command_begun("wait").await;
    run.environment.let_die("redis-1");
    run.environment.release("death");
    let ended = run.end().await;
    assert_eq!(ended.ending, Ending::Broken, "{}", ended.story());
}

#[tokio::test]
async fn a_target_that_refuses_is_a_command_that_fails_and_has_done_nothing() {
    if !servers::available("a_target_that_refuses_is_a_command_that_fails_and_has_done_nothing") {
        return;
    }
    let lab = lab(
        THREE_AND_ONE,
        r#"
  - {id: refused, title: T, run: make failover NODE=7002, expect: [exit: 1, stderr: {contains: no replica}]}
  - {id: wait, title: T, run: redis-cli -p 7001 AWAIT death, expect: [exit: 0]}
"#,
    );
    let run = begin(with_servers(4), &lab);
    run.command_begun("wait").await;
    run.environment.let_die("redis-2");
    run.environment.release("death");
    let ended = run.end().await;
    // It was to be stopped, and was not: so its death is its own.
    assert_eq!(ended.ending, Ending::Broken, "{}", ended.story());
    assert!(
        !ended
            .events
            .iter()
            .any(|event| matches!(event.event, Event::TargetCommand { .. }))
    );
}

#[tokio::test]
async fn the_cluster_is_drawn_in_the_background_while_a_master_fails() {
    if !servers::available("the_cluster_is_drawn_in_the_background_while_a_master_fails") {
        return;
    }
    let lab = lab(
        THREE_AND_ONE,
        r#"
  - {id: picture, title: T, run: make watch-cluster, background: true, expect: [exit: 0, stdout: {contains: redis-4}]}
  - {id: stop, title: T, run: make failover, expect: [{node: {name: redis-4, role: master}, within: 30s}]}
  - {id: stopped, title: T, await: picture}
"#,
    );
    let ended = run_lab(with_servers(4), &lab).await;
    assert_eq!(ended.ending, Ending::Passed, "{}", ended.story());
    assert_eq!(
        ended.course(),
        [
            "picture begins",
            "picture goes on",
            "stop begins",
            "stop: Passed",
            "picture is stopped",
            "picture: Passed",
            "stopped begins",
            "stopped: Passed",
        ]
    );
    // One before, and at least one after.
    let drawn = &ended.printed("picture").stdout;
    let pictures = drawn.lines().filter(|line| line.starts_with("after "));
    assert!(pictures.count() >= 2, "{drawn}");
}

#[tokio::test]
async fn a_picture_that_was_never_drawn_proves_nothing() {
    if !servers::available("a_picture_that_was_never_drawn_proves_nothing") {
        return;
    }
    let lab = steps(
        r#"
  - {id: up, title: T, run: docker compose up -d redis-1, expect: [node: {name: redis-1, running: true}]}
  - {id: pause, title: T, run: redis-cli -p 7001 AWAIT hung, expect: [exit: 0]}
  - {id: look, title: T, run: make watch-cluster, wait: 50ms, expect: [stdout: {lacks: fail}]}
"#,
    );
    let run = begin(with_servers(1), &lab);
    run.command_begun("pause").await;
    // A node that hangs is waited for, so there is no picture before it is stopped.
    run.environment.signal("redis-1", "STOP");
    run.environment.release("hung");
    let environment = run.environment.clone();
    let ended = run.end().await;
    environment.signal("redis-1", "CONT");
    assert_eq!(ended.ending, Ending::Failed, "{}", ended.story());
    assert_eq!(ended.miss().expected, "something is watched");
}
