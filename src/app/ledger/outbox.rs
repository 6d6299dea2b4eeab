//! The outbox: what Redis has not been told yet. Each row is written with the change that it tells of, so none is ever forgotten.

use serde::Serialize;

use super::attempt::{Kind, Lent};
use super::connection::Ledger;
use super::record::{Change, read_row};
use crate::app::error::AppError;
use crate::app::event_id::EventId;
use crate::app::request::ReservationId;

/// How often a row is tried before somebody has to look: with the waits between, for about ten minutes.
const ATTEMPTS: i32 = 12;

/// One thing that Redis has to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The row.
    pub id: i64,
    /// Of which event.
    pub event: EventId,
    /// The version of the event that it tells of.
    pub version: u64,
    /// How often it was tried, this time among them.
    pub attempts: u32,
    /// What it is.
    pub told: Told,
}

/// What Redis has to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// An event was made.
    Created {
        /// Its name.
        name: String,
        /// How many seats it has.
        seats: u32,
    },
    /// What a reservation is by now: not what it was when the row was written.
    Reservation(Change),
}

/// How the outbox stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Backlog {
    /// Rows that Redis has not been told of.
    pub open: u64,
    /// How old the oldest of them is, in milliseconds; 0 where there is none.
    pub oldest_ms: u64,
    /// Rows that were tried as often as they may be: somebody has to look.
    pub given_up: u64,
}

impl Ledger {
    /// Takes up to `limit` rows to try them: those that are due, or with `all` every open one. Until they are due again nobody else takes them; whoever
    /// dies with them leaves them to the next.
    ///
    /// A row is due in a minute at most. One that says more than two was written before the server's clock was set back, and is due, too.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn take_tasks(&self, limit: u32, all: bool) -> Result<Vec<Task>, AppError> {
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            let rows = sqlx::query!(
                r#"UPDATE outbox o
                   SET attempts = attempts + 1,
                       due_at = now() + least(interval '1 minute', interval '1 second' * power(2, least(o.attempts, 10)))
                   FROM events e
                   WHERE e.id = o.event_id AND o.id IN (
                     SELECT id FROM outbox
                     WHERE done_at IS NULL AND gave_up_at IS NULL AND (due_at NOT BETWEEN now() AND now() + interval '2 minutes' OR $2)
                     ORDER BY due_at, id LIMIT $1 FOR UPDATE SKIP LOCKED)
                   RETURNING o.id, o.event_id, o.reservation_id, o.version, o.attempts, e.name, e.seats"#,
                i64::from(limit),
                all
            )
            .fetch_all(connection.get()?)
            .await
            .map_err(self.broke())?;
            let mut tasks = Vec::with_capacity(rows.len());
            for row in rows {
                let event: EventId = row.event_id.parse()?;
                let told = match row.reservation_id {
                    None => Some(Told::Created {
                        name: row.name,
                        seats: row.seats.unsigned_abs(),
                    }),
                    Some(reservation) => {
                        let reservation = ReservationId::stored(reservation);
                        let found = read_row(connection.get()?, &event, &reservation);
                        match found.await.map_err(self.broke())? {
                            Some(found) => Some(Told::Reservation(found.change(&reservation)?)),
                            None => None,
                        }
                    }
                };
                tasks.extend(told.map(|told| Task {
                    id: row.id,
                    event,
                    version: row.version.unsigned_abs(),
                    attempts: row.attempts.unsigned_abs(),
                    told,
                }));
            }
            tasks.sort_by_key(|task| task.id);
            Ok(tasks)
        })
        .await
    }

    /// Redis has been told what a reservation is (or, without one, that the event was made) as of this version: what the outbox has of it up to
    /// there is done.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn told(
        &self,
        event: &EventId,
        reservation: Option<&ReservationId>,
        version: u64,
    ) -> Result<(), AppError> {
        let version = i64::try_from(version).unwrap_or(i64::MAX);
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            sqlx::query!(
                "UPDATE outbox SET done_at = now(), gave_up_at = NULL \
                 WHERE event_id = $1 AND reservation_id IS NOT DISTINCT FROM $2 AND version <= $3 AND done_at IS NULL",
                event.as_str(),
                reservation.map(ReservationId::as_str),
                version
            )
            .execute(connection.get()?)
            .await
            .map(|_| ())
            .map_err(self.broke())
        })
        .await
    }

    /// A task has failed. After its last attempt it is given up, which is to be seen in the [`Backlog`].
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn not_told(&self, task: &Task, why: &str) -> Result<(), AppError> {
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            sqlx::query!(
                "UPDATE outbox SET last_error = $2, gave_up_at = CASE WHEN attempts >= $3 THEN now() END \
                 WHERE id = $1 AND done_at IS NULL",
                task.id,
                why,
                ATTEMPTS
            )
            .execute(connection.get()?)
            .await
            .map(|_| ())
            .map_err(self.broke())
        })
        .await
    }

    /// How the outbox stands.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn backlog(&self) -> Result<Backlog, AppError> {
        self.attempts(Kind::Read, move |mut connection: Lent| async move {
            let row = sqlx::query!(
                r#"SELECT count(*) FILTER (WHERE gave_up_at IS NULL) AS "open!",
                     count(gave_up_at) AS "given_up!",
                     coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE gave_up_at IS NULL)) * 1000, 0)::bigint AS "oldest_ms!"
                   FROM outbox WHERE done_at IS NULL"#
            )
            .fetch_one(connection.get()?)
            .await
            .map_err(self.broke())?;
            Ok(Backlog {
                open: row.open.unsigned_abs(),
                oldest_ms: u64::try_from(row.oldest_ms).unwrap_or(0),
                given_up: row.given_up.unsigned_abs(),
            })
        })
        .await
    }
}
