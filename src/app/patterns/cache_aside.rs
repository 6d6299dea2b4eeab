//! Cache-aside: a read asks the cache in Redis first, and the ledger where that has nothing; what the ledger says is put into the cache.
//!
//! What is cached is the ledger's word on an event ([`Sheet`]): its name, its seats, how many are sold. How many are free just now is Redis's own
//! ([`Store::availability`]), and is not cached.
//!
//! # Guarantees
//!
//! - **Age.** A value is served for at most [`Ages::bound`] after the ledger has changed. That is the worst case, where the change was not told
//!   to Redis (the second write of a write-through failed and was not repaired); where it was, nothing older is served from then on, but to who
//!   waits for a read that was under way.
//! - **No way back.** A fill carries the version of the event that was read. The script that fills refuses one that is older than what is there,
//!   and a change leaves its version there even where no value is. So a reader that was slow can't put back what has changed since.
//! - **One query.** Of those who miss at the same time in one program, one asks the ledger, and the others wait for his answer. Each program
//!   asks for itself.
//! - **No rush at the end.** Lifetimes differ by chance ([`Ages::jitter`]). And shortly before a value ends, a read refreshes it in the
//!   background, the earlier the longer it takes to make the value: by chance, so that one does and not all (Vattani and others, "Optimal
//!   probabilistic cache stampede prevention", 2015).
//! - **What is not there** is cached, too, for a shorter time: who asks for events that are none costs the ledger a query each time at most.
//! - **Without the cache** reads go to the ledger, still one query for all who ask at once.
//!
//! # What it can't promise
//!
//! A failover of Redis may lose the version that a change left. Then a reader that read the ledger before the change, and fills after the failover,
//! puts the old value back, for its lifetime: the bound on the age holds. No clock of the application plays a part: lifetimes are the
//! node's, and the reader knows by how much its own clock differs.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::future::Cache;
use serde::Serialize;
use tokio::time::{Instant, timeout};

use crate::app::error::AppError;
use crate::app::event_id::EventId;
use crate::app::ledger::{Ledger, Sheet};
use crate::app::now_ms;
use crate::app::store::Store;

/// Stands for an event that is not there.
const NOTHING: &str = "-";
/// How often the ledger is read again when the cache knows of something newer than what was read.
const READS: usize = 3;
/// Loads under way that are kept apart, at most.
const FLIGHTS: u64 = 10_000;

/// How old what is cached may become.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ages {
    /// How long a value lives in the cache.
    pub ttl: Duration,
    /// By which part of it a lifetime may be shorter, by chance: 0.1 makes 27 to 30 seconds of 30.
    pub jitter: f64,
    /// How long it is remembered that an event is not there.
    pub nothing: Duration,
    /// How early values are refreshed: at 1 about as early as it takes to make them, at 0 never.
    pub eagerness: f64,
    /// How long reading the ledger may take for what was read to be put into the cache.
    pub load: Duration,
    /// How long the cache is waited for before the ledger is asked instead, and how long it may take to fill it.
    pub cache: Duration,
    /// How long a reader of the ledger waits before it fills the cache: nothing, but to see what becomes of a slow one. The cache remembers
    /// versions for two minutes, so it has to be less.
    pub pause: Duration,
}

impl Default for Ages {
    fn default() -> Self {
        Ages {
            ttl: Duration::from_secs(30),
            jitter: 0.1,
            nothing: Duration::from_secs(5),
            eagerness: 1.0,
            load: Duration::from_secs(5),
            cache: Duration::from_millis(500),
            pause: Duration::ZERO,
        }
    }
}

impl Ages {
    /// The oldest that a value may be, from the change in the ledger on: it was read just before, took its time to the cache, and lived there.
    pub fn bound(&self) -> Duration {
        self.ttl + self.load + self.pause + self.cache
    }
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// From the cache.
    Cache,
    /// From the ledger.
    Ledger,
}

/// What went on, since the start.
#[derive(Debug, Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    queries: AtomicU64,
    early: AtomicU64,
    refused: AtomicU64,
    without_cache: AtomicU64,
}

/// What went on, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Reads that the cache answered.
    pub hits: u64,
    /// Reads that it had nothing for.
    pub misses: u64,
    /// Times that the ledger was asked.
    pub queries: u64,
    /// Refreshes before the end.
    pub early: u64,
    /// Fills that were refused, since something newer was there.
    pub refused: u64,
    /// Reads for which the cache did not answer.
    pub without_cache: u64,
}

