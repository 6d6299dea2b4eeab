//! Nodes that were used, made as good as new. Runs against every version: see `LABRUNNER_TEST_SERVER`.
#![allow(clippy::unwrap_used, clippy::panic)]

mod freshness;
mod servers;
mod shapes;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use freshness::{Fields, differences, read_lines};
use labrunner::admin::{GivenKeys, Origin, Settings, Shape, create_of, reset};
use labrunner::cluster::{NodeName, Reply, Topology};
use labrunner::resp::{Client, Router};
use servers::{Servers, eventually};

const LIMIT: Duration = Duration::from_secs(20);

fn name(text: &str) -> NodeName {
    NodeName::new(text)
}

fn shape(masters: &[(&str, &str)], replicas: &[(&str, &str)]) -> Shape {
    shapes::shape(Duration::from_millis(3500), masters, replicas)
}

/// Two masters and two replicas.
fn before() -> Shape {
    shape(
        &[("redis-1", "0-8191"), ("redis-2", "8192-16383")],
        &[("redis-3", "redis-1"), ("redis-4", "redis-2")],
    )
}

/// The same nodes in other roles.
fn after() -> Shape {
    shape(
        &[("redis-3", "0-16383"), ("redis-2", "")],
        &[("redis-1", "redis-3"), ("redis-4", "redis-3")],
    )
}

fn quiet(_: String) {}

fn client(servers: &Servers, node: &str) -> Client {
    Client::new(servers.address(node), Duration::from_secs(5))
}

async fn text(client: &Client, words: &[&str]) -> String {
    let reply = client.call(words).await.unwrap();
    reply.as_text().unwrap_or_default().into_owned()
}

/// All that a node says of itself.
async fn fields(client: &Client) -> Fields {
    let mut fields = Fields::new();
    read_lines(
        "INFO",
        &text(client, &["INFO", "everything"]).await,
        &mut fields,
    );
    read_lines(
        "CLUSTER",
        &text(client, &["CLUSTER", "INFO"]).await,
        &mut fields,
    );
    let config = client.call(&["CONFIG", "GET", "*"]).await.unwrap();
    for pair in config.as_array().unwrap().chunks(2) {
        let word = |at: usize| pair[at].as_text().unwrap().into_owned();
        fields.insert(format!("CONFIG {}", word(0)), word(1));
    }
    // Ids differ; everything else on the node's own line does not.
    let nodes = Topology::parse(&text(client, &["CLUSTER", "NODES"]).await).unwrap();
    fields.insert("NODES count".into(), nodes.nodes.len().to_string());
    let myself = nodes.myself().unwrap();
    fields.insert(
        "NODES myself".into(),
        format!(
            "{:?} {} {}",
            myself.flags, myself.config_epoch, myself.slots
        ),
    );
    fields.insert("DBSIZE".into(), text(client, &["DBSIZE"]).await);
    fields
}

async fn all_fields(servers: &Servers) -> BTreeMap<NodeName, Fields> {
    let mut all = BTreeMap::new();
    for address in servers.book().iter() {
        let client = Client::new(address.clone(), Duration::from_secs(5));
        all.insert(address.name.clone(), fields(&client).await);
    }
    all
}

/// Waits until all answer, and are through the 2 s for which a new master says what it does not later.
async fn are_up(servers: &Servers) {
    for address in servers.book().iter() {
        let client = Client::new(address.clone(), Duration::from_secs(1));
        eventually("an answer", LIMIT, async || {
            let info = client.call(&["CLUSTER", "INFO"]).await.ok()?;
            info.as_text()?.contains("cluster_size:0").then_some(())
        })
        .await;
    }
}

/// Waits until no node has a client any more but the one that asks: a server may hear a moment later that somebody has gone.
async fn are_left_alone(servers: &Servers) {
    for address in servers.book().iter() {
        let client = Client::new(address.clone(), Duration::from_secs(5));
        eventually("nobody else is connected", LIMIT, async || {
            let info = text(&client, &["INFO", "clients"]).await;
            info.contains("connected_clients:1\r").then_some(())
        })
        .await;
    }
}

/// Everything that a reset undoes.
async fn use_them(servers: &Servers) -> BTreeMap<NodeName, Settings> {
    let created = create_of(&servers.book(), &before(), Origin::Started, LIMIT, &quiet)
        .await
        .unwrap();
    let router = Router::new(servers.book(), Duration::from_secs(5));
    let keys = GivenKeys {
        count: 2000,
        hot_slot: None,
    };
    keys.write(&router, LIMIT).await.unwrap();
    for node in ["redis-1", "redis-4"] {
        let client = client(servers, node);
        let changes: &[&[&str]] = &[
            &["CONFIG", "SET", "maxmemory", "100000000"],
            &["CONFIG", "SET", "slowlog-log-slower-than", "0"],
            // A master with this refuses every write, that which would empty it too.
            &["CONFIG", "SET", "min-replicas-to-write", "5"],
            &["SCRIPT", "LOAD", "return 7"],
            &["CLUSTER", "BUMPEPOCH"],
        ];
        for change in changes {
            client.call(change).await.unwrap();
        }
    }
    // Servers before 7.0 have none.
    let library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    let _ = client(servers, "redis-1")
        .call(&["FUNCTION", "LOAD", library])
        .await;
    let _ = client(servers, "redis-2")
        .call(&[
            "CLUSTER",
            "SETSLOT",
            "9000",
            "MIGRATING",
            &created.ids[&name("redis-1")].to_string(),
        ])
        .await
        .unwrap();
    created.settings
}

