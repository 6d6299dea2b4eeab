//! Clients and the router against real servers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod servers;
mod support;

use std::time::{Duration, Instant};

use labrunner::admin::{Shape, create};
use labrunner::cluster::{Endpoint, NodeName, Reply, Slot};
use labrunner::resp::{
    Address, AddressBook, Client, RespError, RouteError, Router, Terms, hash_tag,
};
use servers::Servers;

const LIMIT: Duration = Duration::from_secs(15);
/// How long somebody waits for an answer that does not come: long enough that "at once" is something else, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(2);

fn ok() -> Reply {
    Reply::Status("OK".into())
}

fn name(text: &str) -> NodeName {
    NodeName::new(text)
}

/// redis-1 has the lower half, redis-2 the upper one. Returns their ids.
async fn halves(servers: &Servers) -> (String, String) {
    let shape = Shape {
        node_timeout: Some(Duration::from_secs(1)),
        masters: [
            (name("redis-1"), "0-8191".parse().unwrap()),
            (name("redis-2"), "8192-16383".parse().unwrap()),
        ]
        .into(),
        replicas: Default::default(),
    };
    let ids = create(&servers.book(), &shape, LIMIT, &|_| {})
        .await
        .unwrap();
    (
        ids[&name("redis-1")].to_string(),
        ids[&name("redis-2")].to_string(),
    )
}

