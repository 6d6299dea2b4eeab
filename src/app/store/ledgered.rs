//! What Redis is asked and told where a ledger decides: how a hold stands, what the ledger says, and the cache of its word.

use std::time::Duration;

use super::{Store, not_settled, number, stored_seats, strange, texts, unknown};
use crate::app::answer::ReservationState;
use crate::app::error::AppError;
use crate::app::event_id::EventId;
use crate::app::ledger::Change;
use crate::app::request::Settle;
use crate::app::scripts;
use crate::app::seat::Seat;

/// For how long a cache refuses what is older than what the ledger has said last. Whoever fills it has to have read the ledger within this
/// time, see [`crate::app::patterns::cache_aside`].
pub const FLOOR_TIME: Duration = Duration::from_secs(120);

/// How a reservation stands in Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Held or confirmed.
    pub state: ReservationState,
    /// Its fencing token.
    pub token: u64,
    /// Its seats.
    pub seats: Vec<Seat>,
}

/// What came of filling a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// The newer version that is there, where one is; then nothing was changed.
    pub newer: Option<u64>,
    /// The node's time, in milliseconds since 1970.
    pub now_ms: u64,
}

impl Store {
    /// How a reservation stands, by the node's clock.
    ///
    /// # Errors
    /// [`AppError::Refused`], as [`confirm`](Self::confirm): where it is neither held nor confirmed, or not the user's.
    pub async fn hold(&self, request: &Settle) -> Result<Standing, AppError> {
        let event = &request.event;
        let keys = [event.event_key(), event.reservations_key()];
        let token = request.token.map(|token| token.to_string());
        let arguments = [
            request.reservation.to_string(),
            request.user.to_string(),
            token.unwrap_or_default(),
        ];
        let answer = self
            .script(&scripts::HOLD, event.slot(), &keys, &arguments)
            .await?;
        let standing = |state, token: &str, seats: &[&str]| {
            Ok(Standing {
                state,
                token: number(token)?,
                seats: stored_seats(seats),
            })
        };
        match texts(&answer).as_slice() {
            ["held", token, _, seats @ ..] => standing(ReservationState::Held, token, seats),
            ["confirmed", token, _, seats @ ..] => {
                standing(ReservationState::Confirmed, token, seats)
            }
            other => Err(not_settled("hold", other, request)),
        }
    }

    /// Tells Redis what the ledger says of a reservation. May be done twice and in any order: the newest stays. Whoever had one of the seats
    /// on hold has lost it then; these are returned.
    ///
    /// # Errors
    /// Redis has no such event or seat, or has sold one of the seats by itself to somebody else ([`AppError::Unexpected`]); those of every
    /// request.
    pub async fn record(&self, event: &EventId, change: &Change) -> Result<Vec<String>, AppError> {
        let keys = [
            event.event_key(),
            event.seats_key(),
            event.free_key(),
            event.holds_key(),
            event.reservations_key(),
            event.stream_key(),
            event.cache_key(),
        ];
        let state = match change.state {
            ReservationState::Confirmed => "confirmed",
            _ => "cancelled",
        };
        let mut arguments = vec![
            state.to_owned(),
            change.reservation.to_string(),
            change.user.to_string(),
            change.token.to_string(),
            change.version.to_string(),
            FLOOR_TIME.as_millis().to_string(),
        ];
        for seat in &change.seats {
            arguments.push(seat.position().unwrap_or_default().to_string());
            arguments.push(seat.to_string());
        }
        let answer = self
            .script(&scripts::RECORD, event.slot(), &keys, &arguments)
            .await?;
        match texts(&answer).as_slice() {
            ["recorded", evicted @ ..] => Ok(evicted.iter().map(|id| (*id).to_owned()).collect()),
            ["known", _] => Ok(Vec::new()),
            ["no_event"] => Err(unknown(event)),
            ["conflict", seat, reservation] => Err(AppError::Unexpected {
                what: format!(
                    "Redis has sold seat {seat} to reservation {reservation}, of which the ledger knows nothing"
                ),
            }),
            ["no_seat", seat] => Err(AppError::Unexpected {
                what: format!("Redis has no seat {seat} of event {event}, free or taken"),
            }),
            other => Err(strange("record", other)),
        }
    }

    /// Has every hold to come get a higher token than this one.
    ///
    /// # Errors
    /// No such event, and those of every request.
    pub async fn raise_token(&self, event: &EventId, token: u64) -> Result<(), AppError> {
        let keys = [event.event_key()];
        let arguments = [token.to_string()];
        let answer = self
            .script(&scripts::RAISE_TOKEN, event.slot(), &keys, &arguments)
            .await?;
        match texts(&answer).as_slice() {
            ["token", _] => Ok(()),
            ["no_event"] => Err(unknown(event)),
            other => Err(strange("raise_token", other)),
        }
    }

    /// Puts a value into an event's cache for a time, unless something newer is there; without a value, only the version, so that nothing older
    /// comes in. `took`: how long it took to make the value.
    ///
    /// # Errors
    /// Those of every request.
    pub async fn fill(
        &self,
        event: &EventId,
        version: u64,
        ttl: Duration,
        took: Duration,
        value: &str,
    ) -> Result<Filled, AppError> {
        let keys = [event.cache_key()];
        let arguments = [
            version.to_string(),
            ttl.as_millis().max(1).to_string(),
            took.as_millis().to_string(),
            value.to_owned(),
        ];
        let answer = self
            .script(&scripts::FILL, event.slot(), &keys, &arguments)
            .await?;
        match texts(&answer).as_slice() {
            ["filled", now_ms] => Ok(Filled {
                newer: None,
                now_ms: number(now_ms)?,
            }),
            ["newer", version, now_ms] => Ok(Filled {
                newer: Some(number(version)?),
                now_ms: number(now_ms)?,
            }),
            other => Err(strange("fill", other)),
        }
    }

    /// What is in an event's cache, as it is stored: read from the master, and one plain `GET`.
    ///
    /// # Errors
    /// Those of every request.
    pub async fn cached(&self, event: &EventId) -> Result<Option<String>, AppError> {
        let mut command = redis::cmd("GET");
        command.arg(event.cache_key());
        self.change(event.slot(), command).await
    }
}
