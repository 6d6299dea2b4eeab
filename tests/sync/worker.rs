//! The streams of the events are drained into the ledger: once, in order, by whoever lives.

use std::time::Duration;

use labrunner::app::answer::ReservationState;
use labrunner::app::patterns::Reconcile;
use labrunner::app::patterns::reconcile::{Asked, Drift, Outcome};
use labrunner::app::worker::{Until, status};
use tokio_util::sync::CancellationToken;

use crate::place::{LONG, MINUTE, Place, kind_of, settle};

#[tokio::test]
async fn what_happens_in_redis_is_in_the_ledger_once_and_in_order() {
    let Some(place) = Place::make("what_happens_in_redis_is_in_the_ledger").await else {
        return;
    };
    let event = place.plain_event(10).await;
    let first = place.sell_plain(&event, "ann", &[0, 1]).await;
    place
        .store
        .cancel(&settle(&event, &first, "ann"))
        .await
        .unwrap();
    place.sell_plain(&event, "ben", &[0]).await;
    place.reserve(&event, "cem", &[5], MINUTE).await;
    let gone = place.reserve(&event, "dan", &[6], MINUTE).await;
    place
        .store
        .cancel(&settle(&event, &gone, "dan"))
        .await
        .unwrap();
    let lag = status(&place.store, &place.ledger, &[]).await.unwrap();
    assert_eq!((lag.len(), lag[0].pending, lag[0].entries), (1, 9, 9));

    let tally = place.drain().await;
    assert_eq!(
        (tally.applied, tally.again, tally.dead, tally.gaps),
        (9, 0, 0, 0)
    );
    place.agree(&event).await;
    let told: Vec<String> = place
        .ledger
        .history(&event, 20)
        .await
        .unwrap()
        .iter()
        .map(|one| {
            let user = one.user.as_deref().unwrap_or("-");
            format!(
                "{} {} {user} {}",
                one.version,
                one.kind,
                one.seats.join("+")
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "1 created - ",
            "2 confirmed ann A1+A2",
            "3 cancelled ann A1+A2",
            "4 confirmed ben A1",
            "5 cancelled dan "
        ]
    );
    // What the ledger tells Redis comes back by the stream, and changes nothing.
    place.sell(&event, "eva", &[7]).await;
    let tally = place.drain().await;
    assert_eq!((tally.applied, tally.again), (2, 0));
    assert_eq!(
        place.ledger.sheet(&event).await.unwrap().unwrap().version,
        6
    );
    place.agree(&event).await;
    let lag = status(&place.store, &place.ledger, &[]).await.unwrap();
    assert_eq!(
        (lag[0].pending, lag[0].lag_ms, lag[0].position.applied),
        (0, 0, 11)
    );
    type Pending = (
        u64,
        Option<String>,
        Option<String>,
        Option<Vec<(String, String)>>,
    );
    let pending: Pending = place
        .command(&["XPENDING", &event.stream_key(), "ledger"])
        .await;
    assert_eq!(pending.0, 0);
}

#[tokio::test]
async fn what_a_worker_applied_before_it_was_killed_is_not_applied_again() {
    let Some(place) = Place::make("what_a_worker_applied_before_it_was_killed").await else {
        return;
    };
    let event = place.plain_event(40).await;
    let mut again = 0;
    for round in 0..4 {
        for seat in 0..5 {
            place.sell_plain(&event, "ann", &[round * 5 + seat]).await;
        }
        let killed = place.worker("w", |options| options.stop_before_ack = true);
        let ended = killed.run(Until::Drained, &CancellationToken::new()).await;
        assert_eq!(kind_of(ended), "unknown_outcome");
        assert_eq!(place.sold(&event).await.len() as u32, round * 5 + 5);
        place.bury_the_workers().await;
        let tally = place.drain().await;
        assert_eq!(tally.applied, 0);
        again += tally.again;
        place.agree(&event).await;
    }
    // 20 sales of two entries, and the event.
    assert_eq!(again, 41);
    assert_eq!(
        place.count("SELECT count(*) FROM processed_messages").await,
        41
    );
    assert_eq!(
        place.count("SELECT applied FROM stream_positions").await,
        41
    );
}

#[tokio::test]
async fn an_entry_that_nobody_can_apply_is_put_aside_and_the_others_go_on() {
    let Some(place) = Place::make("an_entry_that_nobody_can_apply").await else {
        return;
    };
    let event = place.plain_event(4).await;
    place.sell_plain(&event, "ann", &[0]).await;
    let stream = event.stream_key();
    let poison: String = place
        .command(&["XADD", &stream, "*", "type", "sold", "by", "nobody"])
        .await;
    let wrong: String = place
        .command(&[
            "XADD",
            &stream,
            "*",
            "type",
            "confirmed",
            "reservation",
            "r",
            "user",
            "u",
            "seats",
            "Z9",
            "token",
            "9",
            "version",
            "0",
        ])
        .await;
    place.sell_plain(&event, "ben", &[1]).await;
    let tally = place.drain().await;
    assert_eq!((tally.applied, tally.dead), (5, 2));
    let dead = place.store.dead_letters(&event, 10).await.unwrap();
    let ids: Vec<&str> = dead.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, [poison.as_str(), wrong.as_str()]);
    let field = |at: usize, name: &str| {
        let found = dead[at].fields.iter().find(|(field, _)| field == name);
        found.unwrap().1.clone()
    };
    assert!(field(0, "why").contains("none of ours"), "{dead:?}");
    assert_eq!(
        (field(0, "by").as_str(), field(0, "tries").as_str()),
        ("nobody", "3")
    );
    assert!(field(1, "why").contains("no seat Z9"), "{dead:?}");
    place.agree(&event).await;
    let states = status(&place.store, &place.ledger, &[]).await.unwrap();
    assert_eq!(
        (
            states[0].dead_letters,
            states[0].position.dead,
            states[0].pending
        ),
        (2, 2, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_of_one_name_share_the_streams_and_each_entry_is_applied_once() {
    let Some(place) = Place::make("two_workers_of_one_name").await else {
        return;
    };
    let mut events = Vec::new();
    for _ in 0..6 {
        events.push(place.plain_event(30).await);
    }
    let stop = CancellationToken::new();
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (worker, stop) = (
                place.worker("same", |options| options.batch = 3),
                stop.clone(),
            );
            tokio::spawn(async move { worker.run(Until::Stopped, &stop).await })
        })
        .collect();
    for seat in 0..20 {
        for event in &events {
            place.sell_plain(event, "ann", &[seat]).await;
        }
    }
    place
        .until("everything is applied", || async {
            place
                .count("SELECT coalesce(sum(applied), 0)::bigint FROM stream_positions")
                .await
                == 6 * 41
        })
        .await;
    place
        .until("both have streams", || async {
            place
                .count("SELECT count(DISTINCT owner) FROM stream_positions")
                .await
                == 2
        })
        .await;
    stop.cancel();
    let mut applied = 0;
    for worker in workers {
        let tally = tokio::time::timeout(LONG, worker)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!((tally.dead, tally.gaps, tally.refused), (0, 0, 0));
        applied += tally.applied;
    }
    assert_eq!(applied, 6 * 41);
    assert_eq!(
        place.count("SELECT count(*) FROM processed_messages").await,
        6 * 41
    );
    assert_eq!(place.count("SELECT count(*) FROM stream_workers").await, 0);
    for event in &events {
        place.agree(event).await;
        assert_eq!(place.sold(event).await.len(), 20);
    }
}

#[tokio::test]
async fn a_trimmed_stream_is_told_and_reconciliation_mends_it() {
    let Some(place) = Place::make("a_trimmed_stream_is_told").await else {
        return;
    };
    let event = place.plain_event(10).await;
    place.sell_plain(&event, "ann", &[0]).await;
    assert_eq!(place.drain().await.gaps, 0);
    place.sell_plain(&event, "ben", &[1]).await;
    place.sell_plain(&event, "cem", &[2]).await;
    let _: u64 = place
        .command(&["XTRIM", &event.stream_key(), "MAXLEN", "1"])
        .await;
    let tally = place.drain().await;
    assert_eq!((tally.gaps, tally.applied), (1, 1));
    // The last entry was there, so that sale is known.
    assert_eq!(place.sold(&event).await.len(), 2);
    let states = status(&place.store, &place.ledger, &[]).await.unwrap();
    assert_eq!(states[0].position.gaps, 1);
    assert!(states[0].position.gap.is_some());
    let reconcile = Reconcile::new(place.store.clone(), place.ledger.clone());
    let asked = Asked {
        repair: true,
        settle: Duration::from_millis(50),
        ..Asked::default()
    };
    let report = reconcile.run(&asked).await.unwrap();
    assert_eq!(report.outcome, Outcome::Repaired);
    assert_eq!(
        report.counts,
        [(Drift::SaleMissingInLedger.name(), 1)].into()
    );
    assert_eq!(place.sold(&event).await.len(), 3);
    place.agree(&event).await;
    assert_eq!(reconcile.run(&asked).await.unwrap().outcome, Outcome::Clean);
}

/// Redis sells a seat that the ledger has sold: a sale that Redis was not told of, whose hold expired there.
#[tokio::test]
async fn a_sale_that_the_ledger_does_not_allow_is_undone_in_redis() {
    let Some(place) = Place::make("a_sale_that_the_ledger_does_not_allow").await else {
        return;
    };
    let event = place.event(2).await;
    let short = place
        .reserve(&event, "ann", &[0], Duration::from_millis(100))
        .await;
    let ended = place.through.clone().stopping_between();
    assert!(ended.confirm(&settle(&event, &short, "ann")).await.is_err());
    let other = async || {
        let wanted = crate::place::reserve(&event, "ben", &[0], MINUTE);
        place.store.reserve(&wanted).await
    };
    place
        .until("the hold has expired", || async { other().await.is_ok() })
        .await;
    let seats = place.store.seats(&event).await.unwrap();
    let (id, ben) = seats
        .reservations
        .iter()
        .find(|(_, one)| one.user == "ben")
        .unwrap();
    let request = labrunner::app::request::Settle {
        event: event.clone(),
        reservation: id.parse().unwrap(),
        user: "ben".parse().unwrap(),
        token: Some(ben.token),
        operation: labrunner::app::request::OperationId::random(),
    };
    place.store.confirm(&request).await.unwrap();

    let tally = place.drain().await;
    assert_eq!((tally.refused, tally.dead), (1, 0));
    place
        .until("Redis was told", || async {
            place.through.repair(100, true).await.unwrap();
            place.ledger.backlog().await.unwrap().open == 0
        })
        .await;
    let seats = place.store.seats(&event).await.unwrap();
    assert_eq!(seats.reservations[id].state, ReservationState::Cancelled);
    assert_eq!(seats.taken["A1"], short.reservation.as_str());
    place.agree(&event).await;
}
