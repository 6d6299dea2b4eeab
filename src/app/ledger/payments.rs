//! Payments: each is written down before the gateway is asked, and what the gateway answers first is what counts.

use serde::Serialize;

use super::attempt::{Kind, Lent};
use super::connection::Ledger;
use super::failure::Failure;
use super::record::unknown;
use crate::app::error::{AppError, Refusal};
use crate::app::request::Settle;

/// How a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// The gateway was asked, and what it says is not known.
    Asked,
    /// It has the money.
    Paid,
    /// It said no.
    Declined,
    /// It had not said anything, and was told to take nothing.
    Voided,
    /// It has the money, and has to give it back: the seats can't be had.
    RefundDue,
    /// It has given the money back.
    Refunded,
}

impl PaymentState {
    pub(super) fn read(text: &str) -> Self {
        match text {
            "paid" => PaymentState::Paid,
            "declined" => PaymentState::Declined,
            "voided" => PaymentState::Voided,
            "refund_due" => PaymentState::RefundDue,
            "refunded" => PaymentState::Refunded,
            _ => PaymentState::Asked,
        }
    }
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payment {
    /// Its operation id.
    pub id: String,
    /// How much, in hundredths.
    pub cents: u64,
    /// How it stands.
    pub state: PaymentState,
    /// The number that the gateway gave.
    pub receipt: Option<String>,
    /// How many answers came.
    pub answers: u32,
}

struct Row {
    id: String,
    cents: i64,
    state: String,
    receipt: Option<String>,
    answers: i32,
}

impl From<Row> for Payment {
    fn from(row: Row) -> Self {
        Payment {
            id: row.id,
            cents: row.cents.unsigned_abs(),
            state: PaymentState::read(&row.state),
            receipt: row.receipt,
            answers: row.answers.unsigned_abs(),
        }
    }
}

impl Ledger {
    /// Writes down that the gateway is about to be asked; how the payment stands, if that was written before. Where the reservation is paid under
    /// another id, it is that payment.
    ///
    /// # Errors
    /// [`Refusal::OperationReused`], [`Refusal::UnknownEvent`]; those of the connection.
    pub async fn payment(&self, request: &Settle, cents: u64) -> Result<Payment, AppError> {
        let cents = i64::try_from(cents).unwrap_or(i64::MAX);
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            let connection = connection.get()?;
            let (event, reservation) = (request.event.as_str(), request.reservation.as_str());
            let paid = sqlx::query_as!(
                Row,
                "SELECT id, cents, state, receipt, answers FROM payments \
                 WHERE event_id = $1 AND reservation_id = $2 AND user_id = $3 AND state = 'paid'",
                event,
                reservation,
                request.user.as_str()
            )
            .fetch_optional(&mut *connection)
            .await
            .map_err(self.broke())?;
            if let Some(paid) = paid {
                return Ok(paid.into());
            }
            let known = sqlx::query_scalar!(
                r#"SELECT 1 AS "found!" FROM events WHERE id = $1"#,
                event
            )
            .fetch_optional(&mut *connection)
            .await
            .map_err(self.broke())?;
            if known.is_none() {
                return Err(unknown(&request.event));
            }
            let row = sqlx::query_as!(
                Row,
                "INSERT INTO payments AS known (id, event_id, reservation_id, user_id, cents, state) VALUES ($1, $2, $3, $4, $5, 'asked') \
                 ON CONFLICT (id) DO UPDATE SET id = known.id \
                   WHERE known.event_id = $2 AND known.reservation_id = $3 AND known.user_id = $4 \
                 RETURNING id, cents, state, receipt, answers",
                request.operation.as_str(),
                event,
                reservation,
                request.user.as_str(),
                cents
            )
            .fetch_optional(&mut *connection)
            .await
            .map_err(self.broke())?;
            match row {
                Some(row) => Ok(row.into()),
                None => Err(Refusal::OperationReused {
                    operation: request.operation.to_string(),
                }
                .into()),
            }
        })
        .await
    }

    /// The gateway has answered: with a receipt, or no. Its first answer is what counts, but for a receipt after a no, or after it was told to take nothing:
    /// then it has the money, and has to give it back. So it has where the reservation was paid under another id.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn payment_answered(
        &self,
        id: &str,
        receipt: Option<&str>,
    ) -> Result<Payment, AppError> {
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            let row = sqlx::query_as!(
                Row,
                "UPDATE payments p SET answers = answers + 1, settled_at = coalesce(settled_at, now()), receipt = coalesce(receipt, $2), \
                   state = CASE \
                     WHEN $2::text IS NULL THEN CASE WHEN state = 'asked' THEN 'declined' ELSE state END \
                     WHEN state IN ('declined', 'voided') THEN 'refund_due' \
                     WHEN state <> 'asked' THEN state \
                     WHEN EXISTS (SELECT FROM payments o WHERE o.event_id = p.event_id AND o.reservation_id = p.reservation_id \
                                  AND o.state = 'paid' AND o.id <> p.id) THEN 'refund_due' \
                     ELSE 'paid' END \
                 WHERE id = $1 RETURNING id, cents, state, receipt, answers",
                id,
                receipt
            )
            .fetch_optional(connection.get()?)
            .await
            .map_err(self.broke())?;
            found(row)
        })
        .await
    }

    /// The seats can't be had: what was paid has to go back (`done`: it has).
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn payment_goes_back(&self, id: &str, done: bool) -> Result<Payment, AppError> {
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            let row = sqlx::query_as!(
                Row,
                "UPDATE payments SET state = CASE \
                   WHEN state = 'paid' AND NOT $2 THEN 'refund_due' \
                   WHEN state IN ('paid', 'refund_due') AND $2 THEN 'refunded' ELSE state END \
                 WHERE id = $1 RETURNING id, cents, state, receipt, answers",
                id,
                done
            )
            .fetch_optional(connection.get()?)
            .await
            .map_err(self.broke())?;
            found(row)
        })
        .await
    }

    /// The gateway was told to take nothing under this id, and to give back what it has: for one that was asked and of which nothing is known.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn payment_voided(&self, id: &str) -> Result<Payment, AppError> {
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            let row = sqlx::query_as!(
                Row,
                "UPDATE payments SET settled_at = coalesce(settled_at, now()), state = CASE \
                   WHEN state = 'asked' THEN 'voided' \
                   WHEN state IN ('paid', 'refund_due') THEN 'refunded' ELSE state END \
                 WHERE id = $1 RETURNING id, cents, state, receipt, answers",
                id
            )
            .fetch_optional(connection.get()?)
            .await
            .map_err(self.broke())?;
            found(row)
        })
        .await
    }

    /// What was paid for a reservation and not given back, or else what became of the payment of this id; nothing where there is neither.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn paid_for(
        &self,
        request: &Settle,
        id: Option<&str>,
    ) -> Result<Option<Payment>, AppError> {
        self.attempts(Kind::Read, move |mut connection: Lent| async move {
            let row = sqlx::query_as!(
                Row,
                "SELECT id, cents, state, receipt, answers FROM payments \
                 WHERE event_id = $1 AND reservation_id = $2 AND user_id = $3 AND (state IN ('paid', 'refund_due') OR id = $4) \
                 ORDER BY state = 'paid' DESC, state = 'refund_due' DESC LIMIT 1",
                request.event.as_str(),
                request.reservation.as_str(),
                request.user.as_str(),
                id
            )
            .fetch_optional(connection.get()?)
            .await
            .map_err(self.broke())?;
            Ok(row.map(Payment::from))
        })
        .await
    }
}

fn found(row: Option<Row>) -> Result<Payment, Failure> {
    row.map(Payment::from).ok_or_else(|| {
        Failure::Final(AppError::Unexpected {
            what: "a payment that was asked for is not written down".to_owned(),
        })
    })
}
