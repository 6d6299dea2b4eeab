//! Operations at a rate, whether or not the ones before have been answered.

use std::future::Future;
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::pacer::Pacer;
use super::ready::Ready;
use super::workers::{LoadError, Workers};
use super::{Done, Recorder};

/// An operation of an [`OpenLoop`].
pub trait Operation: Send + Sync + 'static {
    /// Carries out operation `number`, from 0. It must end by itself: a load waits for it.
    fn run(&self, number: u64) -> impl Future<Output = Done> + Send;
}

/// Operations at a rate, as they come from people who know nothing of each other.
///
/// Operation n is due n / rate after the start, whatever became of those before. When as many as may be are in flight, it waits,
/// and its waiting is part of its latency. When too many are waiting already, it is dropped, and counted as that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLoop {
    /// Operations a second.
    pub rate: u32,
    /// How long operations become due, warm-up included.
    pub length: Duration,
    /// How many may be in flight at once.
    pub in_flight: usize,
    /// How many may wait; [`OpenLoop::backlog`] gives a sensible number.
    pub backlog: usize,
}

impl OpenLoop {
    /// The rates that can be asked for. Whether they are kept is another matter, and told.
    pub const RATES: RangeInclusive<u32> = 1..=1_000_000;
    /// The time that the default backlog is worth.
    const BACKLOG: Duration = Duration::from_secs(10);
    /// More is not waited for at any rate: this bounds memory.
    const MOST_BACKLOG: usize = 1_000_000;

    /// What becomes due within 10 s, at most a million.
    pub fn backlog(rate: u32) -> usize {
        usize::try_from(due_within(rate, Self::BACKLOG))
            .unwrap_or(usize::MAX)
            .clamp(1, Self::MOST_BACKLOG)
    }

    /// Carries the load out. When `stop` is cancelled, begins nothing more and waits for what is in flight; dropped, gives that
    /// up too. To be run within a Tokio runtime.
    ///
    /// # Errors
    /// [`LoadError`] when the load makes no sense, could not be started, or an operation panicked.
    pub async fn run<O: Operation>(
        &self,
        operation: Arc<O>,
        recorder: Arc<Recorder>,
        stop: &CancellationToken,
    ) -> Result<(), LoadError> {
        self.check()?;
        let ready = Arc::new(Ready::new());
        let mut workers = Workers::default();
        for worker in 0..self.in_flight {
            let (ready, operation, recorder) = (ready.clone(), operation.clone(), recorder.clone());
            workers.spawn(async move {
                while let Some((due, number)) = ready.take().await {
                    recorder.begun();
                    let done = operation.run(number).await;
                    recorder.record(worker, done, due, Instant::now());
                }
            });
        }
        let pacer = self.pace(ready.clone(), recorder.clone())?;
        let ended = tokio::select! {
            ended = workers.ended() => ended,
            () = stop.cancelled() => {
                pacer.stop();
                ready.close();
                workers.ended().await
            }
        };
        recorder.stop(Instant::now());
        ended
    }

    fn pace(&self, ready: Arc<Ready<u64>>, recorder: Arc<Recorder>) -> Result<Pacer, LoadError> {
        let (in_flight, backlog) = (self.in_flight, self.backlog);
        let total = due_within(self.rate, self.length);
        Pacer::start(self.rate, recorder.started(), move |number, due| {
            if number >= total {
                ready.finish(in_flight);
                return ControlFlow::Break(());
            }
            if !ready.offer(due, number, backlog) {
                recorder.dropped(due);
            }
            ControlFlow::Continue(())
        })
        .map_err(|error| LoadError::NotStarted {
            why: error.to_string(),
        })
    }

    fn check(&self) -> Result<(), LoadError> {
        if !Self::RATES.contains(&self.rate) {
            return Err(LoadError::Rate { rate: self.rate });
        }
        if self.length.is_zero() {
            return Err(LoadError::NoTime);
        }
        if self.in_flight == 0 {
            return Err(LoadError::NothingInFlight);
        }
        Ok(())
    }
}

