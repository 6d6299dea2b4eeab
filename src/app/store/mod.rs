//! The hot state in Redis Cluster: each transition is one script, which does all of it or nothing.
//!
//! A request is tried until its deadline, through failovers and moving slots. That is safe since each carries an operation id: the script
//! keeps a record of it, and the answer to a repeated request is the first one. What that can't promise: replication is asynchronous, so a failover
//! can lose a change that was acknowledged, together with its record. [`Settings::durable`](super::settings::Settings::durable) makes that
//! rare, and only the ledger behind a confirmation makes it harmless.

mod client;
mod diagnose;
mod durable;
mod elsewhere;
mod failure;
mod lanes;
mod ledgered;
mod link;
mod naive;
mod nodes;
mod read_routing;
mod reads;
mod streams;
mod watch;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Value, from_redis_value};

use self::client::{Client, Request};
use super::answer::{Cancelled, Confirmed, Created, Held, Lock, RateVerdict};
use super::error::{AppError, Refusal};
use super::event_id::EventId;
use super::request::{
    CreateEvent, LockName, OperationId, ReservationId, Reserve, Settle, User, Wanted,
};
use super::scripts::{self, AppScript};
use super::seat::Seat;
use super::settings::{RateLimit, Settings};
use crate::cluster::{Endpoint, Slot};

pub use self::ledgered::{FLOOR_TIME, Filled, Standing};
pub use self::nodes::NodeCounts;
pub use self::reads::Seats;
pub(super) use self::streams::read_as;
pub use self::streams::{GROUP, StreamEntry, StreamLag, Taken, entry_ms};

/// How long the record of an operation is kept: for so long the same operation id gets the same answer.
pub const OPERATION_RECORD_TIME: Duration = Duration::from_secs(24 * 60 * 60);
/// The index of all events.
pub(super) const EVENTS_KEY: &str = "events";
/// How often another id is drawn when a new event's is taken.
const DRAWS: usize = 8;

/// A connection to the application's state. Cheap to clone; all clones share one client.
#[derive(Clone)]
pub struct Store {
    client: Arc<Client>,
    spare: Arc<durable::Spare>,
}

impl Store {
    /// Connects.
    ///
    /// # Errors
    /// No node can be reached, one is no node of a cluster, or it wants another password; the cluster is down.
    pub async fn connect(settings: Settings) -> Result<Self, AppError> {
        Ok(Store {
            client: Client::connect(settings).await?,
            spare: Arc::default(),
        })
    }

