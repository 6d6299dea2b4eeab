//! The id of an event, and the keys of everything that belongs to it.

use std::fmt;
use std::str::FromStr;

use rand::Rng;

use super::error::AppError;
use crate::cluster::{Slot, SlotSet};

/// How many signs an id has: 32^8 is a million million, so that two creations hardly ever draw the same one; where they do, the script
/// refuses the second and another is drawn.
const LENGTH: usize = 8;
/// Without those that are read for one another.
const SIGNS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// The id of an event. It is the hash tag of all keys of the event, which therefore live in one slot, where one script can change all of
/// them at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(String);

impl EventId {
    /// A new id, at random.
    pub fn random() -> Self {
        let mut random = rand::rng();
        let signs = (0..LENGTH).map(|_| char::from(SIGNS[random.random_range(0..SIGNS.len())]));
        EventId(signs.collect())
    }

    /// A new id whose keys are in one of these slots; `None` if there are none.
    pub fn random_in(slots: &SlotSet) -> Option<Self> {
        if slots.is_empty() {
            return None;
        }
        // For a single slot, one id in 16,384 fits: some milliseconds.
        loop {
            let id = EventId::random();
            if slots.contains(id.slot()) {
                return Some(id);
            }
        }
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The slot of all its keys.
    pub fn slot(&self) -> Slot {
        Slot::of_key(self.event_key().as_bytes())
    }

    /// Hash: `name`, `seats`, `sold`, `created_ms`, `token` (the last fencing token).
    pub fn event_key(&self) -> String {
        format!("event:{{{}}}", self.0)
    }

    /// Hash: each seat that is held or sold, with its reservation.
    pub fn seats_key(&self) -> String {
        self.key("seats")
    }

    /// Sorted set: the free seats by their position.
    pub fn free_key(&self) -> String {
        self.key("free")
    }

    /// Sorted set: the reservations that are held, by when they expire (milliseconds since 1970, by the node's clock).
    pub fn holds_key(&self) -> String {
        self.key("holds")
    }

    /// Hash: the reservations as JSON.
    pub fn reservations_key(&self) -> String {
        self.key("reservations")
    }

    /// Stream: an entry for every change.
    pub fn stream_key(&self) -> String {
        self.key("stream")
    }

    /// Stream: entries of that one that nobody can apply.
    pub fn dead_key(&self) -> String {
        self.key("dead")
    }

    /// How often the event was shown.
    pub fn views_key(&self) -> String {
        self.key("views")
    }

    /// What is cached of the ledger's word on the event, with its version.
    pub fn cache_key(&self) -> String {
        self.key("cache")
    }

    /// The record of one operation: what was asked, and the answer.
    pub fn operation_key(&self, operation: &super::request::OperationId) -> String {
        self.key(&format!("op:{operation}"))
    }

    /// The keys of a transition's script, in the order that all of them have.
    pub fn script_keys(&self, operation: &super::request::OperationId) -> [String; 7] {
        [
            self.event_key(),
            self.seats_key(),
            self.free_key(),
            self.holds_key(),
            self.reservations_key(),
            self.stream_key(),
            self.operation_key(operation),
        ]
    }

    fn key(&self, what: &str) -> String {
        format!("event:{{{}}}:{what}", self.0)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EventId {
    type Err = AppError;

    fn from_str(text: &str) -> Result<Self, AppError> {
        let fits = text.len() == LENGTH && text.bytes().all(|sign| SIGNS.contains(&sign));
        if fits {
            return Ok(EventId(text.to_owned()));
        }
        Err(AppError::invalid(
            format!("{} is not the id of an event", super::request::shown(text)),
            "an id has eight letters and digits, as `create-event` prints it; `events` lists those that there are",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::request::OperationId;

    #[test]
    fn all_keys_of_an_event_are_in_its_slot() {
        for _ in 0..100 {
            let id = EventId::random();
            assert_eq!(id.as_str().parse::<EventId>().unwrap(), id);
            let keys = id.script_keys(&OperationId::random());
            for key in keys.iter().chain([&id.views_key(), &id.cache_key()]) {
                assert_eq!(Slot::of_key(key.as_bytes()), id.slot(), "{key}");
            }
        }
    }

    #[test]
    fn an_id_is_placed_where_it_is_wanted() {
        let slots: SlotSet = "0-5460".parse().unwrap();
        for _ in 0..20 {
            assert!(slots.contains(EventId::random_in(&slots).unwrap().slot()));
        }
        let one: SlotSet = "478".parse().unwrap();
        assert_eq!(EventId::random_in(&one).unwrap().slot().get(), 478);
        assert_eq!(EventId::random_in(&SlotSet::new()), None);
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "abc",
            "ABCDEFGH",
            "abcdefgl",
            "abcdefghi",
            "{bcdefgh",
            "äbcdefg",
        ] {
            let error = text.parse::<EventId>().unwrap_err();
            assert!(matches!(error, AppError::Invalid { .. }), "{text}: {error}");
        }
    }
}
