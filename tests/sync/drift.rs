//! Every kind of difference, made by hand: all found, all repaired, and live holds left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use labrunner::app::EventId;
use labrunner::app::answer::Held;
use labrunner::app::patterns::Reconcile;
use labrunner::app::patterns::reconcile::{Asked, Drift, Outcome, Report};
use serde_json::{Value, json};
use sqlx::Executor;

use crate::place::{MINUTE, Map, Place, kind_of, settle};

/// An event with something of everything: `sale` has A1 and A2, `other` A3, `hold` A4 and A5; `gone` was cancelled, with A6. A10 is free.
struct Scene {
    event: EventId,
    sale: String,
    other: String,
    hold: Held,
    gone: String,
}

impl Scene {
    async fn make(place: &Place) -> Scene {
        let event = place.event(10).await;
        let sale = place.sell(&event, "ann", &[0, 1]).await;
        let other = place.sell(&event, "ben", &[2]).await;
        let hold = place.reserve(&event, "cem", &[3, 4], MINUTE).await;
        let gone = place.sell(&event, "dan", &[5]).await;
        place
            .through
            .cancel(&settle(&event, &gone, "dan"))
            .await
            .unwrap();
        Scene {
            sale: sale.reservation.to_string(),
            other: other.reservation.to_string(),
            gone: gone.reservation.to_string(),
            hold,
            event,
        }
    }

    async fn stored(&self, place: &Place, id: &str) -> Value {
        let text: String = place
            .command(&["HGET", &self.event.reservations_key(), id])
            .await;
        serde_json::from_str(&text).unwrap()
    }

    async fn store(&self, place: &Place, id: &str, value: &Value) {
        let key = self.event.reservations_key();
        let _: u64 = place.command(&["HSET", &key, id, &value.to_string()]).await;
    }

    /// Changes a reservation, as it is stored.
    async fn change(&self, place: &Place, id: &str, field: &str, value: Value) {
        let mut stored = self.stored(place, id).await;
        stored[field] = value;
        self.store(place, id, &stored).await;
    }

