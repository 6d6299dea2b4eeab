//! An empty Redis is filled from the ledger.

use std::collections::BTreeMap;

use labrunner::app::EventId;
use labrunner::app::rebuild::rebuild;
use serde_json::Value;

use crate::place::{MINUTE, Map, Place, kind_of, settle};

/// All of an event in Redis that the ledger answers for.
async fn dump(
    place: &Place,
    event: &EventId,
) -> (Map, Map, Vec<(String, f64)>, BTreeMap<String, Value>) {
    let reservations: Map = place.command(&["HGETALL", &event.reservations_key()]).await;
    let reservations = reservations.into_iter().map(|(id, text)| {
        let mut value: Value = serde_json::from_str(&text).unwrap();
        // When its hold would have ended is known to nobody but Redis, and of no use to a sale.
        value.as_object_mut().unwrap().remove("expires_ms");
        (id, value)
    });
    let mut meta: Map = place.command(&["HGETALL", &event.event_key()]).await;
    // Each has its own clock.
    meta.remove("created_ms");
    (
        meta,
        place.command(&["HGETALL", &event.seats_key()]).await,
        place
            .command(&["ZRANGE", &event.free_key(), "0", "-1", "WITHSCORES"])
            .await,
        reservations.collect(),
    )
}

async fn wipe(place: &Place, events: &[EventId]) {
    for event in events {
        for key in event.script_keys(&labrunner::app::request::OperationId::random()) {
            let _: u64 = place.command(&["DEL", &key]).await;
        }
    }
    let _: u64 = place.command(&["DEL", "events"]).await;
}

#[tokio::test]
async fn a_redis_that_was_wiped_has_afterwards_what_it_had() {
    let Some(place) = Place::make("a_redis_that_was_wiped").await else {
        return;
    };
    let mut events = Vec::new();
    for seats in [1, 7, 1200] {
        let event = place.event(seats).await;
        place.sell(&event, "ann", &[0]).await;
        events.push(event);
    }
    let last = &events[2];
    for first in 1..40 {
        place.sell(last, "ben", &[first * 3, first * 3 + 1]).await;
    }
    let gone = place.sell(last, "cem", &[599, 600]).await;
    place
        .through
        .cancel(&settle(last, &gone, "cem"))
        .await
        .unwrap();
    place.sell(last, "dan", &[599]).await;
    let mut before = Vec::new();
    for event in &events {
        before.push(dump(&place, event).await);
    }
    let order: Vec<String> = place.command(&["ZRANGE", "events", "0", "-1"]).await;

    // Not while anything is there.
    let refused = rebuild(&place.store, &place.ledger, None, false).await;
    assert_eq!(kind_of(refused), "invalid");
    wipe(&place, &events).await;
    assert_eq!(
        kind_of(place.store.availability(last).await),
        "unknown_event"
    );
    let rebuilt = rebuild(&place.store, &place.ledger, None, false)
        .await
        .unwrap();
    assert_eq!(
        (rebuilt.events, rebuilt.reservations, rebuilt.sold),
        (3, 44, 82)
    );
    for (event, before) in events.iter().zip(&before) {
        let after = dump(&place, event).await;
        assert_eq!(after.0, before.0, "{event}");
        assert_eq!(after.1, before.1, "{event}");
        assert_eq!(after.2, before.2, "{event}");
        assert_eq!(after.3, before.3, "{event}");
        place.agree(event).await;
    }
    let after: Vec<String> = place.command(&["ZRANGE", "events", "0", "-1"]).await;
    assert_eq!(after, order);
    // And it works on: the next hold is newer than all before.
    let held = place.reserve(last, "eva", &[700], MINUTE).await;
    assert!(held.token > gone.token);
    place
        .through
        .confirm(&settle(last, &held, "eva"))
        .await
        .unwrap();
    place.drain().await;
    place.agree(last).await;
}

#[tokio::test]
async fn what_is_there_is_replaced_only_if_that_is_said() {
    let Some(place) = Place::make("what_is_there_is_replaced_only").await else {
        return;
    };
    let event = place.event(4).await;
    place.sell(&event, "ann", &[0]).await;
    place.reserve(&event, "ben", &[1], MINUTE).await;
    let one = rebuild(&place.store, &place.ledger, Some(&event), false).await;
    assert_eq!(kind_of(one), "invalid");
    let nowhere: EventId = "zzzzzzzz".parse().unwrap();
    let none = rebuild(&place.store, &place.ledger, Some(&nowhere), false).await;
    assert_eq!(kind_of(none), "unknown_event");
    let one = rebuild(&place.store, &place.ledger, Some(&event), true).await;
    assert_eq!(one.unwrap().events, 1);
    let counted = place.store.availability(&event).await.unwrap();
    assert_eq!((counted.free, counted.held, counted.sold), (3, 0, 1));
    place.agree(&event).await;
}
