//! Nodes come, stop, freeze and come back.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::bus::Happening;
use super::peers::Neighbours;
use super::{About, TICK, World};
use crate::cluster::NodeId;
use crate::double::gossip::View;
use crate::double::node::config::Config;
use crate::double::node::membership::Membership;
use crate::double::node::net::Net;
use crate::double::node::replication::Replication;
use crate::double::node::server::Server;

/// How a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) enum Life {
    /// It runs.
    Running,
    /// Its process is there and does nothing: SIGSTOP.
    Frozen,
    /// It was stopped, and can be started again.
    Stopped,
}

/// How a node ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) enum Ending {
    /// It is told to, and saves its keys: SHUTDOWN, SIGTERM.
    Orderly,
    /// From one moment to the next: SIGKILL. Its keys are lost unless it writes an append-only file.
    Abrupt,
}

/// A node that is to be.
#[derive(Debug)]
pub(in crate::double) struct Newcomer {
    /// Where it is.
    pub address: SocketAddr,
    /// What takes connections there; `None`: nobody does.
    pub listener: Option<TcpListener>,
    /// Its settings.
    pub config: Config,
    /// Whether it is a node of a cluster.
    pub in_cluster: bool,
    /// Its bus port; its own if it has none.
    pub bus_port: u16,
    /// Whether it has no file of its settings: when it is started again, it has those of its first start.
    pub forgets: bool,
}

impl World {
    /// A node more. Its place.
    ///
    /// # Errors
    /// Its socket can't be waited for.
    pub fn add(&mut self, newcomer: Newcomer) -> io::Result<usize> {
        self.stir();
        let place = self.about.len();
        let address = newcomer.address;
        let sockets = newcomer.listener.is_some();
        let starts_with = newcomer.forgets.then(|| newcomer.config.clone());
        let mut net = Net::new(Rc::clone(&self.shared), place, address);
        if let Some(listener) = newcomer.listener {
            net.listen(listener)?;
        }
        let mut random = StdRng::seed_from_u64(
            self.seed
                .wrapping_mul(0x9E37_79B9)
                .wrapping_add(place as u64),
        );
        let mut server = Server::new(self.clock.clone(), newcomer.config, net);
        server.set_time(self.now);
        if newcomer.in_cluster {
            let id = drawn(&mut random);
            server.run_id = drawn(&mut random).to_string();
            server.replication_ids[0] = drawn(&mut random).to_string();
            let mut view = View::new(
                place as u32,
                id,
                address.port(),
                newcomer.bus_port,
                server.now,
            );
            view.address = address.ip().to_string();
            server.replication.number_links(place as u32);
            server.join(view, random);
        }
        self.about.push(About {
            address,
            bus_port: newcomer.bus_port,
            sockets,
            starts_with,
            isolated: false,
            life: 0,
            missed: Vec::new(),
        });
        for other in 0..place {
            if self.about[other].isolated {
                self.cut(place, other);
                self.cut(other, place);
            }
        }
        self.lives.borrow_mut().push(Life::Running);
        server.peers = Some(Rc::new(Neighbours {
            place,
            servers: Rc::downgrade(&self.servers),
            lives: Rc::clone(&self.lives),
            own_moments: Rc::clone(&self.own_moments),
            bus: Rc::clone(&self.bus),
        }));
        self.servers
            .borrow_mut()
            .push(Rc::new(RefCell::new(server)));
        self.own_moments.touch(place);
        if newcomer.in_cluster {
            self.first_tick(place);
        }
        Ok(place)
    }

    /// Nodes do not tick at the same moment.
    fn first_tick(&mut self, place: usize) {
        let life = self.about[place].life;
        let phase = self.at(place, |server| {
            let member = server.cluster.as_deref_mut();
            member.map_or(0, |member| member.random.random_range(0..TICK))
        });
        self.bus
            .borrow_mut()
            .put(self.now + phase, place, Happening::Tick { life });
    }

    /// Where a node listens.
    pub fn address(&self, place: usize) -> SocketAddr {
        self.about[place].address
    }

    /// Stops a node. Nothing happens if it does not run.
    pub fn stop(&mut self, place: usize, how: Ending) {
        self.stir();
        if self.life(place) == Life::Stopped {
            return;
        }
        let now = self.now;
        // A server without a file of its own that is to save nothing by itself saves nothing at its end either.
        let forgets = self.about[place].starts_with.is_some();
        self.at(place, |server| {
            server.close_all();
            server.net.stop_listening();
            server.wires.clear();
            let saves =
                how == Ending::Orderly && !(forgets && server.config.get("save").is_empty());
            if !saves {
                // It is saved with the keys, and by nothing else.
                server.replication = Replication::default();
                if server.config.get("appendonly") != "yes" {
                    server.lose_keys();
                }
            }
        });
        self.about[place].missed.clear();
        self.lives.borrow_mut()[place] = Life::Stopped;
        self.bus.borrow_mut().close_all(now, place);
    }

