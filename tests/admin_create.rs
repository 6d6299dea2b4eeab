//! Clusters made out of real servers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod servers;
mod shapes;
mod support;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use labrunner::admin::{AdminError, GivenKeys, Shape, await_agreement, create};
use labrunner::cluster::{NodeId, NodeName, Reply, Slot, Topology};
use labrunner::resp::{Client, Router};
use servers::Servers;

const LIMIT: Duration = Duration::from_secs(15);

fn name(text: &str) -> NodeName {
    NodeName::new(text)
}

fn shape(masters: &[(&str, &str)], replicas: &[(&str, &str)]) -> Shape {
    shapes::shape(Duration::from_millis(3500), masters, replicas)
}

/// The cluster that the scale-down lab is given.
fn four_and_four() -> Shape {
    shape(
        &[
            ("redis-1", "1365-5460"),
            ("redis-2", "6827-10922"),
            ("redis-3", "12288-16383"),
            ("redis-7", "0-1364 5461-6826 10923-12287"),
        ],
        &[
            ("redis-4", "redis-1"),
            ("redis-5", "redis-2"),
            ("redis-6", "redis-3"),
            ("redis-8", "redis-7"),
        ],
    )
}

fn quiet(_: String) {}

fn ok() -> Reply {
    Reply::Status("OK".into())
}

