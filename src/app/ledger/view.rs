//! What is read from the ledger.

use serde::{Deserialize, Serialize};

use super::attempt::{Kind, Lent};
use super::connection::Ledger;
use super::outbox::Backlog;
use super::record::{Change, read_row};
use crate::app::error::AppError;
use crate::app::event_id::EventId;
use crate::app::request::ReservationId;

/// An event by the word of the ledger: what changes seldom and is read often, so that it is worth a cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// Its name.
    pub name: String,
    /// How many seats it has.
    pub seats: u32,
    /// How many of them are sold.
    pub sold: u32,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// Grows with every change.
    pub version: u64,
}

/// What one event has sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sale {
    /// The event.
    pub event: String,
    /// Its name.
    pub name: String,
    /// How many seats it has.
    pub seats: u32,
    /// How many are sold.
    pub sold: u32,
    /// In how many reservations.
    pub reservations: u64,
    /// To how many users.
    pub buyers: u64,
    /// How many reservations were confirmed and cancelled later.
    pub cancelled: u64,
}

/// An entry of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Happened {
    /// The version that the event had afterwards.
    pub version: u64,
    /// `created`, `confirmed` or `cancelled`.
    pub kind: String,
    /// Which reservation, if it was one.
    pub reservation: Option<String>,
    /// Whose.
    pub user: Option<String>,
    /// Its seats.
    pub seats: Vec<String>,
    /// When, in milliseconds since 1970, by the clock of the database.
    pub at_ms: u64,
}

/// How the ledger stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerState {
    /// Events.
    pub events: u64,
    /// Reservations that are confirmed.
    pub confirmed: u64,
    /// Reservations that were cancelled.
    pub cancelled: u64,
    /// Seats that are sold.
    pub sold: u64,
    /// Entries of the history.
    pub history: u64,
    /// What Redis has not been told yet.
    pub outbox: Backlog,
}

