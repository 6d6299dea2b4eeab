//! Periodic reconciliation: Redis and the ledger are compared, event by event, and what differs is told and, if that is wished, repaired.
//!
//! # Who is right
//!
//! | data | right | so it is repaired |
//! |---|---|---|
//! | real-time availability | Redis; the ledger gets a snapshot with every comparison | what follows from sales and holds is derived anew |
//! | pending reservations | Redis | never by the ledger; a hold is lost only where its seat is sold, or it can't be one |
//! | confirmed reservations | the ledger | in Redis. A sale that only Redis knows is written into the ledger, which takes it or does not |
//! | event metadata | the ledger | in Redis |
//!
//! Sessions, history and reports have one home each, and nothing to be compared with.
//!
//! # Beside live traffic
//!
//! - What differs is looked at twice, some time apart ([`Asked::settle`]): what was only on its way has arrived by then.
//! - Before anything is changed it is read again, and the script that changes it is told what was read: if any of it is not so any more, it
//!   changes nothing, and everything is looked at anew. All of an event is mended by one call, so that nobody sees half of it.
//! - Who repairs holds a lock with a fencing token, which is written down in the ledger. Whoever comes later has a higher one, and who sees a higher
//!   one stops. Even two at once would do no harm: they would find each other's work done, by the guard of the script.
//! - One that is killed leaves what it has mended, and a lock that ends by itself; the next goes on with the rest.

mod compare;
mod drift;
pub(in crate::app) mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

pub use self::drift::{Difference, Drift};

use self::compare::{Comparison, Duty, compare};
use self::look::{Kept, Stored};
use super::WriteThrough;
use crate::app::error::{AppError, Refusal};
use crate::app::event_id::EventId;
use crate::app::ledger::{Entry, Finding, Ledger, Snapshot, Whole};
use crate::app::rebuild;
use crate::app::request::{CreateEvent, LockName, OperationId, ReservationId, User};
use crate::app::seat::Seat;
use crate::app::store::Store;

/// The lock of those who repair.
const LOCK: &str = "reconcile";
/// How often an event is looked at anew where it changes under the repair.
const TRIES: usize = 8;
/// How much of the outbox is told before anything is compared.
const OUTBOX: u32 = 1000;

/// What is to be compared, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The events; all, if none is named.
    pub events: Vec<EventId>,
    /// Whether what differs is to be repaired.
    pub repair: bool,
    /// How long a difference has to last to be one: longer than a change takes to get from one side to the other.
    pub settle: Duration,
    /// For how long the lock is taken; it is taken anew before each event.
    pub lock: Duration,
}

impl Default for Asked {
    fn default() -> Self {
        Asked {
            events: Vec::new(),
            repair: false,
            settle: Duration::from_secs(3),
            lock: Duration::from_secs(15),
        }
    }
}

/// How a comparison ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing differed.
    Clean,
    /// Something does.
    Drift,
    /// Nothing does any more.
    Repaired,
}

/// Something that differed, and whether it is repaired.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// In which event; nothing where it is in none.
    pub event: String,
    /// What.
    #[serde(flatten)]
    pub difference: Difference,
    /// Whether it is repaired.
    pub repaired: bool,
}

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Its number in the ledger.
    pub run: i64,
    /// Events that were compared.
    pub events: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// What differed.
    pub found: Vec<Found>,
    /// How many of each kind.
    pub counts: BTreeMap<&'static str, u64>,
    /// Snapshots that were written.
    pub snapshots: usize,
}

/// Redis and the ledger, to be compared.
#[derive(Clone)]
pub struct Reconcile {
    store: Store,
    ledger: Ledger,
}

/// Who repairs.
struct Right {
    name: LockName,
    owner: User,
    token: u64,
    time: Duration,
}

impl Reconcile {
    /// Over these two.
    pub fn new(store: Store, ledger: Ledger) -> Self {
        Reconcile { store, ledger }
    }

