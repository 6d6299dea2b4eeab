//! The time of simulated nodes, which leaps where nobody has to live through it.
//!
//! It leaps when somebody sleeps by this clock and nobody [holds](Clock::hold) it: whoever runs a command or asks a node something holds it meanwhile. Then, after a
//! moment in which none of that has changed, it leaps to the moment for which the first of the sleepers waits, and not an instant further: what the nodes do until then they do each at
//! its own moment, and whoever sleeps wakes at his. Who has woken up is given time to do what he has waited for: a busy machine may be slow to let him.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::double::{self, Cluster};
use crate::resp::{Clock, Hold};

/// For so long nobody may have begun or ended anything before a leap.
const QUIET: Duration = Duration::from_micros(300);
/// The same while somebody has woken up and done nothing yet. He is about to ask something, or to sleep again; if he does neither, he was only waiting for the end.
const QUIET_AFTER_WAKING: Duration = Duration::from_millis(50);
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
    /// How many have woken up at their moment and done nothing since.
    woken: usize,
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
                woken: 0,
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
        if !state.quiet_in().is_zero() || !state.may_leap_for(sleeper, self.clock.now()) {
            return;
        }
        state.woken = 0;
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
    /// How long it takes yet until it has been quiet for long enough, if it stays so.
    fn quiet_in(&self) -> Duration {
        let needed = if self.woken > 0 {
            QUIET_AFTER_WAKING
        } else {
            QUIET
        };
        needed.saturating_sub(self.since.elapsed())
    }

    /// Somebody does something by this clock: one of those who have woken up, as far as can be told.
    fn acted(&mut self) {
        self.woken = self.woken.saturating_sub(1);
    }

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
        let reached = self.inner.clock.now() >= self.key.0;
        self.inner.change(|state| {
            state.sleepers.remove(&self.key);
            state.woken += usize::from(reached);
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
            state.acted();
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
            let (may_leap, quiet_in) = {
                let state = inner.lock();
                (state.may_leap_for(key, now), state.quiet_in())
            };
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
                std::thread::sleep(quiet_in.max(QUIET));
                leaping.leap(key);
            });
            // A thread that can't be had leaves the time as it is.
            let _ = leap.await;
        }
    }

    fn hold(&self) -> Hold {
        self.0.change(|state| {
            state.acted();
            state.held += 1;
        });
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

    /// On a busy machine, who has woken up does not run at once.
    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_wakes_is_given_the_time_to_do_what_he_waited_for() {
        let clock = Arc::new(clock().await);
        let zero = clock.now();
        let longer = tokio::spawn({
            let clock = clock.clone();
            async move { pause(clock.as_ref(), Duration::from_secs(600)).await }
        });
        for seconds in 1..=5 {
            clock.sleep_until(zero + Duration::from_secs(seconds)).await;
            std::thread::sleep(Duration::from_millis(5));
            let _work = clock.hold();
            let late = clock.now() - zero - Duration::from_secs(seconds);
            assert!(late < Duration::from_millis(900), "{seconds}: {late:?}");
        }
        longer.await.unwrap();
        assert!(clock.now() - zero >= Duration::from_secs(600));
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
