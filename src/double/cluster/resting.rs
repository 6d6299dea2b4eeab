//! A cluster that is left alone rests, and nobody can tell.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rstest::rstest;

use super::sabotaged::histories::event::Event;
use super::sabotaged::histories::{History, play};
use super::*;
use crate::double;
use crate::double::node::world::rest::proof::Found;

/// How many histories are played in which a cluster is asked whether it could rest: `LABRUNNER_HISTORIES`, or these few.
const HISTORIES: u64 = 6;

impl Cluster {
    fn is_at_rest(&self) -> bool {
        self.world(|world| world.is_at_rest()).unwrap()
    }

    /// It does not rest, but finds out whether it could.
    fn never_rest(&self) -> Arc<Mutex<Found>> {
        let found = Arc::default();
        let told = Arc::clone(&found);
        self.world(move |world| world.never_rest(told));
        found
    }
}

fn text(reply: Reply) -> String {
    match reply {
        Reply::Bulk(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other => panic!("a text was expected: {other:?}"),
    }
}

/// A cluster that nobody else reaches, with a replica for each master.
async fn cluster(masters: usize, seed: u64) -> Cluster {
    Cluster::builder()
        .masters(masters)
        .replicas(1)
        .seed(seed)
        .clock(Clock::stepped())
        .without_sockets()
        .node_timeout(Duration::from_secs(5))
        .start()
        .await
        .unwrap()
}

/// One of six nodes that has been for some time.
async fn idle(seed: u64) -> Cluster {
    let cluster = cluster(3, seed).await;
    cluster.advance(Duration::from_secs(20));
    cluster
}

/// The figure of a line of CLUSTER INFO.
fn counted(cluster: &Cluster, node: usize, name: &str) -> u64 {
    let info = text(cluster.run(node, ["CLUSTER", "INFO"]));
    let line = info.lines().find_map(|line| line.strip_prefix(name));
    let line = line.and_then(|rest| rest.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{name}: {info}"))
        .trim()
        .parse()
        .unwrap()
}

/// Clusters to which all kinds of things happen, with pauses between, are asked all the time whether they could rest, and do not: as long as they say so, nothing changes.
#[test]
fn where_a_cluster_rests_nothing_would_have_changed() {
    let found: Arc<Mutex<Found>> = Arc::default();
    let histories = std::env::var("LABRUNNER_HISTORIES");
    let histories = histories.map_or(HISTORIES, |number| number.parse().unwrap());
    for seed in 0..histories {
        let mut history = History::of(seed);
        let pause = Event::Wait(history.setup.timeout + 3000);
        let parts = history.events.chunks(3);
        let stretched = parts.map(|part| [part, std::slice::from_ref(&pause)].concat());
        history.events = stretched.flatten().collect();
        let watch = |cluster: &double::Cluster| {
            let told = Arc::clone(&found);
            cluster.world(move |world| world.never_rest(told));
        };
        play(&history, &watch, false);
        let found = found.lock().unwrap();
        for (before, after) in &found.wrong {
            tell_what_changed(seed, before, after);
        }
    }
    let found = found.lock().unwrap();
    eprintln!("{} times, {} ms", found.rests, found.rested);
    assert!(found.rests as u64 > 2 * histories, "too seldom: {found:?}");
}

fn tell_what_changed(seed: u64, before: &str, after: &str) {
    let differ = before
        .lines()
        .zip(after.lines())
        .find(|(one, other)| one != other);
    panic!("history {seed}: it could have rested, and something changed: {differ:?}");
}

#[tokio::test]
async fn a_cluster_rests_while_clients_read_and_write_and_until_somebody_changes_it() {
    let cluster = idle(1).await;
    assert!(cluster.is_at_rest());
    for _ in 0..10 {
        cluster.run(0, ["SET", "{06S}seat", "ann"]);
        cluster.run(2, ["CLUSTER", "NODES"]);
        cluster.advance(Duration::from_millis(700));
        assert!(cluster.is_at_rest());
    }
    for round in 0..9 {
        // Never the one whose epoch is the greatest: nothing would come of it.
        cluster.run(round % 3, ["CLUSTER", "BUMPEPOCH"]);
        assert!(!cluster.is_at_rest(), "the others are told");
        cluster.advance(Duration::from_millis(1900));
    }
    cluster.advance(Duration::from_secs(10));
    assert!(cluster.is_at_rest());
}

/// How often each of six nodes has sent, and has received, what was published.
fn published(cluster: &Cluster, kind: &str) -> ([u64; 6], [u64; 6]) {
    let count = |way| {
        let name = format!("cluster_stats_messages_{kind}_{way}");
        std::array::from_fn(|node| {
            let info = text(cluster.run(node, ["CLUSTER", "INFO"]));
            match info.contains(&name) {
                true => counted(cluster, node, &name),
                false => 0,
            }
        })
    };
    (count("sent"), count("received"))
}

#[tokio::test]
async fn what_is_published_reaches_all_while_they_rest() {
    let cluster = idle(6).await;
    // Slot 0 is the first node's; the fourth is its replica.
    let shard_channel = "{06S}seats";
    for _ in 0..10 {
        cluster.run(2, ["PUBLISH", "seats", "free"]);
        cluster.run(0, ["SPUBLISH", shard_channel, "free"]);
        cluster.advance(Duration::from_millis(700));
        assert!(cluster.is_at_rest());
    }
    assert_eq!(
        published(&cluster, "publish"),
        ([0, 0, 50, 0, 0, 0], [10, 10, 0, 10, 10, 10])
    );
    assert_eq!(
        published(&cluster, "publishshard"),
        ([10, 0, 0, 0, 0, 0], [0, 0, 0, 10, 0, 0])
    );
}

#[tokio::test]
async fn who_listens_at_another_node_hears_it_while_all_rest() {
    let cluster = Cluster::builder()
        .clock(Clock::stepped())
        .start()
        .await
        .unwrap();
    cluster.advance(Duration::from_secs(40));
    let mut listener = TcpStream::connect(cluster.address(4)).unwrap();
    listener
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    listener
        .write_all(b"*2\r\n$9\r\nSUBSCRIBE\r\n$5\r\nseats\r\n")
        .unwrap();
    let mut hear = |words: &str| {
        let mut heard = vec![0; words.len()];
        listener.read_exact(&mut heard).unwrap();
        assert_eq!(String::from_utf8_lossy(&heard), words);
    };
    hear("*3\r\n$9\r\nsubscribe\r\n$5\r\nseats\r\n:1\r\n");
    for _ in 0..3 {
        cluster.run(0, ["PUBLISH", "seats", "free"]);
        cluster.advance(Duration::from_millis(700));
        assert!(cluster.is_at_rest());
        hear("*3\r\n$7\r\nmessage\r\n$5\r\nseats\r\n$4\r\nfree\r\n");
    }
}

/// A cluster that is asked whether it could rest, and does not: what is published does not change what its nodes know.
#[tokio::test]
async fn what_is_published_changes_nothing() {
    let cluster = idle(7).await;
    let found = cluster.never_rest();
    for second in 0..60 {
        cluster.run(second % 6, ["PUBLISH", "seats", "free"]);
        cluster.advance(Duration::from_secs(1));
    }
    cluster.run(0, ["CLUSTER", "BUMPEPOCH"]);
    let found = found.lock().unwrap();
    assert!(
        found.rests == 1 && found.rested > 50_000,
        "it could have rested: {found:?}"
    );
    assert_eq!(found.wrong, []);
}

/// All that is in a reply, in order.
fn words(reply: Reply) -> Vec<String> {
    match reply {
        Reply::Array(items) => items.into_iter().flat_map(words).collect(),
        Reply::Map(pairs) => {
            let pairs = pairs.into_iter();
            pairs
                .flat_map(|(name, value)| [words(name), words(value)].concat())
                .collect()
        }
        Reply::Int(number) => vec![number.to_string()],
        Reply::Bulk(_) => vec![text(reply)],
        other => vec![format!("{other:?}")],
    }
}

/// The offset that a node says another one has, by CLUSTER SHARDS.
fn told_offset(cluster: &Cluster, node: usize, of: usize) -> i64 {
    let shards = words(cluster.run(node, ["CLUSTER", "SHARDS"]));
    let id = cluster.id(of).to_string();
    let mut rest = shards.iter().skip_while(|word| **word != id);
    let name = rest.position(|word| word == "replication-offset");
    assert!(name.is_some(), "{shards:?}");
    rest.next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn offsets_are_told_while_all_rest() {
    let cluster = idle(5).await;
    for _ in 0..5 {
        cluster.run(0, ["SET", "{06S}seat", "ann"]);
        let written = cluster.look(|look| look.offset(0));
        cluster.advance(Duration::from_millis(2100));
        assert!(cluster.is_at_rest());
        let now = cluster.look(|look| look.offset(0));
        for node in 1..6 {
            let told = told_offset(&cluster, node, 0);
            assert!(
                (written..=now).contains(&told),
                "{node}: {written}, {told}, {now}"
            );
        }
    }
}

type Deed = fn(&Cluster);

#[rstest]
#[case::kill(|cluster: &Cluster| cluster.kill(1))]
#[case::stop(|cluster: &Cluster| cluster.stop(1))]
#[case::freeze(|cluster: &Cluster| cluster.freeze(1))]
#[case::partition(|cluster: &Cluster| cluster.partition(&[&[0, 1]]))]
#[case::cut(|cluster: &Cluster| cluster.cut(0, 1))]
#[case::isolate(|cluster: &Cluster| cluster.isolate(4))]
#[case::loss(|cluster: &Cluster| cluster.lose(0.01))]
#[case::slow(|cluster: &Cluster| cluster.slow(1, Duration::from_millis(3)))]
#[case::delay(|cluster: &Cluster| cluster.delay(Duration::ZERO..Duration::from_secs(3)))]
#[case::a_bug(|cluster: &Cluster| cluster.sabotage(crate::double::gossip::Sabotage::CollisionsStay))]
#[tokio::test]
async fn it_does_not_rest_while_something_is_wrong(#[case] deed: Deed) {
    let cluster = idle(2).await;
    assert!(cluster.is_at_rest());
    deed(&cluster);
    for _ in 0..100 {
        cluster.advance(Duration::from_millis(500));
        assert!(!cluster.is_at_rest());
    }
}

#[rstest]
#[case::a_replica_of_another(|cluster: &Cluster| {
    let master = cluster.id(1).to_string();
    cluster.run(3, ["CLUSTER", "REPLICATE", &master]);
}, |look: &Look<'_>| look.master_of(3) == Some(1) && (0..6).all(|node| look.sees_master_of(node, 3) == Some(1)))]
#[case::a_failover(|cluster: &Cluster| {
    cluster.run(3, ["CLUSTER", "FAILOVER"]);
}, |look: &Look<'_>| look.is_master(3) && look.master_of(0) == Some(3))]
#[case::a_slot(|cluster: &Cluster| {
    let id = cluster.id(1).to_string();
    cluster.run(1, ["CLUSTER", "SETSLOT", "0", "NODE", &id]);
    cluster.run(0, ["CLUSTER", "SETSLOT", "0", "NODE", &id]);
}, |look: &Look<'_>| (0..6).all(|node| look.owner(node, crate::cluster::Slot::new(0).unwrap()) == Some(1)))]
#[case::a_node_forgotten(|cluster: &Cluster| {
    let id = cluster.id(5).to_string();
    cluster.kill(5);
    for node in 0..5 {
        cluster.run(node, ["CLUSTER", "FORGET", &id]);
    }
}, |look: &Look<'_>| (0..5).all(|node| !look.knows(node, look.id(5))))]
#[case::a_name(|cluster: &Cluster| {
    cluster.run(0, ["CONFIG", "SET", "cluster-announce-hostname", "seats.example"]);
}, |look: &Look<'_>| look.is_ok(0))]
#[case::writes(|cluster: &Cluster| {
    cluster.run(0, ["SET", "{06S}seat", "ann"]);
}, |look: &Look<'_>| look.offset(3) == look.offset(0))]
#[tokio::test]
async fn what_somebody_does_is_told_before_it_rests_again(
    #[case] deed: Deed,
    #[case] so: fn(&Look<'_>) -> bool,
) {
    let cluster = idle(3).await;
    assert!(cluster.is_at_rest());
    deed(&cluster);
    let mut seconds = 0;
    while !cluster.is_at_rest() {
        cluster.advance(Duration::from_secs(1));
        seconds += 1;
        assert!(seconds < 120, "it does not come to rest");
    }
    assert!(cluster.look(so));
}

