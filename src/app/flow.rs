//! The complete reservation: log in, look, hold, pay, confirm, and all that can go wrong on the way.
//!
//! | step | where | if it fails |
//! |---|---|---|
//! | session | Redis | nothing was done |
//! | browse | the cache, else the ledger | nothing was done |
//! | hold | Redis, with a time to live | nothing was done |
//! | pay | the gateway; written into the ledger before it is asked, and when it has answered | no: the hold goes back at its time. No answer: asked again under the same id, the gateway says what it said |
//! | confirm | the ledger, then Redis | the seats can't be had: the money goes back |
//! | all that follows | stream, outbox, cache, reports | the worker and the outbox catch up |
//!
//! Who pays and never comes back, or dies on the way, leaves a payment without a sale. [`Flow::sweep`] finds it and gives the money back; a worker
//! does that once a second.
//!
//! Every step has an operation id made from one, so that all of it may be asked again: what was done is not done twice.

use std::time::Duration;

use tokio::time::timeout;

use super::answer::{Cancelled, Confirmed, Held};
use super::error::{AppError, Refusal};
use super::ledger::{Ledger, Payment, PaymentState};
use super::patterns::WriteThrough;
use super::patterns::write_through::Written;
use super::payment::{Answer, Charge, Gateway};
use super::request::{OperationId, Reserve, Settle};
use super::session::Session;
use super::store::Store;

/// What a seat costs, in hundredths.
pub const PRICE: u64 = 2_500;
/// How long the gateway is waited for.
pub const GATEWAY_TIME: Duration = Duration::from_secs(10);
/// How long an operation id may be for those of its steps to fit.
const MOST_ID: usize = 56;

/// A hold was paid and is a sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sold {
    /// The sale.
    pub confirmed: Written<Confirmed>,
    /// The payment.
    pub payment: Payment,
}

/// A complete reservation.
#[derive(Debug, Clone, PartialEq)]
pub struct Booked {
    /// The session under which it was done.
    pub session: Session,
    /// The hold.
    pub held: Held,
    /// The sale.
    pub sold: Sold,
}

/// What came of paying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paid {
    /// The seats are sold.
    Sold(Box<Sold>),
    /// The gateway does not take the money.
    Declined(Payment),
    /// The gateway has not answered in time: whether it takes the money is not known.
    Unanswered(Payment),
    /// The gateway has taken the money and the seats can't be had: it went back, or will.
    Refunded(Payment, Refusal),
}

/// The way of a reservation, over all that takes part in it.
#[derive(Clone)]
pub struct Flow<G> {
    pub(super) store: Store,
    pub(super) ledger: Ledger,
    through: WriteThrough,
    pub(super) gateway: G,
    pub(super) patience: Duration,
}

impl<G: Gateway> Flow<G> {
    /// Over these.
    pub fn new(store: Store, ledger: Ledger, gateway: G) -> Self {
        Flow {
            through: WriteThrough::new(store.clone(), ledger.clone()),
            store,
            ledger,
            gateway,
            patience: GATEWAY_TIME,
        }
    }

