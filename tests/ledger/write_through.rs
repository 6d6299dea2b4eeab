//! Write-through: what each end between its two writes leaves, and who has a seat after a failover.

use std::time::{Duration, Instant};

use labrunner::app::Refusal;
use labrunner::app::answer::ReservationState;
use labrunner::app::ledger::Entry;
use labrunner::app::request::Settle;
use sqlx::{Executor, Row};

use crate::place::{LONG, MINUTE, Place, settle};
use crate::refusal_of;

#[tokio::test]
async fn what_is_confirmed_is_in_both_and_so_is_what_is_cancelled() {
    let Some(place) = Place::make("what_is_confirmed_is_in_both").await else {
        return;
    };
    let event = place.event(4).await;
    let held = place.reserve(&event, "ann", &[0, 1], MINUTE).await;
    let request = settle(&event, &held, "ann");
    let written = place.through.confirm(&request).await.unwrap();
    assert_eq!(written.behind, None);
    assert_eq!(written.done.seats, held.seats);
    place.agree(&event).await;
    // The same again, and by another operation: the same answer, nothing new.
    assert_eq!(place.through.confirm(&request).await.unwrap(), written);
    let again = settle(&event, &held, "ann");
    assert_eq!(place.through.confirm(&again).await.unwrap(), written);
    assert_eq!(place.ledger.history(&event, 10).await.unwrap().len(), 2);

    let other = place.reserve(&event, "ben", &[2], MINUTE).await;
    let thief = Settle {
        token: None,
        ..settle(&event, &other, "ann")
    };
    assert!(matches!(
        refusal_of(place.through.confirm(&thief).await),
        Refusal::NotHolder { .. }
    ));
    // A hold that is cancelled, and a sale.
    let gone = place.through.cancel(&settle(&event, &other, "ben")).await;
    assert_eq!(gone.unwrap().done.seats, other.seats);
    assert!(matches!(
        refusal_of(place.through.confirm(&settle(&event, &other, "ben")).await),
        Refusal::Cancelled { .. }
    ));
    let gone = place.through.cancel(&settle(&event, &held, "ann")).await;
    assert_eq!(gone.unwrap().done.seats, held.seats);
    place.agree(&event).await;
    let counted = place.store.availability(&event).await.unwrap();
    assert_eq!((counted.free, counted.held, counted.sold), (4, 0, 0));
    // The seats can be sold again.
    place.sell(&event, "cem").await;
    place.agree(&event).await;
}

/// The program ends between the two writes; the hold expires, and somebody else holds the seat. The sale stands, and the other loses a hold.
#[tokio::test]
async fn a_sale_that_redis_was_not_told_of_stands() {
    let Some(place) = Place::make("a_sale_that_redis_was_not_told_of_stands").await else {
        return;
    };
    let event = place.event(2).await;
    let held = place
        .reserve(&event, "ann", &[0], Duration::from_millis(300))
        .await;
    let request = settle(&event, &held, "ann");
    let ended = place.through.clone().stopping_between();
    let error = ended.confirm(&request).await.unwrap_err();
    assert_eq!(error.kind(), "unknown_outcome");
    assert_eq!(place.ledger.backlog().await.unwrap().open, 1);
    assert_eq!(
        place.state(&event, &held).await,
        Some(ReservationState::Held)
    );

    place.cluster.sleep(Duration::from_millis(400)).await;
    let other = place.reserve(&event, "ben", &[0], MINUTE).await;
    assert_eq!(
        place.state(&event, &held).await,
        Some(ReservationState::Expired)
    );
    assert!(matches!(
        refusal_of(place.through.confirm(&settle(&event, &other, "ben")).await),
        Refusal::HoldLost { .. }
    ));
    // Whoever asks again for what was done gets the answer, though Redis knows nothing of it any more. And with it Redis is told.
    let written = place.through.confirm(&request).await.unwrap();
    assert_eq!(
        (written.behind, written.done.seats),
        (None, held.seats.clone())
    );
    assert_eq!(
        place.state(&event, &held).await,
        Some(ReservationState::Confirmed)
    );
    assert_eq!(
        place.state(&event, &other).await,
        Some(ReservationState::Lost)
    );
    assert!(matches!(
        refusal_of(place.through.confirm(&settle(&event, &other, "ben")).await),
        Refusal::HoldLost { .. }
    ));
    place.agree(&event).await;
}