/// Redis as a cache of the ledger. Cheap to clone; all clones share what is under way.
#[derive(Clone)]
pub struct CacheAside {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    ledger: Ledger,
    ages: Ages,
    /// What is being loaded. Nothing stays: it is what makes one query of many, and no cache of its own.
    flights: Cache<(EventId, Load), Option<Sheet>>,
    /// What is being made anew before its end.
    refreshing: Mutex<HashSet<EventId>>,
    /// The node's clock less ours, in milliseconds.
    ahead_ms: AtomicI64,
    clock_known: AtomicBool,
    our_clock: fn() -> u64,
    counters: Counters,
}

/// Why the ledger is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Load {
    /// The cache has nothing. Who missed just before another filled it need not ask again, so it is looked at once more.
    Missing,
    /// It has something that ends soon.
    Anew,
    /// It does not answer, and so is not filled.
    WithoutCache,
}

/// What the cache has.
#[derive(Debug, PartialEq)]
enum Found<'a> {
    /// A value, until when, and how long it took to make.
    Value(&'a str, u64, u64),
    /// No value.
    Nothing,
}

impl CacheAside {
    /// Over these two.
    pub fn new(store: Store, ledger: Ledger, ages: Ages) -> Self {
        CacheAside::with_clock(store, ledger, ages, now_ms)
    }

    /// As [`new`](Self::new), by a clock of the caller's: milliseconds since 1970.
    pub fn with_clock(store: Store, ledger: Ledger, ages: Ages, our_clock: fn() -> u64) -> Self {
        CacheAside {
            inner: Arc::new(Inner {
                store,
                ledger,
                ages,
                flights: Cache::new(FLIGHTS),
                refreshing: Mutex::default(),
                ahead_ms: AtomicI64::new(0),
                clock_known: AtomicBool::new(false),
                our_clock,
                counters: Counters::default(),
            }),
        }
    }

    /// What went on.
    pub fn counts(&self) -> Counts {
        let counters = &self.inner.counters;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            hits: count(&counters.hits),
            misses: count(&counters.misses),
            queries: count(&counters.queries),
            early: count(&counters.early),
            refused: count(&counters.refused),
            without_cache: count(&counters.without_cache),
        }
    }

    /// The ledger's word on an event, from the cache if it has it; nothing where there is no such event.
    ///
    /// # Errors
    /// Those of the ledger, where the cache had nothing.
    pub async fn sheet(&self, event: &EventId) -> Result<(Option<Sheet>, Source), AppError> {
        let inner = &self.inner;
        match timeout(inner.ages.cache, inner.store.cached(event)).await {
            Ok(Ok(Some(text))) => {
                if let Found::Value(value, expires_ms, took_ms) = parse(&text)
                    && let Some(sheet) = sheet_of(value)
                {
                    inner.counters.hits.fetch_add(1, Ordering::Relaxed);
                    if inner.is_due(expires_ms, took_ms) {
                        self.refresh(event);
                    }
                    return Ok((sheet, Source::Cache));
                }
                inner.counters.misses.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Ok(None)) => {
                inner.counters.misses.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Err(_)) | Err(_) => {
                inner.counters.without_cache.fetch_add(1, Ordering::Relaxed);
                return Ok((self.load(event, Load::WithoutCache).await?, Source::Ledger));
            }
        }
        Ok((self.load(event, Load::Missing).await?, Source::Ledger))
    }

    /// Reads the ledger and fills the cache, once for all who want that at the same time.
    async fn load(&self, event: &EventId, why: Load) -> Result<Option<Sheet>, AppError> {
        let inner = self.inner.clone();
        let key = (event.clone(), why);
        let wanted = event.clone();
        let load = async move {
            if why == Load::WithoutCache {
                inner.counters.queries.fetch_add(1, Ordering::Relaxed);
                return inner.ledger.sheet(&wanted).await;
            }
            if why == Load::Missing
                && let Ok(Ok(Some(text))) =
                    timeout(inner.ages.cache, inner.store.cached(&wanted)).await
                && let Found::Value(value, ..) = parse(&text)
                && let Some(sheet) = sheet_of(value)
            {
                return Ok(sheet);
            }
            inner.read_and_fill(&wanted).await
        };
        let loaded = self.inner.flights.try_get_with(key.clone(), load).await;
        self.inner.flights.invalidate(&key).await;
        loaded.map_err(|error: Arc<AppError>| (*error).clone())
    }

    /// Loads a value anew while the old one is still served.
    fn refresh(&self, event: &EventId) {
        if !self.inner.refreshing().insert(event.clone()) {
            return;
        }
        self.inner.counters.early.fetch_add(1, Ordering::Relaxed);
        let (cache, event) = (self.clone(), event.clone());
        // What comes of it is in the cache; where nothing does, the old value ends at its time.
        tokio::spawn(async move {
            let _ = cache.load(&event, Load::Anew).await;
            cache.inner.refreshing().remove(&event);
        });
    }
}

