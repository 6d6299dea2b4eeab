//! Users who wait for an answer before they go on.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::calendar::Calendar;
use super::ready::Ready;
use super::workers::{LoadError, Workers};
use super::{Done, Recorder};

/// What the users of a [`ClosedLoop`] do.
pub trait Users: Send + Sync + 'static {
    /// What is known of one user between two operations. There may be very many: keep it small.
    type User: Send + 'static;

    /// User `number`, from 0, as the load begins.
    fn arrive(&self, number: u64) -> Self::User;

    /// The user's next operation. It must end by itself: a load waits for it.
    fn act(&self, user: &mut Self::User) -> impl Future<Output = Act> + Send;
}

/// An operation of a user has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// What it came to.
    pub done: Done,
    /// How long the user thinks before the next operation. `None` when there is none.
    pub next: Option<Duration>,
}

/// Users who each wait for an answer, think, and go on.
///
/// All are due at the start. A user is a plain value and no task: 100,000 of them take a few megabytes beside what the values
/// themselves take. Whoever is due while as many operations as may be are in flight waits, and the waiting is part of the
/// latency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedLoop {
    /// How many users.
    pub users: u64,
    /// How many operations may be in flight at once.
    pub in_flight: usize,
    /// When users stop beginning operations, warm-up included; whoever waits for a place then is in no figure. `None`: when all
    /// of them have come to their end.
    pub length: Option<Duration>,
}

/// What the workers of a load share.
struct Shared<U: Users> {
    users: Arc<U>,
    recorder: Arc<Recorder>,
    ready: Arc<Ready<U::User>>,
    calendar: Calendar<U::User>,
    /// Users who have not come to their end.
    left: AtomicU64,
    workers: usize,
}

impl ClosedLoop {
    /// Carries the load out. When `stop` is cancelled, begins nothing more and waits for what is in flight; dropped, gives that
    /// up too. To be run within a Tokio runtime.
    ///
    /// # Errors
    /// [`LoadError`] when the load makes no sense, could not be started, or an operation panicked.
    pub async fn run<U: Users>(
        &self,
        users: Arc<U>,
        recorder: Arc<Recorder>,
        stop: &CancellationToken,
    ) -> Result<(), LoadError> {
        self.check()?;
        let ready = Arc::new(Ready::new());
        let calendar = Calendar::start(ready.clone()).map_err(|error| LoadError::NotStarted {
            why: error.to_string(),
        })?;
        // More workers than users would have nothing to do.
        let workers =
            usize::try_from(self.users).map_or(self.in_flight, |users| users.min(self.in_flight));
        let shared = Arc::new(Shared {
            users,
            recorder,
            ready,
            calendar,
            left: AtomicU64::new(self.users),
            workers,
        });
        let mut pool = Workers::default();
        let arriving: Vec<U::User> = (0..self.users)
            .map(|number| shared.users.arrive(number))
            .collect();
        let started = shared.recorder.started();
        for user in arriving {
            shared.ready.push(started, user);
        }
        for worker in 0..workers {
            pool.spawn(work(shared.clone(), worker));
        }
        let ended = tokio::select! {
            ended = pool.ended() => ended,
            () = over(started, self.length, stop) => {
                shared.ready.close();
                pool.ended().await
            }
        };
        shared.recorder.stop(Instant::now());
        ended
    }

    fn check(&self) -> Result<(), LoadError> {
        if self.users == 0 {
            return Err(LoadError::NoUsers);
        }
        if self.in_flight == 0 {
            return Err(LoadError::NothingInFlight);
        }
        if self.length == Some(Duration::ZERO) {
            return Err(LoadError::NoTime);
        }
        Ok(())
    }
}

async fn over(started: Instant, length: Option<Duration>, stop: &CancellationToken) {
    match length {
        None => stop.cancelled().await,
        Some(length) => {
            let end = tokio::time::sleep_until((started + length).into());
            tokio::select! {
                () = end => {}
                () = stop.cancelled() => {}
            }
        }
    }
}