#[tokio::test]
async fn what_redis_was_not_told_is_told_by_a_repair() {
    let Some(place) = Place::make("what_redis_was_not_told_is_told_by_a_repair").await else {
        return;
    };
    let event = place.event(4).await;
    let ended = place.through.clone().stopping_between();
    let mut all = Vec::new();
    for seat in 0..3 {
        let held = place.reserve(&event, "ann", &[seat], MINUTE).await;
        assert!(ended.confirm(&settle(&event, &held, "ann")).await.is_err());
        all.push(held);
    }
    assert!(ended.cancel(&settle(&event, &all[0], "ann")).await.is_err());
    let backlog = place.ledger.backlog().await.unwrap();
    assert_eq!(backlog.open, 4);
    // Not due yet: whoever wrote them might be about to tell.
    assert_eq!(place.through.repair(10, false).await.unwrap().told, 0);
    let repaired = place.through.repair(10, true).await.unwrap();
    assert_eq!((repaired.told, repaired.failed.len()), (4, 0));
    place.agree(&event).await;
    // A change that comes later mends what is due on its way.
    let held = place.reserve(&event, "ben", &[3], MINUTE).await;
    assert!(ended.confirm(&settle(&event, &held, "ben")).await.is_err());
    let mut connection = place.database.connect().await;
    connection
        .execute("UPDATE outbox SET due_at = now() WHERE done_at IS NULL")
        .await
        .unwrap();
    place.sell(&event, "cem").await;
    place.agree(&event).await;
}

/// The master goes in the very moment between the two writes, since the ledger takes its time.
#[tokio::test(flavor = "multi_thread")]
async fn redis_fails_between_the_writes_and_is_told_when_it_is_back() {
    let Some(place) = Place::make("redis_fails_between_the_writes").await else {
        return;
    };
    let event = place.event(2).await;
    let held = place.reserve(&event, "ann", &[0], MINUTE).await;
    let mut connection = place.database.connect().await;
    connection
        .execute(
            "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN new; END $$;
             CREATE TRIGGER slowly BEFORE INSERT ON reservations FOR EACH ROW EXECUTE FUNCTION slowly()",
        )
        .await
        .unwrap();
    let through = place.through.clone();
    let through = through.second_write_within(Duration::from_millis(800));
    let request = settle(&event, &held, "ann");
    let confirming = tokio::spawn(async move { through.confirm(&request).await });
    let until = Instant::now() + LONG;
    loop {
        let asleep = connection
            .fetch_one("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()")
            .await
            .unwrap();
        if asleep.get::<i64, _>(0) == 1 {
            break;
        }
        assert!(Instant::now() < until, "the ledger was never asked");
    }
    place.cluster.kill(place.master(&event));
    let written = confirming.await.unwrap().unwrap();
    assert!(written.behind.is_some());
    assert_eq!(written.done.seats, held.seats);
    assert_eq!(place.ledger.backlog().await.unwrap().open, 1);
    let slot = event.slot();
    let back = place.cluster.until(LONG, move |look| {
        (0..look.len()).any(|node| {
            look.is_running(node) && look.owner(node, slot) == Some(node) && look.is_ok(node)
        })
    });
    assert!(back.await);
    place.store.look_again().await;
    let repaired = place.through.repair(10, true).await.unwrap();
    assert_eq!((repaired.told, repaired.failed), (1, Vec::new()));
    place.agree(&event).await;
}

