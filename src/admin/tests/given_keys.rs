//! Writing the given keys to nodes that redirect, stall and refuse.

use std::time::Instant;

use rstest::rstest;

use super::*;
use crate::admin::{AdminError, GivenKeys};
use crate::resp::Router;

/// redis-1 is the owner of all slots, redis-2 in the same cluster.
async fn start(script: Script) -> (ScriptServer, ScriptServer) {
    let one = member(1, script).start().await.unwrap();
    let two = member(2, Script::new()).start().await.unwrap();
    (one, two)
}

async fn write(
    (one, two): (&ScriptServer, &ScriptServer),
    count: u32,
    limit: Duration,
) -> Result<(), AdminError> {
    let hot_slot = None;
    let router = Router::new(book(&[one, two]), SOON);
    GivenKeys { count, hot_slot }.write(&router, limit).await
}

fn ok() -> Reply {
    Reply::Status("OK".to_owned())
}

#[rstest]
#[case("TRYAGAIN Multiple keys request during rehashing of slot")]
#[case("CLUSTERDOWN Hash slot not served")]
#[case(LOADING)]
#[case("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.")]
#[tokio::test]
async fn what_passes_is_waited_out_until_the_limit(#[case] error: &str) {
    let mut script = Script::new();
    script.on("SET * *").errs(error).times(2);
    script.on("SET * *").gives_in_turn([ok()]);
    let (one, two) = start(script).await;
    write((&one, &two), 1, SOON).await.unwrap();

    one.instead(|script| {
        script.on("SET * *").errs(error);
    });
    let failed = write((&one, &two), 1, SHORT * 2).await.unwrap_err();
    let why = format!("redis-1 kept answering: {error}");
    let key = "given:000001".to_owned();
    assert_eq!(failed, AdminError::KeyNotWritten { key, why });
}

#[rstest]
#[case(Reply::Error("NOREPLICAS Not enough good replicas to write.".into()), "NOREPLICAS Not enough good replicas to write.")]
#[case(Reply::Error("OOM command not allowed when used memory > 'maxmemory'.".into()), "OOM command not allowed when used memory > 'maxmemory'.")]
#[case(Reply::Error("MISCONF Redis is configured to save RDB snapshots".into()), "MISCONF Redis is configured to save RDB snapshots")]
#[case(Reply::Error("CROSSSLOT Keys in request don't hash to the same slot".into()), "CROSSSLOT Keys in request don't hash to the same slot")]
#[case(Reply::Status("QUEUED".into()), "Status(\"QUEUED\")")]
#[case("OK".into(), "Bulk(")]
#[case(Reply::Nil, "Nil")]
#[tokio::test]
async fn all_else_is_told_at_once_with_the_first_key_that_it_befell(
    #[case] reply: Reply,
    #[case] said: &str,
) {
    let mut script = Script::new();
    script.on("SET given:000001 *").gives(ok());
    script.on("SET * *").gives(reply).times(2);
    let (one, two) = start(script).await;
    let begun = Instant::now();
    let failed = write((&one, &two), 3, SOON).await.unwrap_err();
    assert!(begun.elapsed() < SOON / 2, "{:?}", begun.elapsed());
    let AdminError::KeyNotWritten { key, why } = failed else {
        panic!("{failed}")
    };
    assert_eq!(key, "given:000002");
    assert!(why.starts_with(said), "{why}");
}

#[rstest]
#[case::moved("MOVED 9999 10.0.0.2:7002", 0)]
#[case::asked("ASK 9999 10.0.0.2:7002", 2)]
#[tokio::test]
async fn redirections_are_followed_to_where_they_lead(#[case] error: &str, #[case] asking: usize) {
    let mut script = Script::new();
    script.on("SET given:000001 *").gives(ok());
    script.on("SET * *").errs(error);
    let (one, two) = start(script).await;
    two.instead(|script| {
        script.on("ASKING");
        script.on("SET * *").gives(ok()).times(2);
    });
    write((&one, &two), 3, SOON).await.unwrap();
    assert_eq!(two.times("ASKING"), asking);
}

/// To write the same twice is the same as once.
#[rstest]
#[case::hangs_up(|script: &mut Script| { script.on("SET given:000002 *").hangs_up().times(1); })]
#[case::half(|script: &mut Script| { script.on("SET given:000002 *").gives_half(ok()).times(1); })]
#[tokio::test]
async fn what_was_sent_over_a_connection_that_broke_is_written_again(
    #[case] breaks: fn(&mut Script),
) {
    let mut script = Script::new();
    breaks(&mut script);
    script.on("SET * *").gives(ok());
    let (one, two) = start(script).await;
    write((&one, &two), 3, SOON).await.unwrap();
    let written = one.asked();
    let mut last: Vec<_> = written
        .iter()
        .filter(|words| words[0] == "SET")
        .rev()
        .take(3)
        .collect();
    last.sort();
    let keys: Vec<&str> = last.iter().map(|words| words[1].as_str()).collect();
    assert_eq!(keys, ["given:000001", "given:000002", "given:000003"]);
}

#[tokio::test]
async fn a_node_that_hangs_costs_the_limit_and_is_named() {
    let mut script = Script::new();
    script.on("SET * *").hangs();
    let (one, two) = start(script).await;
    let begun = Instant::now();
    let failed = write((&one, &two), 3, SHORT).await.unwrap_err().to_string();
    assert!(begun.elapsed() < SHORT * 5, "{:?}", begun.elapsed());
    assert!(
        failed.starts_with("the key given:000001 was not written: redis-1: no answer within"),
        "{failed}"
    );
}
