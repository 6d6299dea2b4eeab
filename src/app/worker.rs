//! The worker: drains the streams of the events into the ledger, and tells Redis what the outbox has for it.
//!
//! It finds the streams by the index of events in Redis and by the events that the ledger has, together: what one of them has lost, the
//! other has. Each stream is looked at by itself, so that a master that hangs holds up its own events alone, and is left alone for a
//! while when there is nothing in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::error::AppError;
use super::event_id::EventId;
use super::ledger::{DEAD_AFTER, Ledger, Position};
use super::patterns::WriteThrough;
use super::patterns::event_driven::{Course, Options, Step, step};
use super::request::OperationId;
use super::store::{Store, StreamLag};

/// How often a worker says that it lives, and looks for new streams.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long a stream that had nothing is left alone: the first time, and at most; each time it is doubled. With very many streams it is longer, so that
/// the looks at all of them are no more than [`LOOKS`] a second.
const IDLE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(80));
/// Looks at idle streams in a second, about.
const LOOKS: u32 = 5_000;
/// How long a stream is left alone after a failure.
const FAILED: Duration = Duration::from_millis(300);
/// How often the outbox is looked at, and how much of it is told at a time.
const RELAY: (Duration, u32) = (Duration::from_millis(250), 200);
/// How long what was applied is told to Redis at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long a worker works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until it is stopped.
    Stopped,
    /// Until it has looked at every stream that it has, once.
    Once,
    /// Until nothing is left in any stream but those that other workers have who live.
    Drained,
}

/// What a worker has done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Streams that it had at the end.
    pub streams: usize,
    /// Entries that it applied.
    pub applied: u64,
    /// Entries that were given out again, and had been applied before.
    pub again: u64,
    /// Sales that the ledger did not allow.
    pub refused: u64,
    /// Entries that went to the dead letters.
    pub dead: u64,
    /// Gaps that it found.
    pub gaps: u64,
    /// Changes of the ledger that it told Redis.
    pub told: u64,
    /// Looks that came to nothing, since Redis or the ledger did not answer.
    pub failures: u64,
    /// What came of the last of these.
    pub last_failure: Option<String>,
    /// How long entries had waited until they were applied, in milliseconds: half of them no longer than this.
    pub lag_p50_ms: u64,
    /// 99 of 100 no longer than this.
    pub lag_p99_ms: u64,
    /// None longer.
    pub lag_max_ms: u64,
}

/// How a stream stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamState {
    /// How far it is in the ledger.
    #[serde(flatten)]
    pub position: Position,
    /// Entries that it has.
    pub entries: u64,
    /// Entries that wait to be applied.
    pub pending: u64,
    /// For how long the oldest of them has, in milliseconds.
    pub lag_ms: u64,
    /// Dead letters.
    pub dead_letters: u64,
}

/// How every stream stands, or those of some events.
///
/// # Errors
/// Redis or the ledger could not be asked.
pub async fn status(
    store: &Store,
    ledger: &Ledger,
    events: &[EventId],
) -> Result<Vec<StreamState>, AppError> {
    let ids = streams(store, ledger, events).await?;
    let mut positions: BTreeMap<String, Position> = ledger
        .positions(Some(&ids))
        .await?
        .into_iter()
        .map(|position| (position.event.clone(), position))
        .collect();
    let mut states = Vec::with_capacity(ids.len());
    for id in ids {
        let event: EventId = id.parse()?;
        let position = positions.remove(&id).unwrap_or_else(|| Position {
            event: id.clone(),
            worker: None,
            last_id: "0-0".to_owned(),
            applied: 0,
            refused: 0,
            dead: 0,
            tries: 0,
            last_error: None,
            gaps: 0,
            gap: None,
        });
        let StreamLag {
            entries,
            waiting,
            lag_ms,
            dead,
        } = store.stream_lag(&event, &position.last_id).await?;
        states.push(StreamState {
            position,
            entries,
            pending: waiting,
            lag_ms,
            dead_letters: dead,
        });
    }
    Ok(states)
}

/// The events whose streams there may be.
async fn streams(
    store: &Store,
    ledger: &Ledger,
    events: &[EventId],
) -> Result<Vec<String>, AppError> {
    if !events.is_empty() {
        let named: BTreeSet<String> = events.iter().map(EventId::to_string).collect();
        return Ok(named.into_iter().collect());
    }
    let (listed, written) = tokio::join!(store.listed(), ledger.event_ids());
    let all: BTreeSet<String> = listed?
        .into_iter()
        .chain(written?)
        .filter(|id| id.parse::<EventId>().is_ok())
        .collect();
    Ok(all.into_iter().collect())
}

/// A worker.
pub struct Worker {
    store: Store,
    ledger: Ledger,
    options: Arc<Options>,
    /// Its name and something drawn, so that two of one name are two.
    instance: Arc<str>,
}

