//! Turns of tests that are work for the processor: so many at once, whatever the number of threads that the tests are run on.

use std::sync::{Condvar, Mutex, PoisonError};

/// Turns that tests take.
pub struct Turns {
    at_once: usize,
    running: Mutex<usize>,
    ended: Condvar,
}

impl Turns {
    /// Of so many tests at once.
    pub const fn new(at_once: usize) -> Turns {
        Turns {
            at_once,
            running: Mutex::new(0),
            ended: Condvar::new(),
        }
    }

    /// Waits for a turn.
    pub fn take(&'static self) -> Turn {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .ended
            .wait_while(running, |running| *running >= self.at_once);
        *waited.unwrap_or_else(PoisonError::into_inner) += 1;
        Turn(self)
    }
}

/// A test's turn, until it is dropped.
pub struct Turn(&'static Turns);

impl Drop for Turn {
    fn drop(&mut self) {
        let running = self.0.running.lock();
        *running.unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.ended.notify_one();
    }
}