/// How many operations become due in this time, the one at its very start included.
fn due_within(rate: u32, length: Duration) -> u64 {
    let due = (length.as_nanos() * u128::from(rate)).div_ceil(1_000_000_000);
    u64::try_from(due).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rstest::rstest;

    use super::*;
    use crate::load::Outcome;

    /// Takes a fixed time, and never lets the number of those at once exceed what was allowed.
    #[derive(Default)]
    struct Slow {
        takes: Duration,
        now: AtomicU64,
        most: AtomicU64,
        numbers: Mutex<Vec<u64>>,
    }

    impl Operation for Slow {
        async fn run(&self, number: u64) -> Done {
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            self.numbers.lock().unwrap().push(number);
            if !self.takes.is_zero() {
                tokio::time::sleep(self.takes).await;
            }
            self.now.fetch_sub(1, Ordering::SeqCst);
            Done::new("slow", Outcome::Ok)
        }
    }

    fn slow(ms: u64) -> Arc<Slow> {
        Arc::new(Slow {
            takes: Duration::from_millis(ms),
            ..Slow::default()
        })
    }

    fn load(rate: u32, ms: u64, in_flight: usize) -> OpenLoop {
        OpenLoop {
            rate,
            length: Duration::from_millis(ms),
            in_flight,
            backlog: OpenLoop::backlog(rate),
        }
    }

    async fn run(load: &OpenLoop, operation: &Arc<Slow>) -> Arc<Recorder> {
        let recorder = Arc::new(Recorder::new(Duration::ZERO));
        load.run(
            operation.clone(),
            recorder.clone(),
            &CancellationToken::new(),
        )
        .await
        .unwrap();
        recorder
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_operation_of_the_schedule_is_done_once() {
        let operation = slow(0);
        let recorder = run(&load(2000, 250, 8), &operation).await;
        let mut numbers = operation.numbers.lock().unwrap().clone();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..500).collect::<Vec<_>>());
        let summary = recorder.summary();
        assert_eq!((summary.all.ok, summary.dropped), (500, 0));
        assert!(summary.measured >= Duration::from_millis(250));
    }

    #[tokio::test]
    async fn waiting_for_a_place_is_part_of_the_latency() {
        let operation = slow(20);
        // 20 operations within 100 ms, of which two at once take 20 ms: the last ends after 200 ms at the earliest.
        let recorder = run(&load(200, 100, 2), &operation).await;
        assert_eq!(operation.most.load(Ordering::SeqCst), 2);
        let summary = recorder.summary();
        assert_eq!(summary.all.count, 20);
        assert!(summary.all.latency.max >= Duration::from_millis(105));
        assert!(summary.all.latency.p50 > Duration::from_millis(40));
    }

    #[tokio::test]
    async fn what_finds_no_room_to_wait_is_dropped_and_counted() {
        let operation = slow(300);
        let backlog = OpenLoop {
            backlog: 3,
            ..load(200, 100, 1)
        };
        let recorder = run(&backlog, &operation).await;
        let summary = recorder.summary();
        assert_eq!(summary.all.count + summary.dropped, 20);
        // One in flight and three waiting; one more if the first had begun before the pacer went on.
        assert!(
            (3..=5).contains(&summary.all.count),
            "{}",
            summary.all.count
        );
    }

    #[tokio::test]
    async fn a_stopped_load_waits_for_what_is_in_flight_only() {
        let operation = slow(50);
        let recorder = Arc::new(Recorder::new(Duration::ZERO));
        let stop = CancellationToken::new();
        let (operations, watched) = (operation.clone(), recorder.clone());
        let running = {
            let stop = stop.clone();
            tokio::spawn(async move {
                load(1000, 3_600_000, 4)
                    .run(operations, watched, &stop)
                    .await
            })
        };
        while recorder.progress().done() < 4 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
        running.await.unwrap().unwrap();
        assert_eq!(operation.now.load(Ordering::SeqCst), 0);
        assert_eq!(recorder.progress().in_flight, 0);
        assert!(recorder.summary().measured < Duration::from_secs(60));
    }

    struct Broken;

    impl Operation for Broken {
        async fn run(&self, _: u64) -> Done {
            panic!("as a test")
        }
    }

    #[tokio::test]
    async fn a_panic_ends_the_load() {
        let error = load(10, 3_600_000, 2)
            .run(
                Arc::new(Broken),
                Arc::new(Recorder::new(Duration::ZERO)),
                &CancellationToken::new(),
            )
            .await
            .unwrap_err();
        assert!(error.to_string().contains("as a test"), "{error}");
    }

    #[rstest]
    #[case(
        load(0, 1, 1),
        "a load runs at 1 to 1000000 operations a second, not at 0"
    )]
    #[case(load(1, 0, 1), "a load needs some time")]
    #[case(load(1, 1, 0), "a load needs at least one operation in flight")]
    fn what_makes_no_sense_is_refused(#[case] load: OpenLoop, #[case] why: &str) {
        assert_eq!(load.check().unwrap_err().to_string(), why);
    }

    #[rstest]
    #[case(3, 1000, 3)]
    #[case(1, 1, 1)]
    #[case(3, 334, 2)]
    #[case(1_000_000, 3_600_000, 3_600_000_000)]
    fn the_length_says_how_many(#[case] rate: u32, #[case] ms: u64, #[case] count: u64) {
        assert_eq!(due_within(rate, Duration::from_millis(ms)), count);
    }
}
