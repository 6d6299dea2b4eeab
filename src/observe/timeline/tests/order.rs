//! What is told of moments, in whatever order they come.

use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn a_failover_as_every_version_tells_it(
    #[values("redis-6.2.5", "redis-7.0.15", "redis-8.2.3", "valkey-9.1.2")] version: &str,
) {
    let stage = Stage::of(version, Clock::natural()).await;
    let recording = stage.begin().await;
    stage.sees("redis-3", "suspected");
    until(&recording, "suspected").await;
    for node in ["redis-1", "redis-3", "redis-4"] {
        stage.sees_it_failed(node);
        stage.is_heard(node).await;
    }
    stage.sees("redis-5", "promoted-replica");
    until(&recording, "promoted").await;
    stage.answers_writes("redis-5", ok());
    until(&recording, "recovered").await;
    stage.server("redis-5").instead(|script| {
        script.on("DEL *").gives_in_turn([1]);
    });
    let timeline = recording.stop().await;
    assert_eq!(
        by(&timeline),
        "suspected by redis-3, failed by redis-4, promoted by redis-5, recovered by redis-5"
    );
    assert!(timeline.in_order(), "{timeline}");
    let view = stage.recorded.text("redis-5", "promoted-replica");
    assert_eq!(timeline.promoted.unwrap().raw, view);
    // The key that was written is removed, and the failing node was asked nothing after the look before.
    let asked = stage.server("redis-5").asked();
    let written = asked.iter().find(|words| words[0] == "SET").unwrap();
    assert_eq!(asked.last().unwrap(), &["DEL", &written[1]]);
    assert_eq!(stage.server("redis-2").times("..."), 2);
}

/// What happens on the stage, one after the other.
enum Act {
    Suspects(&'static str),
    Fails(&'static str),
    TakesBack(&'static str),
    /// redis-5 is master of the slots, and calls nobody failing.
    Promoted,
    /// redis-5 accepts writes.
    Accepts,
}

use Act::*;

#[rstest]
#[case::elected_before_most_have_heard(&[Fails("redis-1"), Fails("redis-5"), Promoted, Fails("redis-3"), Fails("redis-4")],
    "suspected by redis-1, failed by redis-4, promoted by redis-5, not recovered", false)]
#[case::by_hand(&[Promoted, Accepts],
    "not suspected, not failed, promoted by redis-5, recovered by redis-5", true)]
#[case::accepts_before_it_calls_itself_master(&[Suspects("redis-4"), Accepts, Promoted],
    "suspected by redis-4, not failed, promoted by redis-5, recovered by redis-5", false)]
#[case::suspected_after_all_is_over(&[Promoted, Accepts, Suspects("redis-1")],
    "suspected by redis-1, not failed, promoted by redis-5, recovered by redis-5", false)]
#[case::a_suspicion_that_was_taken_back_was_one(&[Suspects("redis-4"), TakesBack("redis-4"), Suspects("redis-1"), TakesBack("redis-1")],
    "suspected by redis-4, not failed, not promoted, not recovered", true)]
#[case::never_three_at_once(&[Fails("redis-1"), Fails("redis-3"), TakesBack("redis-1"), Fails("redis-4"), TakesBack("redis-3"), Fails("redis-1")],
    "suspected by redis-1, not failed, not promoted, not recovered", true)]
#[tokio::test]
async fn moments_in_any_order_are_told_as_they_came(
    #[case] acts: &[Act],
    #[case] expected: &str,
    #[case] in_order: bool,
) {
    let stage = Stage::new().await;
    let recording = stage.begin().await;
    for act in acts {
        let node = match act {
            Suspects(node) => {
                stage.sees(node, "suspected");
                node
            }
            Fails(node) => {
                stage.sees_it_failed(node);
                node
            }
            TakesBack(node) => {
                stage.sees(node, "normal");
                node
            }
            Promoted => {
                let view = stage.recorded.text("redis-5", "promoted-replica");
                stage.says("redis-5", &view.replace("master,fail ", "master "));
                "redis-5"
            }
            Accepts => {
                stage.answers_writes("redis-5", ok());
                "redis-5"
            }
        };
        stage.is_heard(node).await;
    }
    let timeline = recording.timeline();
    assert_eq!(by(&timeline), expected);
    assert_eq!(timeline.in_order(), in_order, "{timeline}");
}

