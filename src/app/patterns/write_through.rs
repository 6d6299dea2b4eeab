//! Write-through: a change goes to the ledger first and then, in the same request, to Redis.
//!
//! # Guarantees
//!
//! - Whoever is told that a reservation is confirmed has its seats: the ledger had committed it before. No failover of Redis takes it away.
//! - A seat is confirmed for one reservation at a time, whatever Redis believes.
//! - The same operation again gets the same answer, and changes nothing.
//! - A reservation that was cancelled, be it as a hold, is never confirmed afterwards.
//! - An event that was made without a ledger is written into it with the first of its reservations that is confirmed or cancelled.
//! - After both writes, whoever reads Redis sees the change, and the cache has nothing older.
//!
//! # What can fail, and what is then
//!
//! | what fails | the answer | what is left, and who mends it |
//! |---|---|---|
//! | Redis, before the first write | an error; nothing was done | nothing |
//! | the ledger refuses | a refusal: the hold was lost, the token is stale, it was cancelled | the hold, until it expires or is evicted |
//! | the ledger, with an unknown outcome | unknown; asked again under the same operation id, the first answer | the outbox row, if it was committed |
//! | Redis, after the first write | confirmed, and that Redis is behind | the outbox row, which was committed with the change: [`WriteThrough::repair`] |
//! | the application, between the writes | none | the same |
//!
//! **The window.** Between the commit and the second write, Redis still shows a hold. It can't be confirmed for anybody else: its seats are the
//! holder's there, too. Where the second write fails, the hold may expire, and then Redis holds the seats for somebody else, who is refused when
//! he confirms ([`Refusal::HoldLost`]); he loses a hold and never a sale. The repair ends this: a row is due two seconds after the change,
//! every request that changes something tries some that are due, and `app ledger repair` tries all. Tries are twelve, with waits that double from
//! one second to one minute; what still fails then is given up, which `app ledger show` tells.

use std::time::Duration;

use tokio::time::timeout;

use crate::app::answer::{Cancelled, Confirmed, Created, ReservationState};
use crate::app::error::{AppError, Refusal};
use crate::app::event_id::EventId;
use crate::app::ledger::{Change, Entry, Ledger, Task, Told};
use crate::app::now_ms;
use crate::app::request::{CreateEvent, OperationId, ReservationId, Settle};
use crate::app::store::{Standing, Store};

/// How long the second write is tried. The answer is certain by then, and whoever waits for it need not wait for a failover.
const SECOND_WRITE: Duration = Duration::from_secs(2);
/// How many rows of the outbox a request mends on its way.
const ON_THE_WAY: u32 = 10;
/// How often another id is drawn when a new event's is taken.
const DRAWS: usize = 8;

/// Redis and the ledger, written through. Cheap to clone.
#[derive(Clone)]
pub struct WriteThrough {
    store: Store,
    ledger: Ledger,
    second_write: Duration,
    stop_between: bool,
}

/// What was done, in the ledger for certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written<T> {
    /// The answer.
    pub done: T,
    /// Why Redis does not have it yet; nothing where it has.
    pub behind: Option<String>,
}

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Rows of the outbox that Redis has now.
    pub told: usize,
    /// Reservations in Redis that had a seat which is another's by the ledger, and have lost it.
    pub evicted: Vec<String>,
    /// Rows that failed, and why.
    pub failed: Vec<(i64, String)>,
}

impl WriteThrough {
    /// Over these two.
    pub fn new(store: Store, ledger: Ledger) -> Self {
        WriteThrough {
            store,
            ledger,
            second_write: SECOND_WRITE,
            stop_between: false,
        }
    }

    /// How long the second write is tried; two seconds, if not said.
    #[must_use]
    pub fn second_write_within(mut self, time: Duration) -> Self {
        self.second_write = time;
        self
    }

    /// Has every change stop between its two writes, as if the program had been killed there: to see what that leaves.
    #[must_use]
    pub fn stopping_between(mut self) -> Self {
        self.stop_between = true;
        self
    }

    /// Makes an event.
    ///
    /// # Errors
    /// Those of the ledger.
    pub async fn create_event(&self, request: &CreateEvent) -> Result<Written<Created>, AppError> {
        request.check()?;
        let operation = OperationId::random();
        for _ in 0..DRAWS {
            let event = request.draw_id()?;
            let created_ms = now_ms();
            let made = self
                .ledger
                .create_event(&event, request, &operation, created_ms);
            if !made.await? {
                continue;
            }
            self.stop_here()?;
            let behind = self
                .tell(&event, None, 1, self.created(&event, request, &operation))
                .await;
            let done = Created {
                slot: event.slot(),
                event,
                name: request.name.as_str().to_owned(),
                seats: request.seats,
                created_ms,
            };
            return Ok(Written { done, behind });
        }
        Err(AppError::Unexpected {
            what: format!("{DRAWS} new ids were all taken"),
        })
    }

