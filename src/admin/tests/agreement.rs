//! Agreement is awaited from nodes that never agree, that do so late, and that don't answer.

use std::time::Instant;

use rstest::rstest;

use super::*;
use crate::admin::{AdminError, await_agreement};
use crate::double::Clock;

async fn agree(one: &ScriptServer, two: &ScriptServer, limit: Duration) -> Result<(), AdminError> {
    await_agreement(&book(&[one, two]), &[name(1), name(2)], limit).await
}

async fn start(number: u16, script: Script) -> ScriptServer {
    member(number, script).start().await.unwrap()
}

/// What redis-2 answers for ever, and what is said of it.
#[rstest]
#[case::loading(|script: &mut Script| { script.on("CLUSTER NODES").errs(LOADING); }, "redis-2 refused CLUSTER NODES: LOADING Redis is loading the dataset in memory")]
#[case::down(|script: &mut Script| { script.on("CLUSTER INFO").errs("CLUSTERDOWN Hash slot not served"); }, "redis-2 refused CLUSTER INFO: CLUSTERDOWN Hash slot not served")]
#[case::locked(|script: &mut Script| { script.on("INFO replication").errs("NOAUTH Authentication required."); }, "redis-2 refused INFO: NOAUTH Authentication required.")]
#[case::nothing(|script: &mut Script| { script.on("CLUSTER NODES").gives(Reply::Nil); }, "redis-2 gave an answer that can't be read: CLUSTER NODES: there is no line in it")]
#[case::unreadable(|script: &mut Script| { script.on("CLUSTER INFO").gives("ok"); }, "redis-2 gave an answer that can't be read: ")]
#[case::hangs(|script: &mut Script| { script.on("CLUSTER NODES").hangs(); }, "redis-2: no answer within ")]
#[case::hangs_up(|script: &mut Script| { script.on("CLUSTER INFO").hangs_up(); }, "redis-2: connection closed")]
#[case::half(|script: &mut Script| { script.on("INFO replication").gives_half("# Replication\r\nrole:slave\r\n"); }, "redis-2: connection closed")]
#[case::greets(|script: &mut Script| { script.on("CLUSTER NODES").gives(view(2).replace("master ", "handshake ").as_str()); }, "redis-2 is still shaking hands with 10.0.0.1:7001")]
#[case::suspects(|script: &mut Script| { script.on("CLUSTER NODES").gives(view(2).replace("master ", "master,fail? ").as_str()); }, "redis-2 suspects redis-1 of having failed")]
#[case::accuses(|script: &mut Script| { script.on("CLUSTER NODES").gives(view(2).replace("master ", "master,fail ").as_str()); }, "seen from redis-1: redis-2 ")]
#[case::contradicts(|script: &mut Script| { script.on("CLUSTER NODES").gives(view(2).replace("0-16383", "0-16382").as_str()); }, "slot 16383")]
#[case::is_alone(|script: &mut Script| { script.on("CLUSTER NODES").gives(fresh_view(2).as_str()); }, "redis-2 does not know redis-1")]
#[case::does_not_serve(|script: &mut Script| { script.on("CLUSTER INFO").gives(cluster_info("fail").as_str()); }, "redis-1 says cluster_state:ok, redis-2 says cluster_state:fail")]
#[tokio::test]
async fn one_node_that_never_agrees_is_named_at_the_limit(
    #[case] never: fn(&mut Script),
    #[case] said: &str,
) {
    let mut script = Script::new();
    never(&mut script);
    let (one, two) = (start(1, Script::new()).await, start(2, script).await);
    let begun = Instant::now();
    let error = agree(&one, &two, SHORT).await.unwrap_err();
    let took = begun.elapsed();
    let AdminError::NoAgreement { limit, why } = error else {
        panic!("{error}")
    };
    assert_eq!(limit, SHORT);
    assert!(why.contains(said), "{why}");
    // Not before its time, since it might have come about, and not long after it.
    let early = SHORT - Duration::from_millis(20);
    assert!(took >= early && took < SHORT * 5, "{took:?}");
}

