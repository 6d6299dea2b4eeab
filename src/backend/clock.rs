//! The time of environments whose nodes are real servers.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::Clock;

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