    /// Makes a hold a sale.
    ///
    /// # Errors
    /// [`Refusal`], as without a ledger, and [`Refusal::HoldLost`]; those of Redis, as long as nothing is certain; those of the ledger.
    pub async fn confirm(&self, request: &Settle) -> Result<Written<Confirmed>, AppError> {
        let change = match self.store.hold(request).await {
            Ok(standing) => self.confirm_in_ledger(request, standing).await?,
            // What Redis lost, or can't say just now, may have been confirmed before.
            Err(error) => match self.known_as_confirmed(request).await? {
                Some(change) => change,
                None => return Err(as_lost(error, request)),
            },
        };
        self.stop_here()?;
        let behind = self.second(&request.event, &change).await;
        Ok(Written {
            done: Confirmed {
                reservation: change.reservation,
                token: change.token,
                seats: change.seats,
            },
            behind,
        })
    }

    async fn confirm_in_ledger(
        &self,
        request: &Settle,
        standing: Standing,
    ) -> Result<Change, AppError> {
        let event = &request.event;
        let entry = entry(request, standing);
        let confirmed = match self.ledger.confirm(&entry).await {
            Err(AppError::Refused(Refusal::UnknownEvent { .. })) => {
                self.adopt(event).await?;
                self.ledger.confirm(&entry).await
            }
            other => other,
        };
        match confirmed {
            Err(AppError::Refused(refusal)) => {
                // What Redis has is older than the ledger: both of these say so. That it catches up is no part of the answer.
                if let Refusal::StaleToken { token } = &refusal {
                    let _ = timeout(self.second_write, self.store.raise_token(event, *token)).await;
                }
                if matches!(
                    refusal,
                    Refusal::StaleToken { .. } | Refusal::HoldLost { .. }
                ) {
                    let _ = self.repair_on_the_way().await;
                }
                Err(refusal.into())
            }
            other => other,
        }
    }

    /// Writes an event into the ledger that was made without one, as Redis has it. What was sold of it before is not written: nobody else can hold
    /// these seats, and that the ledger does not know of them is for a reconciliation to find.
    async fn adopt(&self, event: &EventId) -> Result<(), AppError> {
        let found = self.store.details(event).await?;
        let request = CreateEvent {
            name: found.availability.name.parse()?,
            seats: found.availability.seats,
            on_slots: None,
        };
        let operation = OperationId::random();
        // Where somebody else was quicker, it is there as well.
        self.ledger
            .create_event(event, &request, &operation, found.created_ms)
            .await?;
        self.ledger.told(event, None, 1).await
    }

    /// What the ledger has of a reservation, if it is confirmed there.
    async fn known_as_confirmed(&self, request: &Settle) -> Result<Option<Change>, AppError> {
        let found = self
            .ledger
            .reservation(&request.event, &request.reservation);
        match found.await? {
            Some(change) if change.user != request.user => {
                Err(AppError::Refused(Refusal::NotHolder {
                    reservation: request.reservation.to_string(),
                    user: request.user.to_string(),
                }))
            }
            Some(change) if change.state == ReservationState::Confirmed => match request.token {
                Some(token) if token != change.token => {
                    Err(AppError::Refused(Refusal::StaleToken {
                        token: change.token,
                    }))
                }
                _ => Ok(Some(change)),
            },
            _ => Ok(None),
        }
    }

    /// Gives the seats of a hold, or of a sale, back.
    ///
    /// # Errors
    /// As [`confirm`](Self::confirm).
    pub async fn cancel(&self, request: &Settle) -> Result<Written<Cancelled>, AppError> {
        let event = &request.event;
        let known = self.ledger.reservation(event, &request.reservation).await?;
        let standing = match known {
            Some(change) => Standing {
                state: change.state,
                token: change.token,
                seats: change.seats,
            },
            None => self.store.hold(request).await?,
        };
        let seats = standing.seats.clone();
        let entry = entry(request, standing);
        let change = match self.ledger.cancel(&entry).await {
            Err(AppError::Refused(Refusal::UnknownEvent { .. })) => {
                self.adopt(event).await?;
                self.ledger.cancel(&entry).await?
            }
            other => other?,
        };
        self.stop_here()?;
        let behind = self.second(event, &change).await;
        Ok(Written {
            done: Cancelled {
                reservation: change.reservation,
                seats: match change.seats.is_empty() {
                    true => seats,
                    false => change.seats,
                },
            },
            behind,
        })
    }