async fn work<U: Users>(shared: Arc<Shared<U>>, worker: usize) {
    while let Some((due, mut user)) = shared.ready.take().await {
        shared.recorder.begun();
        let act = shared.users.act(&mut user).await;
        let ended = Instant::now();
        shared.recorder.record(worker, act.done, due, ended);
        match act.next {
            Some(Duration::ZERO) => shared.ready.push(ended, user),
            Some(think) => shared.calendar.push(ended + think, user),
            None => {
                if shared.left.fetch_sub(1, Ordering::Relaxed) == 1 {
                    shared.ready.finish(shared.workers);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use rstest::rstest;

    use super::*;
    use crate::load::Outcome;

    /// Everybody acts a number of times, and takes and thinks for fixed times.
    struct Crowd {
        acts: u32,
        takes: Duration,
        thinks: Duration,
        now: AtomicU64,
        most: AtomicU64,
        /// User, when it began, when it ended.
        seen: Mutex<Vec<(u64, Instant, Instant)>>,
    }

    impl Users for Crowd {
        type User = (u64, u32);

        fn arrive(&self, number: u64) -> Self::User {
            (number, 0)
        }

        async fn act(&self, (number, acts): &mut Self::User) -> Act {
            let began = Instant::now();
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            if !self.takes.is_zero() {
                tokio::time::sleep(self.takes).await;
            }
            self.now.fetch_sub(1, Ordering::SeqCst);
            *acts += 1;
            let mut seen = self.seen.lock().unwrap();
            seen.push((*number, began, Instant::now()));
            Act {
                done: Done::new("act", Outcome::Ok),
                next: (*acts < self.acts).then_some(self.thinks),
            }
        }
    }

    fn crowd(acts: u32, takes: u64, thinks: u64) -> Arc<Crowd> {
        Arc::new(Crowd {
            acts,
            takes: Duration::from_millis(takes),
            thinks: Duration::from_millis(thinks),
            now: AtomicU64::new(0),
            most: AtomicU64::new(0),
            seen: Mutex::new(Vec::new()),
        })
    }

    fn load(users: u64, in_flight: usize) -> ClosedLoop {
        ClosedLoop {
            users,
            in_flight,
            length: None,
        }
    }

    #[rstest]
    #[case(0)]
    #[case(10)]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_user_acts_so_often_and_thinks_in_between(#[case] thinks: u64) {
        let crowd = crowd(3, 1, thinks);
        let recorder = Arc::new(Recorder::new(Duration::ZERO));
        load(100, 7)
            .run(crowd.clone(), recorder.clone(), &CancellationToken::new())
            .await
            .unwrap();
        assert!(crowd.most.load(Ordering::SeqCst) <= 7);
        assert_eq!(recorder.summary().all.ok, 300);
        let seen = crowd.seen.lock().unwrap();
        for user in 0..100 {
            let acts: Vec<_> = seen
                .iter()
                .filter(|(number, _, _)| *number == user)
                .collect();
            assert_eq!(acts.len(), 3);
            for pair in acts.windows(2) {
                assert!(pair[1].1 - pair[0].2 >= Duration::from_millis(thinks));
            }
        }
    }

    #[tokio::test]
    async fn a_user_who_waits_for_a_place_has_waited() {
        let crowd = crowd(1, 10, 0);
        let recorder = Arc::new(Recorder::new(Duration::ZERO));
        load(20, 2)
            .run(crowd, recorder.clone(), &CancellationToken::new())
            .await
            .unwrap();
        // All 20 are due at once; two at a time take 10 ms.
        let latency = recorder.summary().all.latency;
        assert!(latency.max >= Duration::from_millis(100), "{latency:?}");
        assert!(latency.mean >= Duration::from_millis(55), "{latency:?}");
    }

    #[tokio::test]
    async fn a_load_ends_in_time_though_its_users_think_on() {
        let crowd = crowd(u32::MAX, 0, 3_600_000);
        let recorder = Arc::new(Recorder::new(Duration::ZERO));
        let bounded = ClosedLoop {
            length: Some(Duration::from_millis(50)),
            ..load(10, 10)
        };
        bounded
            .run(crowd, recorder.clone(), &CancellationToken::new())
            .await
            .unwrap();
        let summary = recorder.summary();
        assert_eq!(summary.all.ok, 10);
        assert!(summary.measured < Duration::from_secs(60));
    }

    #[tokio::test]
    async fn a_stopped_load_waits_for_what_is_in_flight() {
        let crowd = crowd(u32::MAX, 20, 0);
        let recorder = Arc::new(Recorder::new(Duration::ZERO));
        let stop = CancellationToken::new();
        let running = {
            let (crowd, recorder, stop) = (crowd.clone(), recorder.clone(), stop.clone());
            tokio::spawn(async move { load(50, 5).run(crowd, recorder, &stop).await })
        };
        while recorder.progress().done() < 5 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
        running.await.unwrap().unwrap();
        assert_eq!(crowd.now.load(Ordering::SeqCst), 0);
        assert_eq!(recorder.progress().in_flight, 0);
    }

    #[rstest]
    #[case(load(0, 1), "a load needs at least one user")]
    #[case(load(1, 0), "a load needs at least one operation in flight")]
    #[case(ClosedLoop { length: Some(Duration::ZERO), ..load(1, 1) }, "a load needs some time")]
    fn what_makes_no_sense_is_refused(#[case] load: ClosedLoop, #[case] why: &str) {
        assert_eq!(load.check().unwrap_err().to_string(), why);
    }
}
