//! The nodes of one thread, and the time they live in.
//!
//! Whatever happens to a node happens here, one thing after the other: what is due by the clock, in the order of its moments, and what clients send, as it comes. So a
//! world without clients whose clock is stepped does the same twice.

mod bus;
mod by_hand;
mod faults;
mod forming;
mod lives;
mod own_moments;
mod peers;
pub(in crate::double) mod rest;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use mio::Events;
use rand::SeedableRng;
use rand::rngs::StdRng;

pub(in crate::double) use self::bus::Weather;
use self::bus::{Bus, Happening};
pub(in crate::double) use self::lives::{Ending, Life, Newcomer};
use self::own_moments::OwnMoments;
use self::rest::Rest;
use super::config::Config;
use super::net::{Job, Shared, place_of};
use super::replication::Replication;
use super::server::Server;
use super::wires::{Packet, Wire};
use crate::double::Clock;
use crate::double::gossip::LinkId;

/// How often a node of a cluster looks after its cluster by itself, in microseconds.
const TICK: i64 = 100_000;

/// Nodes, by their places.
type Servers = Rc<RefCell<Vec<Rc<RefCell<Server>>>>>;

/// The nodes of one thread.
pub(in crate::double) struct World {
    pub(super) shared: Rc<Shared>,
    clock: Clock,
    servers: Servers,
    lives: Rc<RefCell<Vec<Life>>>,
    own_moments: Rc<OwnMoments>,
    rest: Rest,
    /// What is kept of each node beside itself.
    about: Vec<About>,
    bus: Rc<RefCell<Bus>>,
    /// The moment up to which everything has happened, in microseconds since 1970.
    now: i64,
    seed: u64,
    /// Somebody waits for something to be so, and as long as he does time passes as fast as it can.
    waiting: Vec<Waiting>,
}

/// What the world knows of a node.
#[derive(Debug)]
struct About {
    /// Where clients find it.
    address: SocketAddr,
    /// Where its bus is.
    bus_port: u16,
    /// Whether anybody listens there.
    sockets: bool,
    /// The settings that it starts with again; without, those that it had last.
    starts_with: Option<Config>,
    /// Whether nobody reaches it and it reaches nobody.
    isolated: bool,
    /// How often it was started; what is due for one of its lives does not concern another.
    life: u32,
    /// What would have happened to it while it was frozen.
    missed: Vec<Happening>,
}

/// Somebody who waits.
struct Waiting {
    /// Looks whether it is so.
    look: Box<dyn FnMut(&World) -> bool + Send>,
    /// How long, as a moment in microseconds since 1970.
    until: i64,
    /// Is told how it ended: `false`, the time was over.
    tell: std::sync::mpsc::SyncSender<bool>,
}

impl World {
    pub(super) fn new(shared: Rc<Shared>, clock: Clock, weather: Weather, seed: u64) -> World {
        let now = clock.unix().as_micros() as i64;
        World {
            shared,
            clock,
            servers: Servers::default(),
            lives: Rc::default(),
            own_moments: Rc::default(),
            rest: Rest::default(),
            about: Vec::new(),
            bus: Rc::new(RefCell::new(Bus::new(weather, StdRng::seed_from_u64(seed)))),
            now,
            seed,
            waiting: Vec::new(),
        }
    }

    /// A node by its place, to have something done there.
    fn server(&self, place: usize) -> Rc<RefCell<Server>> {
        self.own_moments.touch(place);
        self.untouched(place)
    }

    /// The same, only to look at it.
    fn untouched(&self, place: usize) -> Rc<RefCell<Server>> {
        Rc::clone(&self.servers.borrow()[place])
    }

    /// How many nodes there are, stopped ones included.
    pub fn len(&self) -> usize {
        self.about.len()
    }

    /// Has something looked up or done at a node, whether it runs or not.
    pub fn at<T>(&self, place: usize, what: impl FnOnce(&mut Server) -> T) -> T {
        self.stir();
        what(&mut self.server(place).borrow_mut())
    }

