//! Who drains which stream, and how far each is: a worker owns an event's stream as long as it is seen, and nobody else applies entries of it.
//!
//! That one worker at a time has a stream is what keeps its entries in order. It is decided here and not in Redis, where a failover could give a
//! stream to two: whoever applies entries locks the row of the stream's position, and finds in it whether the stream is still his.

use std::time::Duration;

use serde::Serialize;

use super::attempt::{Kind, Lent};
use super::connection::Ledger;
use crate::app::error::AppError;

/// A worker that was not seen for so long has died, and others take what it had. So has one that was seen later than that from now: it was before the
/// server's clock was set back, and who is alive has been seen since.
pub const DEAD_AFTER: Duration = Duration::from_secs(5);

/// A stream that is this worker's, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The event, as it is called in Redis.
    pub event: String,
    /// The last entry that was applied; `0-0` before the first.
    pub last_id: String,
}

/// How far a stream is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Position {
    /// The event.
    pub event: String,
    /// The name of the worker that has it; nothing where none does.
    pub worker: Option<String>,
    /// The last entry that was applied.
    pub last_id: String,
    /// How many were.
    pub applied: u64,
    /// Sales among them that the ledger did not allow.
    pub refused: u64,
    /// Entries that could not be applied.
    pub dead: u64,
    /// How often the one that is being tried again has failed.
    pub tries: u32,
    /// What came of the last time that one failed.
    pub last_error: Option<String>,
    /// How often entries were found to be missing.
    pub gaps: u64,
    /// Between which two the last time.
    pub gap: Option<(String, String)>,
}

