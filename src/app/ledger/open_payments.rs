//! Payments of which it is not known that all is well, for whoever looks after them: who was asked for the money and never came back.

use std::time::Duration;

use super::attempt::{Kind, Lent};
use super::connection::Ledger;
use super::payments::{Payment, PaymentState};
use super::record::{Change, Entry};
use crate::app::answer::ReservationState;
use crate::app::error::AppError;
use crate::app::event_id::EventId;
use crate::app::request::{ReservationId, User};

/// A payment without a sale, as far as the ledger knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPayment {
    /// The payment.
    pub payment: Payment,
    /// Of which event.
    pub event: EventId,
    /// For which reservation.
    pub reservation: ReservationId,
    /// Who pays.
    pub user: User,
    /// What the ledger has of the reservation: confirmed or cancelled, or nothing.
    pub standing: Option<ReservationState>,
}

impl Ledger {
    /// Takes up to `most` payments that were asked for longer ago than `older_than` and are still open: the gateway's answer is not known, the sale is
    /// not there, or the money is due back. Those that have a sale are closed on the way. Nobody else takes them for `again`; whoever dies with them
    /// leaves them to the next.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn take_open_payments(
        &self,
        older_than: Duration,
        again: Duration,
        most: u32,
    ) -> Result<Vec<OpenPayment>, AppError> {
        let (older_than, again) = (older_than.as_secs_f64(), again.as_secs_f64());
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            let rows = sqlx::query!(
                r#"WITH open AS (
                     SELECT id FROM payments
                     WHERE (state IN ('asked', 'refund_due') OR (state = 'paid' AND sale_seen_at IS NULL))
                       AND coalesce(swept_at, asked_at) < now() - make_interval(secs => CASE WHEN swept_at IS NULL THEN $1::float8 ELSE $2::float8 END)
                     ORDER BY coalesce(swept_at, asked_at) LIMIT $3 FOR UPDATE SKIP LOCKED)
                   UPDATE payments p SET swept_at = now(),
                     sale_seen_at = CASE WHEN p.state = 'paid' AND r.state = 'confirmed' THEN now() END
                   FROM open LEFT JOIN payments o ON o.id = open.id
                     LEFT JOIN reservations r ON r.event_id = o.event_id AND r.id = o.reservation_id AND r.user_id = o.user_id
                   WHERE p.id = open.id
                   RETURNING p.id, p.cents, p.state, p.receipt, p.answers, p.event_id, p.reservation_id, p.user_id,
                     p.sale_seen_at IS NOT NULL AS "is_sold!", r.state AS "standing?""#,
                older_than,
                again,
                i64::from(most)
            )
            .fetch_all(connection.get()?)
            .await
            .map_err(self.broke())?;
            let mut open = Vec::with_capacity(rows.len());
            for row in rows.into_iter().filter(|row| !row.is_sold) {
                open.push(OpenPayment {
                    event: row.event_id.parse()?,
                    reservation: ReservationId::stored(row.reservation_id),
                    user: row.user_id.parse()?,
                    standing: row.standing.map(|state| match state.as_str() {
                        "confirmed" => ReservationState::Confirmed,
                        _ => ReservationState::Cancelled,
                    }),
                    payment: Payment {
                        id: row.id,
                        cents: row.cents.unsigned_abs(),
                        state: PaymentState::read(&row.state),
                        receipt: row.receipt,
                        answers: row.answers.unsigned_abs(),
                    },
                });
            }
            Ok(open)
        })
        .await
    }

    /// As [`cancel`](Self::cancel), but a sale stays one: then it is what is returned.
    ///
    /// # Errors
    /// Those of [`cancel`](Self::cancel).
    pub async fn cancel_hold(&self, entry: &Entry) -> Result<Change, AppError> {
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            self.cancel_once(connection.get()?, entry, true).await
        })
        .await
    }
}
