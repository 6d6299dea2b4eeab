//! The requests of a load test, and what was answered to each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_util::sync::CancellationToken;

use super::plan::{Kind, Plan, Shape};
use super::{RESERVE, SEAT_TAKEN, SOLD_OUT};
use crate::app::answer::ReservationState;
use crate::app::audit::{Claim, Claims};
use crate::app::error::{AppError, Refusal};
use crate::app::event_id::EventId;
use crate::app::request::{OperationId, ReservationId, Reserve, Settle, User, Wanted};
use crate::app::seat::Seat;
use crate::app::store::{NodeCounts, Store};
use crate::cluster::Endpoint;
use crate::load::{
    Act, ClosedLoop, Done, LoadError, OpenLoop, Operation, Outcome, Recorder, Users,
};

/// Requests that an open loop has under way at the most. The store bounds what is under way at each master further; the rest waits there, so
/// that a master that hangs does not hold up the requests for the others.
const OPEN_IN_FLIGHT: usize = 2048;

/// What a load test came to, beside what its recorder has counted.
#[derive(Debug, Default)]
pub struct Aftermath {
    /// What was answered, for the audit of each event.
    pub answered: Vec<Answered>,
    /// Requests whose fate is not known; they may have seats or not.
    pub unknown: u64,
    /// What the nodes counted meanwhile.
    pub nodes: BTreeMap<Endpoint, NodeCounts>,
    /// Attempts after the first of a request.
    pub retries: u64,
    /// Clients made anew.
    pub rebuilds: u64,
}

/// What was answered for one event.
#[derive(Debug)]
pub struct Answered {
    /// The event.
    pub event: EventId,
    /// What was answered.
    pub claims: Claims,
    /// Whether a replica has taken over from the master that had the event when the load test began: then what is missing was lost in
    /// that failover.
    pub failed_over: bool,
}

/// Carries a load test out. When `stop` is cancelled, it ends early, and what was done counts.
///
/// # Errors
/// The plan makes no sense, or the load could not be carried out.
pub async fn run(
    store: &Store,
    plan: &Plan,
    recorder: &Arc<Recorder>,
    stop: &CancellationToken,
) -> Result<Aftermath, AppError> {
    plan.check()?;
    store.load_scripts().await;
    let before = store.node_counts().await;
    let heirs: Vec<Vec<Endpoint>> = plan
        .events
        .iter()
        .map(|event| store.replicas_of(event.slot()))
        .collect();
    let (retries, rebuilds) = store.retries();
    let traffic = Arc::new(Traffic {
        store: store.clone(),
        plan: plan.clone(),
        asked: AtomicU64::new(0),
        answers: plan.events.iter().map(|_| Mutex::default()).collect(),
        open: Mutex::default(),
        unknown: AtomicU64::new(0),
    });
    match plan.shape {
        Shape::Closed { users, length, .. } => {
            let masters = store.masters().len().max(1);
            let closed = ClosedLoop {
                users,
                in_flight: store.settings().in_flight * masters,
                length,
            };
            closed.run(traffic.clone(), recorder.clone(), stop).await
        }
        Shape::Open { rate, length } => {
            let open = OpenLoop {
                rate,
                length,
                in_flight: OPEN_IN_FLIGHT,
                backlog: OpenLoop::backlog(rate),
            };
            open.run(traffic.clone(), recorder.clone(), stop).await
        }
    }
    .map_err(not_carried_out)?;
    store.look_again().await;
    let answered = traffic.claims().into_iter().zip(heirs);
    let answered = answered.map(|((event, claims), heirs)| {
        let master = store.master_of(event.slot());
        Answered {
            failed_over: master.is_some_and(|master| heirs.contains(&master)),
            event,
            claims,
        }
    });
    let answered = answered.collect();
    let after = store.node_counts().await;
    let nodes = after.into_iter().map(|(node, counts)| {
        let before = before.get(&node).copied().unwrap_or_default();
        (node, counts.since(before))
    });
    let (retries_now, rebuilds_now) = store.retries();
    Ok(Aftermath {
        nodes: nodes.collect(),
        answered,
        unknown: traffic.unknown.load(Ordering::Relaxed),
        retries: retries_now - retries,
        rebuilds: rebuilds_now - rebuilds,
    })
}

fn not_carried_out(error: LoadError) -> AppError {
    AppError::Unexpected {
        what: format!("the load could not be carried out: {error}"),
    }
}

/// What was answered for one event.
#[derive(Debug, Default)]
struct Answers {
    /// `None`: its fate is not known any more.
    successes: Vec<Option<Claim>>,
    failures: Vec<String>,
}

/// A hold that can be settled.
#[derive(Debug)]
struct Hold {
    event: usize,
    success: usize,
    user: User,
    reservation: ReservationId,
    token: u64,
}

struct Traffic {
    store: Store,
    plan: Plan,
    /// Requests so far, which number the users: each asks for seats only once, so that who was told no can be looked for.
    asked: AtomicU64,
    answers: Vec<Mutex<Answers>>,
    open: Mutex<Vec<Hold>>,
    unknown: AtomicU64,
}

