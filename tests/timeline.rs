//! Recording failovers of real servers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod server_log;
mod servers;
mod support;

use std::time::{Duration, Instant};

use labrunner::admin::{Shape, create};
use labrunner::cluster::{NodeName, Slot, Timeline};
use labrunner::observe::{Recorder, RecorderError, Recording};
use labrunner::resp::Client;
use servers::{Servers, eventually};

const LIMIT: Duration = Duration::from_secs(30);
/// Short, so that the tests are; the election's own delay of 0.5 to 1 s comes on top.
const NODE_TIMEOUT: Duration = Duration::from_millis(700);
/// The most that may lie between what a server logs and what is recorded.
const CLOSE: i64 = 50;

fn name(text: &str) -> NodeName {
    NodeName::new(text)
}

/// Three masters with a replica each: redis-4 of redis-1 and so on.
async fn three_pairs() -> Servers {
    let servers = Servers::start(6);
    let ranges = ["0-5460", "5461-10922", "10923-16383"];
    let shape = Shape {
        node_timeout: Some(NODE_TIMEOUT),
        masters: (1..)
            .zip(ranges)
            .map(|(n, slots)| (name(&format!("redis-{n}")), slots.parse().unwrap()))
            .collect(),
        replicas: (1..=3)
            .map(|n| {
                (
                    name(&format!("redis-{}", n + 3)),
                    name(&format!("redis-{n}")),
                )
            })
            .collect(),
    };
    create(&servers.book(), &shape, LIMIT, &|_| {})
        .await
        .unwrap();
    servers
}

async fn prepare(servers: &Servers, node: &str) -> Result<Recorder, RecorderError> {
    Recorder::prepare(&servers.book(), &name(node)).await
}

fn complete(timeline: &Timeline) -> bool {
    timeline
        .moments()
        .iter()
        .all(|(_, moment)| moment.is_some())
}

async fn end(recording: Recording) -> Timeline {
    let seen = tokio::time::timeout(LIMIT, recording.until(complete)).await;
    let timeline = recording.stop().await;
    assert!(seen.is_ok(), "not within {LIMIT:?}: {timeline}");
    timeline
}

fn client(servers: &Servers, node: &str) -> Client {
    Client::new(servers.address(node), Duration::from_secs(2))
}