impl Ledger {
    /// Says that a worker is alive, and which streams of `events` it has from now on: its share, which is what there is by the number of workers.
    /// Streams of dead workers are taken, and what is more than the share is given up.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn lease(
        &self,
        instance: &str,
        name: &str,
        events: &[String],
    ) -> Result<Vec<Lease>, AppError> {
        let dead_after = DEAD_AFTER.as_secs_f64();
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            let connection = connection.get()?;
            sqlx::query!(
                "INSERT INTO stream_workers (instance, name) VALUES ($1, $2) \
                 ON CONFLICT (instance) DO UPDATE SET seen_at = now()",
                instance,
                name
            )
            .execute(&mut *connection)
            .await
            .map_err(self.broke())?;
            sqlx::query!(
                "INSERT INTO stream_positions (event_id) SELECT id FROM unnest($1::text[]) AS id \
                 WHERE NOT EXISTS (SELECT FROM stream_positions WHERE event_id = id) ON CONFLICT DO NOTHING",
                events
            )
            .execute(&mut *connection)
            .await
            .map_err(self.broke())?;
            // Nobody waits here for a stream that is being applied: there is a next time.
            let owned = sqlx::query!(
                r#"WITH alive AS (
                     SELECT instance FROM stream_workers WHERE seen_at BETWEEN now() - make_interval(secs => $3) AND now() + make_interval(secs => $3) OR instance = $1),
                   share AS (
                     SELECT ceil(cardinality($2::text[])::numeric / greatest(1, (SELECT count(*) FROM alive)))::bigint AS most),
                   mine AS (
                     SELECT event_id, row_number() OVER (ORDER BY event_id) AS place FROM stream_positions
                     WHERE event_id = ANY($2) AND owner = $1),
                   surplus AS (
                     SELECT event_id FROM stream_positions
                     WHERE event_id IN (SELECT event_id FROM mine, share WHERE place > most) FOR UPDATE SKIP LOCKED),
                   given AS (
                     UPDATE stream_positions p SET owner = NULL FROM surplus WHERE p.event_id = surplus.event_id RETURNING p.event_id),
                   free AS (
                     SELECT event_id FROM stream_positions
                     WHERE event_id = ANY($2) AND (owner IS NULL OR owner NOT IN (SELECT instance FROM alive))
                     ORDER BY event_id
                     LIMIT greatest(0, (SELECT most FROM share) - (SELECT count(*) FROM mine)) FOR UPDATE SKIP LOCKED),
                   taken AS (
                     UPDATE stream_positions p SET owner = $1 FROM free WHERE p.event_id = free.event_id RETURNING p.event_id, p.last_id)
                   SELECT p.event_id AS "event_id!", p.last_id AS "last_id!" FROM stream_positions p
                     WHERE p.event_id IN (SELECT event_id FROM mine) AND p.event_id NOT IN (SELECT event_id FROM given)
                   UNION ALL SELECT event_id, last_id FROM taken"#,
                instance,
                events,
                dead_after
            )
            .fetch_all(&mut *connection)
            .await
            .map_err(self.broke())?;
            Ok(owned
                .into_iter()
                .map(|row| Lease {
                    event: row.event_id,
                    last_id: row.last_id,
                })
                .collect())
        })
        .await
    }

    /// How many of these streams are those of workers that are alive, and not this one's.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn leased_to_others(
        &self,
        instance: &str,
        events: &[String],
    ) -> Result<u64, AppError> {
        let dead_after = DEAD_AFTER.as_secs_f64();
        self.attempts(Kind::Read, move |mut connection: Lent| async move {
            let count = sqlx::query_scalar!(
                r#"SELECT count(*) AS "count!" FROM stream_positions p JOIN stream_workers w ON w.instance = p.owner
                   WHERE p.event_id = ANY($2) AND w.instance <> $1 AND w.seen_at BETWEEN now() - make_interval(secs => $3) AND now() + make_interval(secs => $3)"#,
                instance,
                events,
                dead_after
            )
            .fetch_one(connection.get()?)
            .await
            .map_err(self.broke())?;
            Ok(count.unsigned_abs())
        })
        .await
    }

    /// A worker ends in order: what it has is free.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn end_leases(&self, instance: &str) -> Result<(), AppError> {
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            sqlx::query!(
                "WITH free AS (UPDATE stream_positions SET owner = NULL WHERE owner = $1), \
                 old AS (DELETE FROM stream_workers WHERE seen_at < now() - interval '1 day') \
                 DELETE FROM stream_workers WHERE instance = $1",
                instance
            )
            .execute(connection.get()?)
            .await
            .map(|_| ())
            .map_err(self.broke())
        })
        .await
    }

    /// An entry could not be applied: says how often that is by now.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn entry_failed(
        &self,
        event: &str,
        instance: &str,
        id: &str,
        why: &str,
    ) -> Result<u32, AppError> {
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            let tries = sqlx::query_scalar!(
                "UPDATE stream_positions SET failing_id = $3, last_error = $4, \
                   tries = CASE WHEN failing_id = $3 THEN tries + 1 ELSE 1 END \
                 WHERE event_id = $1 AND owner = $2 RETURNING tries",
                event,
                instance,
                id,
                why
            )
            .fetch_optional(connection.get()?)
            .await
            .map_err(self.broke())?;
            Ok(tries.unwrap_or(0).unsigned_abs())
        })
        .await
    }

    /// An entry is among the dead letters: those behind it go on. `source`: the key of the stream.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn entry_buried(
        &self,
        event: &str,
        source: &str,
        instance: &str,
        id: &str,
    ) -> Result<(), AppError> {
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            sqlx::query!(
                "WITH moved AS ( \
                   UPDATE stream_positions SET last_id = $4, dead = dead + 1, failing_id = NULL, tries = 0, moved_at = now() \
                   WHERE event_id = $1 AND owner = $3 RETURNING event_id) \
                 INSERT INTO processed_messages (source, message_id) SELECT $2, $4 FROM moved ON CONFLICT DO NOTHING",
                event,
                source,
                instance,
                id
            )
            .execute(connection.get()?)
            .await
            .map(|_| ())
            .map_err(self.broke())
        })
        .await
    }

    /// Entries of a stream are missing between these two. Told twice of one gap it is noted once.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn gap_found(&self, event: &str, from: &str, to: &str) -> Result<(), AppError> {
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            sqlx::query!(
                "UPDATE stream_positions SET gaps = gaps + 1, gap_from = $2, gap_to = $3 \
                 WHERE event_id = $1 AND (gap_from, gap_to) IS DISTINCT FROM ($2::text, $3::text)",
                event,
                from,
                to
            )
            .execute(connection.get()?)
            .await
            .map(|_| ())
            .map_err(self.broke())
        })
        .await
    }

    /// How far every stream is, or one.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn positions(&self, events: Option<&[String]>) -> Result<Vec<Position>, AppError> {
        let dead_after = DEAD_AFTER.as_secs_f64();
        self.attempts(Kind::Read, move |mut connection: Lent| async move {
            let rows = sqlx::query!(
                r#"SELECT p.event_id, w.name AS "name?", p.last_id, p.applied, p.refused, p.dead, p.tries, p.last_error, p.gaps, p.gap_from, p.gap_to
                   FROM stream_positions p
                   LEFT JOIN stream_workers w ON w.instance = p.owner AND w.seen_at BETWEEN now() - make_interval(secs => $2) AND now() + make_interval(secs => $2)
                   WHERE $1::text[] IS NULL OR p.event_id = ANY($1)
                   ORDER BY p.event_id"#,
                events,
                dead_after
            )
            .fetch_all(connection.get()?)
            .await
            .map_err(self.broke())?;
            Ok(rows
                .into_iter()
                .map(|row| Position {
                    event: row.event_id,
                    worker: row.name,
                    last_id: row.last_id,
                    applied: row.applied.unsigned_abs(),
                    refused: row.refused.unsigned_abs(),
                    dead: row.dead.unsigned_abs(),
                    tries: row.tries.unsigned_abs(),
                    last_error: row.last_error,
                    gaps: row.gaps.unsigned_abs(),
                    gap: row.gap_from.zip(row.gap_to),
                })
                .collect())
        })
        .await
    }

    /// The ids of all events, in order.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn event_ids(&self) -> Result<Vec<String>, AppError> {
        self.attempts(Kind::Read, move |mut connection: Lent| async move {
            sqlx::query_scalar!("SELECT id FROM events ORDER BY id")
                .fetch_all(connection.get()?)
                .await
                .map_err(self.broke())
        })
        .await
    }
}
