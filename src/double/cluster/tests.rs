//! The cluster as a whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// Six nodes that know nobody are told of each other as redis-cli does it: how long it takes, in milliseconds, until all know all and who serves what.
async fn coming_together(seed: u64) -> u64 {
    let cluster = Cluster::builder()
        .masters(0)
        .nodes(6)
        .seed(seed)
        .clock(Clock::stepped())
        .without_sockets()
        .start()
        .await
        .unwrap();
    // They are up for a while, each seed for another one.
    cluster.advance(Duration::from_millis(1000 + seed * 37));
    let ranges = ["0-5460", "5461-10922", "10923-16383"];
    for (node, range) in ranges.into_iter().enumerate() {
        let (first, last) = range.split_once('-').unwrap();
        let words = ["CLUSTER", "ADDSLOTSRANGE", first, last];
        assert_eq!(cluster.run(node, words), Reply::Status("OK".to_owned()));
    }
    for node in 0..6 {
        let epoch = (node + 1).to_string();
        cluster.run(node, ["CLUSTER", "SET-CONFIG-EPOCH", &epoch]);
    }
    for node in 1..6 {
        cluster.run(node, ["CLUSTER", "MEET", "127.0.0.1", "7001"]);
    }
    for passed in (0..=10_000).step_by(10) {
        let views: Vec<String> = (0..6)
            .map(|node| text(cluster.run(node, ["CLUSTER", "NODES"])))
            .collect();
        let is_whole = |view: &String| {
            view.lines().count() == 6
                && !view.contains("handshake")
                && ranges.iter().all(|range| view.contains(range))
        };
        if views.iter().all(is_whole) {
            return passed;
        }
        cluster.advance(Duration::from_millis(10));
    }
    let all = (0..6).map(|node| text(cluster.run(node, ["CLUSTER", "NODES"])));
    let last = all.collect::<Vec<_>>().join("\n");
    panic!("seed {seed}: they do not come together: {last}");
}

#[tokio::test]
async fn most_nodes_come_together_within_the_first_sleep_of_redis_cli() {
    let mut took = Vec::new();
    for seed in 0..40 {
        took.push(coming_together(seed).await);
    }
    took.sort_unstable();
    eprintln!("{took:?}");
    // Whom a message tells of is chance, here as in Redis: a node that nobody told of another one waits for the next second's pings.
    assert!(took[23] < 1000, "three of five need one sleep: {took:?}");
    assert!(took[39] < 6000, "nobody waits for long: {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_thing_brings_and_the_next_takes_away_is_seen() {
    let cluster = Cluster::builder()
        .seed(2)
        .clock(Clock::stepped())
        .without_sockets()
        .node_timeout(Duration::from_secs(1))
        .start()
        .await
        .unwrap();
    // A node that was frozen has much to hear at one moment.
    cluster.advance(Duration::from_secs(1));
    cluster.freeze(3);
    // For so long that each of the others has pinged it.
    cluster.advance(Duration::from_millis(900));
    let looks = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&looks);
    let clock = cluster.clock().clone();
    let thawed = clock.now();
    let look = Box::new(move |_: &World| {
        if clock.now() == thawed {
            count.fetch_add(1, Ordering::Relaxed);
        }
        false
    });
    // In one go: what is due is done as soon as there is nothing else to do.
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let asked = cluster.world(move |world| {
        world.thaw(3);
        let until = world.clock_now().saturating_add(1_000_000);
        world.wait_for(until, look, tell);
    });
    assert!(asked.is_some() && !told.recv().unwrap());
    let looks = looks.load(Ordering::Relaxed);
    assert!(looks >= 5, "it was looked at after each of them: {looks}");
}