/// What redis-2 does at first, before it agrees.
#[rstest]
#[case::loading(|script: &mut Script| { script.on("CLUSTER NODES").errs(LOADING).times(2); })]
#[case::hangs_up(|script: &mut Script| { script.on("CLUSTER INFO").hangs_up().times(2); })]
#[case::half(|script: &mut Script| { script.on("CLUSTER NODES").gives_half(view(2).as_str()).times(2); })]
#[case::hangs(|script: &mut Script| { script.on("INFO replication").hangs().times(1); })]
#[case::greets(|script: &mut Script| { script.on("CLUSTER NODES").gives(view(2).replace("master ", "handshake ").as_str()).times(2); })]
#[case::suspects(|script: &mut Script| { script.on("CLUSTER NODES").gives(view(2).replace("master ", "master,fail? ").as_str()).times(2); })]
#[case::does_not_serve(|script: &mut Script| { script.on("CLUSTER INFO").gives(cluster_info("fail").as_str()).times(2); })]
#[tokio::test]
async fn who_agrees_after_some_looks_has_agreed(#[case] first: fn(&mut Script)) {
    let mut script = Script::new();
    first(&mut script);
    let (one, two) = (start(1, Script::new()).await, start(2, script).await);
    agree(&one, &two, SOON).await.unwrap();
    // And with that it was enough.
    let looks = one.times("CLUSTER NODES");
    assert!((2..=3).contains(&looks), "{looks}");
}

/// A cluster can agree on being down, and on a node that has failed.
#[tokio::test]
async fn agreement_need_not_be_on_something_good() {
    let mut servers = Vec::new();
    for number in [1, 2] {
        let mut script = Script::new();
        script
            .on("CLUSTER INFO")
            .gives(cluster_info("fail").as_str());
        let failed = "3".repeat(40) + " 10.0.0.3:7003@17003 master,fail - 1 1 3 disconnected\n";
        script
            .on("CLUSTER NODES")
            .gives((view(number) + &failed).as_str());
        servers.push(start(number, script).await);
    }
    agree(&servers[0], &servers[1], SOON).await.unwrap();
    assert_eq!(servers[0].times("CLUSTER NODES"), 1);
}

/// What redis-2 says late is what it thought when it was asked, and by then it thinks something else.
#[tokio::test]
async fn an_answer_that_comes_too_late_is_no_agreement() {
    let clock = Clock::stepped();
    let mut script = Script::new().with_clock(clock.clone());
    let hour = Duration::from_secs(3600);
    script
        .on("CLUSTER NODES")
        .after(hour)
        .gives(view(2).as_str())
        .times(1);
    script.on("CLUSTER NODES").gives(fresh_view(2).as_str());
    let (one, two) = (start(1, Script::new()).await, start(2, script).await);
    let agreeing = agree(&one, &two, Duration::from_millis(1_500));
    let moving = async {
        // The first look is given up after a second.
        let deadline = Instant::now() + SOON;
        while two.connections().1 < 2 {
            assert!(Instant::now() < deadline, "it never came again");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        clock.advance(hour);
    };
    let (agreed, ()) = tokio::join!(agreeing, moving);
    let why = agreed.unwrap_err().to_string();
    assert!(why.contains("redis-2 does not know redis-1"), "{why}");
}

#[tokio::test]
async fn nobody_is_asked_about_a_node_that_there_is_not() {
    let one = Script::new().start().await.unwrap();
    let nodes = [name(1), name(9)];
    let error = await_agreement(&book(&[&one]), &nodes, SOON)
        .await
        .unwrap_err();
    assert!(matches!(error, AdminError::Impossible { .. }), "{error}");
    assert_eq!(one.connections().1, 0);
}
