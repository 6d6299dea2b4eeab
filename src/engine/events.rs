//! The one writer of a run's events: numbers them, stamps them, hands them on in order.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::event::{Event, Stamped};

/// Where events go. Called under a lock, one event after the other, so it has to be quick.
pub type Sink = Box<dyn FnMut(&Stamped) + Send>;

/// Writes events.
pub struct Events {
    start: Instant,
    state: Mutex<State>,
}

struct State {
    seq: u64,
    sink: Sink,
}

impl Events {
    /// A writer whose time begins now.
    pub fn new(sink: Sink) -> Self {
        Events {
            start: Instant::now(),
            state: Mutex::new(State { seq: 0, sink }),
        }
    }

    /// Writes one event.
    pub fn emit(&self, event: Event) {
        // A reader that panicked has lost its own story; the run goes on and is cleaned up all the same.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.seq += 1;
        let stamped = Stamped {
            seq: state.seq,
            at: self.start.elapsed(),
            event,
        };
        (state.sink)(&stamped);
    }

    /// Time since the run began.
    pub fn elapsed(&self) -> std::time::Duration {
        self.start.elapsed()
    }
}