/// A node that was just started looks at its cluster for the first time after two seconds, and may not rest before that.
#[tokio::test]
async fn a_node_that_knows_nobody_rests_when_it_has_looked_around() {
    let cluster = Cluster::builder()
        .masters(0)
        .nodes(2)
        .clock(Clock::stepped())
        .without_sockets()
        .node_timeout(Duration::from_millis(500))
        .start()
        .await
        .unwrap();
    assert_eq!(counted(&cluster, 0, "cluster_size"), 1, "as Redis has it");
    let mut tenths = 0;
    while !cluster.is_at_rest() {
        cluster.advance(Duration::from_millis(100));
        tenths += 1;
        assert!(tenths < 200, "it does not come to rest");
    }
    assert_eq!(counted(&cluster, 0, "cluster_size"), 0);
    // It goes on from there as any other one.
    let (host, port) = ("127.0.0.1", cluster.address(1).port().to_string());
    cluster.run(0, ["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    cluster.run(0, ["CLUSTER", "MEET", host, &port]);
    cluster.advance(Duration::from_secs(10));
    for node in 0..2 {
        assert_eq!(counted(&cluster, node, "cluster_size"), 1);
        assert!(cluster.look(move |look| look.is_ok(node)));
    }
    assert!(cluster.is_at_rest());
}

/// What nodes say of their bookkeeping is what it would be.
#[tokio::test]
async fn it_looks_as_if_nodes_had_talked_all_the_time() {
    let (one, other) = (idle(4).await, idle(4).await);
    let found = other.never_rest();
    let names = [
        "cluster_stats_messages_ping_sent",
        "cluster_stats_messages_pong_sent",
        "cluster_stats_messages_ping_received",
        "cluster_stats_messages_pong_received",
        "cluster_stats_messages_sent",
    ];
    let count = |cluster: &Cluster| {
        names.map(|name| {
            let of_all = (0..6).map(|node| counted(cluster, node, name));
            of_all.sum::<u64>()
        })
    };
    let (before, other_before) = (count(&one), count(&other));
    for _ in 0..5 {
        one.advance(Duration::from_secs(60));
        other.advance(Duration::from_secs(60));
        assert!(one.is_at_rest());
        one.run(0, ["CLUSTER", "BUMPEPOCH"]);
        other.run(0, ["CLUSTER", "BUMPEPOCH"]);
    }
    for (at, name) in names.iter().enumerate() {
        let is = count(&one)[at] - before[at];
        let would_be = count(&other)[at] - other_before[at];
        let share = is as f64 / would_be as f64;
        assert!((0.8..1.25).contains(&share), "{name}: {is}, {would_be}");
    }
    let now = one.clock().unix().as_millis() as u64;
    for node in 0..6 {
        let nodes = text(one.run(node, ["CLUSTER", "NODES"]));
        for line in nodes.lines().filter(|line| !line.contains("myself")) {
            let pong: u64 = line.split(' ').nth(5).unwrap().parse().unwrap();
            assert!(now - pong < 3000, "{now}: {line}");
        }
    }
    assert_eq!(found.lock().unwrap().wrong, []);
}

/// How long it takes until a replica has taken over, in milliseconds.
async fn promoted_after(cluster: &Cluster) -> u64 {
    cluster.kill(0);
    for passed in (0..).step_by(10) {
        if cluster.look(|look| look.is_master(3)) {
            return passed;
        }
        cluster.advance(Duration::from_millis(10));
        assert!(passed < 60_000);
    }
    unreachable!()
}

#[tokio::test]
async fn a_failover_takes_no_longer_and_no_shorter_out_of_a_rest() {
    let (mut rested, mut awake) = (0, 0);
    const SEEDS: u64 = 40;
    for seed in 0..SEEDS {
        let (one, other) = (idle(seed).await, idle(seed).await);
        other.never_rest();
        for cluster in [&one, &other] {
            cluster.advance(Duration::from_secs(120) + Duration::from_millis(seed * 77));
        }
        assert!(one.is_at_rest() && !other.is_at_rest());
        rested += promoted_after(&one).await;
        awake += promoted_after(&other).await;
    }
    let (rested, awake) = (rested / SEEDS, awake / SEEDS);
    eprintln!("{rested} ms, {awake} ms");
    assert!(rested.abs_diff(awake) < 400, "{rested} ms, {awake} ms");
}

#[tokio::test]
async fn a_large_cluster_comes_to_rest_and_counts_on() {
    let cluster = cluster(30, 1).await;
    cluster.advance(Duration::from_secs(40));
    assert!(cluster.is_at_rest());
    let before = counted(&cluster, 0, "cluster_stats_messages_received");
    cluster.advance(Duration::from_secs(600));
    let after = counted(&cluster, 0, "cluster_stats_messages_received");
    assert!(after > before + 600 * 5, "{before}, {after}");
    assert!(cluster.look(|look| look.is_settled()));
}