    /// Makes an event, under an id that is drawn for it.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn create_event(&self, request: &CreateEvent) -> Result<Created, AppError> {
        request.check()?;
        let operation = OperationId::random();
        for _ in 0..DRAWS {
            let event = request.draw_id()?;
            if let Some(created) = self.create_as(&event, request, &operation).await? {
                return Ok(created);
            }
        }
        Err(AppError::Unexpected {
            what: format!("{DRAWS} new ids were all taken"),
        })
    }

    /// `None`: another event has that id.
    pub(super) async fn create_as(
        &self,
        event: &EventId,
        request: &CreateEvent,
        operation: &OperationId,
    ) -> Result<Option<Created>, AppError> {
        // First into the index: a listed event that is not there is passed over, and one that is there is never missing.
        let mut index = redis::cmd("ZADD");
        index
            .arg(EVENTS_KEY)
            .arg("NX")
            .arg(super::now_ms())
            .arg(event.as_str());
        let slot = Slot::of_key(EVENTS_KEY.as_bytes());
        self.change::<u64>(slot, index).await?;
        let fingerprint = format!("create {} {}", request.seats, request.name.as_str());
        let mut arguments = vec![request.name.as_str().to_owned()];
        arguments.extend(Seat::all(request.seats).map(|seat| seat.as_str().to_owned()));
        let answer = self
            .transition(
                &scripts::CREATE_EVENT,
                event,
                operation,
                &fingerprint,
                arguments,
            )
            .await?;
        match texts(&answer).as_slice() {
            ["created", seats, created_ms] => Ok(Some(Created {
                event: event.clone(),
                name: request.name.as_str().to_owned(),
                seats: number(seats)?,
                slot: event.slot(),
                created_ms: number(created_ms)?,
            })),
            ["exists"] => Ok(None),
            ["op_conflict"] => Err(reused(operation)),
            other => Err(strange("create_event", other)),
        }
    }

    /// Holds seats: all that are wanted, or none.
    ///
    /// # Errors
    /// [`AppError::Refused`]: sold out, taken, no such seat, too many, no such event, limited, the operation id is another request's.
    pub async fn reserve(&self, request: &Reserve) -> Result<Held, AppError> {
        request.check()?;
        if let Some(limit) = self.client.settings().rate_limit {
            self.allow(&request.user, limit, &request.operation).await?;
        }
        let mut arguments = vec![
            ReservationId::random().to_string(),
            request.user.to_string(),
            request.hold.as_millis().to_string(),
        ];
        match &request.wanted {
            Wanted::Any(count) => arguments.extend(["count".to_owned(), count.to_string()]),
            Wanted::These(seats) => {
                arguments.push("seats".to_owned());
                arguments.extend(seats.iter().map(Seat::to_string));
            }
        }
        let event = &request.event;
        let answer = self
            .transition(
                &scripts::RESERVE,
                event,
                &request.operation,
                &request.fingerprint(),
                arguments,
            )
            .await?;
        Err(match texts(&answer).as_slice() {
            ["held", reservation, token, expires_ms, seats @ ..] => {
                return Ok(Held {
                    reservation: ReservationId::stored((*reservation).to_owned()),
                    token: number(token)?,
                    expires_ms: number(expires_ms)?,
                    seats: stored_seats(seats),
                });
            }
            ["sold_out", free] => AppError::Refused(Refusal::SoldOut {
                asked: request.wanted.count(),
                free: number(free)?,
            }),
            ["taken", seat] => Refusal::Taken { seat: stored(seat) }.into(),
            ["no_seat", seat] => Refusal::NoSuchSeat { seat: stored(seat) }.into(),
            ["too_many", seats] => AppError::Refused(Refusal::TooMany {
                seats: number(seats)?,
            }),
            ["no_event"] => unknown(event),
            ["op_conflict"] => reused(&request.operation),
            other => strange("reserve", other),
        })
    }

    /// Makes a hold a sale: only for its holder, and only while it lasts.
    ///
    /// # Errors
    /// [`AppError::Refused`]: no such event or reservation, somebody else's, expired, cancelled, a stale token, the operation id is another request's.
    pub async fn confirm(&self, request: &Settle) -> Result<Confirmed, AppError> {
        let token = request.token.map(|token| token.to_string());
        let arguments = vec![
            request.reservation.to_string(),
            request.user.to_string(),
            token.unwrap_or_default(),
        ];
        let answer = self
            .transition(
                &scripts::CONFIRM,
                &request.event,
                &request.operation,
                &request.fingerprint("confirm"),
                arguments,
            )
            .await?;
        match texts(&answer).as_slice() {
            ["confirmed", reservation, token, seats @ ..] => Ok(Confirmed {
                reservation: ReservationId::stored((*reservation).to_owned()),
                token: number(token)?,
                seats: stored_seats(seats),
            }),
            other => Err(not_settled("confirm", other, request)),
        }
    }

    /// Gives the seats of a hold, or of a sale, back.
    ///
    /// # Errors
    /// As those of [`confirm`](Self::confirm).
    pub async fn cancel(&self, request: &Settle) -> Result<Cancelled, AppError> {
        let arguments = vec![request.reservation.to_string(), request.user.to_string()];
        let answer = self
            .transition(
                &scripts::CANCEL,
                &request.event,
                &request.operation,
                &request.fingerprint("cancel"),
                arguments,
            )
            .await?;
        match texts(&answer).as_slice() {
            ["cancelled", reservation, seats @ ..] => Ok(Cancelled {
                reservation: ReservationId::stored((*reservation).to_owned()),
                seats: stored_seats(seats),
            }),
            other => Err(not_settled("cancel", other, request)),
        }
    }

    /// Counts a view of an event; says how many there were.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn view(&self, event: &EventId, operation: &OperationId) -> Result<u64, AppError> {
        let keys = [event.views_key(), event.operation_key(operation)];
        let arguments = ["view".to_owned(), record_time()];
        let answer = self
            .script(&scripts::VIEW, event.slot(), &keys, &arguments)
            .await?;
        match texts(&answer).as_slice() {
            ["viewed", views] => number(views),
            ["op_conflict"] => Err(reused(operation)),
            other => Err(strange("view", other)),
        }
    }

    /// Whether a user may do one more thing: at most `limit` in a window that slides with the time.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`], with how long to wait.
    pub async fn allow(
        &self,
        user: &User,
        limit: RateLimit,
        operation: &OperationId,
    ) -> Result<RateVerdict, AppError> {
        let key = format!("rate:{{{user}}}");
        let slot = Slot::of_key(key.as_bytes());
        let arguments = [
            operation.to_string(),
            limit.window.as_millis().to_string(),
            limit.limit.to_string(),
        ];
        let answer = self
            .script(&scripts::RATE_LIMIT, slot, &[key], &arguments)
            .await?;
        match texts(&answer).as_slice() {
            ["allowed", used, _] => Ok(RateVerdict {
                used: number(used)?,
                limit: limit.limit,
            }),
            ["limited", _, wait_ms] => Err(AppError::Refused(Refusal::RateLimited {
                user: user.to_string(),
                wait: Duration::from_millis(number(wait_ms)?),
                limit: limit.limit,
                window: limit.window,
            })),
            other => Err(strange("rate_limit", other)),
        }
    }

    /// Takes a lock, or takes it longer. The token grows with every new holder: whoever writes under the lock passes it on, and what it writes to
    /// refuses a token less than one that it has seen.
    ///
    /// # Errors
    /// [`Refusal::Locked`]: somebody else has it.
    pub async fn lock(
        &self,
        name: &LockName,
        owner: &User,
        time: Duration,
    ) -> Result<Lock, AppError> {
        let (slot, keys) = lock_keys(name);
        let arguments = [owner.to_string(), time.as_millis().max(1).to_string()];
        let answer = self.script(&scripts::LOCK, slot, &keys, &arguments).await?;
        match texts(&answer).as_slice() {
            ["locked", token, expires_ms] => Ok(Lock {
                token: number(token)?,
                expires_ms: number(expires_ms)?,
            }),
            ["busy", remaining_ms] => Err(AppError::Refused(Refusal::Locked {
                name: name.to_string(),
                remaining: Duration::from_millis(number(remaining_ms)?),
            })),
            other => Err(strange("lock", other)),
        }
    }

    /// Gives a lock back. `false`: it was not this owner's any more, by that token.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn unlock(
        &self,
        name: &LockName,
        owner: &User,
        token: u64,
    ) -> Result<bool, AppError> {
        let (slot, keys) = lock_keys(name);
        let arguments = [owner.to_string(), token.to_string()];
        let answer = self
            .script(&scripts::UNLOCK, slot, &keys, &arguments)
            .await?;
        match texts(&answer).as_slice() {
            ["unlocked"] => Ok(true),
            ["not_holder"] => Ok(false),
            other => Err(strange("unlock", other)),
        }
    }

    /// The master that a slot is known to have, by the address that it announces.
    pub fn master_of(&self, slot: Slot) -> Option<Endpoint> {
        self.client.lanes().master(slot)
    }

    /// The replicas that are known of a slot's master, by the addresses that they announce.
    pub fn replicas_of(&self, slot: Slot) -> Vec<Endpoint> {
        self.client.lanes().replicas(slot)
    }

    /// Asks the cluster again who has which slots.
    pub async fn look_again(&self) {
        self.client.look_again().await;
    }

    /// Attempts after the first of a request, and clients made anew, since this store was connected.
    pub fn retries(&self) -> (u64, u64) {
        let counts = &self.client.counts;
        (
            counts.retries.load(Ordering::Relaxed),
            counts.rebuilds.load(Ordering::Relaxed),
        )
    }

    /// The settings that it was connected with.
    pub fn settings(&self) -> &Settings {
        self.client.settings()
    }

    /// One plain command at the master of a slot. It has to be one that may be done twice.
    pub(super) async fn change<T: FromRedisValue>(
        &self,
        slot: Slot,
        command: Cmd,
    ) -> Result<T, AppError> {
        let value = self
            .client
            .send(slot, |_| Request::Change(command.clone()))
            .await?;
        reads::parsed(value)
    }

    /// One transition of an event.
    async fn transition(
        &self,
        script: &AppScript,
        event: &EventId,
        operation: &OperationId,
        fingerprint: &str,
        arguments: Vec<String>,
    ) -> Result<Vec<String>, AppError> {
        let keys = event.script_keys(operation);
        let mut all = vec![fingerprint.to_owned(), record_time()];
        all.extend(arguments);
        if self.client.settings().durable {
            return self.durably(script, event.slot(), &keys, &all).await;
        }
        self.script(script, event.slot(), &keys, &all).await
    }

    /// Runs a script at the master of its slot: by its digest, and in full where the node has not got it. In full for one call only, so that
    /// it goes to the very node that lacks it, wherever the slot is just then.
    async fn script(
        &self,
        script: &AppScript,
        slot: Slot,
        keys: &[String],
        arguments: &[String],
    ) -> Result<Vec<String>, AppError> {
        let value = self
            .client
            .send(slot, |last| {
                let in_full = last.is_some_and(failure::Failure::is_no_script);
                Request::Change(call(script, in_full, keys, arguments))
            })
            .await?;
        flat(value)
    }
}

