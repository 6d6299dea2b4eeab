//! All that Redis has of an event, as it is stored: what can't be read is kept as a text, since it is what may have to be mended.

use std::collections::BTreeMap;

use redis::pipe;
use serde::{Deserialize, Serialize};

use crate::app::error::AppError;
use crate::app::event_id::EventId;
use crate::app::store::{Store, read_as};

/// All that Redis has of an event.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::app) struct Stored {
    pub(in crate::app) meta: BTreeMap<String, String>,
    pub(in crate::app) seats: BTreeMap<String, String>,
    pub(in crate::app) free: BTreeMap<String, f64>,
    pub(in crate::app) holds: BTreeMap<String, f64>,
    pub(in crate::app) reservations: BTreeMap<String, String>,
    pub(in crate::app) cache: Option<String>,
    /// Whether the index of events has it.
    pub(in crate::app) is_listed: bool,
    /// The node's time, in milliseconds since 1970.
    pub(in crate::app) now_ms: u64,
}

/// A reservation as its script writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::app) struct Kept {
    pub(in crate::app) user: String,
    pub(in crate::app) seats: Vec<String>,
    pub(in crate::app) positions: Vec<u32>,
    pub(in crate::app) state: String,
    pub(in crate::app) expires_ms: u64,
    pub(in crate::app) token: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::app) version: Option<u64>,
}

impl Kept {
    /// As it is stored.
    pub(in crate::app) fn text(&self) -> String {
        // A struct of texts and numbers has always a text.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Stored {
    /// Reads an event at its master, as of one moment.
    pub(in crate::app) async fn read(store: &Store, event: &EventId) -> Result<Stored, AppError> {
        let mut commands = pipe();
        commands.cmd("HGETALL").arg(event.event_key());
        commands.cmd("HGETALL").arg(event.seats_key());
        for key in [event.free_key(), event.holds_key()] {
            commands
                .cmd("ZRANGE")
                .arg(key)
                .arg(&["0", "-1", "WITHSCORES"]);
        }
        commands.cmd("HGETALL").arg(event.reservations_key());
        commands.cmd("GET").arg(event.cache_key());
        commands.cmd("TIME");
        type Map = BTreeMap<String, String>;
        type Set = Vec<(String, f64)>;
        type All = (Map, Map, Set, Set, Map, Option<String>, (u64, u64));
        let (meta, seats, free, holds, reservations, cache, time): All =
            read_as(store.raw(event, &commands).await?)?;
        Ok(Stored {
            meta,
            seats,
            free: free.into_iter().collect(),
            holds: holds.into_iter().collect(),
            reservations,
            cache,
            is_listed: store.is_listed(event).await?,
            now_ms: time.0 * 1000 + time.1 / 1000,
        })
    }

    /// Whether Redis has anything of the event, but for its name in the index.
    pub(in crate::app) fn is_empty(&self) -> bool {
        self.meta.is_empty()
            && self.seats.is_empty()
            && self.free.is_empty()
            && self.reservations.is_empty()
    }
}
