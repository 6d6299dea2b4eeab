//! The time of simulated nodes, which leaps where nobody has to live through it.
//!
//! It leaps when somebody sleeps by this clock and nobody [holds](Clock::hold) it: whoever runs a command or asks a node something holds it meanwhile. Then, after a
//! moment in which none of that has changed, it leaps to the moment for which the first of the sleepers waits, and not an instant further: what the nodes do until then they do each at
//! its own moment, and whoever sleeps wakes at his.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::double::{self, Cluster};
use crate::resp::{Clock, Hold};

/// For so long nobody may have begun or ended anything before a leap. Who has just woken up is about to ask something.
const QUIET: Duration = Duration::from_micros(300);
/// Nobody waits for what is further away; he only says that he waits without end.
const FARTHEST: Duration = Duration::from_secs(60 * 60);

/// The clock of an environment.
pub(super) struct SimClock(Arc<Inner>);

struct Inner {
    clock: double::Clock,
    state: Mutex<State>,
    /// Told when a sleeper may have to look again.
    changed: Notify,
}

struct State {
    /// The nodes that live in it; none when they have ended, and then it goes as it goes.
    cluster: Option<Arc<Cluster>>,
    /// Until when somebody sleeps, and a number of his own.
    sleepers: BTreeSet<(Duration, u64)>,
    next: u64,
    held: usize,
    /// Since when nothing has changed.
    since: Instant,
}

impl SimClock {
    /// That of these nodes, whose own clock is a leaping one.
    pub(super) fn new(cluster: Arc<Cluster>) -> Self {
        SimClock(Arc::new(Inner {
            clock: cluster.clock().clone(),
            state: Mutex::new(State {
                cluster: Some(cluster),
                sleepers: BTreeSet::new(),
                next: 0,
                held: 0,
                since: Instant::now(),
            }),
            changed: Notify::new(),
        }))
    }

    /// The nodes are about to end: nothing is leapt over any more.
    pub(super) fn end(&self) {
        self.0.lock().cluster = None;
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something has begun or ended.
    fn change(&self, what: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        what(&mut state);
        state.since = Instant::now();
        drop(state);
        self.changed.notify_waiters();
    }

    /// Leaps to the moment of this sleeper, if he is the first and all is quiet.
    fn leap(&self, sleeper: (Duration, u64)) {
        let mut state = self.lock();
        let quiet = state.since.elapsed() >= QUIET;
        if !quiet || !state.may_leap_for(sleeper, self.clock.now()) {
            return;
        }
        // Whoever wants to begin something waits until it is over.
        if let Some(cluster) = &state.cluster {
            cluster.leap_to(sleeper.0);
        }
        state.since = Instant::now();
        drop(state);
        self.changed.notify_waiters();
    }
}

impl State {
    fn may_leap_for(&self, sleeper: (Duration, u64), now: Duration) -> bool {
        self.held == 0
            && self.cluster.is_some()
            && self.sleepers.first() == Some(&sleeper)
            && sleeper.0.saturating_sub(now) <= FARTHEST
    }
}

/// A sleeper that is known; dropped, he is awake, or gone.
struct Sleeper<'a> {
    inner: &'a Inner,
    key: (Duration, u64),
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.inner.change(|state| {
            state.sleepers.remove(&self.key);
        });
    }
}

/// Somebody at work; dropped, he is done.
struct Work(Arc<Inner>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0
            .change(|state| state.held = state.held.saturating_sub(1));
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Duration {
        self.0.clock.now()
    }

    async fn sleep_until(&self, moment: Duration) {
        let inner = &self.0;
        if inner.clock.now() >= moment {
            return;
        }
        let mut key = (moment, 0);
        inner.change(|state| {
            key.1 = state.next;
            state.next += 1;
            state.sleepers.insert(key);
        });
        let _sleeper = Sleeper { inner, key };
        loop {
            let changed = inner.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let now = inner.clock.now();
            let Some(left) = moment.checked_sub(now).filter(|left| !left.is_zero()) else {
                return;
            };
            let may_leap = inner.lock().may_leap_for(key, now);
            if !may_leap {
                tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep(left.min(FARTHEST)) => {}
                }
                continue;
            }
            let leaping = inner.clone();
            let leap = tokio::task::spawn_blocking(move || {
                // Finer than the runtime's own timer.
                std::thread::sleep(QUIET);
                leaping.leap(key);
            });
            // A thread that can't be had leaves the time as it is.
            let _ = leap.await;
        }
    }

    fn hold(&self) -> Hold {
        self.0.change(|state| state.held += 1);
        Hold::new(Work(self.0.clone()))
    }
}

impl fmt::Debug for SimClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimClock({:?})", self.0.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::pause;

    async fn clock() -> SimClock {
        let cluster = Cluster::builder()
            .masters(0)
            .clock(double::Clock::leaping())
            .start()
            .await
            .unwrap();
        SimClock::new(Arc::new(cluster))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_minute_that_nobody_needs_is_leapt_over() {
        let clock = clock().await;
        let (began, until) = (Instant::now(), clock.now() + Duration::from_secs(60));
        clock.sleep_until(until).await;
        let now = clock.now();
        assert!(
            now >= until && now < until + Duration::from_secs(5),
            "{now:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_is_at_work_keeps_it_at_natural_speed() {
        let clock = clock().await;
        let work = clock.hold();
        let (began, second) = (Instant::now(), Duration::from_millis(200));
        pause(&clock, second).await;
        assert!(began.elapsed() >= second);
        drop(work);
        let began = Instant::now();
        pause(&clock, Duration::from_secs(60)).await;
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn everybody_wakes_at_his_own_moment() {
        let clock = Arc::new(clock().await);
        let zero = clock.now();
        let mut sleepers = tokio::task::JoinSet::new();
        for seconds in [30, 10, 20, 10] {
            let clock = clock.clone();
            sleepers.spawn(async move {
                clock.sleep_until(zero + Duration::from_secs(seconds)).await;
                (seconds, clock.now() - zero)
            });
        }
        while let Some(woken) = sleepers.join_next().await {
            let (seconds, at) = woken.unwrap();
            let late = at - Duration::from_secs(seconds);
            assert!(late < Duration::from_secs(5), "{seconds}: {at:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nobody_leaps_to_the_end_of_time() {
        let clock = clock().await;
        let before = clock.now();
        let slept =
            tokio::time::timeout(Duration::from_millis(100), clock.sleep_until(Duration::MAX));
        assert!(slept.await.is_err());
        assert!(clock.now() - before < Duration::from_secs(60));
    }
}