async fn text(client: &Client, words: &[&str]) -> String {
    client
        .call(words)
        .await
        .unwrap()
        .as_text()
        .unwrap()
        .into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn four_masters_and_four_replicas() {
    if !servers::available("four_masters_and_four_replicas") {
        return;
    }
    let servers = Servers::start(8);
    let phases = Mutex::new(Vec::new());
    let started = Instant::now();
    let ids = create(&servers.book(), &four_and_four(), LIMIT, &|phase| {
        phases.lock().unwrap().push((started.elapsed(), phase))
    })
    .await
    .unwrap();
    let took = started.elapsed();
    eprintln!("created in {took:?}");
    for (at, phase) in phases.lock().unwrap().iter() {
        eprintln!("  {at:?} {phase}");
    }
    assert_eq!(ids.len(), 8);
    let by_id: BTreeMap<NodeId, &NodeName> = ids.iter().map(|(name, id)| (*id, name)).collect();
    // Every single node says it, not only the one that was asked last.
    for address in servers.book().iter() {
        let client = Client::new(address.clone(), LIMIT);
        let view = Topology::parse(&text(&client, &["CLUSTER", "NODES"]).await).unwrap();
        assert_eq!(view.nodes.len(), 8);
        for (master, slots) in four_and_four().masters {
            assert_eq!(
                view.node(ids[&master]).unwrap().slots,
                slots,
                "{} at {}",
                master,
                address.name
            );
        }
        for (replica, master) in four_and_four().replicas {
            assert_eq!(
                by_id[&view.node(ids[&replica]).unwrap().master.unwrap()],
                &master
            );
        }
        for node in &view.nodes {
            assert!(
                node.endpoint.host.starts_with("127.0.1."),
                "met at the announced address: {}",
                node.endpoint
            );
        }
        assert!(
            text(&client, &["CLUSTER", "INFO"])
                .await
                .contains("cluster_state:ok")
        );
        let timeout = client
            .call(&["CONFIG", "GET", "cluster-node-timeout"])
            .await
            .unwrap();
        assert!(
            format!("{timeout:?}").contains(&format!("{:?}", b"3500".to_vec())),
            "{timeout:?}"
        );
    }
    let replica = Client::new(servers.address("redis-8"), LIMIT);
    assert!(
        text(&replica, &["INFO", "replication"])
            .await
            .contains("master_link_status:up")
    );
    // Epochs are distinct.
    let client = Client::new(servers.address("redis-1"), LIMIT);
    let view = Topology::parse(&text(&client, &["CLUSTER", "NODES"]).await).unwrap();
    let mut epochs: Vec<u64> = view.masters().map(|node| node.config_epoch).collect();
    epochs.sort_unstable();
    assert_eq!(epochs, [1, 2, 3, 4]);
    await_agreement(
        &servers.book(),
        &ids.keys().cloned().collect::<Vec<_>>(),
        LIMIT,
    )
    .await
    .unwrap();

    // A second time: they are not fresh any more, and that is said at once.
    let again = Instant::now();
    let error = create(&servers.book(), &four_and_four(), LIMIT, &quiet)
        .await
        .unwrap_err();
    assert!(matches!(error, AdminError::NotFresh { .. }), "{error}");
    assert!(again.elapsed() < LIMIT / 2, "{:?}", again.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn given_keys_are_written() {
    if !servers::available("given_keys_are_written") {
        return;
    }
    let servers = Servers::start(3);
    let thirds = shape(
        &[
            ("redis-1", "0-5460"),
            ("redis-2", "5461-10922"),
            ("redis-3", "10923-16383"),
        ],
        &[],
    );
    create(&servers.book(), &thirds, LIMIT, &quiet)
        .await
        .unwrap();
    let router = Router::new(servers.book(), Duration::from_secs(5));
    let keys = GivenKeys {
        count: 10_000,
        hot_slot: Some((Slot::new(100).unwrap(), 1000)),
    };
    let started = Instant::now();
    keys.write(&router, LIMIT).await.unwrap();
    eprintln!("10,000 keys in {:?}", started.elapsed());
    let mut stored = 0;
    for address in servers.book().iter() {
        let client = Client::new(address.clone(), LIMIT);
        if let Reply::Int(keys) = client.call(&["DBSIZE"]).await.unwrap() {
            stored += keys;
        }
    }
    assert_eq!(stored, 10_000);
    let client = Client::new(servers.address("redis-1"), LIMIT);
    assert_eq!(
        client
            .call(&["CLUSTER", "COUNTKEYSINSLOT", "100"])
            .await
            .unwrap(),
        Reply::Int(1000)
    );
    let (key, value) = keys.key(10_000);
    assert_eq!(
        router.call(key.as_bytes(), &["GET", &key]).await.result,
        Ok(Reply::Bulk(value.into_bytes()))
    );

    // A server that refuses a key is not passed over.

    client
        .call(&["CONFIG", "SET", "maxmemory", "1"])
        .await
        .unwrap();
    let refused = keys
        .write(&router, Duration::from_secs(5))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("OOM"), "{}", refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_master_alone() {
    if !servers::available("one_master_alone") {
        return;
    }
    let servers = Servers::start(1);
    let started = Instant::now();
    create(
        &servers.book(),
        &shape(&[("redis-1", "0-16383")], &[]),
        LIMIT,
        &quiet,
    )
    .await
    .unwrap();
    eprintln!("one master in {:?}", started.elapsed());
    let router = Router::new(servers.book(), Duration::from_secs(1));
    let set = router.call(b"a", &["SET", "a", "1"]).await;
    assert_eq!(set.result, Ok(Reply::Status("OK".into())));
    assert_eq!((set.attempts, set.moved, set.asked), (1, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shape_with_slots_left_out_does_not_wait_for_ok() {
    if !servers::available("a_shape_with_slots_left_out_does_not_wait_for_ok") {
        return;
    }
    let servers = Servers::start(3);
    let partial = shape(
        &[("redis-1", "0-99"), ("redis-2", "")],
        &[("redis-3", "redis-1")],
    );
    create(&servers.book(), &partial, LIMIT, &quiet)
        .await
        .unwrap();
    let client = Client::new(servers.address("redis-2"), LIMIT);
    assert!(
        text(&client, &["CLUSTER", "INFO"])
            .await
            .contains("cluster_state:fail")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_shape_is_made_already() {
    let ids = create(
        &labrunner::resp::AddressBook::default(),
        &Shape::default(),
        LIMIT,
        &quiet,
    )
    .await
    .unwrap();
    assert!(ids.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_late_are_waited_for() {
    if !servers::available("nodes_that_start_late_are_waited_for") {
        return;
    }
    let mut servers = Servers::prepare(3);
    let book = servers.book();
    let thirds = shape(
        &[("redis-1", "0-5460"), ("redis-2", "5461-16383")],
        &[("redis-3", "redis-2")],
    );
    servers.start_node("redis-3");
    let phases = std::sync::Arc::new(Mutex::new(Vec::new()));
    let creating = tokio::spawn({
        let (book, thirds, phases) = (book.clone(), thirds.clone(), phases.clone());
        async move {
            create(&book, &thirds, LIMIT, &|phase| {
                phases.lock().unwrap().push(phase)
            })
            .await
        }
    });
    servers::eventually("the first is taken", LIMIT, async || {
        phases
            .lock()
            .unwrap()
            .iter()
            .any(|phase: &String| phase == "waiting for redis-1, redis-2")
            .then_some(())
    })
    .await;
    servers.start_node("redis-2");
    servers::eventually("the second is taken", LIMIT, async || {
        phases
            .lock()
            .unwrap()
            .iter()
            .any(|phase: &String| phase == "waiting for redis-1")
            .then_some(())
    })
    .await;
    servers.start_node("redis-1");
    assert_eq!(creating.await.unwrap().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_never_answers_is_named() {
    if !servers::available("a_node_that_never_answers_is_named") {
        return;
    }
    let mut servers = Servers::prepare(2);
    servers.start_node("redis-1");
    let two = shape(&[("redis-1", "0-5460"), ("redis-2", "5461-16383")], &[]);
    let limit = Duration::from_millis(500);
    let started = Instant::now();
    let error = create(&servers.book(), &two, limit, &quiet)
        .await
        .unwrap_err();
    let port = servers.address("redis-2").reachable.port();
    assert_eq!(
        error.to_string(),
        format!(
            "the cluster did not agree within 500ms: redis-2: no connection: 127.0.0.1:{port}: connection refused"
        )
    );
    assert!(started.elapsed() < LIMIT / 2, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_hangs_is_named() {
    if !servers::available("a_node_that_hangs_is_named") {
        return;
    }
    let mut servers = Servers::start(2);
    let book = servers.book();
    for address in book.iter() {
        servers::eventually("it answers", LIMIT, async || {
            Client::new(address.clone(), LIMIT)
                .call(&["PING"])
                .await
                .ok()
        })
        .await;
    }
    servers.signal("redis-2", "STOP");
    let two = shape(&[("redis-1", "0-5460"), ("redis-2", "5461-16383")], &[]);
    let error = create(&book, &two, Duration::from_millis(600), &quiet)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, AdminError::NoAgreement { why, .. } if why.starts_with("redis-2: no answer")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_keys_is_refused_at_once() {
    if !servers::available("a_node_with_keys_is_refused_at_once") {
        return;
    }
    let servers = Servers::start(2);
    let book = servers.book();
    let client = Client::new(servers.address("redis-2"), LIMIT);
    servers::eventually("it answers", LIMIT, async || {
        client.call(&["PING"]).await.ok()
    })
    .await;
    // A node of a cluster takes no key before it has slots, and keeps its keys when it loses them.
    let slots = |subcommand: &str| -> Vec<String> {
        let numbers = (0..16384).map(|slot| slot.to_string());
        ["CLUSTER".to_owned(), subcommand.to_owned()]
            .into_iter()
            .chain(numbers)
            .collect()
    };
    assert_eq!(client.call(&slots("ADDSLOTS")).await.unwrap(), ok());
    servers::eventually("it takes a key", LIMIT, async || {
        (client.call(&["SET", "a", "1"]).await == Ok(ok())).then_some(())
    })
    .await;
    assert_eq!(client.call(&slots("DELSLOTS")).await.unwrap(), ok());
    let two = shape(&[("redis-1", "0-5460"), ("redis-2", "5461-16383")], &[]);
    let started = Instant::now();
    let error = create(&book, &two, LIMIT, &quiet).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "redis-2 is not a fresh, empty node: it has 1 keys"
    );
    assert!(started.elapsed() < LIMIT / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn agreement_is_not_claimed_while_nodes_differ() {
    if !servers::available("agreement_is_not_claimed_while_nodes_differ") {
        return;
    }
    let servers = Servers::start(2);
    let two = shape(&[("redis-1", "0-5460"), ("redis-2", "5461-16383")], &[]);
    let ids = create(&servers.book(), &two, LIMIT, &quiet).await.unwrap();
    let nodes: Vec<NodeName> = ids.keys().cloned().collect();
    await_agreement(&servers.book(), &nodes, LIMIT)
        .await
        .unwrap();
    // Each node's view of the other's is gossip; told to forget it, redis-1 no longer knows redis-2.
    let client = Client::new(servers.address("redis-1"), LIMIT);
    let forgotten = client
        .call(&["CLUSTER", "FORGET", &ids[&name("redis-2")].to_string()])
        .await
        .unwrap();
    assert_eq!(forgotten, Reply::Status("OK".into()));
    let error = await_agreement(&servers.book(), &nodes, Duration::from_millis(300))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, AdminError::NoAgreement { why, .. } if why.contains("redis-2")),
        "{error}"
    );
    let error = await_agreement(&servers.book(), &[name("redis-9")], LIMIT)
        .await
        .unwrap_err();
    assert!(matches!(error, AdminError::Impossible { .. }));
}