    /// Makes this difference.
    async fn spoil(&self, place: &Place, kind: Drift) {
        let (seats, free, holds) = (
            self.event.seats_key(),
            self.event.free_key(),
            self.event.holds_key(),
        );
        let (meta, reservations) = (self.event.event_key(), self.event.reservations_key());
        let hold = self.hold.reservation.as_str();
        let all = async |commands: &[&[&str]]| {
            for words in commands {
                let _: redis::Value = place.command(words).await;
            }
        };
        let stranger = |state: &str, seats: &[&str], token: u64| json!({"user": "eva", "seats": seats, "positions": [0], "state": state, "expires_ms": 99_999_999_999_999_u64, "token": token});
        match kind {
            Drift::EventMissingInRedis => {
                all(&[
                    &["DEL", &meta],
                    &["DEL", &seats],
                    &["DEL", &free],
                    &["DEL", &holds],
                    &["DEL", &reservations],
                ])
                .await;
            }
            Drift::EventMissingInLedger => {
                place.plain_event(3).await;
            }
            Drift::EventMetadata => all(&[&["HSET", &meta, "name", "Another"]]).await,
            Drift::EventNotListed => all(&[&["ZREM", "events", self.event.as_str()]]).await,
            Drift::EventListedOnly => all(&[&["ZADD", "events", "1", "zzzzzzzz"]]).await,
            Drift::SaleMissingInRedis => {
                all(&[
                    &["HDEL", &reservations, &self.sale],
                    &["HDEL", &seats, "A1", "A2"],
                    &["ZADD", &free, "0", "A1", "1", "A2"],
                    &["HINCRBY", &meta, "sold", "-2"],
                ])
                .await;
            }
            Drift::SaleMissingInLedger => {
                place.sell_plain(&self.event, "eva", &[6]).await;
            }
            Drift::SoldTwice => {
                self.store(place, "x", &stranger("confirmed", &["A1"], 9))
                    .await
            }
            Drift::SaleNotConfirmed => {
                self.change(place, &self.sale, "state", json!("expired"))
                    .await;
            }
            Drift::CancelledStillLive => {
                self.change(place, &self.gone, "state", json!("confirmed"))
                    .await;
                all(&[&["ZREM", &free, "A6"], &["HSET", &seats, "A6", &self.gone]]).await;
            }
            Drift::SaleUser => self.change(place, &self.sale, "user", json!("eva")).await,
            Drift::SaleToken => self.change(place, &self.sale, "token", json!(77)).await,
            Drift::SaleSeats => {
                self.change(place, &self.sale, "seats", json!(["A1", "A7"]))
                    .await
            }
            Drift::SaleVersion => self.change(place, &self.sale, "version", json!(99)).await,
            Drift::Unreadable => all(&[&["HSET", &reservations, &self.other, "{"]]).await,
            Drift::HoldOfSoldSeat => self.store(place, "x", &stranger("held", &["A1"], 9)).await,
            Drift::HoldTwice => self.store(place, "x", &stranger("held", &["A4"], 9)).await,
            Drift::HoldBroken => self.store(place, "x", &stranger("held", &["Z99"], 9)).await,
            Drift::ReservationPositions => {
                self.change(place, hold, "positions", json!([7, 8])).await;
            }
            Drift::SeatUnknown => all(&[&["ZADD", &free, "55", "ZZ1"]]).await,
            Drift::SeatFree => all(&[&["HDEL", &seats, "A1"], &["ZADD", &free, "0", "A1"]]).await,
            Drift::SeatInTwoPlaces => all(&[&["ZADD", &free, "0", "A1"]]).await,
            Drift::SeatOwner => all(&[&["HSET", &seats, "A1", &self.other]]).await,
            Drift::SeatNowhere => all(&[&["ZREM", &free, "A10"]]).await,
            Drift::SeatPosition => all(&[&["ZADD", &free, "3", "A10"]]).await,
            Drift::SeatOrphan => {
                all(&[&["ZREM", &free, "A10"], &["HSET", &seats, "A10", "nobody"]]).await;
            }
            Drift::HoldWithoutEnd => all(&[&["ZREM", &holds, hold]]).await,
            Drift::HoldEnd => all(&[&["ZADD", &holds, "99999999999999", hold]]).await,
            Drift::HoldDangling => all(&[&["ZADD", &holds, "99999999999999", "nobody"]]).await,
            Drift::SoldCount => all(&[&["HSET", &meta, "sold", "9"]]).await,
            Drift::TokenBehind => all(&[&["HSET", &meta, "token", "0"]]).await,
            Drift::CacheWrong => all(&[&["SET", &self.event.cache_key(), "999:"]]).await,
            Drift::OutboxGivenUp => {
                let mut connection = place.database.connect().await;
                let given_up = "UPDATE outbox SET done_at = NULL, gave_up_at = now() WHERE id = (SELECT max(id) FROM outbox)";
                connection.execute(given_up).await.unwrap();
            }
        }
    }
}

