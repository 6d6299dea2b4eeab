//! What is written: events, confirmations, cancellations, each one transaction.
//!
//! Whoever changes an event's reservations locks first the seats, in their order, and then the event, whose version he moves on: so two never
//! wait for each other, and the versions of an event are in the order of the commits. The event is locked only for the last statement and the
//! commit, of which an event can have as many a second as its server can commit.

use serde_json::json;
use sqlx::{Connection, PgConnection};

use super::attempt::{Kind, Lent};
use super::connection::Ledger;
use super::failure::Failure;
use super::orders::{answered, kept};
use crate::app::answer::ReservationState;
use crate::app::error::{AppError, Refusal};
use crate::app::event_id::EventId;
use crate::app::request::{CreateEvent, OperationId, ReservationId, User};
use crate::app::seat::Seat;

/// A reservation, as whoever asks has it from Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Of which event.
    pub event: EventId,
    /// Which.
    pub reservation: ReservationId,
    /// Whose.
    pub user: User,
    /// Its seats.
    pub seats: Vec<Seat>,
    /// Its fencing token.
    pub token: u64,
    /// Which operation.
    pub operation: OperationId,
}

/// What a reservation is by the word of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Confirmed or cancelled.
    pub state: ReservationState,
    /// Which.
    pub reservation: ReservationId,
    /// Whose.
    pub user: User,
    /// The seats that are sold, or were given back; none for a hold that was cancelled.
    pub seats: Vec<Seat>,
    /// Its fencing token.
    pub token: u64,
    /// The version of the event that the change made.
    pub version: u64,
}

/// A row of `reservations`, with the seats that it has or had.
pub(super) struct Row {
    pub(super) user_id: String,
    pub(super) state: String,
    pub(super) token: i64,
    pub(super) version: i64,
    pub(super) seats: Vec<String>,
}

impl Row {
    pub(super) fn change(self, reservation: &ReservationId) -> Result<Change, AppError> {
        Ok(Change {
            state: match self.state.as_str() {
                "confirmed" => ReservationState::Confirmed,
                _ => ReservationState::Cancelled,
            },
            reservation: reservation.clone(),
            user: self.user_id.parse()?,
            seats: self.seats.into_iter().map(Seat::stored).collect(),
            token: self.token.unsigned_abs(),
            version: self.version.unsigned_abs(),
        })
    }
}

