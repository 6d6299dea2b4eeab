//! Streams are trimmed, and the rows that say what was applied are removed, but never as long as somebody could still ask.

use std::time::Duration;

use labrunner::app::EventId;
use labrunner::app::worker::{Until, status};
use tokio_util::sync::CancellationToken;

use crate::place::{Place, settle};

const ROWS: &str = "SELECT count(*) FROM processed_messages";

async fn ids(place: &Place, event: &EventId) -> Vec<String> {
    let found: Vec<(String, Vec<String>)> = place
        .command(&["XRANGE", &event.stream_key(), "-", "+"])
        .await;
    found.into_iter().map(|entry| entry.0).collect()
}

/// A worker that keeps nothing longer than this works until `enough` says so.
async fn tidy_until<F: Future<Output = bool>>(
    place: &Place,
    keep: Duration,
    enough: impl FnMut() -> F,
) {
    let stop = CancellationToken::new();
    let worker = place.worker("w", |options| options.keep = keep);
    let working = {
        let stop = stop.clone();
        tokio::spawn(async move { worker.run(Until::Stopped, &stop).await })
    };
    place.until("it is tidied", enough).await;
    stop.cancel();
    let tally = working.await.unwrap().unwrap();
    assert_eq!((tally.gaps, tally.dead), (0, 0));
}

#[tokio::test]
async fn what_every_group_has_done_with_is_forgotten_after_its_time() {
    let Some(place) = Place::make("what_every_group_has_done_with").await else {
        return;
    };
    let event = place.plain_event(300).await;
    for seat in 0..120 {
        place.sell_plain(&event, "ann", &[seat]).await;
    }
    assert_eq!(place.drain().await.applied, 241);
    // An hour is not over yet: nothing goes.
    place.drain().await;
    assert_eq!(ids(&place, &event).await.len(), 241);
    assert_eq!(place.count(ROWS).await, 241);

    let all = ids(&place, &event).await;
    tidy_until(&place, Duration::from_millis(1), || async {
        place.count(ROWS).await == 1
    })
    .await;
    // The last one stays, and its row.
    assert_eq!(ids(&place, &event).await, all[240..]);
    let mark =
        "SELECT count(*) FROM stream_positions WHERE forgotten_before = last_id AND applied = 241";
    assert_eq!(place.count(mark).await, 1);
    let states = status(&place.store, &place.ledger, &[]).await.unwrap();
    assert_eq!((states[0].pending, states[0].position.gaps), (0, 0));
    // It goes on from there.
    place.sell_plain(&event, "ben", &[200]).await;
    let tally = place.drain().await;
    assert_eq!((tally.applied, tally.again, tally.gaps), (2, 0, 0));
    place.agree(&event).await;
}

#[tokio::test]
async fn what_another_group_has_not_done_with_stays() {
    let Some(place) = Place::make("what_another_group_has_not_done_with").await else {
        return;
    };
    let event = place.plain_event(40).await;
    let stream = event.stream_key();
    let _: String = place
        .command(&["XGROUP", "CREATE", &stream, "mail", "0"])
        .await;
    for seat in 0..10 {
        place.sell_plain(&event, "ann", &[seat]).await;
    }
    assert_eq!(place.drain().await.applied, 21);
    let all = ids(&place, &event).await;
    // Another group was given none of it.
    let trimmed = place
        .store
        .trim(&event, &all[20], Duration::ZERO, 1000)
        .await;
    assert_eq!(trimmed.unwrap(), None);
    assert_eq!(ids(&place, &event).await, all);
    assert_eq!(place.count(ROWS).await, 21);
    // It was given all, and has acknowledged the first eight: these go.
    let _: redis::Value = place
        .command(&["XREADGROUP", "GROUP", "mail", "me", "STREAMS", &stream, ">"])
        .await;
    let mut words = vec!["XACK", &stream, "mail"];
    words.extend(all[..8].iter().map(String::as_str));
    let _: u64 = place.command(&words).await;
    place.bury_the_workers().await;
    tidy_until(&place, Duration::ZERO, || async {
        ids(&place, &event).await.len() == 13 && place.count(ROWS).await == 13
    })
    .await;
    assert_eq!(ids(&place, &event).await, all[8..]);
}

/// What was forgotten comes back: by a replica that had not heard of the trimming, or by a group that somebody made anew.
#[tokio::test]
async fn an_entry_that_was_forgotten_and_comes_again_is_not_applied_again() {
    let Some(place) = Place::make("an_entry_that_was_forgotten_and_comes_again").await else {
        return;
    };
    let event = place.plain_event(20).await;
    let stream = event.stream_key();
    let first = place.sell_plain(&event, "ann", &[0]).await;
    place
        .store
        .cancel(&settle(&event, &first, "ann"))
        .await
        .unwrap();
    for seat in 1..8 {
        place.sell_plain(&event, "ben", &[seat]).await;
    }
    let kept: Vec<u8> = place.command(&["DUMP", &stream]).await;
    assert_eq!(place.drain().await.applied, 18);
    let applied = ids(&place, &event).await;
    tidy_until(&place, Duration::ZERO, || async {
        place.count(ROWS).await == 1
    })
    .await;
    let before = place.ledger.history(&event, 100).await.unwrap();

    // The stream as it was before it was drained: with all entries, and without the group.
    let mut command = redis::cmd("RESTORE");
    command.arg(&stream).arg(0).arg(kept).arg("REPLACE");
    let _: String = command.query_async(&mut place.raw.clone()).await.unwrap();
    assert_eq!(ids(&place, &event).await, applied);
    let tally = place.drain().await;
    assert_eq!((tally.applied, tally.again, tally.dead), (0, 18, 0));
    assert_eq!(place.ledger.history(&event, 100).await.unwrap(), before);
    place.sell_plain(&event, "cem", &[10]).await;
    assert_eq!(place.drain().await.applied, 2);
    place.agree(&event).await;
}

/// A worker dies when Redis has forgotten and the ledger has not: the next one comes to it.
#[tokio::test]
async fn rows_that_a_dead_worker_left_are_removed_by_the_next() {
    let Some(place) = Place::make("rows_that_a_dead_worker_left").await else {
        return;
    };
    let event = place.plain_event(20).await;
    for seat in 0..6 {
        place.sell_plain(&event, "ann", &[seat]).await;
    }
    assert_eq!(place.drain().await.applied, 13);
    let last = ids(&place, &event).await.pop().unwrap();
    let before = place
        .store
        .trim(&event, &last, Duration::ZERO, 1000)
        .await
        .unwrap();
    assert_eq!(before.as_ref(), Some(&last));
    assert_eq!(place.count(ROWS).await, 13);
    tidy_until(&place, Duration::ZERO, || async {
        place.count(ROWS).await == 1
    })
    .await;
    assert_eq!(ids(&place, &event).await, [last]);
}

/// Who has lost a stream forgets nothing of it.
#[tokio::test]
async fn only_who_has_a_stream_forgets_its_entries() {
    let Some(place) = Place::make("only_who_has_a_stream_forgets").await else {
        return;
    };
    let event = place.plain_event(4).await;
    place.sell_plain(&event, "ann", &[0]).await;
    place.drain().await;
    let forgotten = place
        .ledger
        .forget(
            event.as_str(),
            &event.stream_key(),
            "another",
            "9999999999999-0",
        )
        .await;
    assert_eq!(forgotten.unwrap(), None);
    assert_eq!(place.count(ROWS).await, 3);
    let untouched = "SELECT count(*) FROM stream_positions WHERE forgotten_before = '0-0'";
    assert_eq!(place.count(untouched).await, 1);
}
