//! How a node asks another one of its world for something, as MIGRATE does: at once, and waiting for the answer.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use super::bus::Bus;
use super::lives::Life;
use super::own_moments::OwnMoments;
use crate::double::node::peers::{Asked, Peers};
use crate::double::node::server::Server;

/// The other nodes of a world, as one of them reaches them.
pub(super) struct Neighbours {
    pub place: usize,
    /// Not held: a node holds its neighbours, and would so hold itself for ever, with all its sockets.
    pub servers: Weak<RefCell<Vec<Rc<RefCell<Server>>>>>,
    pub lives: Rc<RefCell<Vec<Life>>>,
    pub bus: Rc<RefCell<Bus>>,
    pub own_moments: Rc<OwnMoments>,
}

impl Peers for Neighbours {
    fn ask(&self, ip: &str, port: u16, words: &[Vec<u8>]) -> Asked {
        let Some(servers) = self.servers.upgrade() else {
            return Asked::NotOurs;
        };
        let servers = servers.borrow();
        let found = servers.iter().position(|server| match server.try_borrow() {
            Ok(server) => server.is_at(ip, port),
            // That is the one that asks, or one that is busy with somebody's script.
            Err(_) => false,
        });
        let Some(to) = found else {
            return Asked::NotOurs;
        };
        let bus = self.bus.borrow();
        if !bus.reaches(self.place, to) || !bus.reaches(to, self.place) {
            return Asked::Silent;
        }
        match self.lives.borrow()[to] {
            Life::Stopped => return Asked::Refused,
            Life::Frozen => return Asked::Silent,
            Life::Running => {}
        }
        self.own_moments.touch(to);
        let mut server = servers[to].borrow_mut();
        Asked::Reply(server.answer(words))
    }
}