/// A stream that the worker has.
struct Owned {
    /// Where it is, unless somebody looks at it just now.
    course: Option<Course>,
    due: Instant,
    pause: Duration,
    /// Looks since the start that found nothing more.
    idle: u32,
    looks: u32,
    /// It is another's as soon as the look at it ends.
    leaves: bool,
}

impl Worker {
    /// Over these two.
    pub fn new(store: Store, ledger: Ledger, options: Options) -> Self {
        let instance = format!("{}-{}", options.name, OperationId::random());
        Worker {
            store,
            ledger,
            options: Arc::new(options),
            instance: instance.into(),
        }
    }

    /// Works until it is to end, and ends in order: what is under way comes to its end, Redis is told what was applied, and the streams are free
    /// for others.
    ///
    /// # Errors
    /// What no waiting mends: a wrong password, a schema that is another program's. And with [`Until::Once`] and [`Until::Drained`], that
    /// Redis or the ledger can't be reached.
    pub async fn run(&self, until: Until, stop: &CancellationToken) -> Result<Tally, AppError> {
        let mut round = Round {
            worker: self,
            owned: BTreeMap::new(),
            looking: JoinSet::new(),
            relaying: JoinSet::new(),
            tally: Tally::default(),
            lags: Histogram::new(3).map_err(|error| AppError::Unexpected {
                what: format!("lags can't be counted: {error}"),
            })?,
            others: 0,
            begun: Instant::now(),
        };
        let ended = round.work(until, stop).await;
        round.end().await;
        ended.map(|()| round.summed())
    }
}

struct Round<'a> {
    worker: &'a Worker,
    owned: BTreeMap<EventId, Owned>,
    looking: JoinSet<(Course, Result<Step, AppError>)>,
    relaying: JoinSet<Result<u64, AppError>>,
    tally: Tally,
    lags: Histogram<u64>,
    /// Streams that others have.
    others: u64,
    begun: Instant,
}

