//! What is due and not begun yet.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Semaphore;

/// What is due and not begun yet, first come, first served. Whoever has nothing to do waits here.
#[derive(Debug)]
pub(super) struct Ready<T> {
    line: Mutex<VecDeque<(Instant, T)>>,
    /// One for everything in the line, and after that one for everybody who is to go home.
    permits: Semaphore,
}

impl<T> Ready<T> {
    pub(super) fn new() -> Self {
        Ready {
            line: Mutex::new(VecDeque::new()),
            permits: Semaphore::new(0),
        }
    }

    /// From any thread; does not block.
    pub(super) fn push(&self, due: Instant, item: T) {
        self.line().push_back((due, item));
        self.permits.add_permits(1);
    }

    /// The same, unless `most` are waiting already. Returns whether it was taken.
    pub(super) fn offer(&self, due: Instant, item: T, most: usize) -> bool {
        {
            let mut line = self.line();
            if line.len() >= most {
                return false;
            }
            line.push_back((due, item));
        }
        self.permits.add_permits(1);
        true
    }

    /// The next one and when it was due. `None` for whoever is not needed any more.
    pub(super) async fn take(&self) -> Option<(Instant, T)> {
        self.permits.acquire().await.ok()?.forget();
        self.line().pop_front()
    }

    /// Nothing will be pushed any more. Once the line is empty, this many get `None`, each once.
    pub(super) fn finish(&self, workers: usize) {
        self.permits.add_permits(workers);
    }

    /// Everybody gets `None` from now on, whatever is in the line.
    pub(super) fn close(&self) {
        self.permits.close();
    }

    /// Held for moments only.
    fn line(&self) -> MutexGuard<'_, VecDeque<(Instant, T)>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_in_the_line_comes_before_going_home() {
        let ready = Ready::new();
        let now = Instant::now();
        ready.push(now, 1);
        assert!(ready.offer(now, 2, 2));
        assert!(!ready.offer(now, 3, 2));
        ready.finish(2);
        assert_eq!(ready.take().await, Some((now, 1)));
        assert_eq!(ready.take().await, Some((now, 2)));
        assert_eq!(ready.take().await, None);
        assert_eq!(ready.take().await, None);
    }

    #[tokio::test]
    async fn a_closed_line_gives_nothing() {
        let ready = Ready::new();
        ready.push(Instant::now(), 1);
        ready.close();
        assert_eq!(ready.take().await, None);
    }
}
