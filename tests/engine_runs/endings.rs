//! The ways in which a lab can end, and that all is removed each time.

use std::sync::Arc;

use insta::assert_snapshot;
use labrunner::backend::Backend;
use labrunner::engine::{Ending, Events, Interrupt};
use labrunner::lab::source::Source;

use crate::environment::{Wrong, broken, unavailable, with_servers, without_servers};
use crate::servers;
use crate::story::{Run, begin, lab, run_lab, steps};

const SAY: &str = "  - {id: a, title: T, run: redis-cli -p 7001 SAY x, expect: [exit: 0]}";

#[tokio::test]
async fn cleanup_is_for_the_steps_that_were_begun_the_last_first() {
    let lab = steps(
        r#"
  - {id: one, title: T, run: redis-cli -p 7001 SAY x, expect: [exit: 0], cleanup: [redis-cli -p 7001 SAY 1a, redis-cli -p 7001 SAY 1b]}
  - {id: skipped, title: T, skip_on: {local: Not here.}, run: redis-cli -p 7001 SAY x, expect: [exit: 0], cleanup: [redis-cli -p 7001 SAY no]}
  - {id: two, title: T, run: redis-cli -p 7001 EXIT 1, expect: [stdout: {empty: true}], cleanup: [redis-cli -p 7001 EXIT 7, redis-cli -p 7001 SAY 2b]}
  - {id: never, title: T, run: redis-cli -p 7001 SAY x, expect: [exit: 0], cleanup: [redis-cli -p 7001 SAY no]}
"#,
    );
    assert_snapshot!(run_lab(without_servers(), &lab).await.story(), @"
    1 one
      $ redis-cli -p 7001 SAY x
      exit 0
      ok  expect after: exit 0 | exit 0
      Passed
    2 skipped
      skipped: Not here.
    3 two
      $ redis-cli -p 7001 EXIT 1
      exit 1
      BAD expect after: exit 0 | exit 1
      scene of 0 nodes
      Failed
    clean
      $ redis-cli -p 7001 EXIT 7
      exit 7
      $ redis-cli -p 7001 SAY 2b
      exit 0
      $ redis-cli -p 7001 SAY 1a
      exit 0
      $ redis-cli -p 7001 SAY 1b
      exit 0
    cleaned
    Failed: 1 passed, 1 failed, 1 skipped, 1 not run
    => Failed
    ");
}

#[tokio::test]
async fn a_cleanup_command_that_cannot_be_carried_out_decides_nothing() {
    let lab = steps(
        r#"
  - id: a
    title: T
    run: redis-cli -p 7001 SAY x
    expect: [exit: 0]
    cleanup: [redis-cli -p 7001 BREAK, redis-cli -p 7001 PANIC, "redis-cli -p 7001 SAY ${redis-2.id}", redis-cli -p 7001 SAY last]
"#,
    );
    assert_snapshot!(run_lab(without_servers(), &lab).await.story(), @"
    1 a
      $ redis-cli -p 7001 SAY x
      exit 0
      ok  expect after: exit 0 | exit 0
      Passed
    clean
      $ redis-cli -p 7001 BREAK
      given up: the toolbox is gone
      trouble: a cleanup command was not carried out: the toolbox is gone
      $ redis-cli -p 7001 PANIC
      given up: a bug in labrunner
      trouble: a cleanup command was not carried out: a bug in labrunner: no such luck
      trouble: a cleanup command was not carried out: the id of redis-2 is not known: it has not answered yet
      $ redis-cli -p 7001 SAY last
      exit 0
    cleaned
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    => Passed
    ");
}

#[tokio::test]
async fn a_panic_is_a_bug_and_all_is_cleaned_up() {
    let lab = steps(
        r#"
  - {id: one, title: T, run: redis-cli -p 7001 SAY x, expect: [exit: 0], cleanup: [redis-cli -p 7001 SAY cleanup]}
  - {id: panic, title: T, run: redis-cli -p 7001 PANIC, expect: [exit: 0]}
  - {id: never, title: T, run: redis-cli -p 7001 SAY x, expect: [exit: 0]}
"#,
    );
    assert_snapshot!(run_lab(without_servers(), &lab).await.story(), @"
    1 one
      $ redis-cli -p 7001 SAY x
      exit 0
      ok  expect after: exit 0 | exit 0
      Passed
    2 panic
      $ redis-cli -p 7001 PANIC
      given up: a bug in labrunner
      trouble: a bug in labrunner ended this lab: no such luck
      Broken
    clean
      $ redis-cli -p 7001 SAY cleanup
      exit 0
    cleaned
    Broken: 1 passed, 1 failed, 0 skipped, 1 not run
    => Bug
    ");
}

#[tokio::test]
async fn a_panic_of_the_removal_is_told() {
    let environment = without_servers().with(Wrong {
        remove_panics: true,
        ..Wrong::default()
    });
    let ended = run_lab(environment, &steps(SAY)).await;
    assert_snapshot!(ended.story(), @"
    1 a
      $ redis-cli -p 7001 SAY x
      exit 0
      ok  expect after: exit 0 | exit 0
      Passed
    clean
    left: a bug in labrunner: no such luck
    Broken: 1 passed, 0 failed, 0 skipped, 0 not run
    => Broken
    ");
}

#[tokio::test]
async fn a_reader_that_panics_stops_neither_the_lab_nor_the_removal() {
    let environment = Arc::new(without_servers());
    let lab = labrunner::lab::load(&Source::new("lab.yaml", steps(SAY))).unwrap();
    let backend: Arc<dyn Backend> = environment.clone();
    let events = Events::new(Box::new(|_| panic!("the disk is full")));
    let result = labrunner::engine::run(
        Arc::new(lab),
        backend,
        Arc::new(events),
        Interrupt::default(),
    );
    // Nobody was told of it, so it did not pass.
    assert_eq!(result.await.ending, Ending::Bug);
    assert_eq!(environment.performed(), ["start", "SAY x"]);
    assert_eq!(environment.removed(), 1);
}

#[tokio::test]
async fn an_environment_that_is_not_there() {
    let environment = without_servers().with(Wrong {
        start_fails: Some(unavailable("no engine")),
        ..Wrong::default()
    });
    let ended = run_lab(environment, &steps(SAY)).await;
    assert_snapshot!(ended.story(), @"
      trouble: no engine
    clean
    cleaned
    Broken: 0 passed, 0 failed, 0 skipped, 1 not run
    => Unavailable
    ");
    let given = lab("given: {masters: {redis-1: 0-16383}}", SAY);
    let environment = without_servers().with(Wrong {
        start_fails: Some(unavailable("no engine")),
        ..Wrong::default()
    });
    let started = std::time::Instant::now();
    let ended = run_lab(environment, &given).await;
    assert_eq!(ended.ending, Ending::Unavailable);
    // The cluster is not waited for that can't come any more.
    assert!(started.elapsed().as_secs() < 5);
}

#[tokio::test]
async fn an_environment_that_breaks_at_the_start() {
    let environment = without_servers().with(Wrong {
        start_fails: Some(broken("no container")),
        ..Wrong::default()
    });
    assert_snapshot!(run_lab(environment, &steps(SAY)).await.story(), @"
      trouble: no container
      scene of 0 nodes
    clean
    cleaned
    Broken: 0 passed, 0 failed, 0 skipped, 1 not run
    => Broken
    ");
}

#[tokio::test]
async fn an_environment_that_breaks_or_goes_in_the_middle() {
    let lab = |word: &str| {
        steps(&format!(
            "  - {{id: a, title: T, run: redis-cli -p 7001 {word}, expect: [exit: 0]}}"
        ))
    };
    assert_snapshot!(run_lab(without_servers(), &lab("BREAK")).await.story(), @"
    1 a
      $ redis-cli -p 7001 BREAK
      given up: the toolbox is gone
      trouble: the toolbox is gone
      scene of 0 nodes
      Broken
    clean
    cleaned
    Broken: 0 passed, 1 failed, 0 skipped, 0 not run
    => Broken
    ");
    // It was there, so it is not the environment that has to be installed first.
    let ended = run_lab(without_servers(), &lab("VANISH")).await;
    assert_eq!(ended.ending, Ending::Broken);
}

#[tokio::test]
async fn what_could_not_be_removed_is_told_and_the_lab_did_not_pass() {
    let environment = || {
        without_servers().with(Wrong {
            remove_fails: Some(broken("2 containers")),
            ..Wrong::default()
        })
    };
    assert_snapshot!(run_lab(environment(), &steps(SAY)).await.story(), @"
    1 a
      $ redis-cli -p 7001 SAY x
      exit 0
      ok  expect after: exit 0 | exit 0
      Passed
    clean
    left: 2 containers
    Broken: 1 passed, 0 failed, 0 skipped, 0 not run
    => Broken
    ");
    // A check that failed is the better reason.
    let fails = steps(
        "  - {id: a, title: T, run: redis-cli -p 7001 EXIT 1, expect: [stdout: {empty: true}]}",
    );
    assert_eq!(run_lab(environment(), &fails).await.ending, Ending::Failed);
}

#[tokio::test]
async fn an_environment_that_does_not_say_how_its_nodes_are_proves_nothing() {
    let environment = without_servers().with(Wrong {
        nodes_fail: true,
        ..Wrong::default()
    });
    assert_snapshot!(run_lab(environment, &steps(SAY)).await.story(), @"
    1 a
      $ redis-cli -p 7001 SAY x
      exit 0
      ok  expect after: exit 0 | exit 0
      Passed
      trouble: whether every node lived to the end is not known: it does not say
      scene of 1 nodes
    clean
    cleaned
    Broken: 1 passed, 0 failed, 0 skipped, 0 not run
    => Broken
    ");
}

const UP: &str = r#"
  - {id: up, title: T, run: docker compose up -d redis-1, expect: [node: {name: redis-1, running: true}]}
"#;

/// A lab that is in the step in which redis-1 has to run.
async fn looked_at() -> Run {
    let lab = steps(&format!(
        r#"{UP}
  - {{id: pause, title: T, wait: 1s, holds: [node: {{name: redis-1, running: true}}]}}
"#
    ));
    let run = begin(with_servers(1), &lab);
    run.looked_before("pause").await;
    run
}

#[tokio::test]
async fn a_node_that_dies_by_itself_breaks_the_lab() {
    if !servers::available("a_node_that_dies_by_itself_breaks_the_lab") {
        return;
    }
    let run = looked_at().await;
    run.environment.let_die("redis-1");
    assert_snapshot!(without_ports(&run.end().await.story()), @"
    1 up
      $ docker compose up -d redis-1
      exit 0
      ok  expect after: redis-1 answers | redis-1 answers
      Passed
    2 pause
      BAD holds during: redis-1 answers | redis-1 does not answer (…)
      trouble: redis-1 died by itself, exit 139
      scene of 1 nodes redis-1: the last words of redis-1
      Broken
    clean
    cleaned
    Broken: 1 passed, 1 failed, 0 skipped, 0 not run
    => Broken
    ");
}

#[tokio::test]
async fn a_node_whose_proxy_lives_longer_breaks_the_lab_too() {
    if !servers::available("a_node_whose_proxy_lives_longer_breaks_the_lab_too") {
        return;
    }
    let run = looked_at().await;
    // A question each 100 ms: seconds, as on a busy machine.
    run.environment.let_die_behind_a_proxy("redis-1", 25);
    let ended = run.end().await;
    assert_eq!(ended.ending, Ending::Broken, "{}", ended.story());
    assert!(
        ended.story().contains("redis-1 died by itself, exit 139"),
        "{}",
        ended.story()
    );
}

#[tokio::test]
async fn a_death_that_no_check_sees_is_found_at_the_end() {
    if !servers::available("a_death_that_no_check_sees_is_found_at_the_end") {
        return;
    }
    let lab = steps(&format!(
        r#"{UP}
  - {{id: pause, title: T, wait: 1s, holds: [node: {{name: redis-2, running: false}}]}}
"#
    ));
    let run = begin(with_servers(2), &lab);
    run.looked_before("pause").await;
    run.environment.let_die("redis-1");
    assert_snapshot!(without_ports(&run.end().await.story()), @"
    1 up
      $ docker compose up -d redis-1
      exit 0
      ok  expect after: redis-1 answers | redis-1 answers
      Passed
    2 pause
      ok  holds after: redis-2 does not answer | redis-2 does not answer (…)
      Passed
      trouble: redis-1 died by itself, exit 139
      scene of 1 nodes redis-1: the last words of redis-1
    clean
    cleaned
    Broken: 2 passed, 0 failed, 0 skipped, 0 not run
    => Broken
    ");
}

#[tokio::test]
async fn a_node_that_the_lab_stops_has_not_died_by_itself() {
    if !servers::available("a_node_that_the_lab_stops_has_not_died_by_itself") {
        return;
    }
    let lab = steps(&format!(
        r#"{UP}
  - {{id: stop, title: T, run: docker stop redis-1, expect: [node: {{name: redis-1, running: false}}]}}
  - {{id: wrong, title: T, run: redis-cli -p 7001 SAY x, expect: [{{node: {{name: redis-1, running: true}}, within: 100ms}}]}}
"#
    ));
    let ended = run_lab(with_servers(1), &lab).await;
    assert_eq!(ended.ending, Ending::Failed, "{}", ended.story());
}

/// Ports are different in every run, and a connection that breaks says so in several ways.
pub fn without_ports(text: &str) -> String {
    let text = text.replace(
        "is there, but does not answer as it should",
        "does not answer",
    );
    regex::Regex::new(r"does not answer \(.*\)")
        .unwrap()
        .replace_all(&text, "does not answer (…)")
        .into_owned()
}
