//! When operations are due.

use std::io;
use std::ops::ControlFlow;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Calls `begin` for every operation when it is due, from a thread of its own. The schedule is counted from the start,
/// so it does not drift, and it does not wait for anything: operations that are overdue are begun at once.
///
/// A thread, since the runtime's timers are exact to a millisecond or two only, and a latency that is counted from the
/// scheduled time would have that in it. Ends when `begin` says so, or when it is stopped or dropped.
#[derive(Debug)]
pub(super) struct Pacer {
    /// Nothing is ever sent: that it is dropped is the message.
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Pacer {
    /// `begin` gets the operation's number, from 0, and the moment when it was due. It must not block.
    ///
    /// # Errors
    /// The system gave no thread.
    pub(super) fn start(
        rate: u32,
        started: Instant,
        mut begin: impl FnMut(u64, Instant) -> ControlFlow<()> + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("pacer".into())
            .spawn(move || {
                for number in 0.. {
                    let due = started + due(number, rate);
                    let left = due.saturating_duration_since(Instant::now());
                    match stopped.recv_timeout(left) {
                        Err(RecvTimeoutError::Timeout) if begin(number, due).is_continue() => {}
                        _ => return,
                    }
                }
            })?;
        Ok(Pacer { stop, thread })
    }

    /// Returns when no operation will be begun any more, which is at once, since `begin` does not block.
    pub(super) fn stop(self) {
        drop(self.stop);
        // A panic of `begin` would have ended the schedule early, and the report says so by its rate.
        let _ = self.thread.join();
    }
}

/// From the start to when the operation is due, without adding up what rounding leaves.
fn due(number: u64, rate: u32) -> Duration {
    let rate = u64::from(rate.max(1));
    Duration::from_secs(number / rate) + Duration::from_nanos(number % rate * 1_000_000_000 / rate)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn the_schedule_does_not_drift() {
        assert_eq!(due(0, 3), Duration::ZERO);
        assert_eq!(due(1, 3), Duration::from_nanos(333_333_333));
        assert_eq!(due(3_000_000, 3), Duration::from_secs(1_000_000));
        assert_eq!(due(20_000 * 60, 20_000), Duration::from_secs(60));
    }

    #[test]
    fn operations_are_begun_in_order_until_it_is_dropped() {
        let (numbers, seen) = mpsc::channel();
        let started = Instant::now();
        let pacer = Pacer::start(1000, started, move |number, due| {
            let _ = numbers.send((number, due, Instant::now()));
            ControlFlow::Continue(())
        })
        .unwrap();
        for expected in 0..100 {
            let (number, due, begun) = seen.recv_timeout(Duration::from_secs(5)).unwrap();
            assert_eq!(number, expected);
            assert_eq!(due, started + Duration::from_millis(expected));
            assert!(begun >= due);
        }
        let stopping = Instant::now();
        pacer.stop();
        assert!(stopping.elapsed() < Duration::from_secs(1));
        // What was begun before is still there to be received; then the sender is gone with the thread.
        assert!(seen.iter().count() < 1000);
    }

    #[test]
    fn it_catches_up_after_being_held_up() {
        let count = Arc::new(AtomicU64::new(0));
        let late = Instant::now() - Duration::from_millis(200);
        let counted = count.clone();
        let pacer = Pacer::start(1000, late, move |_, _| {
            counted.fetch_add(1, Ordering::Relaxed);
            ControlFlow::Continue(())
        })
        .unwrap();
        let until = Instant::now() + Duration::from_secs(5);
        while count.load(Ordering::Relaxed) < 200 {
            assert!(Instant::now() < until);
            std::thread::yield_now();
        }
        drop(pacer);
    }
}
