//! The cluster that campaigns run against, and the events that are sold in it.

use std::time::Duration;

use labrunner::admin::Shape;
use labrunner::app::EventId;
use labrunner::app::patterns::WriteThrough;
use labrunner::app::request::CreateEvent;
use labrunner::cluster::NodeName;

/// Three masters, redis-1 to redis-3, which share the slots, with a replica each, redis-4 to redis-6 in the same order.
pub fn three_shards(node_timeout: Duration) -> Shape {
    let name = |n: usize| NodeName::new(format!("redis-{n}"));
    let thirds = ["0-5460", "5461-10922", "10923-16383"];
    Shape {
        node_timeout: Some(node_timeout),
        masters: (1..)
            .zip(thirds)
            .map(|(n, slots)| (name(n), slots.parse().expect("slots")))
            .collect(),
        replicas: (1..=3).map(|n| (name(n + 3), name(n))).collect(),
    }
}

/// The request for an event of so many seats, wherever its slot is.
pub fn event(number: usize, seats: u32) -> CreateEvent {
    CreateEvent {
        name: format!("Event {number}").parse().expect("a name"),
        seats,
        on_slots: None,
    }
}

/// So many events, in both stores.
pub async fn events(through: &WriteThrough, count: usize, seats: u32) -> Vec<EventId> {
    let mut events = Vec::new();
    for number in 0..count {
        let made = through.create_event(&event(number, seats)).await;
        events.push(made.expect("an event").done.event);
    }
    events
}
