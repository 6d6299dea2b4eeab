//! The store while a master dies, hangs, or has forgotten every script.

use std::time::{Duration, Instant};

use super::{cluster, cluster_of, settings};
use crate::servers;
use labrunner::app::answer::Held;
use labrunner::app::request::{CreateEvent, OperationId, Reserve, Wanted};
use labrunner::app::settings::Settings;
use labrunner::app::{AppError, EventId, Store};
use labrunner::resp::Client;

async fn event(store: &Store, seats: u32) -> EventId {
    let request = CreateEvent {
        name: "Failover Test".parse().unwrap(),
        seats,
        on_slots: Some("8192-16382".parse().unwrap()),
    };
    store.create_event(&request).await.unwrap().event
}

fn reserve(event: &EventId, operation: &OperationId) -> Reserve {
    Reserve {
        event: event.clone(),
        wanted: Wanted::Any(1),
        user: "ann".parse().unwrap(),
        hold: Duration::from_secs(600),
        operation: operation.clone(),
    }
}

/// Waits until the replica has all that its master has, or a failover would lose it.
async fn replica_has_all(servers: &servers::Servers) {
    let master = Client::new(servers.address("redis-2"), Duration::from_secs(2));
    let waited = master.call(&["WAIT", "1", "10000"]).await.unwrap();
    assert!(waited.as_int().unwrap() >= 1);
}

