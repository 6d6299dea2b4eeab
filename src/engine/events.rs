//! The one writer of a run's events: numbers them, stamps them, hands them on in order. What goes on at once, such as labs side by side, is told
//! one after the other, each whole: see [`Events::lanes`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::event::{Event, Stamped};

/// Where events go. Called under a lock, one event after the other, so it has to be quick.
pub type Sink = Box<dyn FnMut(&Stamped) + Send>;

/// Writes events.
pub struct Events {
    writer: Arc<Writer>,
    /// Which lane's they are, if they are one's.
    lane: Option<usize>,
}

struct Writer {
    start: Instant,
    state: Mutex<State>,
}

struct State {
    seq: u64,
    /// `None` once it has panicked.
    sink: Option<Sink>,
    /// Those that are told one after the other.
    lanes: Vec<Lane>,
    /// The first lane that has not ended: it is told of as it goes on, and those after it wait.
    turn: usize,
}

/// Something that goes on beside others.
#[derive(Default)]
struct Lane {
    /// What was not told yet, and when it was.
    held: Vec<(Duration, Event)>,
    ended: bool,
}

impl Events {
    /// A writer whose time begins now.
    pub fn new(sink: Sink) -> Self {
        let state = State {
            seq: 0,
            sink: Some(sink),
            lanes: Vec::new(),
            turn: 0,
        };
        let writer = Writer {
            start: Instant::now(),
            state: Mutex::new(state),
        };
        Events {
            writer: Arc::new(writer),
            lane: None,
        }
    }

    /// Writes one event.
    ///
    /// A sink that panics has lost its own story: it is told nothing more, see [`sink_lost`](Self::sink_lost), and the run goes on, so
    /// that what it made is removed all the same.
    pub fn emit(&self, event: Event) {
        let mut state = self.state();
        // Under the lock, so that what is told later was later.
        let at = self.elapsed();
        let turn = state.turn;
        let lane = self.lane.filter(|lane| *lane > turn);
        match lane.and_then(|lane| state.lanes.get_mut(lane)) {
            Some(lane) => lane.held.push((at, event)),
            None => state.tell(at, event),
        }
    }

    /// As many writers as go on at once, one after the other in the order in which they are to be told. What the first writes is told at once; what
    /// another writes, when all before it have [ended](Self::end_lane), with the time at which it was. So a reader of the events reads one
    /// whole story after the other, as if nothing had gone on beside it, but for the times.
    ///
    /// Before others are asked for, those of the last time have to be ended.
    pub fn lanes(&self, count: usize) -> Vec<Arc<Events>> {
        let mut state = self.state();
        let before = state.lanes.len();
        state.lanes.resize_with(before + count, Lane::default);
        let lane = |lane| {
            Arc::new(Events {
                writer: self.writer.clone(),
                lane: Some(lane),
            })
        };
        (before..before + count).map(lane).collect()
    }

    /// Says that what this lane tells of is over: those after it have their turn. What comes yet is told at once, as what belongs to no lane.
    pub fn end_lane(&self) {
        let mut state = self.state();
        if let Some(lane) = self.lane.and_then(|lane| state.lanes.get_mut(lane)) {
            lane.ended = true;
        }
        state.next_turn();
    }

    /// Whether the sink has panicked, so that reports are not complete.
    pub fn sink_lost(&self) -> bool {
        self.state().sink.is_none()
    }

    /// Time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.writer.start.elapsed()
    }

    /// The lock of plain data: what a thread that panicked left in it is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        let state = self.writer.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell(&mut self, at: Duration, event: Event) {
        self.seq += 1;
        let stamped = Stamped {
            seq: self.seq,
            at,
            event,
        };
        if let Some(sink) = &mut self.sink
            // Nothing of a sink is looked at after its panic; it is only dropped.
            && catch_unwind(AssertUnwindSafe(|| sink(&stamped))).is_err()
        {
            self.sink = None;
        }
    }

    /// Gives the turn to the first lane that goes on, and tells what those until then have held.
    fn next_turn(&mut self) {
        while self.lanes.get(self.turn).is_some_and(|lane| lane.ended) {
            self.turn += 1;
            let next = self.lanes.get_mut(self.turn);
            for (at, event) in next
                .map(|lane| std::mem::take(&mut lane.held))
                .unwrap_or_default()
            {
                self.tell(at, event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told, by how often it says that it was interrupted.
    fn listened() -> (Events, Arc<Mutex<Vec<u32>>>) {
        let told: Arc<Mutex<Vec<u32>>> = Arc::default();
        let events = Events::new(Box::new({
            let told = told.clone();
            move |event| match event.event {
                Event::Interrupted { times } => told.lock().unwrap().push(times),
                _ => unreachable!(),
            }
        }));
        (events, told)
    }

    #[test]
    fn what_goes_on_at_once_is_told_one_after_the_other() {
        let (events, told) = listened();
        let said = |events: &Events, times| events.emit(Event::Interrupted { times });
        let lanes = events.lanes(3);
        said(&lanes[1], 3);
        said(&lanes[0], 1);
        said(&lanes[2], 5);
        said(&lanes[2], 6);
        // What belongs to none does not wait.
        said(&events, 2);
        assert_eq!(*told.lock().unwrap(), [1, 2]);
        lanes[2].end_lane();
        assert_eq!(*told.lock().unwrap(), [1, 2]);
        lanes[0].end_lane();
        assert_eq!(*told.lock().unwrap(), [1, 2, 3]);
        said(&lanes[1], 4);
        lanes[1].end_lane();
        assert_eq!(*told.lock().unwrap(), [1, 2, 3, 4, 5, 6]);
        // A straggler is not lost, and others can go on at once again.
        said(&lanes[0], 7);
        let lanes = events.lanes(2);
        said(&lanes[1], 9);
        said(&lanes[0], 8);
        lanes.iter().for_each(|lane| lane.end_lane());
        said(&events, 10);
        assert_eq!(*told.lock().unwrap(), (1..=10).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_held_back_is_told_with_the_time_at_which_it_was() {
        let seen: Arc<Mutex<Vec<Stamped>>> = Arc::default();
        let events = Events::new(Box::new({
            let seen = seen.clone();
            move |event| seen.lock().unwrap().push(event.clone())
        }));
        let lanes = events.lanes(2);
        lanes[1].emit(Event::Interrupted { times: 1 });
        let held_at = events.elapsed();
        lanes[0].emit(Event::Interrupted { times: 2 });
        lanes[0].end_lane();
        let seen = seen.lock().unwrap();
        assert!(seen.iter().map(|event| event.seq).eq(1..=2));
        assert!(seen[1].at <= held_at && held_at <= seen[0].at);
    }

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