    /// Tells Redis what is due, or with `all` everything that it has not been told; at most `limit` rows.
    ///
    /// # Errors
    /// Those of the ledger. What fails at Redis is in the answer.
    pub async fn repair(&self, limit: u32, all: bool) -> Result<Repaired, AppError> {
        let mut repaired = Repaired::default();
        for task in self.ledger.take_tasks(limit, all).await? {
            let told = timeout(self.second_write, self.retell(&task)).await;
            let told = told.unwrap_or_else(|_| Err(no_time(self.second_write)));
            match told {
                Ok((version, evicted)) => {
                    self.ledger
                        .told(&task.event, reservation_of(&task), version)
                        .await?;
                    repaired.told += 1;
                    repaired.evicted.extend(evicted);
                }
                Err(error) => {
                    let why = error.to_string();
                    self.ledger.not_told(&task, &why).await?;
                    repaired.failed.push((task.id, why));
                }
            }
        }
        Ok(repaired)
    }

    /// Tells Redis again; says the version that it has then, and who has lost a seat.
    async fn retell(&self, task: &Task) -> Result<(u64, Vec<String>), AppError> {
        match &task.told {
            Told::Created { name, seats } => {
                let request = CreateEvent {
                    name: name.parse()?,
                    seats: *seats,
                    on_slots: None,
                };
                self.created(&task.event, &request, &OperationId::random())
                    .await?;
                Ok((task.version, Vec::new()))
            }
            Told::Reservation(change) => {
                let evicted = self.store.record(&task.event, change).await?;
                Ok((change.version.max(task.version), evicted))
            }
        }
    }

    async fn created(
        &self,
        event: &EventId,
        request: &CreateEvent,
        operation: &OperationId,
    ) -> Result<Vec<String>, AppError> {
        // One that is there already is this one: nobody else draws the id of an event that the ledger has.
        self.store.create_as(event, request, operation).await?;
        Ok(Vec::new())
    }

    /// The second write of a reservation's change, and what is due besides.
    async fn second(&self, event: &EventId, change: &Change) -> Option<String> {
        let told = self.store.record(event, change);
        let behind = self
            .tell(event, Some(&change.reservation), change.version, told)
            .await;
        if behind.is_none() {
            let _ = self.repair_on_the_way().await;
        }
        behind
    }

    /// Tells Redis, and the outbox that it was told. Why not, where that failed: then the row is still there.
    async fn tell(
        &self,
        event: &EventId,
        reservation: Option<&ReservationId>,
        version: u64,
        telling: impl Future<Output = Result<Vec<String>, AppError>>,
    ) -> Option<String> {
        match timeout(self.second_write, telling).await {
            Err(_) => Some(no_time(self.second_write).to_string()),
            Ok(Err(error)) => Some(error.to_string()),
            Ok(Ok(_)) => {
                // Where this fails, Redis is told once more, which does no harm.
                let _ = self.ledger.told(event, reservation, version).await;
                None
            }
        }
    }

    async fn repair_on_the_way(&self) -> Result<Repaired, AppError> {
        let repairing = timeout(self.second_write, self.repair(ON_THE_WAY, false));
        repairing.await.unwrap_or_else(|_| Ok(Repaired::default()))
    }

    fn stop_here(&self) -> Result<(), AppError> {
        match self.stop_between {
            false => Ok(()),
            true => Err(AppError::Unknown {
                within: Duration::ZERO,
                last: "it was ended between the two writes, as was asked".to_owned(),
            }),
        }
    }
}

fn reservation_of(task: &Task) -> Option<&ReservationId> {
    match &task.told {
        Told::Created { .. } => None,
        Told::Reservation(change) => Some(&change.reservation),
    }
}

fn entry(request: &Settle, standing: Standing) -> Entry {
    Entry {
        event: request.event.clone(),
        reservation: request.reservation.clone(),
        user: request.user.clone(),
        seats: standing.seats,
        token: standing.token,
        operation: request.operation.clone(),
    }
}

/// A hold whose token the caller knows was there once.
fn as_lost(error: AppError, request: &Settle) -> AppError {
    match error {
        AppError::Refused(Refusal::UnknownReservation { reservation })
            if request.token.is_some() =>
        {
            AppError::Refused(Refusal::HoldLost { reservation })
        }
        other => other,
    }
}

fn no_time(within: Duration) -> AppError {
    AppError::Unknown {
        within,
        last: "Redis did not answer in time".to_owned(),
    }
}
