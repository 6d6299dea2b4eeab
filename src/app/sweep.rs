//! Payments without a sale: whoever paid and never came back, or died between the payment and the sale, gets the money back.
//!
//! A payment is open from when it was written down until its sale is there, the gateway has said no, or the money is back. One that has been open for
//! a while is taken up here. What becomes of it is decided in this order, so that nobody is sold seats whose money is on its way back:
//!
//! | how it stands | what is done |
//! |---|---|
//! | its sale is in the ledger | nothing, for a payment; under an id of which no answer is known, the gateway is told to take nothing |
//! | its hold still lives, or Redis has sold it and the ledger has not heard of that | it is left for the next time: whoever paid may still come back |
//! | neither | the hold is cancelled in the ledger, which is where a sale would be decided; then the gateway is asked to give the money back |
//! | the money is due back | the gateway is asked, again and again until it has done it |
//!
//! So the money is back at the latest when the hold has ended, and the time for which a payment is left alone and one more look have passed, as long as the
//! gateway, Redis and the ledger can be reached.

use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use super::answer::ReservationState;
use super::error::{AppError, Refusal};
use super::flow::Flow;
use super::ledger::{Entry, OpenPayment, PaymentState};
use super::payment::Gateway;
use super::request::{OperationId, Settle};

/// When a payment that was left is looked at again.
const AGAIN: Duration = Duration::from_secs(5);

/// What was swept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Payments that were given back.
    pub refunded: u64,
    /// Payments of which no answer was known, and under which the gateway takes nothing any more.
    pub voided: u64,
    /// Payments that were left, since their hold lives, or since their sale is on its way into the ledger.
    pub left: u64,
    /// Payments that could not be given back yet: the gateway or Redis did not do it.
    pub failed: u64,
}

/// What became of one payment.
enum Fate {
    Refunded,
    Voided,
    Left,
    Failed,
}

/// Whether a hold has ended without a sale.
enum Ended {
    Yes,
    NotYet,
    NotKnown,
}

impl<G: Gateway> Flow<G> {
    /// Looks after payments that were asked for longer ago than `older_than`, which has to be longer than anybody waits for the gateway; at most `most`.
    ///
    /// # Errors
    /// Those of the ledger. What fails at Redis or at the gateway is counted, and tried again.
    pub async fn sweep(&self, older_than: Duration, most: u32) -> Result<Swept, AppError> {
        let mut swept = Swept::default();
        let again = AGAIN.min(older_than);
        for open in self
            .ledger
            .take_open_payments(older_than, again, most)
            .await?
        {
            match self.sweep_one(&open).await? {
                Fate::Refunded => swept.refunded += 1,
                Fate::Voided => swept.voided += 1,
                Fate::Left => swept.left += 1,
                Fate::Failed => swept.failed += 1,
            }
        }
        Ok(swept)
    }

    async fn sweep_one(&self, open: &OpenPayment) -> Result<Fate, AppError> {
        let state = open.payment.state;
        let has_sale = open.standing == Some(ReservationState::Confirmed);
        if state == PaymentState::Paid && has_sale {
            return Ok(Fate::Left);
        }
        if state != PaymentState::RefundDue && !has_sale {
            match self.ended(open).await? {
                Ended::Yes => {}
                Ended::NotYet => return Ok(Fate::Left),
                Ended::NotKnown => return Ok(Fate::Failed),
            }
        }
        let id = open.payment.id.as_str();
        if state == PaymentState::Paid {
            self.ledger.payment_goes_back(id, false).await?;
        }
        // One that takes its time is asked again: done twice it is as done once.
        let given_back = timeout(self.patience, self.gateway.refund(id)).await;
        if !given_back.unwrap_or(false) {
            return Ok(Fate::Failed);
        }
        if state == PaymentState::Asked {
            let payment = self.ledger.payment_voided(id).await?;
            return Ok(match payment.state {
                PaymentState::Refunded => Fate::Refunded,
                _ => Fate::Voided,
            });
        }
        self.ledger.payment_goes_back(id, true).await?;
        Ok(Fate::Refunded)
    }

    /// Whether the reservation is no sale and never will be; where it could still become one that is seen to, unless somebody may be about to.
    async fn ended(&self, open: &OpenPayment) -> Result<Ended, AppError> {
        if open.standing == Some(ReservationState::Cancelled) {
            return Ok(Ended::Yes);
        }
        let asked = Settle {
            event: open.event.clone(),
            reservation: open.reservation.clone(),
            user: open.user.clone(),
            token: None,
            operation: OperationId::random(),
        };
        match self.store.hold(&asked).await {
            // Held, or sold by the word of Redis.
            Ok(_) => return Ok(Ended::NotYet),
            Err(AppError::Refused(_)) => {}
            Err(_) => return Ok(Ended::NotKnown),
        }
        let entry = Entry {
            event: asked.event,
            reservation: asked.reservation,
            user: asked.user,
            seats: Vec::new(),
            // Redis does not say any more which it was, and of a hold that is cancelled nobody asks.
            token: 1,
            operation: asked.operation,
        };
        match self.ledger.cancel_hold(&entry).await {
            Ok(change) if change.state == ReservationState::Confirmed => Ok(Ended::NotYet),
            Ok(_) => Ok(Ended::Yes),
            // It is somebody else's reservation: who pays for it can't have it.
            Err(AppError::Refused(Refusal::NotHolder { .. })) => Ok(Ended::Yes),
            Err(error) => Err(error),
        }
    }
}
