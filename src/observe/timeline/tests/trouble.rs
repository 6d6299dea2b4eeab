//! Nodes that answer late, by halves, with errors or not at all.

use rstest::rstest;

use super::super::RecorderError;
use super::*;

/// What redis-4 does instead of saying what it sees, which would be that redis-2 is failing.
#[rstest]
#[case::hangs(|script: &mut Script, _: &str| { script.on("CLUSTER NODES").hangs(); })]
#[case::hangs_up(|script: &mut Script, _: &str| { script.on("CLUSTER NODES").hangs_up(); })]
#[case::half(|script: &mut Script, view: &str| { script.on("CLUSTER NODES").gives_half(view); })]
#[case::loading(|script: &mut Script, _: &str| { script.on("CLUSTER NODES").errs("LOADING Redis is loading the dataset in memory"); })]
#[case::a_line_cut_off(|script: &mut Script, view: &str| { script.on("CLUSTER NODES").gives(&view[..view.len() - 30]); })]
#[case::no_text(|script: &mut Script, view: &str| { script.on("CLUSTER NODES").gives(vec![view]); })]
#[case::noise(|script: &mut Script, _: &str| { script.on("CLUSTER NODES").sends("\0\r\n\r\n"); })]
#[tokio::test]
async fn a_node_in_trouble_says_nothing_and_holds_nobody_up(
    #[case] trouble: fn(&mut Script, &str),
) {
    let stage = Stage::new().await;
    let recording = stage.begin().await;
    // The line of redis-4 itself stands last, so that what is cut off is not what counts.
    let mut lines: Vec<String> = stage
        .recorded
        .text("redis-4", "suspected")
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort_by_key(|line| line.contains("myself"));
    stage
        .server("redis-4")
        .instead(|script| trouble(script, &(lines.join("\n") + "\n")));
    let asked = stage.server("redis-4").times("CLUSTER NODES");
    eventually(|| stage.server("redis-4").times("CLUSTER NODES") > asked + 1).await;
    assert_eq!(recording.timeline(), Timeline::default());
    for node in ["redis-1", "redis-3"] {
        stage.sees_it_failed(node);
        stage.is_heard(node).await;
    }
    assert_eq!(
        by(&recording.timeline()),
        "suspected by redis-1, not failed, not promoted, not recovered"
    );
    // When it can be understood again, its word counts.
    stage.sees_it_failed("redis-4");
    until(&recording, "failed").await;
    assert_eq!(
        recording.timeline().failed.unwrap().seen_by.as_str(),
        "redis-4"
    );
}

/// Its view goes with the write, in one conversation.
#[rstest]
#[case::hangs(|script: &mut Script| { script.on(WRITE).hangs(); })]
#[case::hangs_up(|script: &mut Script| { script.on(WRITE).hangs_up(); })]
#[case::half(|script: &mut Script| { script.on(WRITE).gives_half(ok()); })]
#[tokio::test]
async fn a_write_without_an_answer_is_tried_again(#[case] trouble: fn(&mut Script)) {
    let stage = Stage::new().await;
    stage.server("redis-5").instead(trouble);
    let recording = stage.begin().await;
    stage.sees("redis-5", "promoted-replica");
    eventually(|| stage.server("redis-5").times(WRITE) > 1).await;
    assert_eq!(recording.timeline(), Timeline::default());
    stage.answers_writes("redis-5", ok());
    until(&recording, "recovered").await;
    assert!(
        recording.timeline().promoted.is_some(),
        "{}",
        recording.timeline()
    );
}

#[tokio::test]
async fn a_moment_is_when_the_answer_comes() {
    let clock = Clock::stepped();
    let stage = Stage::of(VERSION, clock.clone()).await;
    let recording = stage.begin().await;
    let view = stage.recorded.text("redis-1", "suspected");
    let late = Duration::from_secs(60);
    stage.server("redis-1").instead(|script| {
        script.on("CLUSTER NODES").after(late).gives(view.as_str());
    });
    let asked = stage.server("redis-1").times("CLUSTER NODES");
    eventually(|| stage.server("redis-1").times("CLUSTER NODES") > asked + 1).await;
    let before = recording.elapsed();
    assert_eq!(recording.timeline(), Timeline::default());
    // An answer that takes too long is given up, and the next question has to wait as long.
    let seen = recording.until(|timeline| timeline.suspected.is_some());
    tokio::pin!(seen);
    let deadline = Instant::now() + SOON;
    while timeout(Duration::from_millis(5), &mut seen).await.is_err() {
        assert!(Instant::now() < deadline, "never seen");
        clock.advance(late);
    }
    assert!(recording.timeline().suspected.unwrap().after >= before);
}

#[tokio::test]
async fn an_answer_that_was_given_up_is_never_heard() {
    let clock = Clock::stepped();
    let stage = Stage::of(VERSION, clock.clone()).await;
    let recording = stage.begin().await;
    stage.is_heard("redis-1").await;
    let view = stage.recorded.text("redis-1", "suspected");
    let late = Duration::from_secs(60);
    stage.server("redis-1").instead(|script| {
        script
            .on("CLUSTER NODES")
            .after(late)
            .gives(view.as_str())
            .times(1);
    });
    // It hangs up on who does not answer, and comes again.
    let connections = stage.server("redis-1").connections().1;
    eventually(|| stage.server("redis-1").connections().1 > connections).await;
    clock.advance(late);
    stage.is_heard("redis-1").await;
    assert_eq!(recording.timeline(), Timeline::default());
}

#[tokio::test]
async fn a_node_that_does_not_let_go_of_the_key_holds_nobody_up() {
    let stage = Stage::new().await;
    stage.answers_writes("redis-5", ok());
    stage.server("redis-5").instead(|script| {
        script.on("DEL *").hangs().times(1);
    });
    let recording = stage.begin().await;
    until(&recording, "recovered").await;
    let stopping = Instant::now();
    recording.stop().await;
    assert!(
        stopping.elapsed() < Duration::from_secs(3),
        "{:?}",
        stopping.elapsed()
    );
}

/// What a node does in the look before.
type Trouble = fn(&mut Script);

#[rstest]
#[case::loading(|script: &mut Script| { script.on("CLUSTER NODES").errs("LOADING Redis is loading the dataset in memory"); },
    "CLUSTER NODES: LOADING Redis is loading the dataset in memory")]
#[case::hangs(|script: &mut Script| { script.on("CLUSTER NODES").hangs(); }, "no answer within 500ms")]
#[case::half(|script: &mut Script| { script.on("CLUSTER INFO").gives_half("cluster_state:ok\r\n"); }, "connection closed")]
#[case::unreadable(|script: &mut Script| { script.on("CLUSTER NODES").gives("I am well\n"); },
    "CLUSTER NODES: CLUSTER NODES: line 1: id: \"I\" has 1 characters, an id has 40 hex digits")]
#[tokio::test]
async fn who_can_t_be_heard_before_has_no_part_in_it(#[case] trouble: Trouble, #[case] why: &str) {
    let prepared = async |node: &str| {
        let stage = Stage::new().await;
        stage.server(node).instead(trouble);
        Recorder::prepare(&stage.book(), &"redis-2".into()).await
    };
    let silent = prepared("redis-2").await.unwrap_err();
    let node = "redis-2".into();
    assert_eq!(
        silent,
        RecorderError::Silent {
            node,
            why: why.into()
        }
    );
    let alone = prepared("redis-5").await.unwrap_err();
    assert!(matches!(alone, RecorderError::NoReplica { .. }), "{alone}");
    assert!(prepared("redis-1").await.is_ok());
}