    /// Has something looked up at a node, whether it runs or not.
    pub fn seen<T>(&self, place: usize, what: impl FnOnce(&Server) -> T) -> T {
        what(&self.untouched(place).borrow())
    }

    /// How a node is.
    pub fn life(&self, place: usize) -> Life {
        self.lives.borrow()[place]
    }

    /// Whether somebody has a turn left without anything new.
    fn has_more_to_do(&self) -> bool {
        let servers = self.servers.borrow();
        let lives = self.lives.borrow();
        let mut running = servers.iter().zip(lives.iter());
        running.any(|(server, life)| *life == Life::Running && server.borrow().has_more_to_do())
    }

    /// When the next thing is due, in microseconds since 1970.
    fn next_moment(&self) -> Option<i64> {
        let own = self.own_moment_after(i64::MIN).map(|(when, _)| when);
        own.into_iter().chain(self.bus.borrow().next_moment()).min()
    }

    /// The loop: wait for something to happen, do it, send what came of it. Ends when it is told to, or when its only node has been shut down.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        while !self.is_over() {
            let wait = match self.has_more_to_do() || self.may_leap() {
                true => Some(std::time::Duration::ZERO),
                false => self.clock.wait_until(self.next_turn()),
            };
            if self.shared.wait(&mut events, wait).is_err() || self.is_over() {
                return;
            }
            let idle = events.is_empty() && !self.has_more_to_do();
            self.turn(&events);
            self.tell_those_who_wait(true);
            if idle && self.may_leap() {
                self.leap();
            }
        }
    }

    /// Whether somebody waits, and the clock can be moved for him.
    fn may_leap(&self) -> bool {
        !self.waiting.is_empty() && !self.clock.is_natural()
    }

    /// When the loop has to go on by itself, in microseconds since 1970: something is due, or nobody waits for longer.
    fn next_turn(&self) -> Option<i64> {
        let given_up = self.waiting.iter().map(|one| one.until);
        self.next_moment().into_iter().chain(given_up).min()
    }

    fn is_over(&self) -> bool {
        self.shared.is_stopping() || (self.is_lone() && self.server(0).borrow().net.is_stopping())
    }

    /// Whether it is the world of one node that is in no cluster, and ends with it.
    fn is_lone(&self) -> bool {
        self.about.len() == 1 && self.server(0).borrow().cluster.is_none()
    }

    /// Does what is due by the clock, what has come from clients, and what others want to have done.
    fn turn(&mut self, events: &Events) {
        self.catch_up();
        let mut touched = Touched::default();
        let woken = self.shared.take_woken();
        // All of them are noted first: what is still to be done must not be known to this call only, in case somebody's script takes long.
        let fresh = events
            .iter()
            .map(|event| (event.token(), event.is_read_closed()));
        for (token, hung_up) in woken.into_iter().chain(fresh) {
            if let Some(place) = place_of(token)
                && place < self.about.len()
            {
                self.server(place).borrow_mut().woken(token, hung_up);
            }
        }
        while let Some(job) = self.shared.next_job() {
            match job {
                Job::Node(place, job) => {
                    if place < self.about.len() {
                        let server = self.server(place);
                        let mut server = server.borrow_mut();
                        // Looked up anew: whoever asks may have moved the clock on since this turn began.
                        server.set_time(self.clock_now().max(self.now));
                        job(&mut server);
                        drop(server);
                        touched.add(place);
                    }
                }
                Job::World(job) => job(self),
            }
        }
        let now = self.clock_now().max(self.now);
        for place in 0..self.about.len() {
            if self.life(place) != Life::Running {
                continue;
            }
            let server = self.untouched(place);
            let mut server = server.borrow_mut();
            let has_turn = server.has_more_to_do();
            let due = server
                .next_moment()
                .is_some_and(|moment| moment.saturating_mul(1000) <= self.now);
            if !has_turn && !due && !touched.has(place) && !server.net.has_outgoing() {
                continue;
            }
            self.own_moments.touch(place);
            server.set_time(now);
            server.feed_the_hungry();
            server.end_round();
            drop(server);
            self.settle(place);
        }
        self.stop_those_that_were_shut_down();
        // What was sent without a delay is there already.
        let now = self.clock_now();
        self.happen_until(now);
    }

    /// Everything happens that is due by then, in its order.
    pub(super) fn happen_until(&mut self, until: i64) {
        loop {
            // By its own clock a node does things too: it takes out keys, and gives up waiting.
            // What is not done at its moment is not done by doing it again: it waits for somebody's turn.
            let own = self.own_moment_after(self.now);
            let own = own.filter(|(when, _)| *when <= until);
            let next = self
                .bus
                .borrow()
                .next_moment()
                .filter(|when| *when <= until);
            match (own, next) {
                (None, None) => break,
                (Some((when, place)), next) if next.is_none_or(|next| when < next) => {
                    self.now = self.now.max(when);
                    let server = self.server(place);
                    server.borrow_mut().set_time(self.now);
                    server.borrow_mut().end_round();
                    self.settle(place);
                }
                _ => {
                    let due = self.bus.borrow_mut().take_due(until);
                    if let Some((when, place, what)) = due {
                        self.now = self.now.max(when);
                        self.happens(place, what);
                    }
                }
            }
            self.tell_those_who_wait(false);
        }
        self.now = self.now.max(until);
    }

    /// The first moment after this one at which a node that runs does something by its own clock, both in microseconds since 1970; and that node.
    fn own_moment_after(&self, moment: i64) -> Option<(i64, usize)> {
        let servers = self.servers.borrow();
        let lives = self.lives.borrow();
        let ask = |place: usize| {
            let moment = servers[place].borrow().next_moment()?;
            let runs = lives[place] == Life::Running;
            runs.then(|| moment.saturating_mul(1000))
        };
        self.own_moments.first_after(moment, ask)
    }

    /// Something happens to a node.
    fn happens(&mut self, place: usize, what: Happening) {
        match self.life(place) {
            Life::Running => {}
            Life::Frozen => {
                let tick = matches!(what, Happening::Tick { .. });
                let missed = &mut self.about[place].missed;
                // However long it was frozen, it has one tick to catch up with.
                if !tick
                    || !missed
                        .iter()
                        .any(|what| matches!(what, Happening::Tick { .. }))
                {
                    missed.push(what);
                }
                return;
            }
            Life::Stopped => return,
        }
        if !self.bus.borrow_mut().arrives(place, &what) {
            return;
        }
        let resting = if let Happening::Tick { life } = what {
            if life != self.about[place].life {
                return;
            }
            let next = self.now + TICK;
            let again = Happening::Tick { life };
            self.bus.borrow_mut().put(next, place, again);
            let resting = self.is_at_rest();
            if resting && self.untouched(place).borrow_mut().skips_tick() {
                return;
            }
            resting
        } else {
            if !what.is_routine() {
                self.stir();
            }
            self.is_resting(place)
        };
        let server = self.server(place);
        let mut server = server.borrow_mut();
        server.set_time(self.now);
        match what {
            Happening::Tick { .. } => server.tick(resting),
            Happening::Connected(link) => server.connected(link),
            Happening::Closed(link) => server.closed(link),
            Happening::Received(link, packet) => server.received(link, *packet, resting),
        }
        server.end_round();
        drop(server);
        self.settle(place);
    }

    /// Does what a node's view of the cluster has led to, and takes along what it sends.
    fn settle(&mut self, place: usize) {
        let rests = self.rests_on(place);
        let server = self.server(place);
        let mut server = server.borrow_mut();
        match rests {
            true => server.settle_at_rest(),
            false => server.settle_view(),
        }
        let mut wires = std::mem::take(&mut server.wires);
        // A node may open a link to itself, and is asked for its address then.
        drop(server);
        if wires.is_empty() {
            return;
        }
        for wire in wires.drain(..) {
            self.carry(place, wire);
        }
        // What they were in is used again.
        let server = self.untouched(place);
        let mut server = server.borrow_mut();
        if server.wires.is_empty() {
            server.wires = wires;
        }
    }

    fn carry(&mut self, from: usize, wire: Wire) {
        let now = self.now;
        match wire {
            Wire::Connect { link, ip, port } => {
                let to = (0..self.about.len()).find(|&to| {
                    let about = &self.about[to];
                    (about.address.port() == port || about.bus_port == port)
                        && self.server(to).borrow().is_at_ip(&ip)
                });
                let bus = to.is_some_and(|to| self.about[to].bus_port == port);
                let mut under_way = self.bus.borrow_mut();
                match to {
                    Some(to) if self.life(to) != Life::Stopped => {
                        under_way.open(now, link, from, to, bus);
                    }
                    host => under_way.refuse(now, link, from, host),
                }
            }
            Wire::Send { link, packet } => self.bus.borrow_mut().send(now, link, from, packet),
            Wire::Close { link } => self.bus.borrow_mut().close(now, link, from),
        }
    }

    fn stop_those_that_were_shut_down(&mut self) {
        if self.is_lone() {
            return;
        }
        for place in 0..self.about.len() {
            if self.life(place) == Life::Running && self.untouched(place).borrow().net.is_stopping()
            {
                self.stop(place, Ending::Orderly);
            }
        }
    }

    /// Lets time pass for those who wait for something that is not so.
    fn leap(&mut self) {
        if let Some(next) = self.next_turn() {
            self.clock.leap_to(next);
        }
    }

    /// Tells those who wait that it is so, or, if this is the end of a moment, that their time is over. Of several things that happen at one moment it is looked at after each: what one of them brings the
    /// next may take away.
    fn tell_those_who_wait(&mut self, end_of_moment: bool) {
        if self.waiting.is_empty() {
            return;
        }
        let now = self.now;
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain_mut(|one| {
            let so = (one.look)(self);
            let over = so || (end_of_moment && now >= one.until);
            if over {
                // Whoever asked may have gone.
                let _ = one.tell.send(so);
            }
            !over
        });
        waiting.append(&mut self.waiting);
        self.waiting = waiting;
    }

    /// Somebody waits until something is so, at most until a moment in microseconds since 1970. It is looked at after everything that happens.
    pub fn wait_for(
        &mut self,
        until: i64,
        look: Box<dyn FnMut(&World) -> bool + Send>,
        tell: std::sync::mpsc::SyncSender<bool>,
    ) {
        self.waiting.push(Waiting { look, until, tell });
    }
}

