//! Until when something may take, by the clock of the nodes that it is done to.

use std::sync::Arc;
use std::time::Duration;

use crate::resp::{AddressBook, Clock, Hold, pause};

/// A moment after which nothing is tried any more.
#[derive(Debug, Clone)]
pub(super) struct Deadline {
    clock: Arc<dyn Clock>,
    until: Duration,
}

impl Deadline {
    /// In so much time from now, by the clock of these nodes.
    pub(super) fn after(limit: Duration, book: &AddressBook) -> Self {
        let clock = book.clock().clone();
        Deadline {
            until: clock.now().saturating_add(limit),
            clock,
        }
    }

    /// What is left until then.
    pub(super) fn left(&self) -> Duration {
        self.until.saturating_sub(self.clock.now())
    }

    /// Whether it will be past after a pause of this length.
    pub(super) fn is_past_in(&self, time: Duration) -> bool {
        self.left() <= time
    }

    /// Returns when this much time has passed.
    pub(super) async fn pause(&self, time: Duration) {
        pause(&*self.clock, time).await;
    }

    /// Keeps the clock at the machine's speed while a node is asked something.
    pub(super) fn hold(&self) -> Hold {
        self.clock.hold()
    }

    /// What comes of `work`, if it ends before the deadline.
    pub(super) async fn or_past<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.clock.sleep_until(self.until) => None,
        }
    }
}
