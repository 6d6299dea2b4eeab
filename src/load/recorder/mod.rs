//! Counting what a load's operations come to, and how long they take.

mod log;
mod progress;
mod series;
mod shard;
mod summary;

pub use progress::Progress;
pub use summary::{OperationSummary, Percentiles, Second, Summary};

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use series::Series;
use shard::Shard;

use super::Done;

/// More shards than processors only cost memory; more than this many processors are not kept busy by a load.
const MOST_SHARDS: usize = 16;

/// Counts what a load's operations come to.
///
/// A latency counts from the moment when its operation was *due*, not from when it was sent: when a server stalls, the
/// operations that could not be sent meanwhile have waited too. A recorder that leaves their waiting out says that all was well
/// (coordinated omission).
///
/// Many threads may record at once; each worker counts in a shard that it shares with few others, so recording takes a fraction
/// of a microsecond. Operations due within the warm-up are only counted, not measured. Which second an operation belongs to is
/// decided by its end.
///
/// Memory: up to 94 KiB a shard, kind of operation and class of outcome, and some kilobytes for every second measured.
#[derive(Debug)]
pub struct Recorder {
    warm_up: Duration,
    started: OnceLock<(Instant, SystemTime)>,
    stopped: OnceLock<Instant>,
    shards: Box<[Mutex<Shard>]>,
    series: Mutex<Series>,
    in_flight: AtomicU64,
    dropped: AtomicU64,
}

impl Recorder {
    /// A recorder that leaves out what is due within `warm_up` of the start.
    pub fn new(warm_up: Duration) -> Self {
        let shards = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MOST_SHARDS);
        Recorder {
            warm_up,
            started: OnceLock::new(),
            stopped: OnceLock::new(),
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            series: Mutex::default(),
            in_flight: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// When the load started. The first call starts it.
    pub fn started(&self) -> Instant {
        self.clock().0
    }

    /// The load has ended. Rates are counted up to here, and otherwise up to when they are asked for. Only the first call
    /// counts.
    pub fn stop(&self, at: Instant) {
        let _ = self.stopped.set(at);
    }

    /// An operation begins: it is in flight until it is recorded.
    pub fn begun(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// An operation that had [`begun`](Self::begun) has ended. `worker` is a number of whoever did it; workers with different
    /// numbers seldom get into each other's way.
    pub fn record(&self, worker: usize, done: Done, due: Instant, ended: Instant) {
        let measured_from = self.started() + self.warm_up;
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let Some(shard) = self.shards.get(worker % self.shards.len().max(1)) else {
            return;
        };
        let mut shard = locked(shard);
        if due < measured_from {
            shard.left_out += 1;
            return;
        }
        let second = ended.saturating_duration_since(measured_from).as_secs();
        let latency = ended.saturating_duration_since(due);
        shard.record(done, second, latency, &self.series);
    }

    /// An operation that was due at this moment is never begun.
    pub fn dropped(&self, due: Instant) {
        if due >= self.started() + self.warm_up {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How far it has come. Cheap enough for several times a second.
    pub fn progress(&self) -> Progress {
        let now = Instant::now();
        let elapsed = now.saturating_duration_since(self.started());
        let measured = elapsed.saturating_sub(self.warm_up);
        let mut progress = Progress {
            elapsed,
            warming_up: elapsed < self.warm_up,
            in_flight: self.in_flight.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            ..Progress::default()
        };
        for shard in &self.shards {
            let mut shard = locked(shard);
            shard.turn_over(measured.as_secs(), &self.series);
            progress.count(&shard);
        }
        if let Some(last) = measured.as_secs().checked_sub(1) {
            progress.last_second(locked(&self.series).second(last));
        }
        progress
    }

    /// What it came to. To be asked for when nothing is in flight any more: it ends the current second.
    pub fn summary(&self) -> Summary {
        let end = self.stopped.get().copied().unwrap_or_else(Instant::now);
        let elapsed = end.saturating_duration_since(self.started());
        let mut summary = Summary {
            dropped: self.dropped.load(Ordering::Relaxed),
            ..Summary::default()
        };
        for shard in &self.shards {
            let mut shard = locked(shard);
            shard.end(&self.series);
            summary.count(&shard);
        }
        summary.time(&locked(&self.series), elapsed.saturating_sub(self.warm_up));
        summary
    }

    /// Writes the latencies in HdrHistogram's log format: an interval a second, with the operation as its tag, in
    /// microseconds. To be called when nothing is in flight any more.
    ///
    /// # Errors
    /// What `to` says.
    pub fn write_log(&self, to: &mut impl Write) -> io::Result<()> {
        for shard in &self.shards {
            locked(shard).end(&self.series);
        }
        let began = self.clock().1 + self.warm_up;
        log::write(&locked(&self.series), began, to)
    }

    fn clock(&self) -> &(Instant, SystemTime) {
        self.started
            .get_or_init(|| (Instant::now(), SystemTime::now()))
    }
}

/// Held for moments only, never while waiting.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