    /// Compares, and repairs if that is asked.
    ///
    /// # Errors
    /// [`Refusal::Locked`]: somebody else repairs, or has begun to since; those of Redis and of the ledger.
    pub async fn run(&self, asked: &Asked) -> Result<Report, AppError> {
        let right = match asked.repair {
            true => Some(self.take_lock(asked.lock).await?),
            false => None,
        };
        let run = self
            .ledger
            .begin_run(right.as_ref().map(|right| right.token))
            .await?;
        let compared = self.compare_all(run, asked, right.as_ref()).await;
        if let Some(right) = &right {
            // One that is not given back ends by itself.
            let _ = self
                .store
                .unlock(&right.name, &right.owner, right.token)
                .await;
        }
        match compared {
            Ok(report) => {
                let outcome = match report.outcome {
                    Outcome::Clean => "clean",
                    Outcome::Drift => "drift",
                    Outcome::Repaired => "repaired",
                };
                self.ledger.end_run(run, report.events, outcome).await?;
                Ok(report)
            }
            Err(error) => {
                let _ = self.ledger.end_run(run, 0, "failed").await;
                Err(error)
            }
        }
    }

    async fn take_lock(&self, time: Duration) -> Result<Right, AppError> {
        let name: LockName = LOCK.parse()?;
        let owner: User = format!("reconcile-{}", OperationId::random()).parse()?;
        let floor = self.ledger.highest_lock_token().await?;
        let lock = self.store.lock_above(&name, &owner, time, floor).await?;
        Ok(Right {
            name,
            owner,
            token: lock.token,
            time,
        })
    }

    /// Takes the lock for longer, and looks whether anybody has begun after us.
    async fn still_ours(&self, right: &Right) -> Result<(), AppError> {
        let lost = || {
            AppError::Refused(Refusal::Locked {
                name: right.name.to_string(),
                remaining: right.time,
            })
        };
        let lock = self
            .store
            .lock(&right.name, &right.owner, right.time)
            .await?;
        if lock.token != right.token {
            self.store
                .unlock(&right.name, &right.owner, lock.token)
                .await?;
            return Err(lost());
        }
        match self.ledger.highest_lock_token().await? > right.token {
            true => Err(lost()),
            false => Ok(()),
        }
    }

    async fn compare_all(
        &self,
        run: i64,
        asked: &Asked,
        right: Option<&Right>,
    ) -> Result<Report, AppError> {
        let mut found = Vec::new();
        if asked.events.is_empty() {
            found.extend(self.outbox(run, right.is_some()).await?);
        }
        let events = self.events(asked).await?;
        let mut suspicious = Vec::new();
        let mut snapshots = Vec::new();
        for event in &events {
            let comparison = self.look(event).await?;
            match comparison.differences.is_empty() {
                true => snapshots.extend(comparison.snapshot),
                false => suspicious.push((event, comparison.differences)),
            }
        }
        if !suspicious.is_empty() {
            sleep(asked.settle).await;
        }
        for (event, before) in suspicious {
            let (of_event, snapshot) = self.settle(run, event, &before, right).await?;
            found.extend(of_event);
            snapshots.extend(snapshot);
        }
        if !snapshots.is_empty() {
            self.ledger.snapshots(run, &snapshots).await?;
        }
        let mut counts = BTreeMap::new();
        for one in &found {
            *counts.entry(one.difference.kind.name()).or_insert(0) += 1;
        }
        let outcome = match found.iter().all(|one| one.repaired) {
            true if found.is_empty() => Outcome::Clean,
            true => Outcome::Repaired,
            false => Outcome::Drift,
        };
        Ok(Report {
            run,
            events: u32::try_from(events.len()).unwrap_or(u32::MAX),
            outcome,
            found,
            counts,
            snapshots: snapshots.len(),
        })
    }

