//! A bounded stream of operations beside a step of a lab.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::aim::Aim;
use super::keys::Naming;
use super::pacer::Pacer;
use super::tally::Tally;
use super::{ProbeError, ProbePlan, ProbeReport, ProbeSlots, audit, operation};
use crate::cluster::Slot;
use crate::resp::{AddressBook, Router};

/// Operations in flight. Enough for 200 a second when each takes its whole deadline of one second; a server that hangs
/// must not be buried.
const IN_FLIGHT: u32 = 250;
/// Answers that are still awaited after their operation was given up.
const LINGERING: u32 = 2000;
/// How long such answers are awaited once the probe is stopped.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// A bounded open-loop probe: operations begin when they are due, whether or not the ones before have been answered.
///
/// It writes keys of its own in the slots of its plan and reads them again, over connections of its own, counts what
/// happens on the way, and at the end reads every acknowledged key back. Its keys are removed then.
///
/// Bounded: 250 operations in flight (what is due beyond that is `dropped`), a million keys remembered, the end by the
/// operations' deadline and some seconds. A probe that is dropped without [`stop`](Self::stop) begins nothing more, and
/// leaves its keys behind.
#[derive(Debug)]
pub struct Probe {
    shared: Arc<Shared>,
    /// `None` once it is stopped.
    pacer: Option<Pacer>,
}

/// What all operations of a probe share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) router: Router,
    pub(super) aim: Option<Aim>,
    pub(super) rate: u32,
    pub(super) seed: u64,
    pub(super) deadline: Duration,
    pub(super) slots: Vec<Slot>,
    pub(super) naming: Naming,
    pub(super) in_flight: Arc<Semaphore>,
    pub(super) lingering: Arc<Semaphore>,
    pub(super) ended: CancellationToken,
    tally: Mutex<Tally>,
}

impl Shared {
    /// Of a probe of this plan, which can be carried out. Nothing is asked yet.
    pub(super) fn new(book: AddressBook, plan: ProbePlan, started: Instant) -> Self {
        let (slots, aim) = match plan.slots {
            ProbeSlots::Fixed(slots) => (slots, None),
            ProbeSlots::Moving { slots, from } => {
                let aim = book
                    .get(&from)
                    .map(|address| Aim::new(address.clone(), slots.clone()));
                (slots, aim)
            }
        };
        Shared {
            router: Router::new(book, plan.deadline),
            aim,
            rate: plan.rate,
            seed: plan.seed,
            deadline: plan.deadline,
            slots: slots.iter().collect(),
            naming: Naming {
                nonce: rand::random(),
            },
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT as usize)),
            lingering: Arc::new(Semaphore::new(LINGERING as usize)),
            ended: CancellationToken::new(),
            tally: Mutex::new(Tally::new(started, plan.rate)),
        }
    }

    /// Held for moments only, never while waiting.
    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Probe {
    /// Starts the probe; the first operation is due at once. To be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`ProbeError`] when the plan can't be carried out.
    pub fn start(book: AddressBook, plan: ProbePlan) -> Result<Probe, ProbeError> {
        plan.check(&book)?;
        let runtime = Handle::try_current().map_err(|error| ProbeError::NotStarted {
            why: error.to_string(),
        })?;
        let (rate, started) = (plan.rate, Instant::now());
        let shared = Arc::new(Shared::new(book, plan, started));
        let pacer = Pacer::start(rate, started, {
            let shared = shared.clone();
            move |number, due| {
                match shared.in_flight.clone().try_acquire_owned() {
                    Ok(permit) => {
                        runtime.spawn(operation::operate(shared.clone(), number, due, permit));
                    }
                    Err(_) => shared.tally().dropped(),
                }
                ControlFlow::Continue(())
            }
        })
        .map_err(|error| ProbeError::NotStarted {
            why: error.to_string(),
        })?;
        Ok(Probe {
            shared,
            pacer: Some(pacer),
        })
    }

    /// What it has measured so far. Nothing has been read back yet.
    pub fn report(&self) -> ProbeReport {
        self.shared.tally().report(Instant::now())
    }

    /// Begins no more operations, awaits those in flight, reads every acknowledged key back, removes the probe's keys,
    /// and says what all of it came to. Takes the deadline of an operation and 15 s at most; a few milliseconds when
    /// the cluster is well.
    pub async fn stop(mut self) -> ProbeReport {
        if let Some(pacer) = self.pacer.take() {
            pacer.stop();
        }
        let shared = &self.shared;
        shared.tally().stop(Instant::now());
        // Every operation ends by its deadline; the grace is for asking where to aim, and for a busy machine.
        let _ = timeout(
            shared.deadline + STOP_GRACE,
            shared.in_flight.acquire_many(IN_FLIGHT),
        )
        .await;
        let _ = timeout(STOP_GRACE, shared.lingering.acquire_many(LINGERING)).await;
        shared.ended.cancel();
        audit::audit(shared).await;
        self.report()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.shared.ended.cancel();
    }
}