fn key_in(slot: u16) -> String {
    format!("test:{{{}}}", hash_tag(Slot::new(slot).unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_heals_by_itself() {
    if !servers::available("a_client_heals_by_itself") {
        return;
    }
    let mut servers = Servers::prepare(1);
    let client = Client::new(servers.address("redis-1"), PATIENCE);
    let started = Instant::now();
    let error = client.call(&["PING"]).await.unwrap_err();
    assert!(
        started.elapsed() < PATIENCE / 2,
        "refused at once: {:?}",
        started.elapsed()
    );
    assert!(matches!(error, RespError::NoConnection { .. }), "{error}");
    assert!(!error.may_have_been_sent());

    servers.start_node("redis-1");
    servers::eventually("it answers", LIMIT, async || {
        client.call(&["PING"]).await.ok()
    })
    .await;
    assert_eq!(
        client.call(&["PING"]).await,
        Ok(Reply::Status("PONG".into()))
    );
    let error = client.call(&["NOSUCH", "a"]).await.unwrap();
    assert!(
        matches!(&error, Reply::Error(text) if text.starts_with("ERR unknown command ")),
        "{error:?}"
    );
    let replies = client
        .pipeline(&[vec!["PING"], vec!["NOSUCH"], vec!["ECHO", "a\r\nb"]])
        .await
        .unwrap();
    assert_eq!(replies[0], Reply::Status("PONG".into()));
    assert!(
        matches!(&replies[1], Reply::Error(_)),
        "an error has its place among the others"
    );
    assert_eq!(replies[2], Reply::Bulk(b"a\r\nb".to_vec()));
    assert_eq!(client.pipeline::<&str>(&[]).await, Ok(vec![]));

    // Killed and started again between two calls: the next call connects anew and succeeds.
    servers.kill("redis-1");
    let started = Instant::now();
    assert!(client.call(&["PING"]).await.is_err());
    assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
    servers.start_node("redis-1");
    servers::eventually("it answers again", LIMIT, async || {
        client.call(&["PING"]).await.ok()
    })
    .await;

    // Hung: the deadline, for everybody who asks; awake again: answers, and each caller gets its own.
    servers.signal("redis-1", "STOP");
    let started = Instant::now();
    let hung = tokio::join!(client.call(&["ECHO", "1"]), client.call(&["ECHO", "2"]));
    let took = started.elapsed();
    assert!(
        matches!(
            hung,
            (
                Err(RespError::TimedOut { .. }),
                Err(RespError::TimedOut { .. })
            )
        ),
        "{hung:?}"
    );
    assert!(took >= PATIENCE && took < PATIENCE * 2, "{took:?}");
    servers.signal("redis-1", "CONT");
    for n in 0..100 {
        let text = n.to_string();
        assert_eq!(
            client.call(&["ECHO", &text]).await,
            Ok(Reply::Bulk(text.into_bytes()))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_share_one_connection() {
    if !servers::available("many_callers_share_one_connection") {
        return;
    }
    let servers = Servers::start(1);
    let client = Client::new(servers.address("redis-1"), Duration::from_secs(5));
    servers::eventually("it answers", LIMIT, async || {
        client.call(&["PING"]).await.ok()
    })
    .await;
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..2000 {
        let client = client.clone();
        callers.spawn(async move {
            let text = format!("{n}");
            client.call(&["ECHO", &text]).await == Ok(Reply::Bulk(text.into_bytes()))
        });
    }
    while let Some(right) = callers.join_next().await {
        assert!(
            right.unwrap(),
            "everybody gets the answer to what they asked"
        );
    }
    let info = client.call(&["INFO", "clients"]).await.unwrap();
    assert!(
        info.as_text().unwrap().contains("connected_clients:1\r\n"),
        "{info:?}"
    );
    // A large pipeline does not lock up, whatever fills first.
    let big = "x".repeat(2000);
    let commands: Vec<Vec<&str>> = (0..20_000).map(|_| vec!["ECHO", big.as_str()]).collect();
    assert_eq!(client.pipeline(&commands).await.unwrap().len(), 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_counts_what_it_follows() {
    if !servers::available("a_router_counts_what_it_follows") {
        return;
    }
    let servers = Servers::start(2);
    let (one, two) = halves(&servers).await;
    let router = Router::new(servers.book(), Duration::from_secs(1));
    let source = Client::new(servers.address("redis-1"), Duration::from_secs(1));
    let target = Client::new(servers.address("redis-2"), Duration::from_secs(1));
    for slot in [0, 8191, 8192, 16383] {
        let set = router
            .call(key_in(slot).as_bytes(), &["SET", &key_in(slot), "v"])
            .await;
        assert_eq!(set.result, Ok(ok()));
        assert_eq!(
            (set.moved, set.asked, set.attempts),
            (0, 0, 1),
            "the map is right from the start"
        );
    }

    // A slot on its way: a key that is not there (any more) is asked for at the target.
    let key = key_in(100);
    target
        .call(&["CLUSTER", "SETSLOT", "100", "IMPORTING", &one])
        .await
        .unwrap();
    source
        .call(&["CLUSTER", "SETSLOT", "100", "MIGRATING", &two])
        .await
        .unwrap();
    let set = router.call(key.as_bytes(), &["SET", &key, "there"]).await;
    assert_eq!(
        (set.result, set.asked, set.moved, set.attempts),
        (Ok(ok()), 1, 0, 2)
    );
    let get = router.call(key.as_bytes(), &["GET", &key]).await;
    assert_eq!(
        (get.result, get.asked),
        (Ok(Reply::Bulk(b"there".to_vec())), 1),
        "ASK teaches nothing"
    );
    // One of two keys at hand: TRYAGAIN until the deadline.
    let other = format!("{key}2");
    target
        .pipeline(&[vec!["ASKING"], vec!["SET", &other, "x"]])
        .await
        .unwrap();
    let third = format!("{key}3");
    let terms = Terms {
        deadline: Duration::from_millis(150),
        linger: Duration::ZERO,
        idempotent: true,
    };
    let both = router
        .call_with(key.as_bytes(), &["MGET", &other, &third], terms)
        .await;
    assert!(both.tried_again > 3 && both.asked > 3, "{both:?}");
    // The router's own patience is longer.
    assert!(both.took < Duration::from_secs(1), "{:?}", both.took);
    assert_eq!(
        both.result.as_ref().unwrap_err().kind(),
        "TRYAGAIN",
        "{both:?}"
    );

    // Moved: once, then the map knows.
    target
        .call(&["CLUSTER", "SETSLOT", "100", "NODE", &two])
        .await
        .unwrap();
    source
        .call(&["CLUSTER", "SETSLOT", "100", "NODE", &two])
        .await
        .unwrap();
    let get = router.call(key.as_bytes(), &["GET", &key]).await;
    assert_eq!(
        (get.result, get.moved, get.attempts),
        (Ok(Reply::Bulk(b"there".to_vec())), 1, 2)
    );
    let get = router.call(key.as_bytes(), &["GET", &key]).await;
    assert_eq!((get.moved, get.attempts), (0, 1));

    // An error that has nothing to do with the cluster is the reply.
    let wrong = router.call(key.as_bytes(), &["LPUSH", &key, "x"]).await;
    assert!(matches!(wrong.result, Ok(Reply::Error(text)) if text.starts_with("WRONGTYPE")));
    let cross = router.call(b"a", &["MGET", "a", "b"]).await;
    assert!(matches!(cross.result, Ok(Reply::Error(text)) if text.starts_with("CROSSSLOT")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_outside_the_book_is_said_clearly() {
    if !servers::available("an_address_outside_the_book_is_said_clearly") {
        return;
    }
    let servers = Servers::start(2);
    halves(&servers).await;
    let only_one = AddressBook::new(vec![servers.address("redis-1")]);
    let router = Router::new(only_one, LIMIT);
    let key = key_in(16383);
    let called = router.call(key.as_bytes(), &["GET", &key]).await;
    let announced = servers.address("redis-2").announced;
    assert_eq!(
        called.result.unwrap_err().to_string(),
        format!(
            "redis-1 says that {announced} has the slot, and no node of this environment announces that address"
        )
    );
    assert!(called.took < LIMIT / 2, "at once, not at the deadline");
    let nobody = Router::new(AddressBook::default(), Duration::from_secs(1));
    assert_eq!(
        nobody.call(b"a", &["GET", "a"]).await.result,
        Err(RouteError::NoNodes)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_not_repeated_blindly() {
    if !servers::available("a_lost_answer_is_not_repeated_blindly") {
        return;
    }
    let mut servers = Servers::start(2);
    halves(&servers).await;
    let router = Router::new(servers.book(), PATIENCE);
    let key = key_in(0);
    assert_eq!(
        router
            .call(key.as_bytes(), &["SET", &key, "0"])
            .await
            .result,
        Ok(ok())
    );
    servers.signal("redis-1", "STOP");
    let increment = router.call(key.as_bytes(), &["INCR", &key]).await;
    assert_eq!(increment.result.as_ref().unwrap_err().kind(), "no answer");
    assert_eq!((increment.attempts, increment.lost_answers), (1, 1));
    assert!(increment.took < PATIENCE * 2, "{:?}", increment.took);

    // With patience the late answer is had: the caller sees by the time that it was late.
    let terms = Terms {
        deadline: Duration::from_millis(200),
        linger: LIMIT,
        idempotent: false,
    };
    let waiting = tokio::spawn({
        let (router, key) = (router.clone(), key.clone());
        async move {
            router
                .call_with(key.as_bytes(), &["INCR", &key], terms)
                .await
        }
    });
    servers::eventually("the deadline has passed", LIMIT, {
        let started = Instant::now();
        async move || (started.elapsed() > Duration::from_millis(350)).then_some(())
    })
    .await;
    servers.signal("redis-1", "CONT");
    let late = waiting.await.unwrap();
    assert!(
        matches!(late.result, Ok(Reply::Int(_)) | Ok(Reply::Error(_))),
        "{late:?}"
    );
    assert!(late.took > Duration::from_millis(300));
    // The first INCR was executed after all, once: nobody repeated it.
    servers::eventually("both were executed", LIMIT, async || {
        let get = router.call(key.as_bytes(), &["GET", &key]).await;
        (get.result == Ok(Reply::Bulk(b"2".to_vec()))).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_down_is_waited_for_until_the_deadline() {
    if !servers::available("a_cluster_that_is_down_is_waited_for_until_the_deadline") {
        return;
    }
    let mut servers = Servers::start(2);
    halves(&servers).await;
    let router = Router::new(servers.book(), Duration::from_millis(500));
    let (low, high) = (key_in(0), key_in(16383));
    assert_eq!(
        router
            .call(low.as_bytes(), &["SET", &low, "v"])
            .await
            .result,
        Ok(ok())
    );
    servers.kill("redis-1");
    // The first attempt may find the old connection breaking, so it may have been sent.
    let half_a_second = Terms {
        deadline: Duration::from_millis(500),
        linger: Duration::ZERO,
        idempotent: true,
    };
    let called = router
        .call_with(low.as_bytes(), &["SET", &low, "v"], half_a_second)
        .await;
    assert_eq!(called.result.unwrap_err().kind(), "no connection");
    assert!(called.attempts > 3);
    assert!(called.took < Duration::from_secs(2), "{:?}", called.took);
    servers::eventually("the other master notices", LIMIT, async || {
        let called = router.call(high.as_bytes(), &["SET", &high, "v"]).await;
        matches!(&called.result, Err(error) if error.kind() == "CLUSTERDOWN").then_some(())
    })
    .await;
    // Started again with its id and its slots: a call that waits is served.
    servers.start_node("redis-1");
    let patient = Terms {
        deadline: LIMIT,
        linger: Duration::ZERO,
        idempotent: true,
    };
    let called = router
        .call_with(low.as_bytes(), &["SET", &low, "v"], patient)
        .await;
    assert_eq!(called.result, Ok(ok()));
}

/// Each has to find out that its node is gone, and all are told together where else they could go.
#[tokio::test(flavor = "multi_thread")]
async fn many_callers_of_a_dead_node_ask_the_others_no_more_often_than_one() {
    if !servers::available("many_callers_of_a_dead_node_ask_the_others_no_more_often_than_one") {
        return;
    }
    let mut servers = Servers::start(2);
    halves(&servers).await;
    let router = Router::new(servers.book(), Duration::from_millis(500));
    let (low, high) = (key_in(0), key_in(16383));
    let written = router.call(high.as_bytes(), &["SET", &high, "v"]).await;
    assert_eq!(written.result, Ok(ok()));
    servers.kill("redis-1");
    let reset = ["CONFIG", "RESETSTAT"];
    assert_eq!(router.call(high.as_bytes(), &reset).await.result, Ok(ok()));
    let started = Instant::now();
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let (router, low) = (router.clone(), low.clone());
            tokio::spawn(async move { router.call(low.as_bytes(), &["GET", &low]).await })
        })
        .collect();
    for caller in callers {
        let called = caller.await.unwrap();
        assert!(called.result.is_err() && called.attempts > 3, "{called:?}");
    }
    let took = started.elapsed();
    let stats = router
        .call(high.as_bytes(), &["INFO", "commandstats"])
        .await;
    let stats = stats.result.unwrap().as_text().unwrap().into_owned();
    let asked = stats.split("cmdstat_cluster|nodes:calls=").nth(1).unwrap();
    let asked: u128 = asked.split(',').next().unwrap().parse().unwrap();
    assert!(asked >= 2, "{stats}");
    assert!(
        asked <= took.as_millis() / 20 + 2,
        "{asked} times in {took:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_survives_a_stale_address_book_entry() {
    if !servers::available("a_batch_survives_a_stale_address_book_entry") {
        return;
    }
    let servers = Servers::start(2);
    halves(&servers).await;
    // A node that a later step will start: it is in the book and answers nothing.
    let mut entries: Vec<Address> = vec![Address {
        name: name("redis-0"),
        announced: Endpoint {
            host: "127.0.1.99".into(),
            port: 1,
        },
        reachable: "127.0.0.1:1".parse().unwrap(),
    }];
    entries.extend(servers.book().iter().cloned());
    let router = Router::new(AddressBook::new(entries), Duration::from_secs(1));
    let keys: Vec<String> = (0..1200).map(|n| format!("k{n}")).collect();
    let terms = Terms {
        deadline: Duration::from_secs(2),
        linger: Duration::ZERO,
        idempotent: true,
    };
    let commands = |word: &str| -> Vec<Vec<Vec<u8>>> {
        keys.iter()
            .map(|key| match word {
                "SET" => vec![
                    b"SET".to_vec(),
                    key.clone().into_bytes(),
                    key.clone().into_bytes(),
                ],
                word => vec![word.as_bytes().to_vec(), key.clone().into_bytes()],
            })
            .collect()
    };
    let written = router.batch(commands("SET"), terms).await;
    assert!(written.results.iter().all(|result| *result == Ok(ok())));
    let read = router.batch(commands("GET"), terms).await;
    for (key, result) in keys.iter().zip(read.results) {
        assert_eq!(result, Ok(Reply::Bulk(key.clone().into_bytes())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_is_followed() {
    if !servers::available("a_failover_is_followed") {
        return;
    }
    let mut servers = Servers::start(4);
    let shape = Shape {
        node_timeout: Some(Duration::from_secs(1)),
        masters: [
            (name("redis-1"), "0-5460".parse().unwrap()),
            (name("redis-2"), "5461-10922".parse().unwrap()),
            (name("redis-3"), "10923-16383".parse().unwrap()),
        ]
        .into(),
        replicas: [(name("redis-4"), name("redis-3"))].into(),
    };
    create(&servers.book(), &shape, LIMIT, &|_| {})
        .await
        .unwrap();
    let router = Router::new(servers.book(), Duration::from_secs(1));
    let key = key_in(16383);
    assert_eq!(
        router
            .call(key.as_bytes(), &["SET", &key, "before"])
            .await
            .result,
        Ok(ok())
    );
    // The replica has it, so that a failover does not lose it.
    let replica = Client::new(servers.address("redis-4"), Duration::from_secs(1));
    servers::eventually("the replica has the key", LIMIT, async || {
        (replica.call(&["DBSIZE"]).await == Ok(Reply::Int(1))).then_some(())
    })
    .await;
    servers.kill("redis-3");
    let patient = Terms {
        deadline: LIMIT,
        linger: Duration::ZERO,
        idempotent: true,
    };
    let get = router
        .call_with(key.as_bytes(), &["GET", &key], patient)
        .await;
    eprintln!(
        "served again after {:?}, {} attempts",
        get.took, get.attempts
    );
    assert_eq!(get.result, Ok(Reply::Bulk(b"before".to_vec())));
    let get = router.call(key.as_bytes(), &["GET", &key]).await;
    assert_eq!(
        (get.attempts, get.moved),
        (1, 0),
        "the map knows the new master"
    );
}