/// Which nodes others have had something done by.
#[derive(Default)]
struct Touched(Vec<usize>);

impl Touched {
    fn add(&mut self, place: usize) {
        if !self.has(place) {
            self.0.push(place);
        }
    }

    fn has(&self, place: usize) -> bool {
        self.0.contains(&place)
    }
}

impl Server {
    /// A tenth of a second has passed. `resting`: nobody has anything to tell the others.
    fn tick(&mut self, resting: bool) {
        // The first time right after the start, when nobody follows yet who would be sent a PING.
        if self.ticks.is_multiple_of(10) {
            self.replication_cron();
        }
        self.ticks += 1;
        if !resting {
            self.in_cluster(|view, around| view.tick(around));
        }
    }

    /// The same while all rest, if it is one of those in which nothing else is to be done either. Whether it was.
    fn skips_tick(&mut self) -> bool {
        let skips = !self.ticks.is_multiple_of(10);
        self.ticks += u64::from(skips);
        skips
    }

    fn connected(&mut self, link: LinkId) {
        match Replication::is_own(link) {
            true => self.replication_connected(link),
            false => {
                self.in_cluster(|view, around| view.connected(link, around));
            }
        }
    }

    fn closed(&mut self, link: LinkId) {
        match Replication::is_own(link) {
            true => self.replication_closed(link),
            false => {
                self.in_cluster(|view, around| view.closed(link, around));
            }
        }
    }

    fn received(&mut self, link: LinkId, packet: Packet, resting: bool) {
        match packet {
            Packet::Bus(message) if resting && message.body.is_published() => {
                if let Some(member) = self.cluster.as_deref_mut() {
                    member.view.receive_published(message);
                }
            }
            Packet::Bus(message) => {
                self.in_cluster(|view, around| view.receive(link, message, around));
            }
            Packet::Replication(message) => self.replication_received(link, message),
        }
    }
}
