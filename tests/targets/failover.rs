//! A master fails over and comes back.

use labrunner::backend::Life;
use labrunner::cluster::Topology;
use labrunner::lab::target::Target;

use crate::engine::turn;
use crate::stage::{THREE, failover, name, recover, stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_master_fails_over_and_comes_back() {
    let Some(_turn) = turn("a_master_fails_over_and_comes_back") else {
        return;
    };
    let stage = stage("fail", &THREE, &[("redis-4", "redis-1")], &[]).await;

    // The text of CLUSTER NODES and nothing else is on the standard output.
    let nodes = stage.run(Target::ClusterNodes).await;
    let view = Topology::parse(&nodes.stdout).unwrap();
    assert_eq!(view.nodes.len(), 4);
    assert_eq!(
        view.myself().unwrap().endpoint.to_string(),
        "172.30.0.11:7001"
    );
    assert_eq!(nodes.stderr, "$ redis-cli -p 7001 CLUSTER NODES\n");

    let info = stage.run(Target::ClusterInfo).await;
    for fact in [
        "cluster_state:ok",
        "cluster_slots_assigned:16384",
        "cluster_size:3",
        " in 3 masters",
    ] {
        assert!(info.stdout.contains(fact), "{fact}: {}", info.stdout);
    }
    assert_eq!(
        info.stderr,
        "$ redis-cli -p 7001 CLUSTER INFO\n$ redis-cli --cluster info 127.0.0.1:7001\n"
    );

    let why = stage.refused(failover("redis-4")).await;
    insta::assert_snapshot!(why, @r"
    refused: redis-4 is a replica of redis-1: nobody has to take over from it
       help: name a master: NODE=7001 (redis-1), NODE=7002 (redis-2) or NODE=7003 (redis-3)
    ");
    let why = stage.refused(failover("redis-2")).await;
    insta::assert_snapshot!(why.replace(&stage.ids[&name("redis-2")].to_string(), "ID"), @r"
    refused: redis-2 has no replica: nobody could take over from it, and the cluster would be without its 5462 slots
       help: name another master, or give it a replica: redis-cli -p PORT CLUSTER REPLICATE ID, at a node that owns no slots
    ");
    let why = stage.refused(failover("redis-8")).await;
    insta::assert_snapshot!(why, @r"
    refused: redis-8 is not started
       help: docker compose up -d redis-8
    ");
    let why = stage.refused(recover("redis-1")).await;
    insta::assert_snapshot!(why, @r"
    refused: redis-1 is running already
       help: make failover NODE=7001 stops it
    ");
    assert_eq!(stage.life("redis-1").await, Life::Running);

    let output = stage.run(failover("redis-1")).await;
    assert_eq!(output.exit, Some(0));
    assert_eq!(output.stdout, "redis-1\n");
    insta::assert_snapshot!(output.stderr, @r"
    $ docker stop redis-1
    note: redis-1 is stopped; redis-4 can take over; make watch-cluster shows how it goes
    ");
    assert!(matches!(stage.life("redis-1").await, Life::Exited(_)));
    let why = stage.refused(failover("redis-1")).await;
    insta::assert_snapshot!(why, @r"
    refused: redis-1 is not running: it ended with exit code 0
       help: docker start redis-1, which make recover NODE=7001 does
    ");

    let four = stage.ids[&name("redis-4")];
    stage
        .sees("redis-2", "redis-4 as a master", |view| {
            view.node(four).is_some_and(|node| node.slots.len() == 5461)
        })
        .await;
    // The first that answers now is redis-2.
    let nodes = stage.run(Target::ClusterNodes).await;
    assert_eq!(nodes.stderr, "$ redis-cli -p 7002 CLUSTER NODES\n");
    assert!(
        nodes.stdout.contains("172.30.0.11:7001@17001 master,fail"),
        "{}",
        nodes.stdout
    );

    let output = stage.run(recover("redis-1")).await;
    assert_eq!(
        (output.exit, output.stdout.as_str()),
        (Some(0), "redis-1\n")
    );
    assert_eq!(output.stderr, "$ docker start redis-1\n");
    stage
        .sees("redis-1", "itself as a replica of redis-4", |view| {
            view.myself().is_some_and(|node| node.master == Some(four))
        })
        .await;
    stage.remove().await;
}
