//! What is under way between nodes: links, and packets on them, each with the moment at which it arrives.
//!
//! A link is what a TCP connection is to two nodes: packets of one direction come in their order; what is sent while its nodes can't reach each other is held and comes
//! when they can again; it ends for the other side when one side closes it or is no more.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use foldhash::fast::FixedState;
use rand::Rng;
use rand::rngs::StdRng;

use crate::double::gossip::LinkId;
use crate::double::node::wires::Packet;

/// Something that happens to a node.
#[derive(Debug)]
pub(super) enum Happening {
    /// A tenth of a second has passed for it. `life`: the one of its lives that this is for.
    Tick { life: u32 },
    /// A link that it has opened stands.
    Connected(LinkId),
    /// A link was closed by the other side, or could not be opened.
    Closed(LinkId),
    /// Something came on a link.
    Received(LinkId, Box<Packet>),
}

impl Happening {
    /// It is one of those that go on even if nothing has happened: a tick, a ping and its answer, what a master and its replicas tell each other.
    pub fn is_routine(&self) -> bool {
        match self {
            Happening::Tick { .. } => true,
            Happening::Connected(_) | Happening::Closed(_) => false,
            Happening::Received(_, packet) => match &**packet {
                Packet::Bus(message) => message.is_routine(),
                Packet::Replication(_) => true,
            },
        }
    }
}

/// What is due, at which node, and when, in microseconds since 1970.
#[derive(Debug)]
struct Due {
    when: i64,
    /// Of two at the same moment the one that was put in first comes first.
    number: u64,
    place: usize,
    what: Happening,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.when, self.number).cmp(&(other.when, other.number))
    }
}

/// How long after the loss of a packet its link ends, in microseconds.
const GIVES_UP: i64 = 1_000_000;

/// One of a link's two ends: who has opened it, and who has accepted it.
const OPENER: usize = 0;
const ACCEPTER: usize = 1;

/// A cluster of sixty has thousands of them, and each packet looks one up in several places: it is kept small.
#[derive(Debug)]
struct Link {
    /// The nodes at its ends.
    ends: [u32; 2],
    /// Which of them still hold it.
    open: [bool; 2],
    /// The moment at which the last packet to an end arrives: none may come before it.
    last: [i64; 2],
    /// What waits to be sent to an end that can't be reached. Most links never had any.
    held: Option<Box<[VecDeque<Happening>; 2]>>,
    /// It carries the cluster bus, of which a packet may be lost; a replica's stream may not.
    bus: bool,
    /// A packet was lost on it, and so it will end.
    damaged: bool,
}

/// How packets fare.
#[derive(Debug, Clone)]
pub(in crate::double) struct Weather {
    /// How long a packet takes: any time of this range, in microseconds.
    pub delay: Range<u64>,
    /// Which share of the packets of the cluster bus is lost.
    pub loss: f64,
}

/// All that is under way.
pub(super) struct Bus {
    due: BinaryHeap<Reverse<Due>>,
    next_number: u64,
    links: HashMap<LinkId, Link, FixedState>,
    /// Who can't send to whom.
    cut: BTreeSet<(usize, usize)>,
    /// How much longer packets to and from a node take, in microseconds.
    slow: BTreeMap<usize, u64>,
    weather: Weather,
    random: StdRng,
}

impl Bus {
    pub fn new(weather: Weather, random: StdRng) -> Bus {
        Bus {
            due: BinaryHeap::new(),
            next_number: 0,
            links: HashMap::default(),
            cut: BTreeSet::new(),
            slow: BTreeMap::new(),
            weather,
            random,
        }
    }

    /// When the next thing happens, in microseconds since 1970.
    pub fn next_moment(&self) -> Option<i64> {
        self.due.peek().map(|Reverse(due)| due.when)
    }

    /// What happens next, at which node, if it is due by then.
    pub fn take_due(&mut self, until: i64) -> Option<(i64, usize, Happening)> {
        if self.next_moment()? > until {
            return None;
        }
        let Reverse(due) = self.due.pop()?;
        Some((due.when, due.place, due.what))
    }

    /// Has something happen to a node.
    pub fn put(&mut self, when: i64, place: usize, what: Happening) {
        let number = self.next_number;
        self.next_number += 1;
        self.due.push(Reverse(Due {
            when,
            number,
            place,
            what,
        }));
    }

    /// Whether every packet arrives, and none takes longer than this, in microseconds.
    pub fn is_calm(&self, longest: u64) -> bool {
        self.cut.is_empty()
            && self.slow.is_empty()
            && self.weather.loss == 0.0
            && self.weather.delay.end <= longest
    }

    /// Whether a node's packets reach another one.
    pub fn reaches(&self, from: usize, to: usize) -> bool {
        self.cut.is_empty() || from == to || !self.cut.contains(&(from, to))
    }

    /// From now on nothing that the one sends reaches the other.
    pub fn cut(&mut self, from: usize, to: usize) {
        self.cut.insert((from, to));
    }

    /// Everybody reaches everybody; what was held comes now.
    pub fn heal(&mut self, now: i64) {
        self.heal_some(now, |_, _| true);
    }