impl Round<'_> {
    async fn work(&mut self, until: Until, stop: &CancellationToken) -> Result<(), AppError> {
        let mut heartbeat = Instant::now();
        let mut relay = Instant::now();
        let mut has_leased = false;
        loop {
            let now = Instant::now();
            if stop.is_cancelled() {
                return Ok(());
            }
            if heartbeat <= now {
                match self.lease().await {
                    Ok(()) => has_leased = true,
                    Err(error) => self.failed(error, until)?,
                }
                heartbeat = Instant::now() + HEARTBEAT;
            }
            if relay <= now && self.relaying.is_empty() {
                relay = now + RELAY.0;
                self.relay();
            }
            self.look_at_what_is_due();
            if has_leased && self.is_over(until) {
                return Ok(());
            }
            let next = self.next_due().unwrap_or(heartbeat).min(heartbeat).min(
                // Who relays is waited for by himself.
                if self.relaying.is_empty() {
                    relay
                } else {
                    heartbeat
                },
            );
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(looked) = self.looking.join_next() => {
                    if let Ok((course, looked)) = looked {
                        self.looked(course, looked, until)?;
                    }
                    if self.worker.options.stop_before_ack && self.tally.applied > 0 {
                        return Err(AppError::Unknown {
                            within: Duration::ZERO,
                            last: "it was ended between applying entries and saying so to Redis, as was asked".to_owned(),
                        });
                    }
                }
                Some(relayed) = self.relaying.join_next() => match relayed {
                    Ok(Ok(told)) => self.tally.told += told,
                    Ok(Err(error)) => self.failed(error, until)?,
                    Err(_) => {}
                },
                () = sleep_until(next) => {}
            }
        }
    }

    /// Says that the worker lives, and learns which streams it has.
    async fn lease(&mut self) -> Result<(), AppError> {
        let Worker {
            store,
            ledger,
            options,
            instance,
        } = self.worker;
        let ids = streams(store, ledger, &options.events).await?;
        let leases = ledger.lease(instance, options.name.as_str(), &ids).await?;
        self.others = match leases.len() < ids.len() {
            true => ledger.leased_to_others(instance, &ids).await?,
            false => 0,
        };
        let mut mine = BTreeSet::new();
        for lease in leases {
            let event: EventId = lease.event.parse()?;
            mine.insert(event.clone());
            self.owned.entry(event.clone()).or_insert_with(|| Owned {
                course: Some(Course {
                    event,
                    last_id: lease.last_id,
                    done: Vec::new(),
                }),
                due: Instant::now(),
                pause: IDLE.0,
                idle: 0,
                looks: 0,
                leaves: false,
            });
        }
        self.owned.retain(|event, owned| {
            owned.leaves = !mine.contains(event);
            // One that is being looked at leaves when that ends.
            !(owned.leaves && owned.course.is_some())
        });
        Ok(())
    }

    fn look_at_what_is_due(&mut self) {
        let now = Instant::now();
        for owned in self.owned.values_mut().filter(|owned| owned.due <= now) {
            let Some(mut course) = owned.course.take() else {
                continue;
            };
            let (store, ledger) = (self.worker.store.clone(), self.worker.ledger.clone());
            let (options, instance) = (self.worker.options.clone(), self.worker.instance.clone());
            self.looking.spawn(async move {
                let looked = step(&store, &ledger, &options, &instance, &mut course).await;
                (course, looked)
            });
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let waiting = self.owned.values().filter(|owned| owned.course.is_some());
        waiting.map(|owned| owned.due).min()
    }

    fn looked(
        &mut self,
        course: Course,
        looked: Result<Step, AppError>,
        until: Until,
    ) -> Result<(), AppError> {
        let longest = IDLE
            .1
            .max(Duration::from_secs(1) * u32::try_from(self.owned.len()).unwrap_or(1) / LOOKS);
        let event = course.event.clone();
        let now = Instant::now();
        let Some(owned) = self.owned.get_mut(&event) else {
            return Ok(());
        };
        owned.looks += 1;
        match looked {
            Ok(step) => {
                let tally = &mut self.tally;
                tally.applied += step.applied;
                tally.again += step.again;
                tally.refused += step.refused;
                tally.dead += step.dead;
                tally.gaps += step.gaps;
                for lag in step.lags_ms {
                    // A count that is too high for the histogram is counted as its highest.
                    self.lags.saturating_record(lag.max(1));
                }
                if step.lost || owned.leaves {
                    self.owned.remove(&event);
                    return Ok(());
                }
                owned.idle = if step.idle { owned.idle + 1 } else { 0 };
                owned.pause = match (step.stuck, step.idle) {
                    (Some(_), _) => FAILED,
                    (None, true) => (owned.pause * 2).clamp(IDLE.0, longest),
                    (None, false) => Duration::ZERO,
                };
                owned.due = now + owned.pause;
                owned.course = Some(course);
                Ok(())
            }
            Err(error) => {
                owned.due = now + FAILED;
                owned.idle = 0;
                owned.course = Some(course);
                self.failed(error, until)
            }
        }
    }

    /// Tells Redis what is due in the outbox, beside what goes on.
    fn relay(&mut self) {
        let through = WriteThrough::new(self.worker.store.clone(), self.worker.ledger.clone());
        self.relaying.spawn(async move {
            let repaired = through.repair(RELAY.1, false).await?;
            Ok(repaired.told as u64)
        });
    }

    /// Heeds a failure, and says whether it is the end.
    fn failed(&mut self, error: AppError, until: Until) -> Result<(), AppError> {
        let waits = matches!(
            error,
            AppError::Unreachable { .. }
                | AppError::Unknown { .. }
                | AppError::ClusterDown { .. }
                | AppError::LedgerUnreachable { .. }
                | AppError::LedgerFull { .. }
        );
        let is_of_one_stream = matches!(error, AppError::Unexpected { .. } | AppError::Refused(_));
        if until == Until::Stopped && (waits || is_of_one_stream) {
            self.tally.failures += 1;
            self.tally.last_failure = Some(error.to_string());
            return Ok(());
        }
        Err(error)
    }

    fn is_over(&self, until: Until) -> bool {
        let mut owned = self.owned.values();
        match until {
            Until::Stopped => false,
            Until::Once => owned.all(|owned| owned.looks > 0 && owned.course.is_some()),
            // Twice, since the first look that finds nothing may have been for a stream that was just taken over. Whoever has others may have
            // died just now: that shows only when he should have been seen again.
            Until::Drained => {
                let others_live =
                    self.others == 0 || self.begun.elapsed() > DEAD_AFTER + HEARTBEAT * 2;
                others_live
                    && owned.all(|owned| owned.idle > 1 && owned.course.is_some())
                    && self.relaying.is_empty()
            }
        }
    }

    /// Lets what is under way come to its end, tells Redis what was applied, and frees the streams.
    async fn end(&mut self) {
        let worker = self.worker;
        if worker.options.stop_before_ack {
            self.looking.abort_all();
            return;
        }
        let wait = async {
            while let Some(looked) = self.looking.join_next().await {
                if let Ok((course, looked)) = looked {
                    let _ = self.looked(course, looked, Until::Stopped);
                }
            }
            for (event, owned) in &mut self.owned {
                if let Some(course) = &mut owned.course {
                    // Where this fails, whoever comes next finds them applied.
                    let _ = worker.store.done_with(event, &course.done).await;
                }
            }
            let _ = worker.ledger.end_leases(&worker.instance).await;
        };
        let _ = tokio::time::timeout(LAST_WORDS, wait).await;
    }

    fn summed(self) -> Tally {
        Tally {
            streams: self.owned.len(),
            lag_p50_ms: self.lags.value_at_quantile(0.5),
            lag_p99_ms: self.lags.value_at_quantile(0.99),
            lag_max_ms: self.lags.max(),
            ..self.tally
        }
    }
}