impl Ledger {
    /// Writes an event with its seats. `false`: another event has that id. `created_ms`: when it was made, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn create_event(
        &self,
        event: &EventId,
        request: &CreateEvent,
        operation: &OperationId,
        created_ms: u64,
    ) -> Result<bool, AppError> {
        request.check()?;
        let labels: Vec<String> = Seat::all(request.seats)
            .map(|seat| seat.as_str().to_owned())
            .collect();
        let seats = i32::try_from(request.seats).unwrap_or(i32::MAX);
        let created_ms = created_ms as f64;
        let fingerprint = format!("create {} {seats} {}", event, request.name.as_str());
        let answer = json!({"created": event.as_str()});
        // Every attempt has them anew.
        let (labels, fingerprint, answer) = (labels.as_slice(), fingerprint.as_str(), &answer);
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            let mut transaction = connection.get()?.begin().await.map_err(self.broke())?;
            let done = sqlx::query_scalar!(
                "SELECT fingerprint FROM operations WHERE id = $1",
                operation.as_str()
            )
            .fetch_optional(&mut *transaction)
            .await
            .map_err(self.broke())?;
            match done {
                Some(same) if same == fingerprint => return Ok(true),
                Some(_) => return Err(reused(operation)),
                None => {}
            }
            let made = sqlx::query!(
                "INSERT INTO events (id, name, seats, created_at) VALUES ($1, $2, $3, to_timestamp($4::float8 / 1000)) \
                 ON CONFLICT DO NOTHING",
                event.as_str(),
                request.name.as_str(),
                seats,
                created_ms
            )
            .execute(&mut *transaction)
            .await
            .map_err(self.broke())?;
            if made.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query!(
                "INSERT INTO seats (event_id, position, label) \
                 SELECT $1, place - 1, label FROM unnest($2::text[]) WITH ORDINALITY AS given (label, place)",
                event.as_str(),
                labels
            )
            .execute(&mut *transaction)
            .await
            .map_err(self.broke())?;
            sqlx::query!(
                "WITH told AS ( \
                   INSERT INTO history (event_id, version, kind, operation_id) VALUES ($1, 1, 'created', $2)), \
                 due AS (INSERT INTO outbox (event_id, version, kind, due_at) VALUES ($1, 1, 'created', now() + interval '2 seconds')) \
                 INSERT INTO operations (id, event_id, fingerprint, answer) VALUES ($2, $1, $3, $4)",
                event.as_str(),
                operation.as_str(),
                fingerprint,
                answer
            )
            .execute(&mut *transaction)
            .await
            .map_err(self.broke())?;
            transaction.commit().await.map_err(self.broke())?;
            Ok(true)
        })
        .await
    }

    /// Makes a hold a sale, if every one of its seats can be had: the one place where that is decided.
    ///
    /// # Errors
    /// [`Refusal`]: somebody else has one of the seats ([`Refusal::HoldLost`]); one was confirmed under a higher token
    /// ([`Refusal::StaleToken`]); the reservation was cancelled, or is somebody else's; no such event or seat; the operation id is another
    /// request's. Those of the connection.
    pub async fn confirm(&self, entry: &Entry) -> Result<Change, AppError> {
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            self.confirm_once(connection.get()?, entry).await
        })
        .await
    }

    async fn confirm_once(
        &self,
        connection: &mut PgConnection,
        entry: &Entry,
    ) -> Result<Change, Failure> {
        let fingerprint = entry.fingerprint("confirm");
        let event = entry.event.as_str();
        let mut transaction = connection.begin().await.map_err(self.broke())?;
        let before = answered(
            &mut transaction,
            &entry.operation,
            &fingerprint,
            self.broke(),
        );
        if let Some(before) = before.await? {
            return Ok(before);
        }
        if let Some(row) = self
            .row(&mut transaction, &entry.event, &entry.reservation)
            .await?
        {
            if row.user_id != entry.user.as_str() {
                return Err(entry.not_holder());
            }
            if row.state == "cancelled" {
                return Err(Refusal::Cancelled {
                    reservation: entry.reservation.to_string(),
                }
                .into());
            }
            return Ok(row.change(&entry.reservation)?);
        }

        let labels = entry.labels();
        let seats = sqlx::query!(
            "SELECT position, label, token FROM seats WHERE event_id = $1 AND label = ANY($2) ORDER BY position FOR UPDATE",
            event,
            &labels
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(self.broke())?;
        if let Some(missing) = labels
            .iter()
            .find(|label| seats.iter().all(|seat| seat.label != **label))
        {
            return Err(self.no_seat(&mut transaction, &entry.event, missing).await);
        }
        let token = i64::try_from(entry.token).unwrap_or(i64::MAX);
        if let Some(highest) = seats.iter().map(|seat| seat.token).max()
            && highest > token
        {
            let refusal = Refusal::StaleToken {
                token: highest.unsigned_abs(),
            };
            return self.unless_done(&mut transaction, entry, refusal).await;
        }
        let positions: Vec<i32> = seats.iter().map(|seat| seat.position).collect();
        let answer = kept(entry, ReservationState::Confirmed, &labels);
        let count = i32::try_from(positions.len()).unwrap_or(i32::MAX);
        let written = sqlx::query!(
            r#"WITH changed AS (
                 UPDATE events SET version = version + 1, sold = sold + $9
                 WHERE id = $1 AND NOT EXISTS (
                   SELECT FROM reserved_seats WHERE event_id = $1 AND position = ANY($5) AND released_at IS NULL)
                 RETURNING version),
               made AS (
                 INSERT INTO reservations (event_id, id, user_id, state, token, version, confirmed_at)
                 SELECT $1, $2, $3, 'confirmed', $4, version, now() FROM changed),
               taken AS (
                 INSERT INTO reserved_seats (event_id, position, reservation_id)
                 SELECT $1, position, $2 FROM changed, unnest($5::int[]) AS position),
               fenced AS (
                 UPDATE seats SET token = $4 FROM changed WHERE event_id = $1 AND position = ANY($5) AND token < $4),
               told AS (
                 INSERT INTO history (event_id, version, kind, reservation_id, user_id, seats, token, operation_id)
                 SELECT $1, version, 'confirmed', $2, $3, $6, $4, $7 FROM changed),
               due AS (
                 INSERT INTO outbox (event_id, reservation_id, version, kind, due_at)
                 SELECT $1, $2, version, 'confirmed', now() + interval '2 seconds' FROM changed),
               kept AS (
                 INSERT INTO operations (id, event_id, fingerprint, answer)
                 SELECT $7, $1, $8, $10 || jsonb_build_object('version', version) FROM changed)
               SELECT version FROM changed"#,
            event,
            entry.reservation.as_str(),
            entry.user.as_str(),
            token,
            &positions,
            &labels,
            entry.operation.as_str(),
            fingerprint,
            count,
            answer
        )
        .fetch_optional(&mut *transaction)
        .await;
        let written = match written {
            Ok(written) => written,
            // Also where the index refuses: by the next attempt it is seen whose the seat is.
            Err(error) => return Err(self.broke()(error)),
        };
        let Some(written) = written else {
            let refusal = Refusal::HoldLost {
                reservation: entry.reservation.to_string(),
            };
            return self.unless_done(&mut transaction, entry, refusal).await;
        };
        transaction.commit().await.map_err(self.broke())?;
        Ok(Change {
            state: ReservationState::Confirmed,
            reservation: entry.reservation.clone(),
            user: entry.user.clone(),
            seats: entry.seats.clone(),
            token: entry.token,
            version: written.version.unsigned_abs(),
        })
    }

    /// Refuses, unless it was this very reservation that came first: a repetition under way at the same time, which had the seats locked until now.
    async fn unless_done(
        &self,
        connection: &mut PgConnection,
        entry: &Entry,
        refusal: Refusal,
    ) -> Result<Change, Failure> {
        let row = read_row(connection, &entry.event, &entry.reservation).await;
        match row.map_err(self.broke())? {
            None => Err(refusal.into()),
            Some(_) => Err(Failure::Conflict(
                "the same was done at the same time".to_owned(),
            )),
        }
    }

    /// Gives a reservation back. One that the ledger does not know is a hold, which from now on can't be confirmed any more: whoever asks has to
    /// know that it is the user's. Cancelled again it stays as it is.
    ///
    /// # Errors
    /// [`Refusal`]: somebody else's; no such event; the operation id is another request's. Those of the connection.
    pub async fn cancel(&self, entry: &Entry) -> Result<Change, AppError> {
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            self.cancel_once(connection.get()?, entry, false).await
        })
        .await
    }

    /// `spares_sales`: what is confirmed stays so.
    pub(super) async fn cancel_once(
        &self,
        connection: &mut PgConnection,
        entry: &Entry,
        spares_sales: bool,
    ) -> Result<Change, Failure> {
        let fingerprint = entry.fingerprint("cancel");
        let event = entry.event.as_str();
        let mut transaction = connection.begin().await.map_err(self.broke())?;
        let before = answered(
            &mut transaction,
            &entry.operation,
            &fingerprint,
            self.broke(),
        );
        if let Some(before) = before.await? {
            return Ok(before);
        }
        let row = self
            .row(&mut transaction, &entry.event, &entry.reservation)
            .await?;
        let (seats, token) = match row {
            Some(row) if row.user_id != entry.user.as_str() => return Err(entry.not_holder()),
            Some(row) if spares_sales || row.state == "cancelled" => {
                return Ok(row.change(&entry.reservation)?);
            }
            Some(row) => (row.seats, row.token),
            None => (Vec::new(), i64::try_from(entry.token).unwrap_or(i64::MAX)),
        };
        let answer = kept(entry, ReservationState::Cancelled, &seats);
        let count = i32::try_from(seats.len()).unwrap_or(i32::MAX);
        let written = sqlx::query!(
            r#"WITH changed AS (
                 UPDATE events SET version = version + 1, sold = sold - $8 WHERE id = $1 RETURNING version),
               made AS (
                 INSERT INTO reservations AS known (event_id, id, user_id, state, token, version, cancelled_at)
                 SELECT $1, $2, $3, 'cancelled', $4, version, now() FROM changed
                 ON CONFLICT (event_id, id) DO UPDATE
                   SET state = 'cancelled', version = excluded.version, cancelled_at = now() WHERE known.state = 'confirmed' AND $8 > 0
                 RETURNING version),
               freed AS (
                 UPDATE reserved_seats SET released_at = now()
                 WHERE event_id = $1 AND reservation_id = $2 AND released_at IS NULL),
               back AS (
                 UPDATE payments SET state = 'refund_due' FROM made WHERE event_id = $1 AND reservation_id = $2 AND state = 'paid'),
               told AS (
                 INSERT INTO history (event_id, version, kind, reservation_id, user_id, seats, token, operation_id)
                 SELECT $1, version, 'cancelled', $2, $3, $5, $4, $6 FROM made),
               due AS (
                 INSERT INTO outbox (event_id, reservation_id, version, kind, due_at)
                 SELECT $1, $2, version, 'cancelled', now() + interval '2 seconds' FROM made),
               kept AS (
                 INSERT INTO operations (id, event_id, fingerprint, answer)
                 SELECT $6, $1, $7, $9 || jsonb_build_object('version', version) FROM made)
               SELECT (SELECT version FROM changed) AS event_version, (SELECT version FROM made) AS version"#,
            event,
            entry.reservation.as_str(),
            entry.user.as_str(),
            token,
            &seats,
            entry.operation.as_str(),
            fingerprint,
            count,
            answer
        )
        .fetch_one(&mut *transaction)
        .await
        .map_err(self.broke())?;
        let version = match (written.event_version, written.version) {
            (None, _) => return Err(unknown(&entry.event)),
            // It became another's state between our look and our statement.
            (Some(_), None) => {
                return Err(Failure::Conflict("somebody else was quicker".to_owned()));
            }
            (Some(_), Some(version)) => version,
        };
        transaction.commit().await.map_err(self.broke())?;
        Ok(Change {
            state: ReservationState::Cancelled,
            reservation: entry.reservation.clone(),
            user: entry.user.clone(),
            seats: seats.into_iter().map(Seat::stored).collect(),
            token: token.unsigned_abs(),
            version: version.unsigned_abs(),
        })
    }

    /// A reservation with its seats, locked against changes by others until the end of the transaction.
    async fn row(
        &self,
        connection: &mut PgConnection,
        event: &EventId,
        reservation: &ReservationId,
    ) -> Result<Option<Row>, Failure> {
        let locked = sqlx::query_scalar!(
            r#"SELECT 1 AS "found!" FROM reservations WHERE event_id = $1 AND id = $2 FOR UPDATE"#,
            event.as_str(),
            reservation.as_str()
        );
        let locked = locked.fetch_optional(&mut *connection).await;
        match locked.map_err(self.broke())? {
            None => Ok(None),
            Some(_) => read_row(connection, event, reservation)
                .await
                .map_err(self.broke()),
        }
    }

    async fn no_seat(
        &self,
        connection: &mut PgConnection,
        event: &EventId,
        label: &str,
    ) -> Failure {
        let known = sqlx::query_scalar!(
            r#"SELECT 1 AS "found!" FROM events WHERE id = $1"#,
            event.as_str()
        );
        match known.fetch_optional(connection).await {
            Ok(None) => unknown(event),
            Ok(Some(_)) => Refusal::NoSuchSeat {
                seat: Seat::stored(label.to_owned()),
            }
            .into(),
            Err(error) => self.broke()(error),
        }
    }
}

