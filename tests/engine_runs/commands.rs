//! What a step's command printed and how it ended; values; steps that are left out.

use insta::assert_snapshot;
use labrunner::engine::Ending;

use crate::environment::without_servers;
use crate::story::{lab, run_lab, steps};

#[tokio::test]
async fn a_lab_that_passes() {
    let lab = steps(
        r#"
  - {id: ask, title: T, run: redis-cli -p 7001 SAY a-value, save: {it: stdout}, expect: [stdout: {equals: a-value}]}
  - {id: use-it, title: T, run: "redis-cli -p 7001 SAY ${it} ${it}", expect: [stdout: {equals: "a-value a-value"}, stderr: {empty: true}]}
"#,
    );
    let ended = run_lab(without_servers(), &lab).await;
    assert_snapshot!(ended.story(), @"
    1 ask
      $ redis-cli -p 7001 SAY a-value
      exit 0
      saved it=a-value
      ok  expect after: stdout is `a-value` | stdout is `a-value`
      Passed
    2 use-it
      $ redis-cli -p 7001 SAY a-value a-value
      exit 0
      ok  expect after: stdout is `a-value a-value` | stdout is `a-value a-value`
      ok  expect after: stderr is empty | stderr is empty
      Passed
    clean
    cleaned
    Passed: 2 passed, 0 failed, 0 skipped, 0 not run
    => Passed
    ");
    assert_eq!(
        ended.environment.performed(),
        ["start", "SAY a-value", "SAY a-value a-value"]
    );
}

#[tokio::test]
async fn output_checks_are_decided_once_for_each_item() {
    let lab = steps(
        r#"
  - id: each
    title: T
    each: [{word: good}, {word: bad}, {word: unsaid}]
    run: redis-cli -p 7001 SAY ${each.word}
    expect:
      - stdout: {lacks: "!"}
      - stdout: {contains: "good"}
        why: It has to be.
"#,
    );
    let ended = run_lab(without_servers(), &lab).await;
    assert_snapshot!(ended.story(), @"
    1 each
      $ redis-cli -p 7001 SAY good (1 of 3)
      exit 0
      ok  expect after: stdout lacks `!` | stdout is `good`
      ok  expect after: stdout contains `good` | stdout is `good`
      $ redis-cli -p 7001 SAY bad (2 of 3)
      exit 0
      ok  expect after: stdout lacks `!` | stdout is `bad`
      BAD expect after: stdout contains `good` | stdout is `bad`
      scene of 0 nodes
      Failed
    clean
    cleaned
    Failed: 0 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
    assert_eq!(ended.miss().why.as_deref(), Some("It has to be."));
    assert_eq!(ended.miss().place.line, 12);
}

#[tokio::test]
async fn an_exit_code_has_to_be_0_unless_a_check_says_otherwise() {
    let lab = steps(
        r#"
  - {id: said, title: T, run: redis-cli -p 7001 EXIT 3 so it is, expect: [exit: 3, output: {contains: so it is}]}
  - {id: other, title: T, run: redis-cli -p 7001 EXIT 3, expect: [exit: "!= 0"]}
  - {id: unsaid, title: T, run: redis-cli -p 7001 EXIT 1 no, expect: [stderr: {contains: "no"}]}
"#,
    );
    assert_snapshot!(run_lab(without_servers(), &lab).await.story(), @"
    1 said
      $ redis-cli -p 7001 EXIT 3 so it is
      exit 3
      ok  expect after: exit 3 | exit 3
      ok  expect after: output contains `so it is` | output is `so it is`
      Passed
    2 other
      $ redis-cli -p 7001 EXIT 3
      exit 3
      ok  expect after: exit other than 0 | exit 3
      Passed
    3 unsaid
      $ redis-cli -p 7001 EXIT 1 no
      exit 1
      BAD expect after: exit 0 | exit 1
      scene of 0 nodes
      Failed
    clean
    cleaned
    Failed: 2 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
    let wrong = steps(
        "  - {id: a, title: T, run: redis-cli -p 7001 SAY x, expect: [exit: 1, stdout: {equals: x}]}",
    );
    assert_snapshot!(run_lab(without_servers(), &wrong).await.story(), @"
    1 a
      $ redis-cli -p 7001 SAY x
      exit 0
      BAD expect after: exit 1 | exit 0
      scene of 0 nodes
      Failed
    clean
    cleaned
    Failed: 0 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
}

#[tokio::test]
async fn a_command_without_an_end_fails_whatever_exit_code_is_expected() {
    let lab = steps(
        r#"
  - {id: hang, title: T, timeout: 50ms, run: redis-cli -p 7001 HANG, expect: [exit: "!= 0"]}
"#,
    );
    assert_snapshot!(run_lab(without_servers(), &lab).await.story(), @"
    1 hang
      $ redis-cli -p 7001 HANG
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
async fn what_goes_through_grep_has_to_come_from_a_command_that_worked() {
    let lab = steps(
        r#"
  - {id: some, title: T, run: "redis-cli -p 7001 LINES one two three | grep -c t", expect: [stdout: {equals: "2"}]}
  - {id: none, title: T, run: redis-cli -p 7001 LINES one two | grep four, expect: [exit: 1, stdout: {empty: true}]}
  - {id: unsaid, title: T, run: redis-cli -p 7001 LINES one two | grep four, expect: [stdout: {empty: true}]}
"#,
    );
    assert_snapshot!(run_lab(without_servers(), &lab).await.story(), @"
    1 some
      $ redis-cli -p 7001 LINES one two three | grep -c t
      exit 0
      ok  expect after: stdout is `2` | stdout is `2`
      Passed
    2 none
      $ redis-cli -p 7001 LINES one two | grep four
      exit 1
      ok  expect after: exit 1 | exit 1
      ok  expect after: stdout is empty | stdout is empty
      Passed
    3 unsaid
      $ redis-cli -p 7001 LINES one two | grep four
      exit 1
      BAD expect after: exit 0 | exit 1
      scene of 0 nodes
      Failed
    clean
    cleaned
    Failed: 2 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
    // The trap: the command fails, grep finds nothing, and that is what is expected.
    let lab = steps(
        "  - {id: a, title: T, run: redis-cli -p 7001 EXIT 1 | grep x, expect: [exit: 1, stdout: {empty: true}]}",
    );
    assert_snapshot!(run_lab(without_servers(), &lab).await.story(), @"
    1 a
      $ redis-cli -p 7001 EXIT 1 | grep x
      exit 1
      BAD expect after: exit 0 of the command before `| grep` | exit 1 of the command before `| grep`
      scene of 0 nodes
      Failed
    clean
    cleaned
    Failed: 0 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
    // The same with a line that was printed, but not kept.
    let lab =
        steps("  - {id: a, title: T, run: redis-cli -p 7001 FLOOD y | grep x, expect: [exit: 1]}");
    assert_snapshot!(run_lab(without_servers(), &lab).await.story(), @"
    1 a
      $ redis-cli -p 7001 FLOOD y | grep x
      exit 1
      BAD expect after: all of the output goes through `| grep` | 1000 bytes of the output were too much to be kept
      scene of 0 nodes
      Failed
    clean
    cleaned
    Failed: 0 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
}

#[tokio::test]
async fn a_step_s_own_checks_may_use_what_it_saves() {
    let lab = steps(
        r#"
  - {id: a, title: T, run: redis-cli -p 7001 LINES id=7 end, save: {it: 'match id=(\d+)'}, expect: [stdout: {contains: "id=${it}"}]}
"#,
    );
    assert_snapshot!(run_lab(without_servers(), &lab).await.story(), @"
    1 a
      $ redis-cli -p 7001 LINES id=7 end
      exit 0
      saved it=7
      ok  expect after: stdout contains `id=7` | stdout is `id=7 ⏎ end`
      Passed
    clean
    cleaned
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    => Passed
    ");
}

#[tokio::test]
async fn nothing_is_not_saved() {
    let lab = |save: &str| {
        steps(&format!(
            r#"
  - {{id: a, title: T, run: redis-cli -p 7001 LINES "", save: {{it: {save}}}, expect: [exit: 0]}}
  - {{id: b, title: T, run: "redis-cli -p 7001 SAY ${{it}}", expect: [exit: 0]}}
"#
        ))
    };
    for (save, why) in [
        ("stdout", "there is nothing"),
        ("match x", "nothing in stdout matches /x/"),
        (
            "json .a",
            "stdout is not JSON: EOF while parsing a value at line 1 column 0",
        ),
    ] {
        let ended = run_lab(without_servers(), &lab(save)).await;
        assert_eq!(ended.ending, Ending::Failed);
        let told = format!("trouble: `it` can't be saved: {why}\n");
        assert!(ended.story().contains(&told), "{told}{}", ended.story());
    }
}

#[tokio::test]
async fn a_template_without_a_value_is_told_and_nothing_is_run() {
    let lab = steps(
        r#"
  - {id: save, title: T, skip_on: {local: Not here.}, run: redis-cli -p 7001 SAY x, save: {it: stdout}, expect: [exit: 0]}
  - {id: use, title: T, run: "redis-cli -p 7001 SAY ${it}", expect: [exit: 0]}
"#,
    );
    let ended = run_lab(without_servers(), &lab).await;
    assert_snapshot!(ended.story(), @"
    1 save
      skipped: Not here.
    2 use
      trouble: ${it} was not saved: its step did not run
      scene of 0 nodes
      Failed
    clean
    cleaned
    Failed: 0 passed, 1 failed, 1 skipped, 0 not run
    => Failed
    ");
    assert_eq!(ended.environment.performed(), ["start"]);
}

#[tokio::test]
async fn an_unknown_id_is_told() {
    let lab = steps(
        r#"
  - {id: use, title: T, run: "redis-cli -p 7001 SAY ${redis-3.id}", expect: [exit: 0]}
"#,
    );
    assert_snapshot!(run_lab(without_servers(), &lab).await.story(), @"
    1 use
      trouble: the id of redis-3 is not known: it has not answered yet
      scene of 0 nodes
      Failed
    clean
    cleaned
    Failed: 0 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
}

#[tokio::test]
async fn a_lab_is_left_out_with_its_reason() {
    let lab = lab(
        "skip_on: {local: Needs containers.}",
        "  - {id: a, title: T, run: redis-cli -p 7001 SAY x, expect: [exit: 0]}",
    );
    let environment = std::sync::Arc::new(without_servers());
    // Nothing was begun, so there is nothing to clean up either; `end` would ask for it.
    let source = labrunner::lab::source::Source::new("lab.yaml", lab);
    let told: std::sync::Arc<std::sync::Mutex<Vec<String>>> = std::sync::Arc::default();
    let events = labrunner::engine::Events::new(Box::new({
        let told = told.clone();
        move |event| {
            let json = serde_json::to_value(event).unwrap();
            told.lock()
                .unwrap()
                .push(json["event"].as_str().unwrap().to_owned());
        }
    }));
    let result = labrunner::engine::run(
        std::sync::Arc::new(labrunner::lab::load(&source).unwrap()),
        environment.clone(),
        std::sync::Arc::new(events),
        labrunner::engine::Interrupt::default(),
    )
    .await;
    assert_eq!((result.ending, result.counts.skipped), (Ending::Skipped, 1));
    assert_eq!(
        *told.lock().unwrap(),
        ["lab_started", "lab_skipped", "lab_finished"]
    );
    assert_eq!(environment.performed(), [] as [&str; 0]);
}
