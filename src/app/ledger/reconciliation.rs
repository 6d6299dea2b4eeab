//! What a comparison with Redis needs: all of an event, and where what was found is written down.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::Connection;

use super::attempt::{Kind, Lent};
use super::connection::Ledger;
use crate::app::error::AppError;

/// All that the ledger has of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whole {
    /// Its name.
    pub name: String,
    /// How many seats it has.
    pub seats: u32,
    /// How many are sold.
    pub sold: u32,
    /// Grows with every change.
    pub version: u64,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// Its reservations.
    pub reservations: BTreeMap<String, Written>,
}

/// A reservation in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Whose.
    pub user: String,
    /// Confirmed, or else cancelled.
    pub is_confirmed: bool,
    /// Its fencing token.
    pub token: u64,
    /// The version of the event that made it what it is.
    pub version: u64,
    /// The seats that it has, or had: their labels by their positions.
    pub seats: BTreeMap<u32, String>,
}

/// Something that differs, as it is written down.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// In which event.
    pub event: String,
    /// What kind.
    pub kind: &'static str,
    /// In which reservation.
    pub reservation: Option<String>,
    /// At which seat.
    pub seat: Option<String>,
    /// What each side has.
    pub details: Value,
}

/// How many seats of an event were what, by the word of Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Of which event.
    pub event: String,
    /// All seats.
    pub seats: u32,
    /// Those that could be had.
    pub free: u32,
    /// Those on hold.
    pub held: u32,
    /// Those sold.
    pub sold: u32,
}

