//! What is read, with plain commands, so that replicas can serve it.

use std::collections::BTreeMap;

use redis::{FromRedisValue, Pipeline, Value, from_redis_value};
use serde::Deserialize;

use super::client::Request;
use super::{EVENTS_KEY, Store, unknown};
use crate::app::answer::{Availability, EventDetails, Reservation, ReservationState};
use crate::app::error::AppError;
use crate::app::event_id::EventId;
use crate::app::now_ms;
use crate::cluster::Slot;

/// Ids of one page of the index.
const PAGE: isize = 500;

/// Every seat of an event, as the store has it: read in one transaction, so that no change comes between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seats {
    /// How many seats the event has, by its own word.
    pub total: u32,
    /// The free ones.
    pub free: Vec<String>,
    /// The others, with their reservations.
    pub taken: BTreeMap<String, String>,
    /// All reservations.
    pub reservations: BTreeMap<String, Reservation>,
}

/// A reservation as its script writes it.
#[derive(Debug, Deserialize)]
struct Stored {
    user: String,
    seats: Vec<String>,
    state: ReservationState,
    token: u64,
    expires_ms: u64,
}

impl Store {
    /// How many seats an event has, free, held and sold. Seats whose hold is over count as free. Read from whom the settings say; it may
    /// be out of date by the time it is read in any case, so it decides nothing.
    ///
    /// # Errors
    /// No such event, and those of every request.
    pub async fn availability(&self, event: &EventId) -> Result<Availability, AppError> {
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("HMGET")
            .arg(event.event_key())
            .arg(&["name", "seats", "sold"]);
        pipeline.cmd("ZCARD").arg(event.free_key());
        pipeline
            .cmd("ZRANGEBYSCORE")
            .arg(event.holds_key())
            .arg("-inf")
            .arg(now_ms());
        let read = self.read(event.slot(), pipeline).await?;
        let (fields, mut free, over): (Vec<Option<String>>, u32, Vec<String>) = parsed(read)?;
        let [Some(name), Some(seats), sold] = fields.as_slice() else {
            return Err(unknown(event));
        };
        let seats: u32 = super::number(seats)?;
        let sold: u32 = super::number(sold.as_deref().unwrap_or("0"))?;
        if !over.is_empty() {
            let mut pipeline = redis::pipe();
            pipeline
                .cmd("HMGET")
                .arg(event.reservations_key())
                .arg(&over);
            let read = self.read(event.slot(), pipeline).await?;
            let (over,): (Vec<Option<String>>,) = parsed(read)?;
            for text in over.into_iter().flatten() {
                let reservation = stored("", &text)?;
                if reservation.state == ReservationState::Held {
                    free += reservation.seats.len() as u32;
                }
            }
        }
        Ok(Availability {
            name: name.clone(),
            seats,
            free,
            held: seats.saturating_sub(free).saturating_sub(sold),
            sold,
        })
    }

    /// All of an event.
    ///
    /// # Errors
    /// As [`availability`](Self::availability).
    pub async fn details(&self, event: &EventId) -> Result<EventDetails, AppError> {
        let availability = self.availability(event).await?;
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("HGET")
            .arg(event.event_key())
            .arg("created_ms");
        pipeline.cmd("GET").arg(event.views_key());
        pipeline.cmd("HGETALL").arg(event.reservations_key());
        let read = self.read(event.slot(), pipeline).await?;
        let (created, views, texts): (Option<u64>, Option<u64>, BTreeMap<String, String>) =
            parsed(read)?;
        let reservations = texts.iter().map(|(id, text)| stored(id, text));
        let mut reservations = reservations.collect::<Result<Vec<_>, _>>()?;
        reservations.sort_by_key(|reservation| reservation.token);
        Ok(EventDetails {
            availability,
            created_ms: created.unwrap_or(0),
            views: views.unwrap_or(0),
            reservations,
        })
    }

    /// Every seat of an event, and every reservation, from the master.
    ///
    /// # Errors
    /// As [`availability`](Self::availability).
    pub async fn seats(&self, event: &EventId) -> Result<Seats, AppError> {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        pipeline.cmd("HGET").arg(event.event_key()).arg("seats");
        pipeline.cmd("ZRANGE").arg(event.free_key()).arg(0).arg(-1);
        pipeline.cmd("HGETALL").arg(event.seats_key());
        pipeline.cmd("HGETALL").arg(event.reservations_key());
        let read = self
            .client
            .send(event.slot(), |_| Request::Transaction(pipeline.clone()));
        type All = (
            Option<u32>,
            Vec<String>,
            BTreeMap<String, String>,
            BTreeMap<String, String>,
        );
        let (total, free, taken, texts): All = parsed(read.await?)?;
        let reservations = texts
            .iter()
            .map(|(id, text)| Ok((id.clone(), stored(id, text)?)))
            .collect::<Result<_, AppError>>()?;
        Ok(Seats {
            total: total.ok_or_else(|| unknown(event))?,
            free,
            taken,
            reservations,
        })
    }

    /// All events, the newest first, with their seats. One that was listed and never came about is left out.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn events(&self) -> Result<Vec<(EventId, Availability)>, AppError> {
        let slot = Slot::of_key(EVENTS_KEY.as_bytes());
        let mut found = Vec::new();
        for page in 0.. {
            let mut pipeline = redis::pipe();
            pipeline
                .cmd("ZREVRANGE")
                .arg(EVENTS_KEY)
                .arg(page * PAGE)
                .arg((page + 1) * PAGE - 1);
            let (ids,): (Vec<String>,) = parsed(self.read(slot, pipeline).await?)?;
            for id in &ids {
                let Ok(event) = id.parse::<EventId>() else {
                    continue;
                };
                match self.availability(&event).await {
                    Ok(availability) => found.push((event, availability)),
                    Err(AppError::Refused(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            if ids.len() < PAGE.unsigned_abs() {
                break;
            }
        }
        Ok(found)
    }

    /// Reads of one slot.
    pub(super) async fn read(&self, slot: Slot, pipeline: Pipeline) -> Result<Value, AppError> {
        self.client
            .send(slot, |_| Request::Reads(pipeline.clone()))
            .await
    }
}

/// What was read, as what it has to be.
pub(super) fn parsed<T: FromRedisValue>(value: Value) -> Result<T, AppError> {
    from_redis_value(value).map_err(|error| AppError::Unexpected {
        what: format!("what is stored is not what the application stores: {error}"),
    })
}

fn stored(id: &str, text: &str) -> Result<Reservation, AppError> {
    let stored: Stored = serde_json::from_str(text).map_err(|error| AppError::Unexpected {
        what: format!("reservation {id} is not stored as the application does: {error}"),
    })?;
    Ok(Reservation {
        id: id.to_owned(),
        user: stored.user,
        seats: stored.seats,
        state: stored.state,
        token: stored.token,
        expires_ms: stored.expires_ms,
    })
}
