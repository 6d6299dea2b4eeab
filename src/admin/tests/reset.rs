//! Resetting nodes that refuse, break off, and keep something of their old life.

use std::collections::BTreeMap;

use rstest::rstest;

use super::*;
use crate::admin::{AdminError, Settings, reset};

/// A node that does all that it is told, and has nothing of its old life left.
fn willing(number: u16) -> Script {
    let mut script = Script::new();
    script
        .on("CONFIG GET *")
        .gives(settings(&[("hz", "10"), ("maxmemory", "0")]));
    script.on("CLIENT KILL TYPE *").gives(0);
    for command in [
        "FLUSHALL",
        "CLUSTER RESET HARD",
        "SCRIPT FLUSH",
        "FUNCTION FLUSH",
        "SAVE",
        "SLOWLOG RESET",
        "ACL LOG RESET",
        "CONFIG RESETSTAT",
    ] {
        script.on(command);
    }
    script.on("LATENCY RESET").gives(0);
    script
        .on("CLUSTER NODES")
        .gives(fresh_view(number).as_str());
    script.on("DBSIZE").gives(0);
    script.on("CLUSTER INFO").gives(info().as_str());
    script
        .on("INFO")
        .gives("# Replication\r\nrole:master\r\nconnected_slaves:0\r\n");
    script
        .on("CLUSTER MYSHARDID")
        .gives(format!("shard-{number}").as_str());
    script
}

/// `CLUSTER INFO` of a fresh node.
fn info() -> String {
    "cluster_state:fail\r\ncluster_slots_assigned:0\r\ncluster_slots_ok:0\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:0\r\n\
     cluster_known_nodes:1\r\ncluster_size:0\r\ncluster_current_epoch:0\r\ncluster_my_epoch:0\r\n"
        .to_owned()
}

/// Resets redis-1 alone, with these settings to be set back to.
async fn reset_one(
    server: &ScriptServer,
    start: Option<Settings>,
    limit: Duration,
) -> Result<Settings, AdminError> {
    let mut done = reset(&book(&[server]), [(name(1), start)].into(), limit).await;
    done.remove(&name(1)).unwrap()
}

async fn with(otherwise: impl FnOnce(&mut Script)) -> ScriptServer {
    let server = willing(1).start().await.unwrap();
    server.instead(otherwise);
    server
}

/// What is in the way at first, and is no more when it is tried again.
#[rstest]
#[case("FLUSHALL", Reply::Error("NOREPLICAS Not enough good replicas to write.".into()))]
#[case("FLUSHALL", Reply::Error("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.".into()))]
#[case("FLUSHALL", Reply::Error(LOADING.into()))]
#[case("CLUSTER RESET HARD", Reply::Error("ERR CLUSTER RESET can't be called with master nodes containing keys".into()))]
#[case("SCRIPT FLUSH", Reply::Error("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.".into()))]
#[case("SAVE", Reply::Error("ERR Background save already in progress".into()))]
#[case("CLUSTER NODES", view(1).as_str().into())]
#[case("CLUSTER NODES", Reply::Error(LOADING.into()))]
#[case("DBSIZE", Reply::Int(1))]
#[case("DBSIZE", Reply::Error(LOADING.into()))]
#[case("CLUSTER INFO", cluster_info("ok").as_str().into())]
#[case("CLUSTER INFO", "cluster_state:ok\r\n".into())]
#[case("INFO", "# Replication\r\nrole:master\r\nconnected_slaves:1\r\n".into())]
#[case("INFO", "# Persistence\r\nrdb_bgsave_in_progress:1\r\n".into())]
#[case("INFO", "# Clients\r\nblocked_clients:1\r\n".into())]
#[tokio::test]
async fn what_passes_is_tried_again(#[case] command: &str, #[case] reply: Reply) {
    let one = with(|script| {
        script.on(command).gives(reply.clone()).times(2);
    })
    .await;
    reset_one(&one, None, SOON).await.unwrap();
    assert!(one.times("CLUSTER RESET HARD") >= 2);

    let one = with(|script| {
        script.on(command).gives(reply.clone());
    })
    .await;
    let failed = reset_one(&one, None, SHORT).await.unwrap_err();
    let AdminError::NotFresh { why, .. } = failed else {
        panic!("{failed}")
    };
    if let Reply::Error(error) = reply
        && error != LOADING
    {
        assert_eq!(why, format!("it refused {command}: {error}"));
    }
}

/// A replica can't be emptied before it is reset, and old servers have no functions and no shard ids.
#[rstest]
#[case("FLUSHALL", "READONLY You can't write against a read only replica.")]
#[case(
    "FUNCTION FLUSH",
    "ERR unknown command `FUNCTION`, with args beginning with: `FLUSH`, "
)]
#[case(
    "CLUSTER MYSHARDID",
    "ERR Unknown subcommand or wrong number of arguments for 'MYSHARDID'. Try CLUSTER HELP."
)]
#[tokio::test]
async fn a_no_that_does_no_harm_is_passed_over(#[case] command: &str, #[case] error: &str) {
    let one = with(|script| {
        script.on(command).errs(error).times(1);
    })
    .await;
    reset_one(&one, None, SOON).await.unwrap();
    assert_eq!(one.times("CLUSTER RESET HARD"), 1, "one attempt was enough");
}