/// The call of a script.
fn call(script: &AppScript, in_full: bool, keys: &[String], arguments: &[String]) -> Cmd {
    let mut command = match in_full {
        false => {
            let mut command = redis::cmd("EVALSHA");
            command.arg(script.sha1());
            command
        }
        true => {
            let mut command = redis::cmd("EVAL");
            command.arg(script.source);
            command
        }
    };
    command.arg(keys.len()).arg(keys).arg(arguments);
    command
}

/// A script's answer, which is a flat list of texts.
fn flat(value: Value) -> Result<Vec<String>, AppError> {
    from_redis_value(value).map_err(|error| AppError::Unexpected {
        what: format!("a script's answer is not a list of texts: {error}"),
    })
}

fn texts(answer: &[String]) -> Vec<&str> {
    answer.iter().map(String::as_str).collect()
}

fn record_time() -> String {
    OPERATION_RECORD_TIME.as_millis().to_string()
}

fn lock_keys(name: &LockName) -> (Slot, [String; 2]) {
    let keys = [format!("lock:{{{name}}}"), format!("lock:{{{name}}}:token")];
    (Slot::of_key(keys[0].as_bytes()), keys)
}

fn stored(seat: &str) -> Seat {
    Seat::stored(seat.to_owned())
}

fn stored_seats(seats: &[&str]) -> Vec<Seat> {
    seats.iter().map(|seat| stored(seat)).collect()
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, AppError> {
    text.parse().map_err(|_| AppError::Unexpected {
        what: format!("a script gave {text:?} where a number has to be"),
    })
}

fn unknown(event: &EventId) -> AppError {
    AppError::Refused(Refusal::UnknownEvent {
        event: event.to_string(),
    })
}

fn reused(operation: &OperationId) -> AppError {
    AppError::Refused(Refusal::OperationReused {
        operation: operation.to_string(),
    })
}

fn strange(script: &str, answer: &[&str]) -> AppError {
    AppError::Unexpected {
        what: format!("the script {script} gave an answer that is not one of its own: {answer:?}"),
    }
}

/// The answers that confirm and cancel have in common.
fn not_settled(script: &str, answer: &[&str], request: &Settle) -> AppError {
    let reservation = request.reservation.to_string();
    AppError::Refused(match answer {
        ["no_event"] => return unknown(&request.event),
        ["op_conflict"] => return reused(&request.operation),
        ["no_reservation"] => Refusal::UnknownReservation { reservation },
        ["expired"] => Refusal::Expired { reservation },
        ["lost"] => Refusal::HoldLost { reservation },
        ["cancelled"] => Refusal::Cancelled { reservation },
        ["not_holder"] => Refusal::NotHolder {
            reservation,
            user: request.user.to_string(),
        },
        ["stale", token] => match number(token) {
            Ok(token) => Refusal::StaleToken { token },
            Err(error) => return error,
        },
        other => return strange(script, other),
    })
}