/// A failover forgets a hold, and somebody else gets the seat. Both want it confirmed: it is one's, and the other is told.
#[tokio::test]
async fn a_hold_that_a_failover_forgot_never_makes_a_second_owner() {
    let Some(place) = Place::make("a_hold_that_a_failover_forgot").await else {
        return;
    };
    for ann_first in [false, true] {
        let event = place.event(2).await;
        assert!(place.cluster.until(LONG, |look| look.is_settled()).await);
        // What its replica does not get: the hold, and that the event's token was moved on.
        let master = place.master(&event);
        place.cluster.partition(&[&[master]]);
        let lost = place.reserve(&event, "ann", &[0], MINUTE).await;
        place.fail_over(&event).await;
        place.cluster.heal();
        assert_eq!(place.state(&event, &lost).await, None);
        let found = place.reserve(&event, "ben", &[0], MINUTE).await;
        assert_eq!(
            found.token, lost.token,
            "the failover forgot the token as well"
        );

        let ann = settle(&event, &lost, "ann");
        let ben = settle(&event, &found, "ben");
        if ann_first {
            // She was on her way: she had asked Redis before the failover.
            let entry = Entry {
                event: event.clone(),
                reservation: lost.reservation.clone(),
                user: "ann".parse().unwrap(),
                seats: lost.seats.clone(),
                token: lost.token,
                operation: ann.operation.clone(),
            };
            place.ledger.confirm(&entry).await.unwrap();
            assert!(matches!(
                refusal_of(place.through.confirm(&ben).await),
                Refusal::HoldLost { .. }
            ));
            assert_eq!(place.through.confirm(&ann).await.unwrap().behind, None);
            assert_eq!(
                place.state(&event, &found).await,
                Some(ReservationState::Lost)
            );
        } else {
            assert!(matches!(
                refusal_of(place.through.confirm(&ann).await),
                Refusal::HoldLost { .. }
            ));
            place.through.confirm(&ben).await.unwrap();
            assert!(matches!(
                refusal_of(place.through.confirm(&ann).await),
                Refusal::HoldLost { .. }
            ));
        }
        let owners = place.ledger.confirmed(&event).await.unwrap();
        assert_eq!(owners.len(), 1);
        assert_eq!(
            owners[0].user.as_str(),
            if ann_first { "ann" } else { "ben" }
        );
        place.agree(&event).await;
        place.cluster.start_again(master).unwrap();
    }
}

/// After a failover that forgot tokens, a hold is refused once, as from before; the next one is newer than all that was.
#[tokio::test]
async fn tokens_grow_again_after_a_failover_that_forgot_some() {
    let Some(place) = Place::make("tokens_grow_again").await else {
        return;
    };
    let event = place.event(2).await;
    assert!(place.cluster.until(LONG, |look| look.is_settled()).await);
    place.cluster.partition(&[&[place.master(&event)]]);
    for _ in 0..3 {
        let held = place.sell(&event, "ann").await;
        let cancelled = place.through.cancel(&settle(&event, &held, "ann")).await;
        cancelled.unwrap();
    }
    place.fail_over(&event).await;
    place.cluster.heal();
    let held = place.reserve(&event, "ben", &[0], MINUTE).await;
    assert_eq!(held.token, 1);
    assert_eq!(
        refusal_of(place.through.confirm(&settle(&event, &held, "ben")).await),
        Refusal::StaleToken { token: 3 }
    );
    place
        .through
        .cancel(&settle(&event, &held, "ben"))
        .await
        .unwrap();
    assert_eq!(place.sell(&event, "ben").await.token, 4);
    place.agree(&event).await;
}

/// Held seats come back within a second of the later of their end and the promotion.
#[tokio::test]
async fn held_seats_come_back_when_their_time_is_over_and_the_master_is_promoted() {
    let Some(place) = Place::make("held_seats_come_back").await else {
        return;
    };
    let event = place.event(1).await;
    // It ends long before the replica takes over.
    let held = place
        .reserve(&event, "ann", &[0], Duration::from_millis(200))
        .await;
    assert!(place.cluster.until(LONG, |look| look.is_settled()).await);
    place.fail_over(&event).await;
    let promoted = Instant::now();
    let next = place.reserve(&event, "ben", &[0], MINUTE).await;
    assert!(
        promoted.elapsed() < Duration::from_secs(1),
        "{:?}",
        promoted.elapsed()
    );
    assert_ne!(next.reservation, held.reservation);
}

/// A transaction that a master which has become a replica refuses goes where it was sent on to, also as the first that is asked afterwards.
#[tokio::test]
async fn every_seat_is_read_at_the_new_master_though_the_old_one_answers() {
    let Some(place) = Place::make("every_seat_is_read_at_the_new_master").await else {
        return;
    };
    let event = place.event(2).await;
    assert!(place.cluster.until(LONG, |look| look.is_settled()).await);
    let (old, slot) = (place.master(&event), event.slot());
    place.cluster.freeze(old);
    let taken_over = place.cluster.until(LONG, move |look| {
        (0..look.len())
            .any(|new| new != old && look.owner(new, slot) == Some(new) && look.is_ok(new))
    });
    assert!(taken_over.await);
    place.cluster.thaw(old);
    let follows = place
        .cluster
        .until(LONG, move |look| look.master_of(old).is_some());
    assert!(follows.await);
    let seats = place.store.seats(&event).await.unwrap();
    assert_eq!(seats.free.len(), 2);
}