/// Repairs as soon as the lock of one that was killed has ended.
async fn repaired_after_the_lock(reconcile: &Reconcile) -> Report {
    let until = Instant::now() + MINUTE;
    loop {
        match reconcile.run(&asked(true)).await {
            Ok(report) => return report,
            Err(error) => assert_eq!(error.kind(), "locked"),
        }
        assert!(Instant::now() < until, "the lock does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn asked(repair: bool) -> Asked {
    Asked {
        repair,
        settle: Duration::from_millis(50),
        lock: Duration::from_secs(5),
        ..Asked::default()
    }
}

#[tokio::test]
async fn every_kind_is_found_and_repaired_and_live_holds_stay() {
    let Some(place) = Place::make("every_kind_is_found_and_repaired").await else {
        return;
    };
    let reconcile = Reconcile::new(place.store.clone(), place.ledger.clone());
    let mut scenes = Vec::new();
    for kind in Drift::ALL {
        scenes.push((kind, Scene::make(&place).await));
    }
    let untouched = Scene::make(&place).await;
    let clean = reconcile.run(&asked(false)).await.unwrap();
    assert_eq!((clean.outcome, &clean.found), (Outcome::Clean, &Vec::new()));
    assert_eq!(clean.snapshots, scenes.len() + 1);
    for (kind, scene) in &scenes {
        scene.spoil(&place, *kind).await;
    }

    let report = reconcile.run(&asked(false)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Drift);
    assert!(report.found.iter().all(|one| !one.repaired));
    for (kind, scene) in &scenes {
        let found: BTreeSet<Drift> = report
            .found
            .iter()
            .filter(|one| one.event == scene.event.as_str())
            .map(|one| one.difference.kind)
            .collect();
        let elsewhere = [
            Drift::EventMissingInLedger,
            Drift::EventListedOnly,
            Drift::OutboxGivenUp,
        ];
        match elsewhere.contains(kind) {
            true => assert!(report.counts.contains_key(kind.name()), "{kind}"),
            false => assert!(found.contains(kind), "{kind}: {found:?}"),
        }
    }
    let kinds: BTreeSet<&str> = report.counts.keys().copied().collect();
    assert_eq!(kinds.len(), Drift::ALL.len(), "{kinds:?}");
    assert!(
        report
            .found
            .iter()
            .all(|one| one.event != untouched.event.as_str())
    );

    let repaired = reconcile.run(&asked(true)).await.unwrap();
    let left: Vec<_> = repaired.found.iter().filter(|one| !one.repaired).collect();
    assert!(left.is_empty(), "{left:#?}");
    assert_eq!(repaired.outcome, Outcome::Repaired);
    let clean = reconcile.run(&asked(false)).await.unwrap();
    assert_eq!((clean.outcome, &clean.found), (Outcome::Clean, &Vec::new()));
    for (kind, scene) in &scenes {
        place.agree(&scene.event).await;
        // Of an event that Redis had lost the holds are lost with it.
        if *kind == Drift::EventMissingInRedis {
            continue;
        }
        let id = scene.hold.reservation.as_str();
        let hold = scene.stored(&place, id).await;
        assert_eq!(hold["state"], "held", "{kind}");
        let end: f64 = place
            .command(&["ZSCORE", &scene.event.holds_key(), id])
            .await;
        assert_eq!(end as u64, scene.hold.expires_ms, "{kind}");
        // It can be made a sale.
        place
            .through
            .confirm(&settle(&scene.event, &scene.hold, "cem"))
            .await
            .unwrap();
        place.agree(&scene.event).await;
    }
    let unrepaired = "SELECT count(*) FROM drift_findings f JOIN reconciliation_runs r ON r.id = f.run_id WHERE r.repairs AND f.repaired_at IS NULL";
    assert_eq!(place.count(unrepaired).await, 0);
    assert!(
        place
            .count("SELECT count(*) FROM availability_snapshots")
            .await
            > 60
    );
}

#[tokio::test]
async fn two_never_repair_at_once_and_one_that_was_killed_is_followed_by_the_next() {
    let Some(place) = Place::make("two_never_repair_at_once").await else {
        return;
    };
    let scene = Scene::make(&place).await;
    let second = Scene::make(&place).await;
    for scene in [&scene, &second] {
        scene.spoil(&place, Drift::SeatFree).await;
        scene.spoil(&place, Drift::SoldCount).await;
    }
    let reconcile = Reconcile::new(place.store.clone(), place.ledger.clone());
    // Killed when it has the lock and has looked, in the middle of its wait.
    let slow = Asked {
        settle: MINUTE,
        lock: Duration::from_millis(1500),
        ..asked(true)
    };
    let killed = {
        let reconcile = reconcile.clone();
        tokio::spawn(async move { reconcile.run(&slow).await })
    };
    place
        .until("it has begun", || async {
            place
                .count("SELECT count(*) FROM reconciliation_runs")
                .await
                == 1
        })
        .await;
    assert_eq!(kind_of(reconcile.run(&asked(true)).await), "locked");
    killed.abort();
    assert!(killed.await.unwrap_err().is_cancelled());
    let report = repaired_after_the_lock(&reconcile).await;
    assert_eq!(report.outcome, Outcome::Repaired);
    assert_eq!(report.found.len(), 4);
    let tokens = "SELECT count(DISTINCT lock_token) FROM reconciliation_runs WHERE repairs";
    assert_eq!(place.count(tokens).await, 2);
    assert_eq!(
        place
            .count("SELECT count(*) FROM reconciliation_runs WHERE outcome IS NULL")
            .await,
        1
    );
    for scene in [&scene, &second] {
        place.agree(&scene.event).await;
    }
    assert_eq!(
        reconcile.run(&asked(false)).await.unwrap().outcome,
        Outcome::Clean
    );
}

/// Killed when one event is mended and the next is not: somebody has a row of the second in the ledger that its repair has to wait for.
#[tokio::test]
async fn one_that_is_killed_in_the_middle_of_its_repair_leaves_the_rest_to_the_next() {
    let Some(place) = Place::make("one_that_is_killed_in_the_middle").await else {
        return;
    };
    let mut scenes = vec![Scene::make(&place).await, Scene::make(&place).await];
    scenes.sort_by(|one, other| one.event.cmp(&other.event));
    let [first, second] = &scenes[..] else {
        panic!("two scenes");
    };
    first.spoil(&place, Drift::SeatFree).await;
    for kind in [Drift::SaleMissingInLedger, Drift::SeatNowhere] {
        second.spoil(&place, kind).await;
    }
    let mut connection = place.database.connect().await;
    let mut other = sqlx::Connection::begin(&mut connection).await.unwrap();
    sqlx::query("SELECT FROM events WHERE id = $1 FOR UPDATE")
        .bind(second.event.as_str())
        .execute(&mut *other)
        .await
        .unwrap();
    let reconcile = Reconcile::new(place.store.clone(), place.ledger.clone());
    let repairing = {
        let reconcile = reconcile.clone();
        let asked = Asked {
            lock: Duration::from_millis(1500),
            ..asked(true)
        };
        tokio::spawn(async move { reconcile.run(&asked).await })
    };
    let found = "SELECT count(*) FROM drift_findings WHERE repaired_at IS NULL";
    let mended = "SELECT count(*) FROM drift_findings WHERE repaired_at IS NOT NULL";
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    place
        .until(
            "the first is mended, and the second is being mended",
            || async {
                place.count(mended).await == 1
                    && place.count(found).await == 2
                    && place.count(waits).await > 0
            },
        )
        .await;
    repairing.abort();
    assert!(repairing.await.unwrap_err().is_cancelled());
    place.agree(&first.event).await;
    other.rollback().await.unwrap();

    let report = repaired_after_the_lock(&reconcile).await;
    assert_eq!(report.outcome, Outcome::Repaired);
    assert!(
        report
            .found
            .iter()
            .all(|one| one.event == second.event.as_str()),
        "{:#?}",
        report.found
    );
    for scene in &scenes {
        place.agree(&scene.event).await;
        let hold = scene.stored(&place, scene.hold.reservation.as_str()).await;
        assert_eq!(hold["state"], "held");
    }
    let clean = reconcile.run(&asked(false)).await.unwrap();
    assert_eq!(clean.outcome, Outcome::Clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_live_traffic_nothing_is_lost_and_nothing_is_repaired_that_was_only_on_its_way() {
    let Some(place) = Place::make("beside_live_traffic").await else {
        return;
    };
    let scene = Scene::make(&place).await;
    let busy = place.event(400).await;
    scene.spoil(&place, Drift::SeatNowhere).await;
    let (store, through, event) = (place.store.clone(), place.through.clone(), busy.clone());
    let traffic = tokio::spawn(async move {
        let mut sold: BTreeMap<String, String> = Map::new();
        for seat in 0..60 {
            let wanted = crate::place::reserve(&event, "ann", &[seat], MINUTE);
            let held = store.reserve(&wanted).await.unwrap();
            let request = settle(&event, &held, "ann");
            through.confirm(&request).await.unwrap();
            if seat % 3 == 0 {
                let request = settle(&event, &held, "ann");
                through.cancel(&request).await.unwrap();
            } else {
                sold.insert(held.seats[0].to_string(), held.reservation.to_string());
            }
        }
        sold
    });
    let reconcile = Reconcile::new(place.store.clone(), place.ledger.clone());
    let mut found = 0;
    let mut runs = 0;
    while !traffic.is_finished() || runs < 2 {
        let report = reconcile
            .run(&Asked {
                settle: Duration::from_millis(1500),
                ..asked(true)
            })
            .await
            .unwrap();
        assert_ne!(report.outcome, Outcome::Drift, "{:#?}", report.found);
        assert!(
            report
                .found
                .iter()
                .all(|one| one.event == scene.event.as_str()),
            "{:#?}",
            report.found
        );
        found += report.found.len();
        runs += 1;
    }
    assert_eq!(found, 1);
    assert_eq!(place.sold(&busy).await, traffic.await.unwrap());
    place.agree(&busy).await;
    place.agree(&scene.event).await;
}
