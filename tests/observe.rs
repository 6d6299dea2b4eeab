//! Watching real servers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod servers;
mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use labrunner::admin::{GivenKeys, Shape, create};
use labrunner::cluster::{NodeId, NodeName, Slot};
use labrunner::observe::{Needs, Observer, read_back};
use labrunner::resp::{Client, RespError, Router};
use servers::Servers;

const LIMIT: Duration = Duration::from_secs(15);
/// How long a node may take to answer: long enough that "at once" is something else, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(2);

fn name(text: &str) -> NodeName {
    NodeName::new(text)
}

fn names(names: &[&str]) -> BTreeSet<NodeName> {
    names.iter().map(|text| name(text)).collect()
}

async fn two_masters_and_a_replica(servers: &Servers) {
    let shape = Shape {
        node_timeout: Some(Duration::from_secs(3)),
        masters: [
            (name("redis-1"), "0-8191".parse().unwrap()),
            (name("redis-2"), "8192-16383".parse().unwrap()),
        ]
        .into(),
        replicas: [(name("redis-3"), name("redis-2"))].into(),
    };
    create(&servers.book(), &shape, LIMIT, &|_| {})
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_look_at_all_nodes() {
    if !servers::available("one_look_at_all_nodes") {
        return;
    }
    let mut servers = Servers::start(4);
    two_masters_and_a_replica(&servers).await;
    let observer = Observer::new(servers.book(), PATIENCE);
    let all = names(&["redis-1", "redis-2", "redis-3", "redis-4"]);
    let needs = Needs {
        cluster: all.clone(),
        info: names(&["redis-3"]),
        keys: all.clone(),
    };
    let seen = observer.look(&needs).await;
    assert_eq!(seen.views.len(), 4);
    assert_eq!(seen.members(), names(&["redis-1", "redis-2", "redis-3"]));
    let view = seen.view(&name("redis-1")).unwrap();
    let topology = view.topology.as_ref().unwrap();
    assert!(topology.raw.contains("myself,master"), "{}", topology.raw);
    assert_eq!(topology.value.nodes.len(), 3);
    assert!(view.cluster_info.as_ref().unwrap().value.ok);
    assert_eq!(view.info, None, "not asked for");
    assert_eq!(view.keys, Some(0));
    let replica = seen.view(&name("redis-3")).unwrap();
    assert_eq!(
        replica
            .info
            .as_ref()
            .unwrap()
            .value
            .get("master_link_status"),
        Some("up")
    );
    let known = seen.names();
    let call = |id: NodeId| {
        known
            .get(&id)
            .map_or_else(|| id.to_string(), ToString::to_string)
    };
    assert_eq!(seen.disagreement(&call), None);

    // One field of one node is one round trip; after the first, over a connection that is there.
    let one = Needs {
        info: names(&["redis-1"]),
        ..Needs::default()
    };
    let looks = 50;
    let started = Instant::now();
    for _ in 0..looks {
        assert!(observer.look(&one).await.view(&name("redis-1")).is_some());
    }
    eprintln!(
        "a look at one node's INFO takes {:?}",
        started.elapsed() / looks
    );

    // A stopped node is an error at once, and the others are seen all the same.
    servers.kill("redis-4");
    let started = Instant::now();
    let seen = observer.look(&needs).await;
    assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
    assert!(matches!(
        seen.views[&name("redis-4")],
        Err(RespError::NoConnection { .. } | RespError::Broken { .. })
    ));
    assert!(seen.view(&name("redis-3")).is_some());

    // A node that hangs costs the deadline and no more.
    servers.signal("redis-3", "STOP");
    let started = Instant::now();
    let seen = observer.look(&needs).await;
    let took = started.elapsed();
    assert!(took >= PATIENCE && took < PATIENCE * 2, "{took:?}");
    assert!(matches!(
        seen.views[&name("redis-3")],
        Err(RespError::TimedOut { .. })
    ));
    assert!(seen.view(&name("redis-1")).is_some());

    // Both heal by themselves.
    servers.signal("redis-3", "CONT");
    servers.start_node("redis-4");
    servers::eventually("all four answer again", LIMIT, async || {
        observer
            .look(&needs)
            .await
            .views
            .values()
            .all(Result::is_ok)
            .then_some(())
    })
    .await;

    let stranger = Needs {
        keys: names(&["redis-9"]),
        ..Needs::default()
    };
    let seen = observer.look(&stranger).await;
    assert_eq!(
        seen.views[&name("redis-9")]
            .as_ref()
            .unwrap_err()
            .to_string(),
        "redis-9: no connection: there is no such node in this environment"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disagreement_is_seen() {
    if !servers::available("a_disagreement_is_seen") {
        return;
    }
    let servers = Servers::start(3);
    two_masters_and_a_replica(&servers).await;
    let observer = Observer::new(servers.book(), Duration::from_millis(500));
    let needs = Needs {
        cluster: names(&["redis-1", "redis-2", "redis-3"]),
        ..Needs::default()
    };
    let seen = observer.look(&needs).await;
    let known = seen.names();
    let call = |id: NodeId| {
        known
            .get(&id)
            .map_or_else(|| id.to_string(), ToString::to_string)
    };
    assert_eq!(seen.disagreement(&call), None);
    // redis-1 alone is told that a slot belongs to somebody else: for a moment only it knows.
    let two = known
        .iter()
        .find(|(_, name)| name.as_str() == "redis-2")
        .unwrap()
        .0
        .to_string();
    let client = Client::new(servers.address("redis-1"), Duration::from_secs(1));
    client
        .call(&["CLUSTER", "SETSLOT", "7", "NODE", &two])
        .await
        .unwrap();
    let sentence = observer.look(&needs).await.disagreement(&call).unwrap();
    assert!(sentence.contains("slot 7"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_keys_are_read_back() {
    if !servers::available("given_keys_are_read_back") {
        return;
    }
    let mut servers = Servers::start(3);
    two_masters_and_a_replica(&servers).await;
    let router = Router::new(servers.book(), Duration::from_secs(2));
    let keys = GivenKeys {
        count: 10_000,
        hot_slot: Some((Slot::new(7).unwrap(), 1000)),
    };
    keys.write(&router, LIMIT).await.unwrap();
    let report = read_back(&router, &keys).await;
    assert!(report.all_intact(), "{report:?}");
    assert_eq!(
        (report.expected, report.intact, report.first_fault),
        (10_000, 10_000, None)
    );
    eprintln!("10,000 keys read back in {:?}", report.took);

    // A slot on its way: half of its keys are at the target, and reading follows with ASK.
    let ids = {
        let observer = Observer::new(servers.book(), Duration::from_secs(1));
        let needs = Needs {
            cluster: names(&["redis-1", "redis-2"]),
            ..Needs::default()
        };
        observer.look(&needs).await.names()
    };
    let id = |wanted: &str| {
        ids.iter()
            .find(|(_, name)| name.as_str() == wanted)
            .unwrap()
            .0
            .to_string()
    };
    let (one, two) = (servers.address("redis-1"), servers.address("redis-2"));
    let source = Client::new(one.clone(), Duration::from_secs(5));
    let target = Client::new(two.clone(), Duration::from_secs(5));
    target
        .call(&["CLUSTER", "SETSLOT", "7", "IMPORTING", &id("redis-1")])
        .await
        .unwrap();
    source
        .call(&["CLUSTER", "SETSLOT", "7", "MIGRATING", &id("redis-2")])
        .await
        .unwrap();
    let (host, port) = (two.announced.host.clone(), two.announced.port.to_string());
    let half: Vec<String> = (1..=500).map(|i| keys.key(i).0).collect();
    let mut migrate: Vec<&str> = vec!["MIGRATE", &host, &port, "", "0", "5000", "KEYS"];
    migrate.extend(half.iter().map(String::as_str));
    let moved = source.call(&migrate).await.unwrap();
    assert!(moved.as_error().is_none(), "{moved:?}");
    let report = read_back(&router, &keys).await;
    assert!(report.all_intact(), "{report:?}");
    eprintln!(
        "10,000 keys, 500 of them by ASK, read back in {:?}",
        report.took
    );

    // The figures can fail: a key that is gone, a key that was changed, and keys that nobody serves.
    let gone = keys.key(2000).0;
    router
        .call(gone.as_bytes(), &["DEL", &gone])
        .await
        .result
        .unwrap();
    let changed = keys.key(3000).0;
    router
        .call(changed.as_bytes(), &["SET", &changed, "other"])
        .await
        .result
        .unwrap();
    let report = read_back(&router, &keys).await;
    assert_eq!(
        (report.intact, report.missing, report.changed, report.unread),
        (9_998, 1, 1, 0)
    );
    assert_eq!(
        report.first_fault.as_deref(),
        Some("given:002000 is missing")
    );
    servers.kill("redis-1");
    let started = Instant::now();
    let report = read_back(&router, &keys).await;
    assert!(
        started.elapsed() < Duration::from_millis(2_500),
        "{:?}",
        started.elapsed()
    );
    assert!(report.unread > 4000, "{report:?}");
    assert_eq!(
        report.intact + report.missing + report.changed + report.unread,
        10_000
    );
}
