//! Nodes leave the cluster, and join it.

use std::time::Duration;

use labrunner::admin::GivenKeys;
use labrunner::backend::BackendError;
use labrunner::lab::action::{Limits, NodeChange};
use labrunner::lab::target::Target;
use labrunner::observe::read_back;
use labrunner::targets::{self, Told};
use tokio_util::sync::CancellationToken;

use crate::engine::turn;
use crate::stage::{LIMITS, LONG, THREE, name, scale_down, shortened, stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_master_is_emptied_and_no_key_is_lost() {
    let Some(_turn) = turn("a_master_is_emptied_and_no_key_is_lost") else {
        return;
    };
    let masters = [
        ("redis-1", "1365-5460"),
        ("redis-2", "6827-10922"),
        ("redis-3", "12288-16383"),
        ("redis-7", "0-1364 5461-6826 10923-12287"),
    ];
    let replicas = [("redis-4", "redis-1"), ("redis-8", "redis-7")];
    let stage = stage("down", &masters, &replicas, &["redis-6"]).await;
    let keys = GivenKeys {
        count: 2000,
        hot_slot: None,
    };
    let router = stage.router();
    keys.write(&router, LONG).await.unwrap();

    let masked = |why: String| {
        stage.ids.iter().fold(why, |why, (name, id)| {
            why.replace(&id.to_string(), &format!("<{name}-id>"))
        })
    };
    let why = stage.refused(scale_down("redis-4")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: redis-4 is a replica of redis-1: it owns no slots, and it is the only replica of redis-1
       help: a node without slots can be removed as it is: redis-cli --cluster del-node 127.0.0.1:7001 <redis-4-id>
    ");
    let why = stage.refused(scale_down("redis-8")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: redis-8 is a replica of redis-7: it owns no slots, and it is the only replica of redis-7
       help: a node without slots can be removed as it is: redis-cli --cluster del-node 127.0.0.1:7001 <redis-8-id>
    ");
    let why = stage.refused(scale_down("redis-6")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: redis-6 is in no cluster: it knows no other node and owns no slots
       help: make cluster-nodes shows who is in it
    ");

    let output = stage.run(scale_down("redis-7")).await;
    assert_eq!(output.exit, Some(0));
    assert_eq!(stage.owned("redis-7").await, 0);
    let owned = [
        stage.owned("redis-1").await,
        stage.owned("redis-2").await,
        stage.owned("redis-3").await,
    ];
    assert_eq!(owned.iter().sum::<usize>(), 16384);
    assert_eq!(
        owned.iter().max().unwrap() - owned.iter().min().unwrap(),
        1,
        "{owned:?}"
    );
    let report = read_back(&stage.router(), &keys).await;
    assert!(report.all_intact(), "{report:?}");
    let (before, after) = output
        .stderr
        .split_once("note: redis-7 is a replica")
        .unwrap();
    // Which master the replica and the emptied node follow is the server's decision.
    assert!(after.starts_with(" of redis-"), "{after}");
    let before: String = before
        .lines()
        .filter(|line| !line.contains("redis-8 is a replica of"))
        .map(|line| format!("{line}\n"))
        .collect();
    insta::assert_snapshot!(masked(before), @r"
    note: redis-8 replicates redis-7: remove it first, or it will follow the slots
    $ redis-cli --cluster reshard 127.0.0.1:7001 --cluster-from <redis-7-id> --cluster-to <redis-1-id> --cluster-slots 1366 --cluster-yes
    $ redis-cli --cluster reshard 127.0.0.1:7001 --cluster-from <redis-7-id> --cluster-to <redis-2-id> --cluster-slots 1365 --cluster-yes
    $ redis-cli --cluster reshard 127.0.0.1:7001 --cluster-from <redis-7-id> --cluster-to <redis-3-id> --cluster-slots 1365 --cluster-yes
    redis-7 owns no slots any more: redis-1 got 1366 and owns 5462; redis-2 got 1365 and owns 5461; redis-3 got 1365 and owns 5461
    ");

    let why = stage.refused(scale_down("redis-7")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: redis-7 is a replica of redis-3: it owns no slots
       help: a node without slots can be removed as it is: redis-cli --cluster del-node 127.0.0.1:7001 <redis-7-id>
    ");
    stage.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_joins_the_master_that_is_meant() {
    let Some(_turn) = turn("a_replica_joins_the_master_that_is_meant") else {
        return;
    };
    // Of itself redis-cli would take redis-1, which has no replica.
    let masters = [("redis-1", "0-8191"), ("redis-7", "8192-16383")];
    let stage = stage("join", &masters, &[("redis-4", "redis-7")], &[]).await;
    let why = stage.refused(Target::ScaleAddReplica).await;
    insta::assert_snapshot!(why, @r"
    refused: redis-8 is not started
       help: docker compose up -d redis-8
    ");
    // It is not waited for until it answers.
    stage.change(NodeChange::Up, "redis-8").await;
    let output = stage.run(Target::ScaleAddReplica).await;
    assert_eq!(output.exit, Some(0));
    let seven = stage.ids[&name("redis-7")];
    insta::assert_snapshot!(output.stderr.replace(&seven.to_string(), "<redis-7-id>"), @r"
    note: of itself redis-cli would choose the master with the fewest replicas, and redis-1 has fewer than redis-7; so it is told which
    $ redis-cli --cluster add-node 172.30.0.18:7008 172.30.0.17:7007 --cluster-slave --cluster-master-id <redis-7-id>
    note: redis-8 is a replica of redis-7; within seconds it has all its data, and redis-cli -p 7008 INFO replication says master_link_status:up
    ");
    let itself = stage.view("redis-8").await.unwrap();
    assert_eq!(itself.myself().unwrap().master, Some(seven));
    stage
        .says("redis-8", &["INFO", "replication"], "master_link_status:up")
        .await;
    let why = stage.refused(Target::ScaleAddReplica).await;
    insta::assert_snapshot!(why, @r"
    refused: redis-8 is in the cluster already, as a replica of redis-7
       help: make cluster-nodes shows it
    ");
    stage.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scale_down_that_is_broken_off_says_how_far_it_came_and_goes_on_from_there() {
    let Some(_turn) = turn("a_scale_down_that_is_broken_off") else {
        return;
    };
    let stage = stage("half", &THREE, &[], &[]).await;
    let all = stage.owned("redis-3").await;
    // Time for some slots and not for all.
    let limits = Limits {
        time: Duration::from_millis(2500),
        ..LIMITS
    };
    let cancel = CancellationToken::new();
    let (result, _) = stage.try_run(&scale_down("redis-3"), limits, &cancel).await;
    let output = result.expect("carried out");
    eprintln!("{}", shortened(&output));
    assert_eq!(output.exit, None, "{}", shortened(&output));
    let left = stage.owned("redis-3").await;
    assert!(0 < left && left < all, "{left} of {all}");
    let said = format!("redis-3 owns {left} slots, ");
    assert!(output.stderr.contains(&said), "{}", output.stderr);
    assert!(
        output
            .stderr
            .contains("make scale-down NODE=7003 goes on from there"),
        "{}",
        output.stderr
    );

    // Called off, it says the same.
    let cancel = CancellationToken::new();
    let target = scale_down("redis-3");
    let mut told = Vec::new();
    let mut tell = |one: Told| {
        if matches!(&one, Told::Command { .. }) {
            cancel.cancel();
        }
        told.push(one);
    };
    // A slot may be left half moved; redis-cli has a command for that.
    for seed in ["redis-1", "redis-2", "redis-3"] {
        stage.mend(seed).await;
    }
    let result = targets::run(&target, &stage.backend, LIMITS, &cancel, &mut tell).await;
    assert!(matches!(result, Err(BackendError::Cancelled)), "{result:?}");
    assert!(
        matches!(told.last(), Some(Told::Err(text)) if text.contains("goes on from there")),
        "{told:?}"
    );

    stage.mend("redis-1").await;
    let output = stage.run(scale_down("redis-3")).await;
    assert_eq!(output.exit, Some(0));
    assert_eq!(stage.owned("redis-3").await, 0);
    stage.remove().await;
}