    async fn events(&self, asked: &Asked) -> Result<Vec<EventId>, AppError> {
        if !asked.events.is_empty() {
            let named: BTreeSet<EventId> = asked.events.iter().cloned().collect();
            return Ok(named.into_iter().collect());
        }
        let (listed, written) = tokio::join!(self.store.listed(), self.ledger.event_ids());
        let ids: BTreeSet<String> = listed?.into_iter().chain(written?).collect();
        // What is no id can't be an event's name in any key of ours.
        Ok(ids.into_iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Looks at an event: at Redis first, since the ledger is never behind it where it decides.
    async fn look(&self, event: &EventId) -> Result<Comparison, AppError> {
        let stored = Stored::read(&self.store, event).await?;
        let whole = self.ledger.whole(event.as_str()).await?;
        Ok(compare(event.as_str(), &stored, whole.as_ref()))
    }

    /// What of the differences is still there, and what becomes of it.
    async fn settle(
        &self,
        run: i64,
        event: &EventId,
        before: &[Difference],
        right: Option<&Right>,
    ) -> Result<(Vec<Found>, Option<Snapshot>), AppError> {
        let comparison = self.look(event).await?;
        let lasting: Vec<Difference> = comparison
            .differences
            .iter()
            .filter(|one| before.contains(one))
            .cloned()
            .collect();
        if lasting.is_empty() {
            return Ok((Vec::new(), comparison.snapshot));
        }
        let findings: Vec<Finding> = lasting
            .iter()
            .map(|one| Finding {
                event: event.to_string(),
                kind: one.kind.name(),
                reservation: one.reservation.clone(),
                seat: one.seat.clone(),
                details: one.details.clone(),
            })
            .collect();
        // Written down before it is repaired: of a repair that is killed it can be seen what it was about.
        let rows = self.ledger.found(run, &findings).await?;
        let (left, snapshot) = match right {
            None => (comparison.differences, None),
            Some(right) => {
                self.still_ours(right).await?;
                let last = self.repair(event, comparison).await?;
                (last.differences, last.snapshot)
            }
        };
        // What it is about, whatever the two sides have by now.
        let is_left = |one: &Difference| {
            let mut same = left.iter().filter(|other| other.kind == one.kind);
            same.any(|other| other.reservation == one.reservation && other.seat == one.seat)
        };
        let is_repaired = |one: &Difference| right.is_some() && !is_left(one);
        let mended: Vec<i64> = rows
            .iter()
            .zip(&lasting)
            .filter(|(_, one)| is_repaired(one))
            .map(|(row, _)| *row)
            .collect();
        if !mended.is_empty() {
            self.ledger.mended(&mended).await?;
        }
        let found = lasting.into_iter().map(|one| Found {
            event: event.to_string(),
            repaired: is_repaired(&one),
            difference: one,
        });
        Ok((found.collect(), snapshot))
    }

    /// Mends an event until nothing differs; what then still does, if it changes too fast under us.
    async fn repair(
        &self,
        event: &EventId,
        mut comparison: Comparison,
    ) -> Result<Comparison, AppError> {
        for _ in 0..TRIES {
            if comparison.differences.is_empty() && comparison.mends.is_empty() {
                break;
            }
            match comparison.duties.is_empty() {
                // What the ledger says to these decides what Redis is told.
                false => self.tell_ledger(event, &comparison.duties).await?,
                true => self.mend(event, &comparison).await?,
            }
            comparison = self.look(event).await?;
        }
        Ok(comparison)
    }

    async fn mend(&self, event: &EventId, comparison: &Comparison) -> Result<(), AppError> {
        if comparison.is_to_be_unlisted {
            return self.store.unlist(event).await;
        }
        let whole = match comparison.is_to_be_filled || comparison.is_to_be_listed {
            true => self.ledger.whole(event.as_str()).await?,
            false => None,
        };
        if let Some(whole) = whole {
            self.put_back(event, &whole, comparison).await?;
        }
        if !comparison.mends.is_empty() {
            // Whether it was mended shows when it is looked at again.
            self.store.mend(event, &comparison.mends).await?;
        }
        Ok(())
    }

    async fn put_back(
        &self,
        event: &EventId,
        whole: &Whole,
        comparison: &Comparison,
    ) -> Result<(), AppError> {
        match comparison.is_to_be_filled {
            true => rebuild::fill(&self.store, event, whole, false)
                .await
                .map(drop),
            false => self.store.list(event, whole.created_ms).await,
        }
    }

    async fn tell_ledger(&self, event: &EventId, duties: &[Duty]) -> Result<(), AppError> {
        for duty in duties {
            match duty {
                Duty::Create {
                    name,
                    seats,
                    created_ms,
                } => {
                    let request = CreateEvent {
                        name: name.parse()?,
                        seats: *seats,
                        on_slots: None,
                    };
                    let operation: OperationId = format!("reconcile-{event}").parse()?;
                    self.ledger
                        .create_event(event, &request, &operation, *created_ms)
                        .await?;
                }
                Duty::Confirm { reservation, kept } => {
                    let entry = entry(event, reservation, kept, "confirm")?;
                    match self.ledger.confirm(&entry).await {
                        Ok(_) => {}
                        // It was another's in the meantime, or was cancelled: the next look says so.
                        Err(AppError::Refused(
                            Refusal::HoldLost { .. } | Refusal::StaleToken { .. },
                        )) => {
                            let entry = self::entry(event, reservation, kept, "refuse")?;
                            self.ledger.cancel(&entry).await?;
                        }
                        Err(AppError::Refused(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                Duty::Refuse { reservation, kept } => {
                    let entry = entry(event, reservation, kept, "refuse")?;
                    self.ledger.cancel(&entry).await?;
                }
            }
        }
        Ok(())
    }

    /// What Redis could not be told, and nobody tries any more.
    async fn outbox(&self, run: i64, repair: bool) -> Result<Vec<Found>, AppError> {
        let given_up = self.ledger.backlog().await?.given_up;
        if given_up == 0 {
            return Ok(Vec::new());
        }
        let difference = Difference {
            kind: Drift::OutboxGivenUp,
            reservation: None,
            seat: None,
            details: json!({"rows": given_up}),
        };
        let finding = Finding {
            event: String::new(),
            kind: difference.kind.name(),
            reservation: None,
            seat: None,
            details: difference.details.clone(),
        };
        let rows = self.ledger.found(run, &[finding]).await?;
        let mut repaired = false;
        if repair {
            self.ledger.try_again().await?;
            let through = WriteThrough::new(self.store.clone(), self.ledger.clone());
            repaired = through.repair(OUTBOX, true).await?.failed.is_empty();
            if repaired {
                self.ledger.mended(&rows).await?;
            }
        }
        Ok(vec![Found {
            event: String::new(),
            difference,
            repaired,
        }])
    }
}

/// Compares again and again, and says each time what came of it, until `told` says that it is enough.
///
/// # Errors
/// Those of [`Reconcile::run`], where no later time will do better; somebody else's lock is only told.
pub async fn every(
    reconcile: &Reconcile,
    asked: &Asked,
    pause: Duration,
    mut told: impl FnMut(Result<Report, AppError>) -> bool,
) -> Result<(), AppError> {
    loop {
        let next = Instant::now() + pause;
        let done = reconcile.run(asked).await;
        if let Err(error @ (AppError::WrongPassword { .. } | AppError::LedgerNotReady { .. })) =
            done
        {
            return Err(error);
        }
        if !told(done) {
            return Ok(());
        }
        tokio::time::sleep_until(next).await;
    }
}

fn entry(event: &EventId, reservation: &str, kept: &Kept, what: &str) -> Result<Entry, AppError> {
    let operation: String = format!("{what}-{reservation}").chars().take(64).collect();
    Ok(Entry {
        event: event.clone(),
        reservation: ReservationId::stored(reservation.to_owned()),
        user: kept.user.parse()?,
        seats: kept.seats.iter().cloned().map(Seat::stored).collect(),
        token: kept.token,
        operation: operation.parse()?,
    })
}