/// A reservation with its seats, by their positions.
pub(super) async fn read_row(
    connection: &mut PgConnection,
    event: &EventId,
    reservation: &ReservationId,
) -> Result<Option<Row>, sqlx::Error> {
    sqlx::query_as!(
        Row,
        r#"SELECT user_id, state, r.token, version,
             ARRAY(SELECT label FROM reserved_seats s JOIN seats USING (event_id, position)
                   WHERE s.event_id = r.event_id AND s.reservation_id = r.id ORDER BY position) AS "seats!"
           FROM reservations r WHERE event_id = $1 AND id = $2"#,
        event.as_str(),
        reservation.as_str()
    )
    .fetch_optional(connection)
    .await
}

impl Entry {
    /// What is asked, as a text; without what Redis adds to it.
    fn fingerprint(&self, what: &str) -> String {
        format!("{what} {} {} {}", self.event, self.reservation, self.user)
    }

    fn labels(&self) -> Vec<String> {
        self.seats
            .iter()
            .map(|seat| seat.as_str().to_owned())
            .collect()
    }

    fn not_holder(&self) -> Failure {
        Refusal::NotHolder {
            reservation: self.reservation.to_string(),
            user: self.user.to_string(),
        }
        .into()
    }
}

pub(super) fn unknown(event: &EventId) -> Failure {
    Refusal::UnknownEvent {
        event: event.to_string(),
    }
    .into()
}

fn reused(operation: &OperationId) -> Failure {
    Refusal::OperationReused {
        operation: operation.to_string(),
    }
    .into()
}
