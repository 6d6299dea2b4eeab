//! How a cluster comes into being that is to be there from the start.

use std::sync::Arc;

use super::World;
use crate::cluster::{NodeId, SlotSet};

/// What others have to know of a node to find it.
#[derive(Debug, Clone)]
pub(in crate::double) struct Introduction {
    pub id: NodeId,
    pub ip: Arc<str>,
    pub port: u16,
    pub bus_port: u16,
}

impl World {
    /// The world begins so long before now, in microseconds: what has to happen before the start has happened then. To be said before anything else.
    pub fn go_back(&mut self, by: i64) {
        self.never_rest_before(self.now);
        self.now -= by;
    }

    /// What others have to know of a node.
    pub fn introduction(&self, place: usize) -> Introduction {
        let address = self.about[place].address;
        let id = self.seen(place, |server| {
            let member = server.cluster.as_deref();
            member.map(|member| member.view.myself().id)
        });
        Introduction {
            id: id.unwrap_or_else(|| NodeId::from_bytes([0; 20])),
            ip: address.ip().to_string().into(),
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
    pub fn give_slots(&mut self, place: usize, owner: NodeId, slots: &Arc<SlotSet>, epoch: u64) {
        self.at(place, |server| {
            server.in_cluster(|view, _| {
                let Some(owner) = view.find(owner) else {
                    return;
                };
                view.give_slots(slots, owner);
                view.peer_mut(owner).config_epoch = epoch;
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

    /// Whether anybody listens anywhere.
    pub fn has_sockets(&self) -> bool {
        self.about.iter().any(|about| about.sockets)
    }
}
