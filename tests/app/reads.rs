//! Who is asked for reads.

use std::time::Duration;

use super::{cluster, settings};
use crate::servers::{self, Servers};
use labrunner::app::request::CreateEvent;
use labrunner::app::settings::{ReadFrom, Settings};
use labrunner::app::{EventId, Store};
use labrunner::cluster::Info;
use labrunner::resp::Client;
use rstest::rstest;

const LOOKS: u64 = 60;

/// How often a node was asked how many seats are free.
async fn looks(servers: &Servers, node: &str) -> u64 {
    let client = Client::new(servers.address(node), Duration::from_secs(2));
    let info = client.call(&["INFO", "commandstats"]).await.unwrap();
    let info = Info::parse(&info.as_text().unwrap()).unwrap();
    let calls = info.get("cmdstat_zcard").and_then(|value| {
        let calls = value.split(',').next()?.strip_prefix("calls=")?;
        calls.parse().ok()
    });
    calls.unwrap_or(0)
}

/// An event of redis-2, whose replica is redis-3 and has it.
async fn event(servers: &Servers, store: &Store) -> EventId {
    let request = CreateEvent {
        name: "Replica Test".parse().unwrap(),
        seats: 10,
        on_slots: Some("8192-16382".parse().unwrap()),
    };
    let event = store.create_event(&request).await.unwrap().event;
    let master = Client::new(servers.address("redis-2"), Duration::from_secs(2));
    let waited = master.call(&["WAIT", "1", "10000"]).await.unwrap();
    assert!(waited.as_int().unwrap() >= 1);
    event
}

#[rstest]
#[case::master(ReadFrom::Master, |master: u64, replica: u64| master == LOOKS && replica == 0)]
#[case::replicas(ReadFrom::Replicas, |master: u64, replica: u64| master == 0 && replica == LOOKS)]
// Of 60 that fall to one or the other, fewer than 5 on a side is one case in a million million.
#[case::random(ReadFrom::Random, |master: u64, replica: u64| master >= 5 && replica >= 5 && master + replica == LOOKS)]
#[tokio::test(flavor = "multi_thread")]
async fn reads_go_where_they_are_wanted(
    #[case] read_from: ReadFrom,
    #[case] right: impl Fn(u64, u64) -> bool,
) {
    if !servers::available("reads_go_where_they_are_wanted") {
        return;
    }
    let servers = cluster().await;
    let store = Store::connect(Settings {
        read_from,
        ..settings(&servers)
    })
    .await
    .unwrap();
    let event = event(&servers, &store).await;
    // A replica that has just begun is not told to clients, so the store comes to know of it only after a while.
    if read_from != ReadFrom::Master {
        servers::eventually("the replica is asked", super::LIMIT, async || {
            store.availability(&event).await.unwrap();
            (looks(&servers, "redis-3").await > 0).then_some(())
        })
        .await;
    }
    let before = (
        looks(&servers, "redis-2").await,
        looks(&servers, "redis-3").await,
    );
    for _ in 0..LOOKS {
        assert_eq!(store.availability(&event).await.unwrap().free, 10);
    }
    let master = looks(&servers, "redis-2").await - before.0;
    let replica = looks(&servers, "redis-3").await - before.1;
    assert!(right(master, replica), "{master} and {replica}");
}

/// A replica that has died is given up for the others of its shard, and nobody waits for the deadline.
#[tokio::test(flavor = "multi_thread")]
async fn reads_outlive_the_replica() {
    if !servers::available("reads_outlive_the_replica") {
        return;
    }
    let mut servers = cluster().await;
    let store = Store::connect(Settings {
        read_from: ReadFrom::Replicas,
        deadline: Duration::from_secs(15),
        ..settings(&servers)
    })
    .await
    .unwrap();
    let event = event(&servers, &store).await;
    servers::eventually("the replica is asked", super::LIMIT, async || {
        store.availability(&event).await.unwrap();
        (looks(&servers, "redis-3").await > 0).then_some(())
    })
    .await;
    servers.kill("redis-3");
    assert_eq!(store.availability(&event).await.unwrap().free, 10);
}
