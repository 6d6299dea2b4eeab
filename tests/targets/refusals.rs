//! What would break the cluster is refused.

use labrunner::lab::action::NodeChange;

use crate::engine::turn;
use crate::stage::{THREE, failover, name, recover, scale_down, stage};

#[tokio::test(flavor = "multi_thread")]
async fn what_would_break_the_cluster_is_refused() {
    let Some(_turn) = turn("what_would_break_the_cluster_is_refused") else {
        return;
    };
    let stage = stage("refuse", &THREE, &[("redis-4", "redis-1")], &["redis-7"]).await;
    let masked = |why: String| {
        stage.ids.iter().fold(why, |why, (name, id)| {
            why.replace(&id.to_string(), &format!("<{name}-id>"))
        })
    };
    let why = stage.refused(scale_down("redis-1")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: redis-1 has the last of the cluster's replicas, redis-4: once its slots are gone, nothing is left that could take over where it was planned
       help: let another master have them first:
               redis-cli -p 7004 CLUSTER REPLICATE <redis-2-id>
             or remove them first:
               redis-cli --cluster del-node 127.0.0.1:7002 <redis-4-id>
    ");
    let why = stage.refused(scale_down("redis-8")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: redis-8 is not started
       help: docker compose up -d redis-8
    ");
    let why = stage.refused(failover("redis-7")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: redis-7 is in no cluster: it knows no other node and owns no slots
       help: make cluster-nodes shows who is in it
    ");

    // A slot on its way.
    let two = stage.ids[&name("redis-2")].to_string();
    let open = ["CLUSTER", "SETSLOT", "93", "MIGRATING", &two];
    stage.ask("redis-1", &open).await.unwrap();
    let why = stage.refused(scale_down("redis-3")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: slots are on their way already: slot 93 from redis-1 to redis-2
       help: let whoever moves them finish; if nobody does any more: redis-cli --cluster fix 127.0.0.1:7001
    ");
    let close = ["CLUSTER", "SETSLOT", "93", "STABLE"];
    stage.ask("redis-1", &close).await.unwrap();

    // The replica is frozen.
    stage.change(NodeChange::Pause, "redis-4").await;
    let why = stage.refused(failover("redis-1")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: nobody could take over from redis-1: redis-4 is paused
       help: docker unpause redis-4
    ");
    let why = stage.refused(recover("redis-4")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: redis-4 is paused
       help: docker unpause redis-4
    ");
    stage.change(NodeChange::Unpause, "redis-4").await;

    // The cluster is not ok.
    stage.change(NodeChange::Stop, "redis-3").await;
    stage
        .says("redis-1", &["CLUSTER", "INFO"], "cluster_state:fail")
        .await;
    stage
        .says("redis-2", &["CLUSTER", "INFO"], "cluster_state:fail")
        .await;
    stage
        .says("redis-4", &["CLUSTER", "INFO"], "cluster_state:fail")
        .await;
    let why = stage.refused(failover("redis-1")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: the cluster is not ok already: redis-1, redis-2 and redis-4 say cluster_state:fail
       help: make watch-cluster shows what is missing; make recover NODE=PORT starts a node that is stopped
    ");
    let why = stage.refused(scale_down("redis-2")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: the cluster is not ok already: redis-1, redis-2 and redis-4 say cluster_state:fail
       help: make watch-cluster shows what is missing; make recover NODE=PORT starts a node that is stopped
    ");
    stage.remove().await;
}