impl Ledger {
    /// An event; nothing where there is none.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn sheet(&self, event: &EventId) -> Result<Option<Sheet>, AppError> {
        self.attempts(Kind::Read, move |mut connection: Lent| async move {
            let row = sqlx::query!(
                r#"SELECT name, seats, sold, version, (extract(epoch FROM created_at) * 1000)::bigint AS "created_ms!"
                   FROM events WHERE id = $1"#,
                event.as_str()
            )
            .fetch_optional(connection.get()?)
            .await
            .map_err(self.broke())?;
            Ok(row.map(|row| Sheet {
                name: row.name,
                seats: row.seats.unsigned_abs(),
                sold: row.sold.unsigned_abs(),
                created_ms: u64::try_from(row.created_ms).unwrap_or(0),
                version: row.version.unsigned_abs(),
            }))
        })
        .await
    }

    /// What a reservation is; nothing where it was neither confirmed nor cancelled.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn reservation(
        &self,
        event: &EventId,
        reservation: &ReservationId,
    ) -> Result<Option<Change>, AppError> {
        self.attempts(Kind::Read, move |mut connection: Lent| async move {
            let found = read_row(connection.get()?, event, reservation).await;
            let found = found.map_err(self.broke())?;
            Ok(found.map(|row| row.change(reservation)).transpose()?)
        })
        .await
    }

    /// The reservations of an event that are confirmed, in the order in which they were.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn confirmed(&self, event: &EventId) -> Result<Vec<Change>, AppError> {
        self.attempts(Kind::Read, move |mut connection: Lent| async move {
            let rows = sqlx::query!(
                r#"SELECT r.id, r.user_id, r.state, r.token, r.version, array_agg(s.label ORDER BY s.position) AS "seats!"
                   FROM reservations r
                   JOIN reserved_seats t ON t.event_id = r.event_id AND t.reservation_id = r.id AND t.released_at IS NULL
                   JOIN seats s ON s.event_id = t.event_id AND s.position = t.position
                   WHERE r.event_id = $1 AND r.state = 'confirmed'
                   GROUP BY r.event_id, r.id ORDER BY r.version"#,
                event.as_str()
            )
            .fetch_all(connection.get()?)
            .await
            .map_err(self.broke())?;
            let mut found = Vec::with_capacity(rows.len());
            for row in rows {
                let reservation = ReservationId::stored(row.id);
                let row = super::record::Row {
                    user_id: row.user_id,
                    state: row.state,
                    token: row.token,
                    version: row.version,
                    seats: row.seats,
                };
                found.push(row.change(&reservation)?);
            }
            Ok(found)
        })
        .await
    }

    /// What every event has sold, or one, the best sold first.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn sales(&self, event: Option<&EventId>) -> Result<Vec<Sale>, AppError> {
        self.attempts(Kind::Read, move |mut connection: Lent| async move {
            let rows = sqlx::query!(
                r#"SELECT e.id, e.name, e.seats, e.sold,
                     count(r.id) FILTER (WHERE r.state = 'confirmed') AS "reservations!",
                     count(DISTINCT r.user_id) FILTER (WHERE r.state = 'confirmed') AS "buyers!",
                     count(r.id) FILTER (WHERE r.state = 'cancelled' AND r.confirmed_at IS NOT NULL) AS "cancelled!"
                   FROM events e LEFT JOIN reservations r ON r.event_id = e.id
                   WHERE $1::text IS NULL OR e.id = $1
                   GROUP BY e.id ORDER BY e.sold DESC, e.id"#,
                event.map(EventId::as_str)
            )
            .fetch_all(connection.get()?)
            .await
            .map_err(self.broke())?;
            Ok(rows
                .into_iter()
                .map(|row| Sale {
                    event: row.id,
                    name: row.name,
                    seats: row.seats.unsigned_abs(),
                    sold: row.sold.unsigned_abs(),
                    reservations: row.reservations.unsigned_abs(),
                    buyers: row.buyers.unsigned_abs(),
                    cancelled: row.cancelled.unsigned_abs(),
                })
                .collect())
        })
        .await
    }

    /// What happened to an event, in order: the last `limit` entries.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn history(&self, event: &EventId, limit: u32) -> Result<Vec<Happened>, AppError> {
        self.attempts(Kind::Read, move |mut connection: Lent| async move {
            let rows = sqlx::query!(
                r#"SELECT version, kind, reservation_id, user_id, seats,
                     (extract(epoch FROM happened_at) * 1000)::bigint AS "at_ms!"
                   FROM history WHERE event_id = $1 ORDER BY version DESC LIMIT $2"#,
                event.as_str(),
                i64::from(limit)
            )
            .fetch_all(connection.get()?)
            .await
            .map_err(self.broke())?;
            Ok(rows
                .into_iter()
                .rev()
                .map(|row| Happened {
                    version: row.version.unsigned_abs(),
                    kind: row.kind,
                    reservation: row.reservation_id,
                    user: row.user_id,
                    seats: row.seats,
                    at_ms: u64::try_from(row.at_ms).unwrap_or(0),
                })
                .collect())
        })
        .await
    }

    /// How the ledger stands.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn state(&self) -> Result<LedgerState, AppError> {
        let outbox = self.backlog().await?;
        self.attempts(Kind::Read, move |mut connection: Lent| async move {
            let row = sqlx::query!(
                r#"SELECT (SELECT count(*) FROM events) AS "events!",
                     (SELECT count(*) FROM reservations WHERE state = 'confirmed') AS "confirmed!",
                     (SELECT count(*) FROM reservations WHERE state = 'cancelled') AS "cancelled!",
                     (SELECT count(*) FROM reserved_seats WHERE released_at IS NULL) AS "sold!",
                     (SELECT count(*) FROM history) AS "history!""#
            )
            .fetch_one(connection.get()?)
            .await
            .map_err(self.broke())?;
            Ok(LedgerState {
                events: row.events.unsigned_abs(),
                confirmed: row.confirmed.unsigned_abs(),
                cancelled: row.cancelled.unsigned_abs(),
                sold: row.sold.unsigned_abs(),
                history: row.history.unsigned_abs(),
                outbox,
            })
        })
        .await
    }
}
