//! The worker: drains the streams of the events into the ledger, and tells Redis what the outbox has for it.
//!
//! It finds the streams by the index of events in Redis and by the events that the ledger has, together: what one of them has lost, the
//! other has. Each stream is looked at by itself, so that a master that hangs holds up its own events alone, and is left alone for a
//! while when there is nothing in it.

mod chores;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

pub use self::status::{StreamState, status};

use self::chores::{Chore, Chores, Doing, Done, HEARTBEAT};
use self::status::streams;
use super::error::AppError;
use super::event_id::EventId;
use super::flow::Flow;
use super::ledger::{DEAD_AFTER, Lease, Ledger};
use super::patterns::WriteThrough;
use super::patterns::event_driven::{Course, Options, Step, step, tidy};
use super::payment::Gateway;
use super::request::OperationId;
use super::store::Store;

/// How long a stream that had nothing is left alone: the first time, and at most; each time it is doubled. With very many streams it is longer, so that
/// the looks at all of them are no more than [`LOOKS`] a second.
const IDLE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(80));
/// Looks at idle streams in a second, about.
const LOOKS: u32 = 5_000;
/// How long a stream is left alone after a failure.
const FAILED: Duration = Duration::from_millis(300);
/// How long a stream is left alone that had something, but less than a batch: what comes in the meantime is applied together, for the price of one
/// transaction.
const GATHER: Duration = Duration::from_millis(20);
/// How much of the outbox is told at a time.
const RELAY: u32 = 200;
/// How many payments are looked after at a time.
const SWEEP: u32 = 100;
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
    /// Payments without a sale that were given back, or under which the gateway takes nothing any more.
    pub swept: u64,
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

/// A worker.
pub struct Worker {
    store: Store,
    ledger: Ledger,
    options: Arc<Options>,
    /// Its name and something drawn, so that two of one name are two.
    instance: Arc<str>,
    sweep: Option<Box<dyn Fn() -> Doing + Send + Sync>>,
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
    /// The last entry that was applied, as of the last look.
    last_id: String,
    /// Everything before this entry is forgotten.
    tidied: Option<String>,
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
            sweep: None,
        }
    }

    /// Has it look after payments without a sale, too: those that were asked for longer ago than `older_than`, which has to be longer than anybody
    /// waits for the gateway.
    #[must_use]
    pub fn sweeping<G: Gateway + Clone + 'static>(
        mut self,
        flow: Flow<G>,
        older_than: Duration,
    ) -> Self {
        self.sweep = Some(Box::new(move || {
            let flow = flow.clone();
            Box::pin(async move { flow.sweep(older_than, SWEEP).await.map(Done::Swept) })
        }));
        self
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
            chores: Chores::new(),
            tidied: None,
            has_leased: false,
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

/// Says that a worker lives, and learns which streams it has.
async fn lease(
    store: &Store,
    ledger: &Ledger,
    options: &Options,
    instance: &str,
) -> Result<Done, AppError> {
    let ids = streams(store, ledger, &options.events).await?;
    let leases = ledger.lease(instance, options.name.as_str(), &ids).await?;
    let others = match leases.len() < ids.len() {
        true => ledger.leased_to_others(instance, &ids).await?,
        false => 0,
    };
    Ok(Done::Leased(leases, others))
}

struct Round<'a> {
    worker: &'a Worker,
    owned: BTreeMap<EventId, Owned>,
    looking: JoinSet<(Course, Result<Step, AppError>)>,
    chores: Chores,
    /// The stream that was tidied last.
    tidied: Option<EventId>,
    tally: Tally,
    lags: Histogram<u64>,
    /// Whether it was ever said which streams it has.
    has_leased: bool,
    /// Streams that others have.
    others: u64,
    begun: Instant,
}

impl Round<'_> {
    async fn work(&mut self, until: Until, stop: &CancellationToken) -> Result<(), AppError> {
        loop {
            if stop.is_cancelled() {
                return Ok(());
            }
            self.begin_chores();
            self.look_at_what_is_due();
            if self.has_leased && self.is_over(until) {
                return Ok(());
            }
            let next = [self.next_due(), self.chores.next_due()];
            let next = next.into_iter().flatten().min();
            let next = next.unwrap_or_else(|| Instant::now() + HEARTBEAT);
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
                Some(done) = self.chores.next() => self.done(done, until)?,
                () = sleep_until(next) => {}
            }
        }
    }

    /// The worker has these streams from now on.
    fn leased(&mut self, leases: Vec<Lease>, others: u64) -> Result<(), AppError> {
        self.others = others;
        self.has_leased = true;
        let mut mine = BTreeSet::new();
        for lease in leases {
            let event: EventId = lease.event.parse()?;
            mine.insert(event.clone());
            self.owned.entry(event.clone()).or_insert_with(|| Owned {
                last_id: lease.last_id.clone(),
                tidied: None,
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
        owned.last_id.clone_from(&course.last_id);
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
                    (None, false) if step.full => Duration::ZERO,
                    (None, false) => GATHER,
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

    /// Begins what is due beside the streams.
    fn begin_chores(&mut self) {
        let Round {
            worker,
            owned,
            chores,
            tidied,
            ..
        } = self;
        chores.begin(|chore| match chore {
            Chore::Lease => {
                let (store, ledger) = (worker.store.clone(), worker.ledger.clone());
                let (options, instance) = (worker.options.clone(), worker.instance.clone());
                Some(Box::pin(async move {
                    lease(&store, &ledger, &options, &instance).await
                }))
            }
            Chore::Relay => {
                let through = WriteThrough::new(worker.store.clone(), worker.ledger.clone());
                Some(Box::pin(async move {
                    let repaired = through.repair(RELAY, false).await?;
                    Ok(Done::Told(repaired.told as u64))
                }))
            }
            Chore::Sweep => worker.sweep.as_ref().map(|sweep| sweep()),
            Chore::Tidy => {
                let behind = tidied.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
                let mut next = owned.range((behind, Bound::Unbounded));
                let (event, stream) = next.next().or_else(|| owned.iter().next())?;
                *tidied = Some(event.clone());
                let (store, ledger) = (worker.store.clone(), worker.ledger.clone());
                let (options, instance) = (worker.options.clone(), worker.instance.clone());
                let (event, last_id) = (event.clone(), stream.last_id.clone());
                let before = stream.tidied.clone();
                Some(Box::pin(async move {
                    let tidied = tidy(
                        &store, &ledger, &options, &instance, &event, &last_id, before,
                    );
                    let tidied = tidied.await?;
                    Ok(Done::Tidied(event, tidied))
                }))
            }
        });
    }

    fn done(&mut self, done: Result<Done, AppError>, until: Until) -> Result<(), AppError> {
        match done {
            Ok(Done::Leased(leases, others)) => self.leased(leases, others)?,
            Ok(Done::Told(told)) => self.tally.told += told,
            Ok(Done::Swept(swept)) => self.tally.swept += swept.refunded + swept.voided,
            Ok(Done::Tidied(event, before)) => {
                if let Some(owned) = self.owned.get_mut(&event) {
                    owned.tidied = before;
                }
            }
            Err(error) => self.failed(error, until)?,
        }
        Ok(())
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
                    && !self.chores.is_running(Chore::Relay)
                    && !self.chores.is_running(Chore::Sweep)
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
            // One that is on its way would take the streams again.
            while self.chores.is_running(Chore::Lease) {
                let _ = self.chores.next().await;
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