#[rstest]
#[case(Reply::Error(MOVED.into()))]
#[case(Reply::Error("ASK 5461 127.0.0.1:21001".into()))]
#[case(Reply::Error("TRYAGAIN Multiple keys request during rehashing of slot".into()))]
#[case(Reply::Error("CLUSTERDOWN The cluster is down".into()))]
#[case(Reply::Error("LOADING Redis is loading the dataset in memory".into()))]
#[case(Reply::Error("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.".into()))]
#[case(Reply::Error("NOREPLICAS Not enough good replicas to write.".into()))]
#[case(Reply::Error("READONLY You can't write against a read only replica.".into()))]
#[case(Reply::Error("OK".into()))]
#[case(Reply::Status("QUEUED".into()))]
#[case("OK".into())]
#[case(Reply::Nil)]
#[tokio::test]
async fn only_ok_is_a_recovery(#[case] reply: Reply) {
    let stage = Stage::new().await;
    stage.answers_writes("redis-5", reply);
    let recording = stage.begin().await;
    stage.is_heard("redis-5").await;
    assert_eq!(recording.timeline().recovered, None);
    stage.answers_writes("redis-5", ok());
    until(&recording, "recovered").await;
    let recovered = recording.timeline().recovered.unwrap();
    assert!(
        recovered.command.starts_with("SET timeline:{"),
        "{}",
        recovered.command
    );
    assert_eq!(
        (recovered.seen_by.as_str(), recovered.raw.as_str()),
        ("redis-5", "OK")
    );
}

#[tokio::test]
async fn nothing_is_written_once_a_write_was_accepted() {
    let stage = Stage::new().await;
    stage.answers_writes("redis-5", ok());
    let recording = stage.begin().await;
    until(&recording, "recovered").await;
    stage.is_heard("redis-5").await;
    let written = stage.server("redis-5").times(WRITE);
    stage.is_heard("redis-5").await;
    assert_eq!(stage.server("redis-5").times(WRITE), written);
    for node in ["redis-1", "redis-3", "redis-4"] {
        assert_eq!(stage.server(node).times("SET ..."), 0, "{node}");
    }
}

#[tokio::test]
async fn where_nothing_happened_nothing_is_left_and_nothing_asked() {
    let stage = Stage::new().await;
    let recording = stage.begin().await;
    for node in ["redis-1", "redis-3", "redis-4", "redis-5"] {
        stage.is_heard(node).await;
    }
    assert!(recording.answers() >= 12);
    assert_eq!(recording.stop().await, Timeline::default());
    // A DEL would not have been expected, and fail the test.
    for node in NODES {
        eventually(|| stage.server(node).connections().0 == 0).await;
    }
}

/// Of three that answer two are most, and the others are not asked any more.
#[tokio::test]
async fn a_majority_is_one_of_those_who_answered_before() {
    let stage = Stage::new().await;
    for node in ["redis-1", "redis-4"] {
        stage.server(node).instead(|script| {
            script
                .on("CLUSTER NODES")
                .errs("LOADING Redis is loading the dataset in memory")
                .times(1);
        });
    }
    let recording = stage.begin().await;
    for node in ["redis-1", "redis-4", "redis-3"] {
        stage.sees_it_failed(node);
    }
    stage.is_heard("redis-3").await;
    assert_eq!(
        by(&recording.timeline()),
        "suspected by redis-3, not failed, not promoted, not recovered"
    );
    stage.sees_it_failed("redis-5");
    until(&recording, "failed").await;
    for node in ["redis-1", "redis-4"] {
        assert_eq!(stage.server(node).times("CLUSTER NODES"), 1, "{node}");
    }
}

#[tokio::test]
async fn who_forgets_the_failing_node_does_not_call_it_failed_any_more() {
    let stage = Stage::new().await;
    let recording = stage.begin().await;
    for node in ["redis-1", "redis-3"] {
        stage.sees_it_failed(node);
        stage.is_heard(node).await;
    }
    let id = stage.recorded.id("redis-2").to_string();
    let view = stage.recorded.text("redis-1", "normal");
    let without: String = view
        .lines()
        .filter(|line| !line.starts_with(&id))
        .map(|line| format!("{line}\n"))
        .collect();
    stage.says("redis-1", &without);
    stage.is_heard("redis-1").await;
    stage.sees_it_failed("redis-4");
    stage.is_heard("redis-4").await;
    assert_eq!(recording.timeline().failed, None);
}