/// Who can't have its settings back keeps its keys.
#[rstest]
#[case("CONFIG GET *", "NOAUTH Authentication required.", 0)]
#[case(
    "CONFIG SET hz 10",
    "ERR CONFIG SET failed (possibly related to argument 'hz') - can't set immutable config",
    0
)]
#[case("CLUSTER NODES", "ERR This instance has cluster support disabled", 1)]
#[case(
    "DBSIZE",
    "NOPERM this user has no permissions to run the 'dbsize' command",
    1
)]
#[tokio::test]
async fn what_does_not_pass_ends_it_at_once(
    #[case] command: &str,
    #[case] error: &str,
    #[case] resets: usize,
) {
    let one = with(|script| {
        script.on(command).errs(error).times(1);
        script.on("CONFIG GET *").gives(settings(&[("hz", "50")]));
        script.on("CONFIG SET hz 10");
    })
    .await;
    let start = Settings::read(&settings(&[("hz", "10")])).unwrap();
    let refused = reset_one(&one, Some(start), SOON).await.unwrap_err();
    let (command, reply) = (command.to_owned(), error.to_owned());
    assert_eq!(
        refused,
        AdminError::Refused {
            node: name(1),
            command,
            reply
        }
    );
    assert_eq!(one.times("CLUSTER RESET HARD"), resets);
}

#[tokio::test]
async fn settings_are_set_back_before_anything_else_and_only_those_that_differ() {
    let one = with(|script| {
        let now = settings(&[
            ("hz", "50"),
            ("maxmemory", "0"),
            ("min-replicas-to-write", "1"),
        ]);
        script.on("CONFIG GET *").gives(now).times(1);
        script.on("CONFIG GET *").gives(settings(&[
            ("hz", "10"),
            ("maxmemory", "0"),
            ("min-replicas-to-write", "0"),
        ]));
        script.on("CONFIG SET * *").times(2);
    })
    .await;
    let start = Settings::read(&settings(&[
        ("hz", "10"),
        ("maxmemory", "0"),
        ("min-replicas-to-write", "0"),
    ]))
    .unwrap();
    assert_eq!(reset_one(&one, Some(start.clone()), SOON).await, Ok(start));
    let asked: Vec<String> = one
        .asked()
        .iter()
        .take(4)
        .map(|words| words.join(" "))
        .collect();
    assert_eq!(
        asked,
        [
            "CONFIG GET *",
            "CONFIG SET hz 10",
            "CONFIG SET min-replicas-to-write 0",
            "CLIENT KILL TYPE normal"
        ]
    );
}

#[tokio::test]
async fn a_setting_that_does_not_stay_is_named_at_the_limit() {
    let one = with(|script| {
        script.on("CONFIG GET *").gives(settings(&[("hz", "50")]));
        script.on("CONFIG SET hz 10").times(1);
    })
    .await;
    let start = Settings::read(&settings(&[("hz", "10")])).unwrap();
    let failed = reset_one(&one, Some(start), SHORT).await.unwrap_err();
    assert_eq!(
        failed.to_string(),
        r#"redis-1 is not a fresh, empty node: its hz is "50" and not "10""#
    );
}

/// A node in the middle of whose reset the connection ends may be in any state.
#[rstest]
#[case::hangs_up(|script: &mut Script| { script.on("CLUSTER RESET HARD").hangs_up(); }, "redis-1: connection closed")]
#[case::half(|script: &mut Script| { script.on("INFO").gives_half("role:master\r\n"); }, "redis-1: connection closed")]
#[case::hangs(|script: &mut Script| { script.on("SAVE").hangs(); }, "redis-1: no answer within 3s")]
#[tokio::test]
async fn a_node_that_breaks_off_is_not_reset(#[case] breaks: fn(&mut Script), #[case] said: &str) {
    let one = with(breaks).await;
    let failed = reset_one(&one, None, SOON).await.unwrap_err();
    assert_eq!(failed.to_string(), said);
}

#[tokio::test]
async fn what_befalls_one_node_does_not_befall_the_others() {
    let one = with(|script| {
        script.on("CONFIG GET *").hangs_up();
    })
    .await;
    let two = willing(2).start().await.unwrap();
    let nodes = [1, 2, 9].map(|number| (name(number), None));
    let done = reset(&book(&[&one, &two]), BTreeMap::from(nodes), SOON).await;
    let said = |number: u16| done[&name(number)].as_ref().err().map(ToString::to_string);
    assert_eq!(said(1).unwrap(), "redis-1: connection closed");
    assert_eq!(said(2), None);
    assert!(said(9).unwrap().contains("there is no node redis-9"));
}

#[tokio::test]
async fn two_masters_in_one_shard_are_not_both_as_good_as_new() {
    let (one, two) = (
        willing(1).start().await.unwrap(),
        willing(2).start().await.unwrap(),
    );
    two.instead(|script| {
        script.on("CLUSTER MYSHARDID").gives("shard-1");
    });
    let nodes = [1, 2].map(|number| (name(number), None));
    let done = reset(&book(&[&one, &two]), BTreeMap::from(nodes), SOON).await;
    let failed: Vec<String> = done
        .values()
        .filter_map(|done| Some(done.as_ref().err()?.to_string()))
        .collect();
    assert_eq!(failed.len(), 1, "{done:?}");
    assert!(
        failed[0].ends_with("it has the shard id of another"),
        "{failed:?}"
    );
}