impl Traffic {
    async fn request(&self) -> Done {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let mut random =
            StdRng::seed_from_u64(self.plan.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let kind = self.plan.mix.pick(random.random());
        let event = random.random_range(0..self.plan.events.len());
        match kind {
            Kind::Reserve => self.reserve(event, number).await,
            Kind::Read => self.read(event).await,
            Kind::Confirm | Kind::Cancel => match self.take_hold(&mut random) {
                Some(hold) => self.settle(kind, hold).await,
                // Nothing is held yet.
                None => self.reserve(event, number).await,
            },
        }
    }

    async fn reserve(&self, at: usize, number: u64) -> Done {
        let request = Reserve {
            event: self.plan.events[at].clone(),
            wanted: Wanted::Any(self.plan.seats),
            user: User::of_load_test(number),
            hold: self.plan.hold,
            operation: OperationId::random(),
        };
        let answer = match self.plan.naive {
            false => self.store.reserve(&request).await,
            true => self.store.reserve_naively(&request).await,
        };
        let outcome = match answer {
            Ok(held) => {
                let claim = Claim {
                    reservation: held.reservation.to_string(),
                    user: request.user.to_string(),
                    seats: held.seats.iter().map(Seat::to_string).collect(),
                    state: ReservationState::Held,
                };
                let mut answers = self.answers(at);
                answers.successes.push(Some(claim));
                let success = answers.successes.len() - 1;
                drop(answers);
                if self.plan.mix.settles() {
                    lock(&self.open).push(Hold {
                        event: at,
                        success,
                        user: request.user,
                        reservation: held.reservation,
                        token: held.token,
                    });
                }
                Outcome::Ok
            }
            Err(AppError::Refused(refusal @ (Refusal::SoldOut { .. } | Refusal::Taken { .. }))) => {
                self.answers(at).failures.push(request.user.to_string());
                Outcome::refused(match refusal {
                    Refusal::Taken { .. } => SEAT_TAKEN,
                    _ => SOLD_OUT,
                })
            }
            Err(error) => self.other(&error),
        };
        Done::new(RESERVE, outcome)
    }

    async fn read(&self, at: usize) -> Done {
        let outcome = match self.store.availability(&self.plan.events[at]).await {
            Ok(_) => Outcome::Ok,
            Err(error) => match error {
                AppError::Refused(refusal) => Outcome::refused(refusal.kind()),
                error => Outcome::error(error.kind()),
            },
        };
        Done::new(Kind::Read.name(), outcome)
    }

    async fn settle(&self, kind: Kind, hold: Hold) -> Done {
        let request = Settle {
            event: self.plan.events[hold.event].clone(),
            reservation: hold.reservation,
            user: hold.user,
            token: Some(hold.token),
            operation: OperationId::random(),
        };
        let (answer, state) = match kind {
            Kind::Cancel => (
                self.store.cancel(&request).await.map(drop),
                ReservationState::Cancelled,
            ),
            _ => (
                self.store.confirm(&request).await.map(drop),
                ReservationState::Confirmed,
            ),
        };
        let mut answers = self.answers(hold.event);
        let claim = answers.successes.get_mut(hold.success);
        let outcome = match (answer, claim) {
            (Ok(()), Some(claim)) => {
                if let Some(claim) = claim {
                    claim.state = state;
                }
                Outcome::Ok
            }
            (Err(AppError::Refused(Refusal::Expired { .. })), Some(claim)) => {
                if let Some(claim) = claim {
                    claim.state = ReservationState::Expired;
                }
                Outcome::refused("expired")
            }
            (Err(error), Some(claim)) => {
                if !matches!(error, AppError::Refused(_)) {
                    *claim = None;
                }
                self.other(&error)
            }
            (_, None) => Outcome::error("unexpected"),
        };
        drop(answers);
        Done::new(kind.name(), outcome)
    }

    /// An answer that says nothing on the seats: what was refused has none; of the rest it is not known.
    fn other(&self, error: &AppError) -> Outcome {
        match error {
            AppError::Refused(refusal) => Outcome::refused(refusal.kind()),
            error => {
                self.unknown.fetch_add(1, Ordering::Relaxed);
                Outcome::error(error.kind())
            }
        }
    }

    fn take_hold(&self, random: &mut StdRng) -> Option<Hold> {
        let mut open = lock(&self.open);
        match open.len() {
            0 => None,
            holds => Some(open.swap_remove(random.random_range(0..holds))),
        }
    }

    fn answers(&self, at: usize) -> std::sync::MutexGuard<'_, Answers> {
        lock(&self.answers[at])
    }

    fn claims(&self) -> Vec<(EventId, Claims)> {
        let events = self.plan.events.iter().zip(&self.answers);
        events
            .map(|(event, answers)| {
                let answers = std::mem::take(&mut *lock(answers));
                let claims = Claims {
                    successes: answers.successes.into_iter().flatten().collect(),
                    failures: answers.failures,
                };
                (event.clone(), claims)
            })
            .collect()
    }
}

impl Operation for Traffic {
    async fn run(&self, _number: u64) -> Done {
        self.request().await
    }
}

impl Users for Traffic {
    type User = ();

    fn arrive(&self, _number: u64) {}

    async fn act(&self, _user: &mut ()) -> Act {
        let done = self.request().await;
        let next = match self.plan.shape {
            Shape::Closed {
                think,
                length: Some(_),
                ..
            } => Some(think),
            _ => None,
        };
        Act { done, next }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a hold of a load test lasts: longer than the test and its audit.
pub const HOLD: Duration = Duration::from_secs(2 * 60 * 60);
