//! What can go wrong between nodes.

use std::ops::Range;
use std::time::Duration;

use super::World;
use super::bus::Weather;

impl World {
    /// The nodes of each group reach only each other; those of no group reach each other as well.
    pub fn partition(&mut self, groups: &[Vec<usize>]) {
        self.stir();
        let group = |place: usize| groups.iter().position(|group| group.contains(&place));
        let mut bus = self.bus.borrow_mut();
        for from in 0..self.about.len() {
            for to in 0..self.about.len() {
                if group(from) != group(to) {
                    bus.cut(from, to);
                }
            }
        }
    }

    /// Nothing that the one sends reaches the other any more.
    pub fn cut(&mut self, from: usize, to: usize) {
        self.stir();
        self.bus.borrow_mut().cut(from, to);
    }

    /// Everybody reaches everybody again.
    pub fn heal(&mut self) {
        self.stir();
        let now = self.now;
        self.bus.borrow_mut().heal(now);
    }

    /// Packets to and from a node take so much longer; zero: as long as those of others.
    pub fn slow(&mut self, place: usize, by: Duration) {
        self.stir();
        self.bus.borrow_mut().slow(place, by);
    }

    /// Which share of the messages on the bus is lost from now on.
    pub fn set_loss(&mut self, loss: f64) {
        self.stir();
        let delay = self.bus.borrow().weather().delay.clone();
        self.bus.borrow_mut().set_weather(Weather { delay, loss });
    }

    /// How long packets take from now on.
    pub fn set_delay(&mut self, range: Range<Duration>) {
        self.stir();
        let loss = self.bus.borrow().weather().loss;
        let delay = range.start.as_micros() as u64..range.end.as_micros() as u64;
        self.bus.borrow_mut().set_weather(Weather { delay, loss });
    }
}
