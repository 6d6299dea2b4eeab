//! A reply that is lost after the server acted: the client asks again by itself, and nothing is done twice.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use labrunner::admin::{Shape, create};
use labrunner::app::answer::ReservationState;
use labrunner::app::flow::{Flow, Paid};
use labrunner::app::ledger::{Ledger, LedgerSettings};
use labrunner::app::patterns::WriteThrough;
use labrunner::app::payment::{Manner, TestGateway};
use labrunner::app::{Settings, Store};
use labrunner::cluster::{Endpoint, NodeName};
use sqlx::{Executor, Row};

use crate::databases::Database;
use crate::place::{LONG, MINUTE, Place, reserve, settings, settle};
use crate::proxy::Proxy;
use crate::servers::{self, Servers};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_does_nothing_twice() {
    let Some(place) = Place::make("a_lost_reply_does_nothing_twice").await else {
        return;
    };
    let proxy = Proxy::before(&place.cluster.addresses()).await;
    let endpoint = |at: &std::net::SocketAddr| Endpoint::new(at.ip().to_string(), at.port());
    let store = Store::connect(Settings {
        map: proxy
            .ways
            .iter()
            .map(|(node, way)| (endpoint(node), endpoint(way)))
            .collect(),
        ..settings(&place.cluster)
    })
    .await
    .unwrap();
    let through = WriteThrough::new(store.clone(), place.ledger.clone());
    let event = place.event(40).await;
    let entries = async || -> u64 { place.command(&["XLEN", &event.stream_key()]).await };
    let mut lost = 0;
    for round in 0..8 {
        let before = entries().await;
        let wanted = reserve(&event, "ann", &[round * 2, round * 2 + 1], MINUTE);
        proxy.cut(1);
        let held = store.reserve(&wanted).await.unwrap();
        lost += 1 - proxy.left();
        assert_eq!(store.reserve(&wanted).await.unwrap(), held);
        let request = settle(&event, &held, "ann");
        proxy.cut(2);
        let sold = through.confirm(&request).await.unwrap();
        lost += 2 - proxy.left();
        proxy.cut(0);
        let again = through.confirm(&request).await.unwrap();
        assert_eq!(again.done, sold.done);
        // A hold and a sale.
        assert_eq!(entries().await, before + 2);
        let state = place.store.seats(&event).await.unwrap();
        let state = state.reservations[held.reservation.as_str()].state;
        assert_eq!(state, ReservationState::Confirmed);
    }
    assert!(lost >= 16, "only {lost} replies were lost");
    let history = place.ledger.history(&event, 100).await.unwrap();
    assert_eq!(history.len(), 9);
    place.agree(&event).await;
}

/// Real servers, three masters of them, whose every reply is lost now and then, and a ledger whose replies are lost as well.
struct Lossy {
    _servers: Servers,
    redis: Proxy,
    postgres: Proxy,
    database: Database,
    store: Store,
    ledger: Ledger,
}

impl Lossy {
    async fn make(test: &str) -> Option<Lossy> {
        if !servers::available(test) {
            return None;
        }
        let (database, ledger) = Database::ledger(test).await?;
        ledger.close().await;
        let servers = Servers::start(3);
        let book = servers.book();
        let name = |n: usize| NodeName::new(format!("redis-{n}"));
        let shape = Shape {
            node_timeout: None,
            masters: (1..)
                .zip(["0-5460", "5461-10922", "10923-16383"])
                .map(|(n, slots)| (name(n), slots.parse().unwrap()))
                .collect(),
            replicas: Default::default(),
        };
        create(&book, &shape, LONG, &|_| {}).await.unwrap();
        let nodes: Vec<SocketAddr> = book.iter().map(|one| one.reachable).collect();
        let redis = Proxy::before(&nodes).await;
        let at = |one: &SocketAddr| Endpoint::new(one.ip().to_string(), one.port());
        let store = Store::connect(Settings {
            nodes: redis.ways.iter().map(|(_, way)| at(way)).collect(),
            map: book
                .iter()
                .zip(&redis.ways)
                .map(|(one, (_, way))| (one.announced.clone(), at(way)))
                .collect(),
            deadline: LONG,
            ..Settings::default()
        })
        .await
        .unwrap();
        let url = database.server.url(&database.name);
        let port = |text: &str| -> u16 {
            let rest = text.split("127.0.0.1:").nth(1).unwrap();
            rest.split('/').next().unwrap().parse().unwrap()
        };
        let direct = port(&url);
        let postgres = Proxy::before(&[SocketAddr::from(([127, 0, 0, 1], direct))]).await;
        let way = postgres.ways[0].1.port();
        let ledger = Ledger::connect(&LedgerSettings {
            deadline: LONG,
            ..LedgerSettings::new(url.replace(&format!(":{direct}/"), &format!(":{way}/")))
        })
        .await
        .unwrap();
        Some(Lossy {
            _servers: servers,
            redis,
            postgres,
            database,
            store,
            ledger,
        })
    }

