//! What whoever owns a world has done in it: time passes, and a node executes a command without a client.

use std::time::Duration;

use super::World;
use super::lives::Life;

impl World {
    /// The time by its clock, in microseconds since 1970.
    pub fn clock_now(&self) -> i64 {
        self.clock.unix().as_micros() as i64
    }

    /// All happens that is due by now.
    pub fn catch_up(&mut self) {
        let now = self.clock_now();
        self.happen_until(now);
    }

    /// Moves a stepped clock on, and all happens that is due on the way, each thing at its own moment.
    pub fn advance(&mut self, by: Duration) {
        if !self.clock.is_stepped() {
            return;
        }
        self.leap_until(self.clock_now().saturating_add(by.as_micros() as i64));
    }

    /// A clock that can be moved is moved on to this moment, in microseconds since 1970; all that is due on the way happens at its own moment.
    pub fn leap_until(&mut self, until: i64) {
        if self.clock.is_natural() {
            return;
        }
        while let Some(next) = self.next_moment().filter(|next| *next <= until) {
            let next = next.max(self.now);
            self.clock.leap_to(next);
            self.happen_until(next);
            // What is due at this moment and is not done now waits for somebody's turn.
            if self.next_moment().is_some_and(|again| again <= next) {
                break;
            }
        }
        self.clock.leap_to(until);
        self.happen_until(until);
    }

    /// Executes a command at a node for a client without a connection, which has said ASKING before or not; the reply in RESP3. `None`: the node does not run.
    pub fn run_by_hand(
        &mut self,
        place: usize,
        words: &[Vec<u8>],
        asking: bool,
    ) -> Option<Vec<u8>> {
        if self.life(place) != Life::Running {
            return None;
        }
        let now = self.clock_now().max(self.now);
        self.happen_until(now);
        #[cfg(test)]
        self.expect_change(words);
        let server = self.server(place);
        let mut server = server.borrow_mut();
        server.set_time(now);
        let reply = server.run_by_hand(words, asking);
        server.end_round();
        drop(server);
        self.settle(place);
        self.stop_those_that_were_shut_down();
        // What was sent without a delay is there already.
        self.happen_until(now);
        Some(reply)
    }
}