/// The settings that every node is to go back to.
fn back_to(settings: &BTreeMap<NodeName, Settings>) -> BTreeMap<NodeName, Option<Settings>> {
    settings
        .iter()
        .map(|(name, settings)| (name.clone(), Some(settings.clone())))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_node_says_what_a_new_one_says() {
    if !servers::available("a_reset_node_says_what_a_new_one_says") {
        return;
    }
    let servers = Servers::start(4);
    are_up(&servers).await;
    are_left_alone(&servers).await;
    let fresh = all_fields(&servers).await;
    let settings = use_them(&servers).await;
    let used = all_fields(&servers).await;
    let seen: Vec<String> = fresh
        .iter()
        .flat_map(|(node, fresh)| differences(node.as_str(), fresh, &used[node]))
        .collect();
    assert!(
        seen.len() > 30,
        "the test sees what is different: {seen:#?}"
    );

    let started = Instant::now();
    let done = reset(&servers.book(), back_to(&settings), LIMIT).await;
    eprintln!("reset in {:?}", started.elapsed());
    assert_eq!(done.len(), 4);
    for (node, result) in &done {
        assert_eq!(result.as_ref(), Ok(&settings[node]), "{node}");
    }
    are_left_alone(&servers).await;
    let reset_fields = all_fields(&servers).await;
    let differ: Vec<String> = fresh
        .iter()
        .flat_map(|(node, fresh)| differences(node.as_str(), fresh, &reset_fields[node]))
        .collect();
    assert_eq!(differ, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_reset_nodes_is_one_of_new_nodes() {
    if !servers::available("a_cluster_of_reset_nodes_is_one_of_new_nodes") {
        return;
    }
    let (new, used) = (Servers::start(4), Servers::start(4));
    let made = create_of(&new.book(), &after(), Origin::Started, LIMIT, &quiet)
        .await
        .unwrap();
    let settings = use_them(&used).await;
    let done = reset(&used.book(), back_to(&settings), LIMIT).await;
    assert!(done.values().all(Result::is_ok), "{done:?}");
    let started = Instant::now();
    let again = create_of(&used.book(), &after(), Origin::Reset, LIMIT, &quiet)
        .await
        .unwrap();
    eprintln!("created again in {:?}", started.elapsed());
    let old: BTreeSet<_> = made.ids.values().collect();
    assert!(again.ids.values().all(|id| !old.contains(id)), "new ids");
    // What one of them says is compared with what the same of the others says, but for what is different between the two.
    let (fresh, reused) = (all_fields(&new).await, all_fields(&used).await);
    let of_these_servers = [
        "CONFIG port",
        "CONFIG dir",
        "CONFIG logfile",
        "CONFIG replicaof",
        "CONFIG slaveof",
        "INFO tcp_port",
        "INFO master_port",
        "INFO listener0",
        "INFO slave0",
        "INFO slave1",
    ];
    let differ: Vec<String> = fresh
        .iter()
        .flat_map(|(node, fresh)| differences(node.as_str(), fresh, &reused[node]))
        .filter(|line| {
            let (_, field) = line.split_once(": ").unwrap();
            !of_these_servers
                .iter()
                .any(|name| field.starts_with(&format!("{name} is ")))
        })
        .collect();
    assert_eq!(differ, Vec::<String>::new());
    for (node, created) in &again.settings {
        assert_eq!(
            created, &settings[node],
            "{node} was found as it had been started"
        );
    }

    // Nothing of the old life comes back with a restart: a replica had a dump with keys in it.
    let mut used = used;
    used.kill("redis-2");
    used.start_node("redis-2");
    let client = client(&used, "redis-2");
    eventually("the node is up again", LIMIT, async || {
        (client.call(&["DBSIZE"]).await == Ok(Reply::Int(0))).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_became_a_master_is_empty_when_it_is_started_again() {
    if !servers::available("a_replica_that_became_a_master_is_empty_when_it_is_started_again") {
        return;
    }
    let mut servers = Servers::start(2);
    let pair = shape(&[("redis-1", "0-16383")], &[]);
    create_of(&servers.book(), &pair, Origin::Started, LIMIT, &quiet)
        .await
        .unwrap();
    let (one, two) = (client(&servers, "redis-1"), client(&servers, "redis-2"));
    one.call(&["SET", "key", "value"]).await.unwrap();
    let id = text(&one, &["CLUSTER", "MYID"]).await;
    let announced = servers.address("redis-1").announced;
    let port = announced.port.to_string();
    two.call(&["CLUSTER", "MEET", &announced.host, &port])
        .await
        .unwrap();
    eventually("it is a replica", LIMIT, async || {
        let reply = two.call(&["CLUSTER", "REPLICATE", &id]).await;
        reply.is_ok_and(|reply| reply.is_ok()).then_some(())
    })
    .await;
    eventually("the replica has the key", LIMIT, async || {
        (two.call(&["DBSIZE"]).await == Ok(Reply::Int(1))).then_some(())
    })
    .await;
    let wanted = BTreeMap::from([(name("redis-1"), None), (name("redis-2"), None)]);
    let done = reset(&servers.book(), wanted, LIMIT).await;
    assert!(done.values().all(Result::is_ok), "{done:?}");
    servers.kill("redis-2");
    servers.start_node("redis-2");
    let keys = eventually("the node is up again", LIMIT, async || {
        match two.call(&["DBSIZE"]).await {
            Ok(Reply::Int(keys)) => Some(keys),
            _ => None,
        }
    })
    .await;
    assert_eq!(keys, 0, "the dump of its first synchronisation had the key");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_connected_is_not_any_more() {
    if !servers::available("whoever_was_connected_is_not_any_more") {
        return;
    }
    let servers = Servers::start(1);
    are_up(&servers).await;
    let (listener, other) = (client(&servers, "redis-1"), client(&servers, "redis-1"));
    listener.call(&["PING"]).await.unwrap();
    let waiting = tokio::spawn(async move { listener.call(&["BLPOP", "queue{1}", "0"]).await });
    // Without slots it refuses to block; so it gets them.
    let all: Vec<String> = (0..16384).map(|slot| slot.to_string()).collect();
    let mut add = vec!["CLUSTER", "ADDSLOTS"];
    add.extend(all.iter().map(String::as_str));
    other.call(&add).await.unwrap();
    let _ = waiting.await.unwrap();
    eventually("the cluster is ok", LIMIT, async || {
        text(&other, &["CLUSTER", "INFO"])
            .await
            .contains("cluster_state:ok")
            .then_some(())
    })
    .await;
    let listener = client(&servers, "redis-1");
    let id = listener.call(&["CLIENT", "ID"]).await.unwrap();
    let id = id.as_int().unwrap();
    let waiting = tokio::spawn(async move {
        listener
            .call_within(&["BLPOP", "queue{1}", "0"], LIMIT)
            .await
    });
    eventually("it waits", LIMIT, async || {
        text(&other, &["INFO", "clients"])
            .await
            .contains("blocked_clients:1")
            .then_some(())
    })
    .await;
    let done = reset(&servers.book(), [(name("redis-1"), None)].into(), LIMIT).await;
    assert!(done[&name("redis-1")].is_ok(), "{done:?}");
    // Before its connection is closed, the server may tell it that nobody serves the slot any more.
    let ended = waiting.await.unwrap();
    assert!(
        matches!(&ended, Err(_) | Ok(Reply::Error(_))),
        "it does not wait any more: {ended:?}"
    );
    eventually("its connection is closed", LIMIT, async || {
        let there = text(&other, &["CLIENT", "LIST"]).await;
        (!there.contains(&format!("id={id} "))).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_be_reset_is_told_with_the_reason() {
    if !servers::available("a_node_that_cannot_be_reset_is_told_with_the_reason") {
        return;
    }
    let mut servers = Servers::start(4);
    are_up(&servers).await;
    let start = create_of(&servers.book(), &before(), Origin::Started, LIMIT, &quiet)
        .await
        .unwrap()
        .settings;
    servers.kill("redis-1");
    // Its replica keeps on trying to reach it, which is nothing that a reset minds. This one is locked.
    let locked = client(&servers, "redis-2");
    locked
        .call(&["CONFIG", "SET", "requirepass", "secret"])
        .await
        .unwrap();
    let mut wanted = back_to(&start);
    wanted.insert(name("redis-9"), None);
    let done = reset(&servers.book(), wanted, Duration::from_secs(2)).await;
    let said = |node: &str| {
        done[&name(node)]
            .as_ref()
            .map(|_| ())
            .map_err(ToString::to_string)
    };
    assert!(
        said("redis-1")
            .unwrap_err()
            .contains("redis-1: no connection"),
        "{done:?}"
    );
    assert!(
        said("redis-2")
            .unwrap_err()
            .contains("redis-2 refused CONFIG GET *: NOAUTH"),
        "{done:?}"
    );
    assert!(
        said("redis-9")
            .unwrap_err()
            .contains("there is no node redis-9"),
        "{done:?}"
    );
    assert_eq!(said("redis-3"), Ok(()));
}
