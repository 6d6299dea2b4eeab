//! The cluster as a whole.

use std::time::{Duration, Instant};

use super::*;

fn text(reply: Reply) -> String {
    match reply {
        Reply::Bulk(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_cluster_is_well_when_it_is_started() {
    let begun = Instant::now();
    let cluster = Cluster::builder()
        .masters(3)
        .replicas(1)
        .seed(7)
        .start()
        .await
        .unwrap();
    eprintln!("started in {:?}", begun.elapsed());
    for node in 0..cluster.len() {
        let info = text(cluster.run(node, ["CLUSTER", "INFO"]));
        assert!(info.contains("cluster_state:ok"), "{node}: {info}");
        assert!(info.contains("cluster_known_nodes:6"), "{node}: {info}");
    }
    let nodes = text(cluster.run(0, ["CLUSTER", "NODES"]));
    let replication = text(cluster.run(3, ["INFO", "replication"]));
    assert!(
        cluster.look(|look| look.is_settled()),
        "{nodes}\n{replication}"
    );
}

#[tokio::test]
async fn a_replica_takes_over_when_its_master_is_gone_and_the_old_master_comes_back_as_its_replica()
{
    let cluster = Cluster::builder()
        .seed(7)
        .node_timeout(Duration::from_secs(5))
        .clock(Clock::leaping())
        .start()
        .await
        .unwrap();
    assert_eq!(
        cluster.run(0, ["SET", "{06S}seat", "ann"]),
        Reply::Status("OK".to_owned())
    );
    assert!(
        cluster
            .until(Duration::from_secs(1), |look| look.is_settled())
            .await
    );
    let begun = Instant::now();
    cluster.kill(0);
    assert!(
        cluster
            .until(Duration::from_secs(60), |look| look.is_master(3))
            .await
    );
    eprintln!("promoted after {:?}", begun.elapsed());
    assert_eq!(
        cluster.run(3, ["GET", "{06S}seat"]),
        Reply::Bulk(b"ann".to_vec())
    );
    assert!(
        cluster
            .log(3)
            .iter()
            .any(|line| line.contains("Failover election won"))
    );
    assert!(
        cluster
            .until(Duration::from_secs(10), |look| look.is_ok(1)
                && look.is_ok(3))
            .await
    );
    cluster.start_again(0).unwrap();
    let back = |look: &Look<'_>| look.master_of(0) == Some(3) && look.is_settled();
    assert!(cluster.until(Duration::from_secs(60), back).await);
}

/// What a node says by CLUSTER NODES, of a cluster that is reached by nobody but this process.
fn history(seed: u64) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let cluster = Cluster::builder()
            .seed(seed)
            .clock(Clock::stepped())
            .without_sockets()
            .delay(Duration::from_micros(100)..Duration::from_millis(20))
            .loss(0.05)
            .node_timeout(Duration::from_secs(2))
            .start()
            .await
            .unwrap();
        let mut seen = Vec::new();
        for second in 0..30 {
            match second {
                3 => cluster.kill(1),
                12 => cluster.partition(&[&[2, 3]]),
                20 => cluster.heal(),
                _ => {}
            }
            cluster.advance(Duration::from_secs(1));
            for node in 0..cluster.len() {
                seen.push(text(cluster.run(node, ["CLUSTER", "NODES"])));
            }
        }
        seen
    })
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let first = history(5);
    assert_eq!(first, history(5));
    assert_ne!(first, history(6));
    let last = first[first.len() - 6..].join("\n");
    assert!(
        last.contains("fail"),
        "the node that was killed is known to have failed: {last}"
    );
}

#[tokio::test]
async fn a_partition_parts_the_views_and_healing_makes_them_one() {
    let cluster = Cluster::builder()
        .masters(3)
        .replicas(1)
        .seed(3)
        .node_timeout(Duration::from_secs(2))
        .clock(Clock::leaping())
        .start()
        .await
        .unwrap();
    cluster.partition(&[&[0]]);
    let parted = |look: &Look<'_>| !look.is_ok(0) && look.is_master(3) && look.is_master(0);
    assert!(cluster.until(Duration::from_secs(60), parted).await);
    cluster.heal();
    let one = |look: &Look<'_>| look.master_of(0) == Some(3) && look.is_settled();
    assert!(cluster.until(Duration::from_secs(60), one).await);
}
