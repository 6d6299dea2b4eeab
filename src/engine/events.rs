//! The one writer of a run's events: numbers them, stamps them, hands them on in order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    /// `None` once it has panicked.
    sink: Option<Sink>,
}

impl Events {
    /// A writer whose time begins now.
    pub fn new(sink: Sink) -> Self {
        Events {
            start: Instant::now(),
            state: Mutex::new(State {
                seq: 0,
                sink: Some(sink),
            }),
        }
    }

    /// Writes one event.
    ///
    /// A sink that panics has lost its own story: it is told nothing more, see [`sink_lost`](Self::sink_lost), and the run goes on, so
    /// that what it made is removed all the same.
    pub fn emit(&self, event: Event) {
        let mut state = self.state();
        state.seq += 1;
        let stamped = Stamped {
            seq: state.seq,
            at: self.start.elapsed(),
            event,
        };
        if let Some(sink) = &mut state.sink
            // Nothing of a sink is looked at after its panic; it is only dropped.
            && catch_unwind(AssertUnwindSafe(|| sink(&stamped))).is_err()
        {
            state.sink = None;
        }
    }

    /// Whether the sink has panicked, so that reports are not complete.
    pub fn sink_lost(&self) -> bool {
        self.state().sink.is_none()
    }

    /// Time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The lock of plain data: what a thread that panicked left in it is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn events_are_numbered_without_a_gap_and_handed_on_in_that_order() {
        let seen: Arc<Mutex<Vec<Stamped>>> = Arc::default();
        let events = Arc::new(Events::new(Box::new({
            let seen = seen.clone();
            move |event| seen.lock().unwrap().push(event.clone())
        })));
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let events = events.clone();
                std::thread::spawn(move || {
                    (0..50).for_each(|times| events.emit(Event::Interrupted { times }));
                })
            })
            .collect();
        writers
            .into_iter()
            .for_each(|writer| writer.join().unwrap());
        let seen = seen.lock().unwrap();
        assert!(seen.iter().map(|event| event.seq).eq(1..=200));
        assert!(seen.is_sorted_by_key(|event| event.at));
        assert!(!events.sink_lost());
    }

    #[test]
    fn a_sink_that_panics_is_told_nothing_more_and_stops_nobody() {
        let told: Arc<Mutex<u32>> = Arc::default();
        let events = Events::new(Box::new({
            let told = told.clone();
            move |event| {
                *told.lock().unwrap() += 1;
                assert!(event.seq < 2, "a full disk, say");
            }
        }));
        for times in 1..5 {
            events.emit(Event::Interrupted { times });
        }
        assert_eq!(*told.lock().unwrap(), 2);
        assert!(events.sink_lost());
    }
}
