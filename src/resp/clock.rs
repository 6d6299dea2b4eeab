//! The time that nodes live in, and whoever waits for something of them.
//!
//! That of real servers is the machine's. That of simulated ones may leap over what nobody has to live through; so whoever waits for nodes waits by
//! the clock of their address book, and holds it while it asks them something.

use std::any::Any;
use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;

/// The time that an environment lives in. Zero is an arbitrary moment before the run.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync {
    /// Time since zero.
    fn now(&self) -> Duration;

    /// Returns when `now()` has reached `moment`.
    async fn sleep_until(&self, moment: Duration);

    /// As long as what this returns is there, the clock goes at the machine's own speed: somebody is at work, and does not only wait. A clock
    /// that never leaps has nothing to be held.
    fn hold(&self) -> Hold {
        Hold::default()
    }
}

/// What keeps a clock from leaping; see [`Clock::hold`].
#[derive(Default)]
pub struct Hold(Option<Box<dyn Any + Send + Sync>>);

impl Hold {
    /// One that ends when `held` is dropped.
    pub fn new(held: impl Any + Send + Sync) -> Hold {
        Hold(Some(Box::new(held)))
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Some(_) => "Hold",
            None => "Hold (of nothing)",
        })
    }
}

/// Returns when so much time has passed by this clock.
pub(crate) async fn pause(clock: &dyn Clock, time: Duration) {
    clock.sleep_until(clock.now().saturating_add(time)).await;
}

/// The machine's own monotonic time; zero is the moment at which the clock was made.
#[derive(Debug, Clone, Copy)]
pub struct RealClock {
    zero: Instant,
}

impl RealClock {
    /// A clock that reads zero now.
    pub fn new() -> Self {
        RealClock {
            zero: Instant::now(),
        }
    }
}

impl Default for RealClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for RealClock {
    fn now(&self) -> Duration {
        self.zero.elapsed()
    }

    async fn sleep_until(&self, moment: Duration) {
        match self.zero.checked_add(moment) {
            Some(instant) => tokio::time::sleep_until(instant.into()).await,
            // A moment that no instant can express is further away than any run lasts.
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleeps_until_the_moment_and_no_less() {
        let clock = RealClock::new();
        let moment = clock.now() + Duration::from_millis(20);
        clock.sleep_until(moment).await;
        assert!(clock.now() >= moment);
    }

    #[tokio::test]
    async fn a_moment_that_has_passed_returns_at_once() {
        let clock = RealClock::new();
        let done =
            tokio::time::timeout(Duration::from_secs(5), clock.sleep_until(Duration::ZERO)).await;
        assert!(done.is_ok());
    }

    #[tokio::test]
    async fn a_moment_beyond_all_time_does_not_panic() {
        let clock = RealClock::new();
        let done =
            tokio::time::timeout(Duration::from_millis(20), clock.sleep_until(Duration::MAX)).await;
        assert!(done.is_err());
    }
}