    /// How long the gateway is waited for; ten seconds, if not said.
    #[must_use]
    pub fn gateway_within(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    /// The id of one step of an operation.
    ///
    /// # Errors
    /// The operation id is too long.
    pub fn step(operation: &OperationId, step: &str) -> Result<OperationId, AppError> {
        if operation.as_str().len() > MOST_ID {
            return Err(AppError::invalid(
                format!("the operation id has {} bytes", operation.as_str().len()),
                format!("{MOST_ID} at most, since each step has one made from it"),
            ));
        }
        format!("{operation}-{step}").parse()
    }

    /// Holds seats for who is logged in.
    ///
    /// # Errors
    /// Those of [`Store::reserve`].
    pub async fn hold(&self, request: &Reserve) -> Result<Held, AppError> {
        let operation = Self::step(&request.operation, "hold")?;
        let request = Reserve {
            operation,
            ..request.clone()
        };
        self.store.reserve(&request).await
    }

    /// Pays for a hold and makes it a sale. Where the seats can't be had any more when the gateway has answered, the money goes back.
    ///
    /// # Errors
    /// Those of Redis and of the ledger: it is not known how far it came then, and asked again with the same operation id it goes on there.
    pub async fn pay(&self, request: &Settle) -> Result<Paid, AppError> {
        let paying = Settle {
            operation: Self::step(&request.operation, "pay")?,
            ..request.clone()
        };
        let mut payment = match self
            .ledger
            .paid_for(request, Some(paying.operation.as_str()))
            .await?
        {
            Some(payment) => payment,
            None => {
                let standing = self.store.hold(request).await?;
                let cents = PRICE.saturating_mul(standing.seats.len() as u64);
                self.ledger.payment(&paying, cents).await?
            }
        };
        if payment.state == PaymentState::Asked {
            let charge = Charge {
                id: payment.id.clone(),
                user: request.user.to_string(),
                cents: payment.cents,
            };
            let Ok(answers) = timeout(self.patience, self.gateway.charge(&charge)).await else {
                return Ok(Paid::Unanswered(payment));
            };
            for answer in &answers {
                payment = self.answered(&charge.id, answer).await?;
            }
        }
        match payment.state {
            PaymentState::Asked => Ok(Paid::Unanswered(payment)),
            PaymentState::Declined => Ok(Paid::Declined(payment)),
            PaymentState::RefundDue | PaymentState::Refunded | PaymentState::Voided => {
                let refusal = Refusal::Expired {
                    reservation: request.reservation.to_string(),
                };
                self.give_back(payment, refusal).await
            }
            PaymentState::Paid => self.confirm(request, payment).await,
        }
    }

    /// Writes down what the gateway said. It may say it whenever it likes, and more than once.
    ///
    /// # Errors
    /// Those of the ledger.
    pub async fn answered(&self, id: &str, answer: &Answer) -> Result<Payment, AppError> {
        let receipt = match answer {
            Answer::Paid { receipt } => Some(receipt.as_str()),
            Answer::Declined => None,
        };
        self.ledger.payment_answered(id, receipt).await
    }

    async fn confirm(&self, request: &Settle, payment: Payment) -> Result<Paid, AppError> {
        let request = Settle {
            operation: Self::step(&request.operation, "confirm")?,
            ..request.clone()
        };
        match self.through.confirm(&request).await {
            Ok(confirmed) => Ok(Paid::Sold(Box::new(Sold { confirmed, payment }))),
            Err(AppError::Refused(
                refusal @ (Refusal::Expired { .. }
                | Refusal::Cancelled { .. }
                | Refusal::HoldLost { .. }
                | Refusal::StaleToken { .. }
                | Refusal::UnknownReservation { .. }),
            )) => self.give_back(payment, refusal).await,
            Err(error) => Err(error),
        }
    }

    async fn give_back(&self, payment: Payment, refusal: Refusal) -> Result<Paid, AppError> {
        if matches!(payment.state, PaymentState::Refunded | PaymentState::Voided) {
            return Ok(Paid::Refunded(payment, refusal));
        }
        let id = payment.id;
        let mut payment = self.ledger.payment_goes_back(&id, false).await?;
        if self.gateway.refund(&id).await {
            payment = self.ledger.payment_goes_back(&id, true).await?;
        }
        Ok(Paid::Refunded(payment, refusal))
    }

    /// Gives a hold, or a sale with its money, back.
    ///
    /// # Errors
    /// Those of [`WriteThrough::cancel`].
    pub async fn cancel(
        &self,
        request: &Settle,
    ) -> Result<(Written<Cancelled>, Option<Payment>), AppError> {
        let cancelled = self.through.cancel(request).await?;
        let Some(payment) = self.ledger.paid_for(request, None).await? else {
            return Ok((cancelled, None));
        };
        let refusal = Refusal::Cancelled {
            reservation: request.reservation.to_string(),
        };
        match self.give_back(payment, refusal).await? {
            Paid::Refunded(payment, _) => Ok((cancelled, Some(payment))),
            _ => Ok((cancelled, None)),
        }
    }
}