/// How many milliseconds after the server's own line the promotion was seen.
fn promoted_after_the_log(servers: &Servers, timeline: &Timeline, zero_unix_ms: u64) -> i64 {
    let promoted = timeline.promoted.as_ref().unwrap();
    let won = server_log::elections_won(&servers.log(promoted.seen_by.as_str()));
    let [logged] = won[..] else { panic!("{won:?}") };
    let seen = zero_unix_ms + promoted.after.as_millis() as u64;
    seen as i64 - logged as i64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_is_killed() {
    if !servers::available("a_master_that_is_killed") {
        return;
    }
    let mut servers = three_pairs().await;
    let recorder = prepare(&servers, "redis-1").await.unwrap();
    assert_eq!(recorder.expect_successor(&name("redis-4")), Ok(()));
    assert!(recorder.expect_successor(&name("redis-5")).is_err());
    let recording = recorder.begin();
    let zero = recording.zero_unix_ms();
    servers.kill("redis-1");
    let timeline = end(recording).await;
    eprintln!("{timeline}");
    assert!(timeline.in_order(), "{timeline}");
    for (what, moment) in timeline.moments() {
        let moment = moment.unwrap();
        assert!(
            moment.after < LIMIT && moment.seen_by != name("redis-1"),
            "{what}: {moment}"
        );
    }
    let [suspected, failed, promoted, recovered] =
        timeline.moments().map(|(_, moment)| moment.unwrap());
    // Nobody is suspected before the node timeout has passed.
    assert!(suspected.after >= NODE_TIMEOUT / 2, "{timeline}");
    assert!(suspected.raw.contains("master,fail"), "{}", suspected.raw);
    assert!(failed.raw.contains("master,fail "), "{}", failed.raw);
    assert!(promoted.raw.contains("myself,master"), "{}", promoted.raw);
    assert_eq!(
        (&promoted.seen_by, &recovered.seen_by),
        (&name("redis-4"), &name("redis-4"))
    );
    assert_eq!(recovered.raw, "OK");
    let key = recovered.command.split(' ').nth(1).unwrap();
    assert!(Slot::of_key(key.as_bytes()).get() <= 5460, "{key}");
    let apart = promoted_after_the_log(&servers, &timeline, zero);
    eprintln!("promoted {apart} ms after the server's own line");
    assert!(apart.abs() <= CLOSE, "{apart} ms");
    // Nothing is left of it.
    let there = client(&servers, "redis-4")
        .call(&["EXISTS", key])
        .await
        .unwrap();
    assert_eq!(there, labrunner::cluster::Reply::Int(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_and_another_replica_that_freeze() {
    if !servers::available("a_master_and_another_replica_that_freeze") {
        return;
    }
    let mut servers = three_pairs().await;
    let recording = prepare(&servers, "redis-2").await.unwrap().begin();
    let zero = recording.zero_unix_ms();
    // Both keep their connections and answer nothing; the four others are a majority of six all the same, and none of them is kept
    // waiting.
    servers.signal("redis-6", "STOP");
    servers.signal("redis-2", "STOP");
    let timeline = end(recording).await;
    assert_eq!(timeline.promoted.as_ref().unwrap().seen_by, name("redis-5"));
    let apart = promoted_after_the_log(&servers, &timeline, zero);
    assert!(apart.abs() <= CLOSE, "{apart} ms");
    // The frozen one wakes up, a master in its own eyes, and learns better.
    servers.signal("redis-2", "CONT");
    servers.signal("redis-6", "CONT");
    eventually("redis-2 is a replica of redis-5", LIMIT, async || {
        let refused = prepare(&servers, "redis-2").await.err()?;
        matches!(refused, RecorderError::Replica { master, .. } if master == "redis-5")
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_by_hand_has_no_failure() {
    if !servers::available("a_failover_by_hand_has_no_failure") {
        return;
    }
    let servers = three_pairs().await;
    let recording = prepare(&servers, "redis-3").await.unwrap().begin();
    let replica = client(&servers, "redis-6");
    eventually("the replica takes over by hand", LIMIT, async || {
        let reply = replica.call(&["CLUSTER", "FAILOVER"]).await.ok()?;
        reply.is_ok().then_some(())
    })
    .await;
    let enough = |timeline: &Timeline| timeline.promoted.is_some() && timeline.recovered.is_some();
    tokio::time::timeout(LIMIT, recording.until(enough))
        .await
        .unwrap();
    let timeline = recording.stop().await;
    assert_eq!((&timeline.suspected, &timeline.failed), (&None, &None));
    assert!(timeline.in_order(), "{timeline}");
}

/// How often the recorder's writes were tried on a server until now.
async fn sets(client: &Client) -> u64 {
    let reply = client.call(&["INFO", "commandstats"]).await.unwrap();
    let text = reply.as_text().unwrap().into_owned();
    let line = text
        .lines()
        .find(|line| line.starts_with("cmdstat_set:"))
        .unwrap_or_default();
    let rejected = line
        .split("rejected_calls=")
        .nth(1)
        .and_then(|rest| rest.split(',').next());
    rejected.and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_happens_and_it_is_dropped() {
    if !servers::available("nothing_happens_and_it_is_dropped") {
        return;
    }
    let servers = three_pairs().await;
    let replica = client(&servers, "redis-4");
    let recording = prepare(&servers, "redis-1").await.unwrap().begin();
    eventually("writes are tried", LIMIT, async || {
        (sets(&replica).await > 5).then_some(())
    })
    .await;
    let answers = recording.answers();
    assert!(answers > 5, "{answers}");
    assert_eq!(recording.timeline(), Timeline::default());
    drop(recording);
    // Whatever was on its way has come by the time at which the count stands still; then it has to stay so.
    let mut last = (sets(&replica).await, Instant::now());
    eventually("nothing is asked any more", LIMIT, async || {
        let now = sets(&replica).await;
        if now != last.0 {
            last = (now, Instant::now());
        }
        (last.1.elapsed() > Duration::from_millis(300)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_t_be_recorded() {
    if !servers::available("what_can_t_be_recorded") {
        return;
    }
    let mut servers = three_pairs().await;
    let refused = async |servers: &Servers, node: &str| prepare(servers, node).await.unwrap_err();
    assert!(matches!(
        refused(&servers, "redis-4").await,
        RecorderError::Replica { master, .. } if master == "redis-1"
    ));
    assert!(matches!(
        refused(&servers, "redis-9").await,
        RecorderError::Unknown { .. }
    ));
    servers.kill("redis-5");
    assert!(matches!(
        refused(&servers, "redis-2").await,
        RecorderError::NoReplica { .. }
    ));
    servers.signal("redis-1", "STOP");
    let started = Instant::now();
    assert!(matches!(
        refused(&servers, "redis-1").await,
        RecorderError::Silent { .. }
    ));
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
}
