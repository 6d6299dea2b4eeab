//! What comes from the streams: a batch of entries of one event is applied in one transaction, together with the rows that say so.

use std::collections::{HashMap, HashSet};

use sqlx::{Connection, PgConnection};

use super::attempt::{Kind, Lent};
use super::batch::{Effect, Known, Message, Plan, Standing, order, plan};
use super::connection::Ledger;
use super::failure::Failure;
use crate::app::error::AppError;
use crate::app::seat::Seat;

/// A batch of entries of an event's stream, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The event.
    pub event: String,
    /// The key of the stream.
    pub source: String,
    /// The entries.
    pub messages: Vec<Message>,
}

/// What came of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intake {
    /// How many entries are applied: the first so many. That they were before is as good.
    pub done: usize,
    /// How many of them had been applied before.
    pub again: usize,
    /// Sales that the ledger did not allow.
    pub refused: usize,
    /// The version of the event, where it has changed.
    pub version: Option<u64>,
    /// Why the entry behind those could not be applied.
    pub stuck: Option<String>,
    /// The stream is not this worker's any more; nothing was done.
    pub lost: bool,
}

impl Ledger {
    /// Applies a batch: everything up to the first entry that can't be applied, once.
    ///
    /// # Errors
    /// [`AppError`]; then nothing was done, or it is found to have been done the next time.
    pub async fn take_in(&self, batch: &Batch, instance: &str) -> Result<Intake, AppError> {
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            self.take_in_once(connection.get()?, batch, instance).await
        })
        .await
    }

    async fn take_in_once(
        &self,
        connection: &mut PgConnection,
        batch: &Batch,
        instance: &str,
    ) -> Result<Intake, Failure> {
        let mut transaction = connection.begin().await.map_err(self.broke())?;
        let ids: Vec<String> = batch.messages.iter().map(|one| one.id.clone()).collect();
        // Nobody else can apply entries of the stream once the row is locked, and nobody could before whose stream it is.
        let mine = sqlx::query!(
            r#"SELECT forgotten_before,
                 ARRAY(SELECT message_id FROM processed_messages WHERE source = $3 AND message_id = ANY($4)) AS "before!"
               FROM stream_positions WHERE event_id = $1 AND owner = $2 FOR UPDATE"#,
            batch.event,
            instance,
            batch.source,
            &ids
        )
        .fetch_optional(&mut *transaction)
        .await
        .map_err(self.broke())?;
        let Some(mine) = mine else {
            return Ok(Intake {
                lost: true,
                ..Intake::default()
            });
        };
        let before: HashSet<String> = mine.before.into_iter().collect();
        let forgotten = order(&mine.forgotten_before);
        let fresh: Vec<Message> = batch
            .messages
            .iter()
            .filter(|one| !before.contains(&one.id) && order(&one.id) >= forgotten)
            .cloned()
            .collect();

        let made = self
            .create_from(&mut transaction, &batch.event, &fresh)
            .await?;
        let acts =
            |one: &Message| matches!(one.effect, Effect::Confirmed(_) | Effect::Cancelled(_));
        let known = match fresh.iter().any(acts) {
            false => Some(Known::default()),
            true => self.known(&mut transaction, &batch.event, &fresh).await?,
        };
        let planned = match known {
            Some(known) => plan(known, &fresh),
            None => Plan {
                stuck: fresh
                    .iter()
                    .position(|one| one.effect != Effect::Nothing)
                    .map(|place| (place, "the ledger does not know the event".to_owned())),
                ..Plan::default()
            },
        };
        let (fresh_done, stuck) = match &planned.stuck {
            None => (fresh.len(), None),
            Some((place, why)) => (*place, Some(why.clone())),
        };
        // The entry that stopped it, by its place in the batch.
        let done = match fresh.get(fresh_done) {
            None => batch.messages.len(),
            Some(stop) => ids.iter().position(|id| *id == stop.id).unwrap_or(0),
        };
        if !planned.is_empty() {
            self.write(&mut transaction, &batch.event, &planned).await?;
        }
        let applied: Vec<String> = fresh
            .iter()
            .take(fresh_done)
            .map(|one| one.id.clone())
            .collect();
        self.move_on(
            &mut transaction,
            batch,
            done,
            &applied,
            planned.refused.len(),
        )
        .await?;
        transaction.commit().await.map_err(self.broke())?;
        let version = match (planned.is_empty(), made) {
            (false, _) => Some(planned.version.unsigned_abs()),
            (true, true) => Some(1),
            (true, false) => None,
        };
        Ok(Intake {
            done,
            again: done.saturating_sub(applied.len()),
            refused: planned.refused.len(),
            version,
            stuck,
            lost: false,
        })
    }

    /// Writes the event, if its making is among the entries. Whether it was not there before.
    async fn create_from(
        &self,
        connection: &mut PgConnection,
        event: &str,
        messages: &[Message],
    ) -> Result<bool, Failure> {
        let found = messages.iter().find_map(|one| match &one.effect {
            Effect::Created { name, seats, at_ms } => Some((&one.id, name, *seats, *at_ms)),
            _ => None,
        });
        let Some((id, name, seats, at_ms)) = found else {
            return Ok(false);
        };
        let count = i32::try_from(seats).unwrap_or(i32::MAX);
        let made = sqlx::query!(
            "INSERT INTO events (id, name, seats, created_at) VALUES ($1, $2, $3, to_timestamp($4::float8 / 1000)) \
             ON CONFLICT DO NOTHING",
            event,
            name,
            count,
            at_ms as f64
        )
        .execute(&mut *connection)
        .await
        .map_err(self.broke())?;
        if made.rows_affected() == 0 {
            return Ok(false);
        }
        let labels: Vec<String> = Seat::all(seats).map(|seat| seat.to_string()).collect();
        sqlx::query!(
            "WITH told AS ( \
               INSERT INTO history (event_id, version, kind, operation_id) VALUES ($1, 1, 'created', $3)) \
             INSERT INTO seats (event_id, position, label) \
             SELECT $1, place - 1, label FROM unnest($2::text[]) WITH ORDINALITY AS given (label, place)",
            event,
            &labels,
            id.as_str()
        )
        .execute(connection)
        .await
        .map_err(self.broke())?;
        Ok(true)
    }

    /// What the ledger has of what the entries are about, locked in the order in which everybody locks; nothing where it has no such event.
    async fn known(
        &self,
        connection: &mut PgConnection,
        event: &str,
        messages: &[Message],
    ) -> Result<Option<Known>, Failure> {
        let mut reservations = Vec::new();
        let mut labels = Vec::new();
        for message in messages {
            if let Effect::Confirmed(line) | Effect::Cancelled(line) = &message.effect {
                reservations.push(line.reservation.clone());
                labels.extend(line.seats.iter().cloned());
            }
        }
        let rows = sqlx::query!(
            "SELECT id, user_id, state, token FROM reservations WHERE event_id = $1 AND id = ANY($2) ORDER BY id FOR UPDATE",
            event,
            &reservations
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(self.broke())?;
        let seats = sqlx::query!(
            "SELECT position, label, token FROM seats WHERE event_id = $1 AND label = ANY($2) ORDER BY position FOR UPDATE",
            event,
            &labels
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(self.broke())?;
        let Some(state) = sqlx::query!(
            "SELECT version, sold FROM events WHERE id = $1 FOR UPDATE",
            event
        )
        .fetch_optional(&mut *connection)
        .await
        .map_err(self.broke())?
        else {
            return Ok(None);
        };
        let positions: Vec<i32> = seats.iter().map(|seat| seat.position).collect();
        let owned = sqlx::query!(
            r#"SELECT position AS "position!", reservation_id AS "reservation_id!", label AS "label!" FROM (
                 SELECT position, reservation_id FROM reserved_seats
                   WHERE event_id = $1 AND released_at IS NULL AND position = ANY($2)
                 UNION SELECT position, reservation_id FROM reserved_seats
                   WHERE event_id = $1 AND released_at IS NULL AND reservation_id = ANY($3)) AS owned
               JOIN seats USING (position) WHERE event_id = $1 ORDER BY position"#,
            event,
            &positions,
            &reservations
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(self.broke())?;
        let mut known = Known {
            version: state.version,
            sold: state.sold,
            ..Known::default()
        };
        let mut of: HashMap<String, Vec<(i32, String)>> = HashMap::new();
        for row in owned {
            let seat = (row.position, row.label);
            of.entry(row.reservation_id.clone()).or_default().push(seat);
            known.owners.insert(row.position, row.reservation_id);
        }
        for row in rows {
            let standing = Standing {
                seats: of.remove(&row.id).unwrap_or_default(),
                user: row.user_id,
                is_confirmed: row.state == "confirmed",
                token: row.token,
            };
            known.reservations.insert(row.id, standing);
        }
        for seat in seats {
            known.seats.insert(seat.label, (seat.position, seat.token));
        }
        Ok(Some(known))
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        event: &str,
        plan: &Plan,
    ) -> Result<(), Failure> {
        let ids: Vec<String> = plan.reservations.keys().cloned().collect();
        let rows = || plan.reservations.values();
        let users: Vec<String> = rows().map(|row| row.user.clone()).collect();
        let tokens: Vec<i64> = rows().map(|row| row.token).collect();
        let versions: Vec<i64> = rows().map(|row| row.version).collect();
        let confirmed: Vec<bool> = rows().map(|row| row.is_confirmed).collect();
        let was_confirmed: Vec<bool> = rows().map(|row| row.was_confirmed).collect();
        sqlx::query!(
            "INSERT INTO reservations (event_id, id, user_id, state, token, version, confirmed_at, cancelled_at) \
             SELECT $1, id, user_id, CASE WHEN confirmed THEN 'confirmed' ELSE 'cancelled' END, token, version, \
               CASE WHEN was THEN now() END, CASE WHEN NOT confirmed THEN now() END \
             FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bool[], $7::bool[]) \
               AS given (id, user_id, token, version, confirmed, was) \
             ON CONFLICT (event_id, id) DO UPDATE \
               SET state = excluded.state, version = excluded.version, cancelled_at = excluded.cancelled_at",
            event,
            &ids,
            &users,
            &tokens,
            &versions,
            &confirmed,
            &was_confirmed
        )
        .execute(&mut *connection)
        .await
        .map_err(self.broke())?;
        if !plan.released.is_empty() {
            // A sale that was there before the batch, and is none any more: what was paid for it is due back.
            let unsold: Vec<String> = plan.released.iter().map(|row| row.1.clone()).collect();
            sqlx::query!(
                "UPDATE payments SET state = 'refund_due' WHERE event_id = $1 AND reservation_id = ANY($2) AND state = 'paid'",
                event,
                &unsold
            )
            .execute(&mut *connection)
            .await
            .map_err(self.broke())?;
            let (positions, who): (Vec<i32>, Vec<String>) = plan.released.iter().cloned().unzip();
            sqlx::query!(
                "UPDATE reserved_seats r SET released_at = now() FROM unnest($2::int[], $3::text[]) AS given (position, who) \
                 WHERE r.event_id = $1 AND r.position = given.position AND r.reservation_id = given.who AND r.released_at IS NULL",
                event,
                &positions,
                &who
            )
            .execute(&mut *connection)
            .await
            .map_err(self.broke())?;
        }
        if !plan.taken.is_empty() {
            let positions: Vec<i32> = plan.taken.iter().map(|row| row.0).collect();
            let who: Vec<String> = plan.taken.iter().map(|row| row.1.clone()).collect();
            let given_back: Vec<bool> = plan.taken.iter().map(|row| row.2).collect();
            sqlx::query!(
                "INSERT INTO reserved_seats (event_id, position, reservation_id, released_at) \
                 SELECT $1, position, who, CASE WHEN back THEN now() END \
                 FROM unnest($2::int[], $3::text[], $4::bool[]) AS given (position, who, back)",
                event,
                &positions,
                &who,
                &given_back
            )
            .execute(&mut *connection)
            .await
            .map_err(self.broke())?;
            let positions: Vec<i32> = plan.tokens.keys().copied().collect();
            let tokens: Vec<i64> = plan.tokens.values().copied().collect();
            sqlx::query!(
                "UPDATE seats s SET token = given.token FROM unnest($2::int[], $3::bigint[]) AS given (position, token) \
                 WHERE s.event_id = $1 AND s.position = given.position AND s.token < given.token",
                event,
                &positions,
                &tokens
            )
            .execute(&mut *connection)
            .await
            .map_err(self.broke())?;
        }
        self.write_history(connection, event, plan).await
    }

    async fn write_history(
        &self,
        connection: &mut PgConnection,
        event: &str,
        plan: &Plan,
    ) -> Result<(), Failure> {
        let rows = || plan.history.iter();
        let versions: Vec<i64> = rows().map(|row| row.version).collect();
        let kinds: Vec<String> = rows().map(|row| row.kind.to_owned()).collect();
        let reservations: Vec<String> = rows().map(|row| row.reservation.clone()).collect();
        let users: Vec<String> = rows().map(|row| row.user.clone()).collect();
        let seats: Vec<String> = rows().map(|row| row.seats.clone()).collect();
        let tokens: Vec<i64> = rows().map(|row| row.token).collect();
        let messages: Vec<String> = rows().map(|row| row.message.clone()).collect();
        // An array of arrays of differing lengths is none: labels have no commas.
        sqlx::query!(
            "INSERT INTO history (event_id, version, kind, reservation_id, user_id, seats, token, operation_id) \
             SELECT $1, version, kind, reservation, user_id, string_to_array(seats, ','), token, message \
             FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[]) \
               AS given (version, kind, reservation, user_id, seats, token, message)",
            event,
            &versions,
            &kinds,
            &reservations,
            &users,
            &seats,
            &tokens,
            &messages
        )
        .execute(&mut *connection)
        .await
        .map_err(self.broke())?;
        let (refused, versions): (Vec<String>, Vec<i64>) = plan.refused.iter().cloned().unzip();
        sqlx::query!(
            "WITH moved AS (UPDATE events SET version = $4, sold = $5 WHERE id = $1) \
             INSERT INTO outbox (event_id, reservation_id, version, kind) \
             SELECT $1, id, version, 'cancelled' FROM unnest($2::text[], $3::bigint[]) AS given (id, version)",
            event,
            &refused,
            &versions,
            plan.version,
            plan.sold
        )
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(self.broke())
    }

    /// The position of the stream, and the messages that are processed now.
    async fn move_on(
        &self,
        connection: &mut PgConnection,
        batch: &Batch,
        done: usize,
        applied: &[String],
        refused: usize,
    ) -> Result<(), Failure> {
        let Some(last) = done
            .checked_sub(1)
            .and_then(|last| batch.messages.get(last))
        else {
            return Ok(());
        };
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        // What came late, after a failover, does not take the position back.
        sqlx::query!(
            "WITH moved AS ( \
               UPDATE stream_positions \
               SET last_id = CASE WHEN string_to_array(last_id, '-')::numeric[] < string_to_array($3, '-')::numeric[] THEN $3 ELSE last_id END, \
                 applied = applied + $4, refused = refused + $5, failing_id = NULL, tries = 0, moved_at = now() \
               WHERE event_id = $1) \
             INSERT INTO processed_messages (source, message_id) SELECT $2, id FROM unnest($6::text[]) AS id",
            batch.event,
            batch.source,
            last.id,
            count(applied.len()),
            count(refused),
            applied
        )
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(self.broke())
    }
}
