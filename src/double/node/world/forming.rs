//! How a cluster comes into being that is to be there from the start.

use std::ops::Range;
use std::time::Duration;

use super::World;
use super::bus::Weather;
use super::lives::Life;
use crate::cluster::{NodeId, Slot};

/// What others have to know of a node to find it.
#[derive(Debug, Clone)]
pub(in crate::double) struct Introduction {
    pub id: NodeId,
    pub ip: String,
    pub port: u16,
    pub bus_port: u16,
}

impl World {
    /// The world begins so long before now, in microseconds: what has to happen before the start has happened then. To be said before anything else.
    pub fn go_back(&mut self, by: i64) {
        self.now -= by;
    }

    /// All happens that is due by now.
    pub fn catch_up(&mut self) {
        let now = self.clock_now();
        self.happen_until(now);
    }

    /// The time by its clock, in microseconds since 1970.
    pub fn clock_now(&self) -> i64 {
        self.clock.unix().as_micros() as i64
    }

    /// Moves a stepped clock on, and all happens that is due on the way, each thing at its own moment.
    pub fn advance(&mut self, by: Duration) {
        if !self.clock.is_stepped() {
            return;
        }
        let until = self.clock_now().saturating_add(by.as_micros() as i64);
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

    /// What others have to know of a node.
    pub fn introduction(&self, place: usize) -> Introduction {
        let address = self.about[place].address;
        let id = self.at(place, |server| {
            let member = server.cluster.as_deref();
            member.map(|member| member.view.myself().id)
        });
        Introduction {
            id: id.unwrap_or_else(|| NodeId::from_bytes([0; 20])),
            ip: address.ip().to_string(),
            port: address.port(),
            bus_port: self.about[place].bus_port,
        }
    }

    /// A node knows these from now on, itself among them.
    pub fn introduce(&mut self, place: usize, all: &[Introduction]) {
        self.at(place, |server| {
            server.in_cluster(|view, around| {
                for one in all {
                    view.introduce(one.id, &one.ip, one.port, one.bus_port, around.now);
                }
            });
        });
    }

    /// A node knows that these slots are somebody's, by this epoch.
    pub fn give_slots(
        &mut self,
        place: usize,
        owner: NodeId,
        slots: impl Iterator<Item = Slot>,
        epoch: u64,
    ) {
        self.at(place, |server| {
            server.in_cluster(|view, _| {
                let Some(owner) = view.find(owner) else {
                    return;
                };
                for slot in slots {
                    view.give_slot(slot, Some(owner));
                }
                view.peers[usize::from(owner.0)].config_epoch = epoch;
                view.current_epoch = view.current_epoch.max(epoch);
                view.note_change();
            });
        });
    }

    /// A node replicates another one that it knows.
    pub fn follow(&mut self, place: usize, master: NodeId) {
        self.at(place, |server| {
            server.in_cluster(|view, around| {
                if let Some(master) = view.find(master) {
                    view.follow(master, around);
                }
            });
        });
        self.settle(place);
    }

    /// Executes a command at a node for a client without a connection; the reply in RESP3. `None`: the node does not run.
    pub fn run_by_hand(&mut self, place: usize, words: &[Vec<u8>]) -> Option<Vec<u8>> {
        if self.life(place) != Life::Running {
            return None;
        }
        let now = self.clock_now().max(self.now);
        self.happen_until(now);
        let reply = self.at(place, |server| {
            server.set_time(now);
            let reply = server.run_by_hand(words);
            server.end_round();
            reply
        });
        self.settle(place);
        self.stop_those_that_were_shut_down();
        // What was sent without a delay is there already.
        self.happen_until(now);
        Some(reply)
    }

    /// Whether anybody listens anywhere.
    pub fn has_sockets(&self) -> bool {
        self.about.iter().any(|about| about.sockets)
    }

    /// Which share of the messages on the bus is lost from now on.
    pub fn set_loss(&mut self, loss: f64) {
        let delay = self.bus.borrow().weather().delay.clone();
        self.bus.borrow_mut().set_weather(Weather { delay, loss });
    }

    /// How long packets take from now on.
    pub fn set_delay(&mut self, range: Range<Duration>) {
        let loss = self.bus.borrow().weather().loss;
        let delay = range.start.as_micros() as u64..range.end.as_micros() as u64;
        self.bus.borrow_mut().set_weather(Weather { delay, loss });
    }
}