    /// Starts a node again that was stopped, at the same address, with what it had saved.
    ///
    /// # Errors
    /// Its port is taken by somebody else.
    pub fn start_again(&mut self, place: usize) -> io::Result<()> {
        self.stir();
        if self.life(place) != Life::Stopped {
            return Ok(());
        }
        let address = self.about[place].address;
        let mut net = Net::new(Rc::clone(&self.shared), place, address);
        if self.about[place].sockets && !self.about[place].isolated {
            // The standard library sets SO_REUSEADDR, so that connections of the life before are no hindrance.
            net.listen(TcpListener::bind(address)?)?;
        }
        let (now, clock) = (self.now, self.clock.clone());
        let life = self.about[place].life + 1;
        let starts_with = self.about[place].starts_with.clone();
        self.at(place, |server| {
            let config = starts_with.unwrap_or_else(|| server.config.clone());
            let mut fresh = Server::new(clock, config, net);
            fresh.set_time(now);
            fresh.started = fresh.now;
            fresh.dbs = std::mem::take(&mut server.dbs);
            fresh.peers = server.peers.take();
            fresh.presents = server.presents;
            fresh.log = std::mem::take(&mut server.log);
            let before = std::mem::replace(server, fresh);
            server.replication.begin_at(before.replication.offset());
            if let Some(member) = before.cluster {
                let Membership {
                    view, mut random, ..
                } = *member;
                server.run_id = drawn(&mut random).to_string();
                server.replication_ids[0] = drawn(&mut random).to_string();
                let view = view.restarted(server.now);
                let master = view.myself().replica_of.map(|key| view.peer(key));
                let master = master.map(|master| (master.id, master.ip.to_string(), master.port));
                // Links of its life before are not to be taken for those of this one.
                server.replication.number_links(place as u32 | life << 16);
                server.join(view, random);
                if let Some((id, ip, port)) = master {
                    server.follow(id, &ip, port);
                }
            }
        });
        self.lives.borrow_mut()[place] = Life::Running;
        self.about[place].life += 1;
        self.first_tick(place);
        self.settle(place);
        Ok(())
    }

    /// Ends a node for good. Nobody is at its address any more, and another one can take it.
    pub fn remove(&mut self, place: usize) {
        self.stir();
        self.stop(place, Ending::Abrupt);
        let about = &mut self.about[place];
        about.address.set_port(0);
        about.bus_port = 0;
        let address = about.address;
        self.at(place, |server| {
            server.net.address = address;
            server.dbs.clear();
        });
    }

    /// Nobody reaches a node any more and it reaches nobody, clients included.
    pub fn isolate(&mut self, place: usize) {
        self.stir();
        self.about[place].isolated = true;
        for other in 0..self.about.len() {
            if other != place {
                self.cut(place, other);
                self.cut(other, place);
            }
        }
        self.at(place, |server| {
            server.net.stop_listening();
            server.close_all();
        });
    }

    /// Ends [`isolate`](Self::isolate); what was held between the nodes comes now.
    ///
    /// # Errors
    /// Its port is taken by somebody else.
    pub fn rejoin(&mut self, place: usize) -> io::Result<()> {
        self.stir();
        if !std::mem::take(&mut self.about[place].isolated) {
            return Ok(());
        }
        let address = self.about[place].address;
        if self.about[place].sockets && self.life(place) != Life::Stopped {
            let listener = TcpListener::bind(address)?;
            self.at(place, |server| server.net.listen(listener))?;
        }
        let now = self.now;
        let others: Vec<usize> = (0..self.about.len())
            .filter(|other| self.about[*other].isolated)
            .collect();
        self.bus.borrow_mut().heal_some(now, |from, to| {
            !others.contains(&from) && !others.contains(&to)
        });
        Ok(())
    }

    /// Freezes a node: it keeps its connections and does nothing.
    pub fn freeze(&mut self, place: usize) {
        self.stir();
        self.own_moments.touch(place);
        let mut lives = self.lives.borrow_mut();
        if lives[place] == Life::Running {
            lives[place] = Life::Frozen;
        }
    }

    /// It goes on, with all that has come meanwhile.
    pub fn thaw(&mut self, place: usize) {
        self.stir();
        if self.life(place) != Life::Frozen {
            return;
        }
        self.lives.borrow_mut()[place] = Life::Running;
        self.own_moments.touch(place);
        // One thing after the other, before anything that comes from now on.
        let now = self.now;
        for what in std::mem::take(&mut self.about[place].missed) {
            self.bus.borrow_mut().put(now, place, what);
        }
    }
}

/// An id of chance.
fn drawn(random: &mut StdRng) -> NodeId {
    NodeId::from_bytes(random.random())
}
