//! The time that a double lives in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

/// What a stepped clock's zero is, since 1970.
const STEPPED_ZERO: Duration = Duration::from_secs(1_767_225_600);

/// A clock: the machine's, one that stands still until a test moves it on, or one that is the machine's but for what was leapt over. Clones show the same time.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Natural {
        zero: Instant,
        /// What zero was, since 1970.
        unix: Duration,
    },
    Stepped {
        now: watch::Sender<Duration>,
        /// Loops that wait in the kernel, and not for `now`.
        loops: Mutex<Vec<Weak<mio::Waker>>>,
    },
    Leaping {
        zero: Instant,
        unix: Duration,
        /// How much was leapt over, in microseconds.
        skipped: AtomicU64,
    },
}

impl Clock {
    /// The machine's time, zero being now.
    pub fn natural() -> Self {
        Clock(Arc::new(Kind::Natural {
            zero: Instant::now(),
            unix: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
        }))
    }

    /// A time that stands still at zero; see [`advance`](Self::advance).
    pub fn stepped() -> Self {
        Clock(Arc::new(Kind::Stepped {
            now: watch::Sender::new(Duration::ZERO),
            loops: Mutex::default(),
        }))
    }

    /// The machine's time, zero being now; but where all that happens is that somebody waits for something of the double, what lies between is leapt over. Only a
    /// [`Cluster`](super::Cluster) leaps; for everything else this is a natural clock.
    pub fn leaping() -> Self {
        Clock(Arc::new(Kind::Leaping {
            zero: Instant::now(),
            unix: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
            skipped: AtomicU64::new(0),
        }))
    }

    /// Time since zero.
    pub fn now(&self) -> Duration {
        match &*self.0 {
            Kind::Natural { zero, .. } => zero.elapsed(),
            Kind::Leaping { zero, skipped, .. } => {
                zero.elapsed() + Duration::from_micros(skipped.load(Ordering::Acquire))
            }
            Kind::Stepped { now, .. } => *now.borrow(),
        }
    }

    /// Moves a stepped clock on, and wakes everybody who waited for a moment up to then. A natural clock can't be moved: nothing happens.
    pub fn advance(&self, by: Duration) {
        if let Kind::Stepped { now, loops } = &*self.0 {
            now.send_modify(|now| *now = now.saturating_add(by));
            let mut loops = loops.lock().unwrap_or_else(PoisonError::into_inner);
            loops.retain(|waker| waker.upgrade().is_some_and(|waker| waker.wake().is_ok()));
        }
    }

    /// The same moment as time since 1970. A stepped clock begins on 1 January 2026.
    pub fn unix(&self) -> Duration {
        match &*self.0 {
            Kind::Natural { zero, unix } => *unix + zero.elapsed(),
            Kind::Leaping { unix, .. } => *unix + self.now(),
            Kind::Stepped { now, .. } => STEPPED_ZERO.saturating_add(*now.borrow()),
        }
    }

    /// A moment of this clock as time since 1970.
    pub(super) fn unix_at(&self, moment: Duration) -> Duration {
        let zero = match &*self.0 {
            Kind::Natural { unix, .. } | Kind::Leaping { unix, .. } => *unix,
            Kind::Stepped { .. } => STEPPED_ZERO,
        };
        zero.saturating_add(moment)
    }

    /// A leaping clock leaps to this moment, a stepped one steps there, in microseconds since 1970; if that is past already, or the clock is a natural one, nothing
    /// happens. Nobody who waits in the kernel is woken.
    pub(super) fn leap_to(&self, moment: i64) {
        let by = moment.saturating_sub(self.unix().as_micros() as i64);
        let by = u64::try_from(by).unwrap_or_default();
        match &*self.0 {
            Kind::Natural { .. } => {}
            Kind::Leaping { skipped, .. } => {
                skipped.fetch_add(by, Ordering::AcqRel);
            }
            Kind::Stepped { now, .. } => {
                now.send_if_modified(|now| {
                    *now = now.saturating_add(Duration::from_micros(by));
                    by > 0
                });
            }
        }
    }

    /// Whether it can't be moved at all.
    pub(super) fn is_natural(&self) -> bool {
        matches!(&*self.0, Kind::Natural { .. })
    }

    /// Whether it moves only when it is told to.
    pub(super) fn is_stepped(&self) -> bool {
        matches!(&*self.0, Kind::Stepped { .. })
    }

    /// This loop is to be woken when the clock is moved.
    pub(super) fn wakes(&self, waker: Weak<mio::Waker>) {
        if let Kind::Stepped { loops, .. } = &*self.0 {
            let mut loops = loops.lock().unwrap_or_else(PoisonError::into_inner);
            loops.push(waker);
        }
    }

    /// How long a loop may wait in the kernel if something is to be done at `moment`, in microseconds since 1970; `None`: until it is woken.
    pub(super) fn wait_until(&self, moment: Option<i64>) -> Option<Duration> {
        match &*self.0 {
            Kind::Natural { .. } | Kind::Leaping { .. } => {
                let moment = Duration::from_micros(moment?.max(0) as u64);
                Some(moment.saturating_sub(self.unix()))
            }
            Kind::Stepped { .. } => None,
        }
    }

    /// Returns when this much time has passed from now on.
    pub async fn sleep(&self, time: Duration) {
        match &*self.0 {
            Kind::Natural { .. } => tokio::time::sleep(time).await,
            Kind::Leaping { .. } => {
                // It may be leapt over while this waits: a look at it now and then is enough, since nobody leaps for this.
                let until = self.now().saturating_add(time);
                while let Some(left) = until.checked_sub(self.now()).filter(|left| !left.is_zero())
                {
                    tokio::time::sleep(left.min(Duration::from_millis(1))).await;
                }
            }
            Kind::Stepped { now, .. } => {
                let until = self.now().saturating_add(time);
                // The sender is in `self`, so it is not gone while this waits.
                let _ = now.subscribe().wait_for(|now| *now >= until).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stepped_clock_moves_when_it_is_told_to() {
        let clock = Clock::stepped();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep(Duration::from_secs(60)).await;
                clock.now()
            }
        });
        // It may not have begun to sleep yet: the time is moved on until it wakes, and it can't wake too early.
        let mut steps = 0;
        while !sleeper.is_finished() {
            clock.advance(Duration::from_secs(20));
            steps += 1;
            tokio::task::yield_now().await;
        }
        assert!(steps >= 3);
        assert!(sleeper.await.unwrap() >= Duration::from_secs(60));
    }

    #[tokio::test]
    async fn a_natural_clock_can_t_be_moved() {
        let clock = Clock::natural();
        clock.advance(Duration::from_secs(3600));
        assert!(clock.now() < Duration::from_secs(3600));
        clock.sleep(Duration::from_millis(1)).await;
        assert!(clock.now() >= Duration::from_millis(1));
    }
}
