//! Who thinks until when.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::ready::Ready;

/// Those who will be due later. A thread of its own puts everyone into the line when it is time: the runtime's timers are exact
/// to a millisecond or two only, and latencies count from the moment when somebody was due.
///
/// Ends when it is dropped.
#[derive(Debug)]
pub(super) struct Calendar<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Waiting<T> {
    /// The earliest is on top.
    entries: BinaryHeap<Reverse<Entry<T>>>,
    /// What the thread sleeps until; `None` while it has no reason to wake up.
    until: Option<Instant>,
    over: bool,
}

#[derive(Debug)]
struct Entry<T> {
    due: Instant,
    item: T,
}

impl<T: Send + 'static> Calendar<T> {
    /// # Errors
    /// The system gave no thread.
    pub(super) fn start(ready: Arc<Ready<T>>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            waiting: Mutex::new(Waiting {
                entries: BinaryHeap::new(),
                until: None,
                over: false,
            }),
            changed: Condvar::new(),
        });
        std::thread::Builder::new().name("calendar".into()).spawn({
            let shared = shared.clone();
            move || shared.run(&ready)
        })?;
        Ok(Calendar(shared))
    }

    /// From any thread; does not block.
    pub(super) fn push(&self, due: Instant, item: T) {
        let mut waiting = self.0.waiting();
        waiting.entries.push(Reverse(Entry { due, item }));
        if waiting.until.is_none_or(|until| due < until) {
            self.0.changed.notify_one();
        }
    }
}

impl<T> Drop for Calendar<T> {
    fn drop(&mut self) {
        self.0.waiting().over = true;
        self.0.changed.notify_one();
    }
}

impl<T> Shared<T> {
    fn run(&self, ready: &Ready<T>) {
        let mut waiting = self.waiting();
        while !waiting.over {
            let now = Instant::now();
            waiting.until = loop {
                match waiting.entries.peek() {
                    Some(Reverse(first)) if first.due > now => break Some(first.due),
                    Some(_) => {}
                    None => break None,
                }
                if let Some(Reverse(Entry { due, item })) = waiting.entries.pop() {
                    ready.push(due, item);
                }
            };
            waiting = match waiting.until {
                None => self
                    .changed
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let woken = self.changed.wait_timeout(waiting, until - now);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.due.cmp(&other.due)
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn whoever_is_due_first_comes_first_and_not_before() {
        let ready = Arc::new(Ready::new());
        let calendar = Calendar::start(ready.clone()).unwrap();
        let started = Instant::now();
        for ms in [60, 20, 40, 0] {
            calendar.push(started + Duration::from_millis(ms), ms);
        }
        // The first may have been on its way before the others were there.
        let mut order = Vec::new();
        for _ in 0..4 {
            let (due, ms) = ready.take().await.unwrap();
            assert!(Instant::now() >= due);
            assert_eq!(due, started + Duration::from_millis(ms));
            order.push(ms);
        }
        assert_eq!(order, [0, 20, 40, 60]);
    }

    #[test]
    fn its_thread_ends_when_it_is_dropped() {
        let ready: Arc<Ready<u8>> = Arc::new(Ready::new());
        let calendar = Calendar::start(ready.clone()).unwrap();
        calendar.push(Instant::now() + Duration::from_secs(3600), 1);
        drop(calendar);
        let until = Instant::now() + Duration::from_secs(10);
        // The thread holds the line as long as it lives.
        while Arc::strong_count(&ready) > 1 {
            assert!(Instant::now() < until);
            std::thread::yield_now();
        }
    }
}