fn small(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn big(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Ledger {
    /// All of an event, as of one moment; nothing where there is none.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn whole(&self, event: &str) -> Result<Option<Whole>, AppError> {
        self.attempts(Kind::Read, move |mut connection: Lent| async move {
            let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
            let mut transaction = connection.get()?.begin_with(begin).await.map_err(self.broke())?;
            let Some(head) = sqlx::query!(
                r#"SELECT name, seats, sold, version, (extract(epoch FROM created_at) * 1000)::bigint AS "created_ms!"
                   FROM events WHERE id = $1"#,
                event
            )
            .fetch_optional(&mut *transaction)
            .await
            .map_err(self.broke())?
            else {
                return Ok(None);
            };
            let rows = sqlx::query!(
                r#"SELECT r.id, r.user_id, r.state, r.token, r.version,
                     array_agg(t.position ORDER BY t.position) FILTER (WHERE t.position IS NOT NULL) AS positions,
                     array_agg(s.label ORDER BY t.position) FILTER (WHERE t.position IS NOT NULL) AS labels
                   FROM reservations r
                   LEFT JOIN reserved_seats t ON t.event_id = r.event_id AND t.reservation_id = r.id
                   LEFT JOIN seats s ON s.event_id = t.event_id AND s.position = t.position
                   WHERE r.event_id = $1 GROUP BY r.event_id, r.id"#,
                event
            )
            .fetch_all(&mut *transaction)
            .await
            .map_err(self.broke())?;
            let reservations = rows.into_iter().map(|row| {
                let positions = row.positions.unwrap_or_default().into_iter();
                let labels = row.labels.unwrap_or_default();
                let written = Written {
                    user: row.user_id,
                    is_confirmed: row.state == "confirmed",
                    token: row.token.unsigned_abs(),
                    version: row.version.unsigned_abs(),
                    seats: positions.map(i32::unsigned_abs).zip(labels).collect(),
                };
                (row.id, written)
            });
            Ok(Some(Whole {
                name: head.name,
                seats: head.seats.unsigned_abs(),
                sold: head.sold.unsigned_abs(),
                version: head.version.unsigned_abs(),
                created_ms: u64::try_from(head.created_ms).unwrap_or(0),
                reservations: reservations.collect(),
            }))
        })
        .await
    }

    /// The highest token under which anybody has compared and repaired; 0 before the first.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn highest_lock_token(&self) -> Result<u64, AppError> {
        self.attempts(Kind::Read, move |mut connection: Lent| async move {
            let token = sqlx::query_scalar!(
                r#"SELECT coalesce(max(lock_token), 0) AS "token!" FROM reconciliation_runs"#
            )
            .fetch_one(connection.get()?)
            .await
            .map_err(self.broke())?;
            Ok(token.unsigned_abs())
        })
        .await
    }

    /// A comparison begins; its number. With a token it may repair.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn begin_run(&self, lock_token: Option<u64>) -> Result<i64, AppError> {
        let token = lock_token.map(big);
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            // Asked again, since no answer came, it is the run that was begun.
            sqlx::query_scalar!(
                "INSERT INTO reconciliation_runs (lock_token, repairs) VALUES ($1, $1::bigint IS NOT NULL) \
                 ON CONFLICT (lock_token) DO UPDATE SET started_at = reconciliation_runs.started_at RETURNING id",
                token
            )
            .fetch_one(connection.get()?)
            .await
            .map_err(self.broke())
        })
        .await
    }

    /// Writes down what was found; the numbers of the findings, in their order.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn found(&self, run: i64, findings: &[Finding]) -> Result<Vec<i64>, AppError> {
        let events: &Vec<String> = &findings.iter().map(|one| one.event.clone()).collect();
        let kinds: &Vec<String> = &findings.iter().map(|one| one.kind.to_owned()).collect();
        let reservations: &Vec<Option<String>> =
            &findings.iter().map(|one| one.reservation.clone()).collect();
        let seats: &Vec<Option<String>> = &findings.iter().map(|one| one.seat.clone()).collect();
        let details: &Vec<Value> = &findings.iter().map(|one| one.details.clone()).collect();
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            sqlx::query_scalar!(
                "INSERT INTO drift_findings (run_id, event_id, kind, reservation_id, seat, details) \
                 SELECT $1, event, kind, reservation, seat, details \
                 FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::jsonb[]) \
                   AS given (event, kind, reservation, seat, details) RETURNING id",
                run,
                events,
                kinds,
                reservations as &[Option<String>],
                seats as &[Option<String>],
                details
            )
            .fetch_all(connection.get()?)
            .await
            .map_err(self.broke())
        })
        .await
    }

    /// What was found is repaired.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn mended(&self, findings: &[i64]) -> Result<(), AppError> {
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            sqlx::query!(
                "UPDATE drift_findings SET repaired_at = now() WHERE id = ANY($1)",
                findings
            )
            .execute(connection.get()?)
            .await
            .map(|_| ())
            .map_err(self.broke())
        })
        .await
    }

    /// A comparison ends.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn end_run(&self, run: i64, events: u32, outcome: &str) -> Result<(), AppError> {
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            sqlx::query!(
                "UPDATE reconciliation_runs SET finished_at = now(), events_checked = $2, outcome = $3 WHERE id = $1",
                run,
                small(events),
                outcome
            )
            .execute(connection.get()?)
            .await
            .map(|_| ())
            .map_err(self.broke())
        })
        .await
    }

    /// Writes down how many seats are what in Redis.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn snapshots(&self, run: i64, snapshots: &[Snapshot]) -> Result<(), AppError> {
        let events: &Vec<String> = &snapshots.iter().map(|one| one.event.clone()).collect();
        let column = |of: fn(&Snapshot) -> u32| -> Vec<i32> {
            snapshots.iter().map(|one| small(of(one))).collect()
        };
        let seats = &column(|one| one.seats);
        let free = &column(|one| one.free);
        let held = &column(|one| one.held);
        let sold = &column(|one| one.sold);
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            sqlx::query!(
                "INSERT INTO availability_snapshots (event_id, run_id, seats, free, held, sold) \
                 SELECT event, $1, seats, free, held, sold \
                 FROM unnest($2::text[], $3::int[], $4::int[], $5::int[], $6::int[]) AS given (event, seats, free, held, sold) \
                 WHERE NOT EXISTS (SELECT FROM availability_snapshots WHERE run_id = $1 AND event_id = event)",
                run,
                events,
                seats,
                free,
                held,
                sold
            )
            .execute(connection.get()?)
            .await
            .map(|_| ())
            .map_err(self.broke())
        })
        .await
    }

    /// Rows of the outbox that were given up are tried again; how many. Whose they are, and why, is left where it was.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn try_again(&self) -> Result<u64, AppError> {
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            sqlx::query!(
                "UPDATE outbox SET gave_up_at = NULL, attempts = 0, due_at = now() WHERE gave_up_at IS NOT NULL"
            )
            .execute(connection.get()?)
            .await
            .map(|done| done.rows_affected())
            .map_err(self.broke())
        })
        .await
    }
}