    /// The same of those pairs that are `meant`: who sends, and to whom.
    pub fn heal_some(&mut self, now: i64, meant: impl Fn(usize, usize) -> bool) {
        self.cut.retain(|(from, to)| !meant(*from, *to));
        let mut links: Vec<LinkId> = self.links.keys().copied().collect();
        links.sort_unstable();
        for id in links {
            for end in [OPENER, ACCEPTER] {
                let Some(link) = self.links.get_mut(&id) else {
                    continue;
                };
                if self.cut.contains(&(link.at(1 - end), link.at(end))) {
                    continue;
                }
                let held = link.held.as_deref_mut();
                for what in held
                    .map(|held| std::mem::take(&mut held[end]))
                    .unwrap_or_default()
                {
                    self.forward(now, id, end, what);
                }
            }
        }
    }

    /// Packets to and from this node take so much longer.
    pub fn slow(&mut self, place: usize, by: Duration) {
        match by.as_micros() as u64 {
            0 => self.slow.remove(&place),
            by => self.slow.insert(place, by),
        };
    }

    /// Sets how packets fare from now on.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// How packets fare.
    pub fn weather(&self) -> &Weather {
        &self.weather
    }

    fn delay(&mut self, one: usize, other: usize) -> i64 {
        let range = self.weather.delay.clone();
        let own = match range.is_empty() {
            true => range.start,
            false => self.random.random_range(range),
        };
        let extra = |place| self.slow.get(&place).copied().unwrap_or_default();
        (own + extra(one) + extra(other)) as i64
    }

    /// A node opens a link to another one, which listens. A packet there and one back, and it stands; where they don't get through nothing is heard of it.
    pub fn open(&mut self, now: i64, id: LinkId, opener: usize, accepter: usize, bus: bool) {
        if !self.reaches(opener, accepter) || !self.reaches(accepter, opener) {
            return;
        }
        let when = now + 2 * self.delay(opener, accepter);
        self.links.insert(
            id,
            Link {
                ends: [opener as u32, accepter as u32],
                open: [true, true],
                last: [when, when],
                held: None,
                bus,
                damaged: false,
            },
        );
        self.put(when, opener, Happening::Connected(id));
    }

    /// A node opens a link to a place where nobody listens.
    pub fn refuse(&mut self, now: i64, id: LinkId, opener: usize, host: Option<usize>) {
        if let Some(host) = host
            && (!self.reaches(opener, host) || !self.reaches(host, opener))
        {
            return;
        }
        let when = now + 2 * self.delay(opener, host.unwrap_or(opener));
        self.put(when, opener, Happening::Closed(id));
    }

    /// A node sends something on a link.
    pub fn send(&mut self, now: i64, id: LinkId, from: usize, packet: Packet) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if link.bus && self.weather.loss > 0.0 && self.random.random_bool(self.weather.loss) {
            // TCP loses nothing without ending. A node that waits for an answer which was lost, while other packets come, would wait for ever.
            if !std::mem::replace(&mut link.damaged, true) {
                for place in [link.at(OPENER), link.at(ACCEPTER)] {
                    self.put(now + GIVES_UP, place, Happening::Closed(id));
                }
            }
            return;
        }
        let Some(from) = link.end_of(from) else {
            return;
        };
        self.forward(now, id, 1 - from, Happening::Received(id, Box::new(packet)));
    }

    /// A node closes a link.
    pub fn close(&mut self, now: i64, id: LinkId, from: usize) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some(end) = link.end_of(from) else {
            return;
        };
        link.open[end] = false;
        if link.open[1 - end] {
            self.forward(now, id, 1 - end, Happening::Closed(id));
        } else {
            self.links.remove(&id);
        }
    }

    /// A node is no more: all its links are closed.
    pub fn close_all(&mut self, now: i64, place: usize) {
        let of_it = |link: &Link| link.end_of(place).is_some();
        let links = self.links.iter().filter(|(_, link)| of_it(link));
        let mut links: Vec<LinkId> = links.map(|(id, _)| *id).collect();
        links.sort_unstable();
        for id in links {
            self.close(now, id, place);
        }
    }

    /// Has something arrive at an end of a link, after all that was sent there before.
    fn forward(&mut self, now: i64, id: LinkId, end: usize, what: Happening) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        let (from, to) = (link.at(1 - end), link.at(end));
        let waits = link.held.as_ref().is_some_and(|held| !held[end].is_empty());
        let held = waits || !self.reaches(from, to);
        let delay = if held { 0 } else { self.delay(from, to) };
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if held {
            let held = link.held.get_or_insert_default();
            return held[end].push_back(what);
        }
        let when = (now + delay).max(link.last[end]);
        link.last[end] = when;
        self.put(when, to, what);
    }

    /// Whether what has arrived at a node on a link still concerns it; the link ends with this, if it was the end of it.
    pub fn arrives(&mut self, place: usize, what: &Happening) -> bool {
        let (id, ends) = match what {
            Happening::Tick { .. } => return true,
            Happening::Connected(id) | Happening::Received(id, _) => (id, false),
            Happening::Closed(id) => (id, true),
        };
        let Some(link) = self.links.get_mut(id) else {
            // A link that could not be opened has never been one.
            return ends;
        };
        let Some(end) = link.end_of(place) else {
            return false;
        };
        let open = link.open[end];
        if ends {
            link.open[end] = false;
            if !link.open[1 - end] {
                self.links.remove(id);
            }
        }
        open
    }
}

impl Link {
    fn end_of(&self, place: usize) -> Option<usize> {
        self.ends.iter().position(|at| *at as usize == place)
    }

    /// The node at an end.
    fn at(&self, end: usize) -> usize {
        self.ends[end] as usize
    }
}