    /// The next reply of a node is lost, or of the ledger, or of both. What was not lost until now is not counted.
    fn lose(&self, operation: usize, lost: &AtomicU32) {
        let (redis, postgres) = [(1, 0), (0, 1), (1, 1), (2, 0), (0, 2)][operation % 5];
        let left = self.redis.cut(redis) + self.postgres.cut(postgres);
        lost.fetch_add(redis + postgres, Ordering::SeqCst);
        lost.fetch_sub(left, Ordering::SeqCst);
    }

    async fn count(&self, query: &'static str) -> i64 {
        let mut connection = self.database.connect().await;
        connection.fetch_one(query).await.unwrap().get(0)
    }
}

/// Holds, payments, confirmations and cancellations, 500 of them, each asked twice under one operation id.
#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_lost_replies_of_real_servers_do_nothing_twice() {
    const ROUNDS: u32 = 100;
    let Some(place) = Lossy::make("hundreds_of_lost_replies").await else {
        return;
    };
    let through = WriteThrough::new(place.store.clone(), place.ledger.clone());
    let gateway = TestGateway::new(Manner::Ok, std::time::Duration::ZERO);
    let flow = Flow::new(place.store.clone(), place.ledger.clone(), gateway.clone());
    let request = crate::place::request(2 * ROUNDS);
    let event = through.create_event(&request).await.unwrap().done.event;
    let lost = AtomicU32::new(0);
    let mut operations = 0..;
    let mut lose = || place.lose(operations.next().unwrap(), &lost);
    for round in 0..ROUNDS {
        // A hold that is paid, which makes it a sale.
        let wanted = reserve(&event, "ann", &[2 * round], MINUTE);
        lose();
        let held = flow.hold(&wanted).await.unwrap();
        assert_eq!(flow.hold(&wanted).await.unwrap(), held);
        let request = settle(&event, &held, "ann");
        lose();
        let Paid::Sold(sold) = flow.pay(&request).await.unwrap() else {
            panic!("not sold");
        };
        let Paid::Sold(again) = flow.pay(&request).await.unwrap() else {
            panic!("not sold again");
        };
        assert_eq!(again.confirmed.done, sold.confirmed.done);
        assert_eq!(again.payment.id, sold.payment.id);
        // One that is confirmed without being paid.
        let wanted = reserve(&event, "ben", &[2 * round + 1], MINUTE);
        lose();
        let other = place.store.reserve(&wanted).await.unwrap();
        assert_eq!(place.store.reserve(&wanted).await.unwrap(), other);
        let confirm = settle(&event, &other, "ben");
        lose();
        let confirmed = through.confirm(&confirm).await.unwrap();
        assert_eq!(
            through.confirm(&confirm).await.unwrap().done,
            confirmed.done
        );
        // The first is given back.
        let cancel = settle(&event, &held, "ann");
        lose();
        let (cancelled, _) = flow.cancel(&cancel).await.unwrap();
        let (again, _) = flow.cancel(&cancel).await.unwrap();
        assert_eq!(again.done, cancelled.done);
    }
    place.lose(0, &lost);
    place.redis.cut(0);
    let lost = lost.into_inner();
    assert!(lost >= 400, "only {lost} replies were lost");
    through.repair(1000, true).await.unwrap();
    let rounds = i64::from(ROUNDS);
    let history = "SELECT count(*) FROM history";
    assert_eq!(place.count(history).await, 1 + 3 * rounds);
    assert_eq!(
        place
            .count("SELECT count(*) FROM reservations WHERE state = 'confirmed'")
            .await,
        rounds
    );
    assert_eq!(
        place
            .count("SELECT count(*) FROM payments WHERE state = 'refunded'")
            .await,
        rounds
    );
    assert_eq!(place.count("SELECT count(*) FROM payments").await, rounds);
    assert_eq!(gateway.money(), 0);
    let seats = place.store.seats(&event).await.unwrap();
    assert_eq!(seats.taken.len() as u32, ROUNDS);
    let states = seats.reservations.values().map(|one| one.state);
    let (sold, given): (Vec<_>, Vec<_>) =
        states.partition(|state| *state == ReservationState::Confirmed);
    assert_eq!((sold.len() as u32, given.len() as u32), (ROUNDS, ROUNDS));
    // The event, two holds, two sales, and one that was given back, of each round: nobody wrote an entry twice.
    let lag = place.store.stream_lag(&event, "0-0").await.unwrap();
    assert_eq!(lag.entries, 1 + 5 * u64::from(ROUNDS));
}