async fn through(signal: &str) {
    let mut servers = cluster().await;
    let store = Store::connect(Settings {
        deadline: Duration::from_secs(20),
        ..settings(&servers)
    })
    .await
    .unwrap();
    let event = event(&store, 100).await;
    let first = OperationId::random();
    let before = store.reserve(&reserve(&event, &first)).await.unwrap();
    replica_has_all(&servers).await;
    servers.signal("redis-2", signal);
    let begun = Instant::now();
    // Asked while nobody serves the slot: the answer comes when there is somebody again.
    let second = store
        .reserve(&reserve(&event, &OperationId::random()))
        .await
        .unwrap();
    assert!(
        begun.elapsed() > Duration::from_secs(1),
        "there was no failover: {:?}",
        begun.elapsed()
    );
    assert_ne!(second.seats, before.seats);
    // What was done before the failover is not done again after it.
    assert_eq!(
        store.reserve(&reserve(&event, &first)).await.unwrap(),
        before
    );
    assert_eq!(store.availability(&event).await.unwrap().free, 98);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_outlives_the_death_of_its_master() {
    if servers::available("a_request_outlives_the_death_of_its_master") {
        through("KILL").await;
    }
}

/// It keeps its connections, and answers nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_outlives_a_master_that_hangs() {
    if servers::available("a_request_outlives_a_master_that_hangs") {
        through("STOP").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_forgotten_the_scripts_gets_them_again() {
    if !servers::available("a_node_that_has_forgotten_the_scripts_gets_them_again") {
        return;
    }
    let servers = cluster().await;
    let store = Store::connect(settings(&servers)).await.unwrap();
    let event = event(&store, 10).await;
    for _ in 0..3 {
        let node = Client::new(servers.address("redis-2"), Duration::from_secs(2));
        assert!(node.call(&["SCRIPT", "FLUSH"]).await.unwrap().is_ok());
        let operation = OperationId::random();
        store.reserve(&reserve(&event, &operation)).await.unwrap();
    }
    assert_eq!(store.availability(&event).await.unwrap().free, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_all_nodes_hang_is_connected_when_they_answer() {
    if !servers::available("who_comes_while_all_nodes_hang_is_connected_when_they_answer") {
        return;
    }
    // Nobody is taken for failed meanwhile.
    let mut servers = cluster_of(Duration::from_secs(60)).await;
    let nodes = ["redis-1", "redis-2", "redis-3", "redis-4"];
    for node in nodes {
        servers.signal(node, "STOP");
    }
    let store = tokio::spawn(Store::connect(Settings {
        // Each is asked for a second at most why no connection came about. So many are named that some are left to be asked when they answer again.
        nodes: std::iter::repeat_n(settings(&servers).nodes, 3)
            .flatten()
            .collect(),
        deadline: Duration::from_secs(30),
        ..settings(&servers)
    }));
    // Who has no time is told after one attempt, of 3 s at most, and 3 s for the nodes. By then the first attempt of who has time has come to nothing, too.
    let hurried = Store::connect(Settings {
        deadline: Duration::from_millis(1),
        ..settings(&servers)
    });
    let error = hurried.await.err().unwrap();
    assert!(matches!(error, AppError::Unreachable { .. }), "{error}");
    for node in nodes {
        servers.signal(node, "CONT");
    }
    let store = store.await.unwrap().unwrap();
    event(&store, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_longer_than_an_attempt_gets_more_time() {
    if !servers::available("what_takes_longer_than_an_attempt_gets_more_time") {
        return;
    }
    let servers = cluster().await;
    let store = Store::connect(settings(&servers)).await.unwrap();
    let event = event(&store, 20_000).await;
    let hurried = Store::connect(Settings {
        attempt: Duration::from_millis(2),
        deadline: Duration::from_secs(30),
        ..settings(&servers)
    });
    // Nobody reads so many seats in so short a time.
    let seats = hurried.await.unwrap().seats(&event).await.unwrap();
    assert_eq!(seats.free.len(), 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn durable_waits_for_a_replica_and_says_when_there_is_none() {
    if !servers::available("durable_waits_for_a_replica_and_says_when_there_is_none") {
        return;
    }
    let mut servers = cluster().await;
    let store = Store::connect(Settings {
        durable: true,
        ..settings(&servers)
    })
    .await
    .unwrap();
    let event = event(&store, 10).await;
    let held = store
        .reserve(&reserve(&event, &OperationId::random()))
        .await;
    held.unwrap();
    // A replica that hangs confirms nothing.
    servers.signal("redis-3", "STOP");
    let operation = OperationId::random();
    for _ in 0..2 {
        // Asked again it is still not there: that nothing is left to write must not be taken for a yes.
        let error = store
            .reserve(&reserve(&event, &operation))
            .await
            .unwrap_err();
        assert!(matches!(error, AppError::NotDurable { .. }), "{error}");
    }
    servers.signal("redis-3", "CONT");
    store.reserve(&reserve(&event, &operation)).await.unwrap();
    assert_eq!(store.availability(&event).await.unwrap().free, 8);
}

/// A reservation of a store that is `durable`, asked again while no replica has it yet.
async fn durably_held(store: &Store, request: &Reserve) -> Held {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match store.reserve(request).await {
            Ok(held) => return held,
            Err(AppError::NotDurable { .. }) if Instant::now() < deadline => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Waits until a node says that it is `master` or `slave`.
async fn until_it_is(role: &str, node: &Client) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let role = format!("role:{role}");
    loop {
        if let Ok(reply) = node.call(&["INFO", "replication"]).await
            && reply.as_text().unwrap_or_default().contains(&role)
        {
            return;
        }
        assert!(Instant::now() < deadline, "never {role}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_change_follows_its_slot_to_a_new_master() {
    if !servers::available("a_durable_change_follows_its_slot_to_a_new_master") {
        return;
    }
    let servers = cluster().await;
    let store = Store::connect(Settings {
        durable: true,
        ..settings(&servers)
    })
    .await
    .unwrap();
    let event = event(&store, 10).await;
    durably_held(&store, &reserve(&event, &OperationId::random())).await;
    // Both nodes live on: the old master answers with a redirection.
    let replica = Client::new(servers.address("redis-3"), Duration::from_secs(2));
    assert!(
        replica
            .call(&["CLUSTER", "FAILOVER"])
            .await
            .unwrap()
            .is_ok()
    );
    let master = Client::new(servers.address("redis-2"), Duration::from_secs(2));
    until_it_is("slave", &master).await;
    durably_held(&store, &reserve(&event, &OperationId::random())).await;
    assert_eq!(store.availability(&event).await.unwrap().free, 8);
}

/// It was frozen while it should have carried the change out, and does so when it is no master any more: that is no answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_durable_change_at_a_master_that_was_replaced_is_asked_of_the_new_one() {
    if !servers::available("a_durable_change_at_a_master_that_was_replaced_is_asked_of_the_new_one")
    {
        return;
    }
    let mut servers = cluster().await;
    let store = Store::connect(Settings {
        durable: true,
        attempt: Duration::from_secs(20),
        deadline: Duration::from_secs(40),
        ..settings(&servers)
    })
    .await
    .unwrap();
    let event = event(&store, 10).await;
    durably_held(&store, &reserve(&event, &OperationId::random())).await;
    servers.signal("redis-2", "STOP");
    let request = reserve(&event, &OperationId::random());
    let asking = tokio::spawn({
        let (store, request) = (store.clone(), request.clone());
        async move { durably_held(&store, &request).await }
    });
    let replica = Client::new(servers.address("redis-3"), Duration::from_secs(2));
    until_it_is("master", &replica).await;
    servers.signal("redis-2", "CONT");
    let held = asking.await.unwrap();
    assert_eq!(durably_held(&store, &request).await, held);
    assert_eq!(store.availability(&event).await.unwrap().free, 8);
}
