//! The requests of the campaign. Each is remembered with its answer, so that it can be asked again.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use labrunner::app::answer::{Cancelled, Confirmed, Held, ReservationState};
use labrunner::app::audit::{Claim, Claims};
use labrunner::app::request::{OperationId, Reserve, Settle, User, Wanted};
use labrunner::app::{AppError, EventId, Refusal, Seat, Store};
use labrunner::load::{Done, Operation, Outcome};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Longer than a run.
pub const HOLD: Duration = Duration::from_secs(2 * 60 * 60);

/// What was asked.
#[derive(Debug, Clone)]
pub enum Asked {
    Reserve(Reserve),
    Confirm(Settle),
    Cancel(Settle),
}

/// What was answered: a no is an answer too.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Held(Held),
    Confirmed(Confirmed),
    Cancelled(Cancelled),
    No(Refusal),
}

impl Asked {
    pub async fn put(&self, store: &Store) -> Result<Answer, AppError> {
        let answer = match self {
            Asked::Reserve(request) => store.reserve(request).await.map(Answer::Held),
            Asked::Confirm(request) => store.confirm(request).await.map(Answer::Confirmed),
            Asked::Cancel(request) => store.cancel(request).await.map(Answer::Cancelled),
        };
        match answer {
            Err(AppError::Refused(refusal)) => Ok(Answer::No(refusal)),
            other => other,
        }
    }

    pub fn operation(&self) -> &OperationId {
        match self {
            Asked::Reserve(request) => &request.operation,
            Asked::Confirm(request) | Asked::Cancel(request) => &request.operation,
        }
    }
}

/// A request with its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The event, by its place.
    pub event: usize,
    pub asked: Asked,
    pub answer: Result<Answer, AppError>,
    pub ended: Instant,
}

/// An event, and whose slots it is on.
#[derive(Debug, Clone)]
pub struct Place {
    pub event: EventId,
    pub shard: usize,
}

struct Hold {
    event: usize,
    user: User,
    held: Held,
}

pub struct Traffic {
    store: Store,
    pub places: Vec<Place>,
    seed: u64,
    exchanges: Mutex<Vec<Exchange>>,
    /// Holds that nobody has settled.
    open: Mutex<Vec<Hold>>,
}

impl Traffic {
    pub fn new(store: Store, places: Vec<Place>, seed: u64) -> Self {
        Traffic {
            store,
            places,
            seed,
            exchanges: Mutex::default(),
            open: Mutex::default(),
        }
    }

    pub fn exchanges(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.exchanges.lock().expect("no panic"))
    }

    /// Of ten requests seven reserve a seat or two; of the rest half confirm a hold, and half cancel one.
    fn next(&self, number: u64) -> (usize, Asked) {
        let mut random =
            StdRng::seed_from_u64(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let event = random.random_range(0..self.places.len());
        let kind = random.random_range(0..20);
        let seats = random.random_range(1..=2);
        if kind >= 14 {
            let mut open = self.open.lock().expect("no panic");
            let holds = open.len();
            if holds > 0 {
                let hold = open.swap_remove(random.random_range(0..holds));
                let settle = Settle {
                    event: self.places[hold.event].event.clone(),
                    reservation: hold.held.reservation,
                    user: hold.user,
                    token: Some(hold.held.token),
                    operation: OperationId::random(),
                };
                let asked = match kind {
                    14..=16 => Asked::Confirm(settle),
                    _ => Asked::Cancel(settle),
                };
                return (hold.event, asked);
            }
        }
        let reserve = Reserve {
            event: self.places[event].event.clone(),
            wanted: Wanted::Any(seats),
            user: User::of_load_test(number),
            hold: HOLD,
            operation: OperationId::random(),
        };
        (event, Asked::Reserve(reserve))
    }
}

impl Operation for Traffic {
    async fn run(&self, number: u64) -> Done {
        let (event, asked) = self.next(number);
        let answer = asked.put(&self.store).await;
        let ended = Instant::now();
        if let (Asked::Reserve(request), Ok(Answer::Held(held))) = (&asked, &answer) {
            self.open.lock().expect("no panic").push(Hold {
                event,
                user: request.user.clone(),
                held: held.clone(),
            });
        }
        let outcome = match &answer {
            Ok(Answer::No(refusal)) => Outcome::refused(refusal.kind()),
            Ok(_) => Outcome::Ok,
            Err(error) => Outcome::error(error.kind()),
        };
        self.exchanges.lock().expect("no panic").push(Exchange {
            event,
            asked,
            answer,
            ended,
        });
        Done::new("request", outcome)
    }
}

/// What those who asked for seats of an event were told. A hold whose confirmation or cancellation got no answer is left out: what it is by
/// now is not known.
pub fn claims(exchanges: &[Exchange], event: usize) -> Claims {
    let mut found: std::collections::BTreeMap<String, Claim> = Default::default();
    let mut failures = Vec::new();
    let of_event = || exchanges.iter().filter(|exchange| exchange.event == event);
    for exchange in of_event() {
        match (&exchange.asked, &exchange.answer) {
            (Asked::Reserve(request), Ok(Answer::Held(held))) => {
                let claim = Claim {
                    reservation: held.reservation.to_string(),
                    user: request.user.to_string(),
                    seats: held.seats.iter().map(Seat::to_string).collect(),
                    state: ReservationState::Held,
                };
                found.insert(claim.reservation.clone(), claim);
            }
            (Asked::Reserve(request), Ok(Answer::No(_))) => failures.push(request.user.to_string()),
            _ => {}
        }
    }
    for exchange in of_event() {
        let (Asked::Confirm(request) | Asked::Cancel(request)) = &exchange.asked else {
            continue;
        };
        let id = request.reservation.to_string();
        match &exchange.answer {
            Err(_) => {
                found.remove(&id);
            }
            Ok(answer) => {
                let state = match answer {
                    Answer::Confirmed(_) => ReservationState::Confirmed,
                    Answer::Cancelled(_) => ReservationState::Cancelled,
                    _ => continue,
                };
                if let Some(claim) = found.get_mut(&id) {
                    claim.state = state;
                }
            }
        }
    }
    Claims {
        successes: found.into_values().collect(),
        failures,
    }
}