impl Inner {
    fn refreshing(&self) -> std::sync::MutexGuard<'_, HashSet<EventId>> {
        self.refreshing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn read_and_fill(&self, event: &EventId) -> Result<Option<Sheet>, AppError> {
        let mut sheet = None;
        for read in 0..READS {
            let begun = Instant::now();
            self.counters.queries.fetch_add(1, Ordering::Relaxed);
            sheet = self.ledger.sheet(event).await?;
            let took = begun.elapsed();
            if took > self.ages.load {
                // It may be older than what the cache remembers of versions.
                return Ok(sheet);
            }
            if read == 0 && !self.ages.pause.is_zero() {
                tokio::time::sleep(self.ages.pause).await;
            }
            let (version, ttl, value) = match &sheet {
                None => (0, self.ages.nothing, NOTHING.to_owned()),
                Some(sheet) => (
                    sheet.version,
                    self.lifetime(),
                    serde_json::to_string(sheet).unwrap_or_default(),
                ),
            };
            let filling = self.store.fill(event, version, ttl, took, &value);
            let Ok(Ok(filled)) = timeout(self.ages.cache, filling).await else {
                return Ok(sheet);
            };
            self.learn_clock(filled.now_ms);
            if filled.newer.is_none() {
                return Ok(sheet);
            }
            // Somebody changed it since we read it, or an old value was about to come back.
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
        }
        Ok(sheet)
    }

    /// How long the next value lives.
    fn lifetime(&self) -> Duration {
        let shorter = self.ages.jitter.clamp(0.0, 0.9) * rand::random::<f64>();
        self.ages.ttl.mul_f64(1.0 - shorter)
    }

    fn learn_clock(&self, node_ms: u64) {
        let ours = (self.our_clock)();
        let ahead =
            i64::try_from(node_ms).unwrap_or(i64::MAX) - i64::try_from(ours).unwrap_or(i64::MAX);
        self.ahead_ms.store(ahead, Ordering::Relaxed);
        self.clock_known.store(true, Ordering::Relaxed);
    }

    /// Whether a value that is still good is to be made anew already.
    fn is_due(&self, expires_ms: u64, took_ms: u64) -> bool {
        if !self.clock_known.load(Ordering::Relaxed) {
            // By which clock it ends is not known before the first fill, and until then it ends when the node says so.
            return false;
        }
        let now = (self.our_clock)().saturating_add_signed(self.ahead_ms.load(Ordering::Relaxed));
        let left = expires_ms.saturating_sub(now) as f64;
        // From 1 down to 0, never 0: the logarithm of that is endless.
        let chance = 1.0 - rand::random::<f64>();
        left <= took_ms.max(1) as f64 * self.ages.eagerness * -chance.ln()
    }
}

/// `version:expires_ms:took_ms:value`, or `version:`.
fn parse(text: &str) -> Found<'_> {
    let mut parts = text.splitn(4, ':').skip(1);
    let mut number = || parts.next()?.parse::<u64>().ok();
    match (number(), number(), parts.next()) {
        (Some(expires_ms), Some(took_ms), Some(value)) => Found::Value(value, expires_ms, took_ms),
        _ => Found::Nothing,
    }
}

/// What a value stands for; nothing where it is not one of ours.
fn sheet_of(value: &str) -> Option<Option<Sheet>> {
    match value {
        NOTHING => Some(None),
        value => serde_json::from_str(value).ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_again() {
        let sheet = Sheet {
            name: "A: B".to_owned(),
            seats: 10,
            sold: 3,
            created_ms: 1,
            version: 7,
        };
        let text = format!("7:1000:2:{}", serde_json::to_string(&sheet).unwrap());
        let Found::Value(value, 1000, 2) = parse(&text) else {
            panic!("{:?}", parse(&text));
        };
        assert_eq!(sheet_of(value), Some(Some(sheet)));
        assert_eq!(parse("7:"), Found::Nothing);
        assert_eq!(parse(""), Found::Nothing);
        assert_eq!(parse("7:x:2:{}"), Found::Nothing);
        assert_eq!(sheet_of("{}"), None);
        assert_eq!(parse("0:5:1:-"), Found::Value("-", 5, 1));
        assert_eq!(sheet_of("-"), Some(None));
    }
}
