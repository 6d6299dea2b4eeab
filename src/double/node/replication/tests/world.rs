//! A few nodes on one thread, and what carries their messages.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::cluster::{NodeId, Reply};
use crate::double::Clock;
use crate::double::gossip::LinkId;
use crate::double::node::client::ClientKey;
use crate::double::node::config::Config;
use crate::double::node::net::{Net, Shared};
use crate::double::node::out::Out;
use crate::double::node::server::Server;
use crate::double::node::wires::{Packet, Wire};
use crate::double::wire;

/// Nodes with the ports 7001, 7002 … and one clock, which stands still.
pub struct World {
    pub clock: Clock,
    pub nodes: Vec<Server>,
    links: BTreeMap<LinkId, (usize, usize)>,
    /// Nodes that nobody reaches.
    pub away: Vec<usize>,
}

impl World {
    pub fn new(count: u16, settings: &[(&str, &str)]) -> World {
        let clock = Clock::stepped();
        let nodes = (1..=count).map(|number| {
            let mut config = Config::default();
            let port = (7000 + number).to_string();
            let usual = [
                ("port", &*port),
                ("repl-diskless-sync-delay", "0"),
                ("enable-debug-command", "yes"),
            ];
            for (name, value) in usual.iter().chain(settings) {
                config.set_at_start(name, value).unwrap();
            }
            let mut server = Server::new(clock.clone(), config, net(7000 + number));
            server.replication.number_links(u32::from(number));
            server
        });
        World {
            nodes: nodes.collect(),
            clock,
            links: BTreeMap::new(),
            away: Vec::new(),
        }
    }

    /// Node 0 is followed by all others.
    pub fn with_replicas(count: u16, settings: &[(&str, &str)]) -> World {
        let mut world = World::new(count, settings);
        for node in 1..usize::from(count) {
            world.follow(node, 0);
        }
        world
    }

    /// A node follows another one from now on.
    pub fn follow(&mut self, node: usize, master: usize) {
        let port = 7001 + master as u16;
        self.nodes[node].follow(NodeId::from_bytes([7; 20]), "127.0.0.1", port);
        self.carry();
    }

    pub fn lead(&mut self, node: usize) {
        self.nodes[node].lead();
        self.carry();
    }

    /// What a client gets from a node.
    pub fn run(&mut self, node: usize, line: &str) -> Reply {
        let words: Vec<Vec<u8>> = line
            .split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect();
        self.run_words(node, &words)
    }

    pub fn run_words(&mut self, node: usize, words: &[Vec<u8>]) -> Reply {
        let bytes = self.nodes[node].run_by_hand(words, false);
        self.nodes[node].end_round();
        self.carry();
        wire::reply(&bytes)
    }

    /// A client that stays.
    pub fn client(&mut self, node: usize) -> Guest {
        let key = self.nodes[node].client_by_hand();
        Guest { node, key }
    }

    /// Carries until nobody has anything more to say.
    pub fn carry(&mut self) {
        loop {
            let mut quiet = true;
            for from in 0..self.nodes.len() {
                self.nodes[from].end_round();
                for wire in std::mem::take(&mut self.nodes[from].wires) {
                    quiet = false;
                    self.carry_one(from, wire);
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn carry_one(&mut self, from: usize, wire: Wire) {
        match wire {
            Wire::Connect { link, port, .. } => {
                let to = usize::from(port - 7001);
                if self.away.contains(&from) || self.away.contains(&to) {
                    return self.nodes[from].replication_closed(link);
                }
                self.links.insert(link, (from, to));
                self.nodes[from].replication_connected(link);
            }
            Wire::Send { link, packet } => {
                let Packet::Replication(message) = packet else {
                    panic!("nothing else is sent here");
                };
                if let Some((one, other)) = self.links.get(&link).copied() {
                    let to = if from == one { other } else { one };
                    self.nodes[to].replication_received(link, message);
                }
            }
            Wire::Close { link } => {
                if let Some((one, other)) = self.links.remove(&link) {
                    let to = if from == one { other } else { one };
                    self.nodes[to].replication_closed(link);
                }
            }
        }
    }

    /// Nobody reaches this node any more, and the links that it has are gone.
    pub fn cut(&mut self, node: usize) {
        self.away.push(node);
        let links = std::mem::take(&mut self.links);
        for (link, (one, other)) in links {
            if one == node || other == node {
                self.nodes[one].replication_closed(link);
                self.nodes[other].replication_closed(link);
            } else {
                self.links.insert(link, (one, other));
            }
        }
        self.carry();
    }

    pub fn heal(&mut self) {
        self.away.clear();
    }

    /// So many seconds pass.
    pub fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.tick(Duration::from_secs(1));
            for node in &mut self.nodes {
                node.replication_cron();
            }
            self.carry();
        }
    }

    /// Time passes, less than a second.
    pub fn tick(&mut self, time: Duration) {
        self.clock.advance(time);
        for node in &mut self.nodes {
            node.look_at_the_clock();
            node.end_round();
        }
        self.carry();
    }

    /// A line of INFO replication.
    pub fn info(&mut self, node: usize, name: &str) -> String {
        let Reply::Bulk(text) = self.run(node, "INFO") else {
            panic!("INFO is a text");
        };
        let text = String::from_utf8(text).unwrap();
        let start = format!("{name}:");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_default().to_owned()
    }

    /// All nodes have the same data, and count the same bytes.
    pub fn assert_same(&mut self) {
        let digests: Vec<Reply> = (0..self.nodes.len())
            .map(|node| self.run(node, "DEBUG DIGEST"))
            .collect();
        let offsets: Vec<i64> = self
            .nodes
            .iter()
            .map(|node| node.replication.offset())
            .collect();
        assert!(matches!(digests[0], Reply::Status(_)), "{:?}", digests[0]);
        assert!(
            digests.iter().all(|digest| *digest == digests[0]),
            "{digests:?}"
        );
        assert!(
            offsets.iter().all(|offset| *offset == offsets[0]),
            "{offsets:?}"
        );
    }
}

/// A client of a node.
#[derive(Debug, Clone, Copy)]
pub struct Guest {
    node: usize,
    key: ClientKey,
}

impl Guest {
    /// Sends a command. What it is answered at once; nothing if it waits.
    pub fn run(self, world: &mut World, line: &str) -> Option<Reply> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let server = &mut world.nodes[self.node];
        let mut out = Out::new(true);
        let outer = server.current.replace(self.key);
        server.execute(self.key, &words, &mut out);
        server.current = outer;
        world.carry();
        (!out.bytes.is_empty()).then(|| wire::reply(&out.bytes))
    }

    /// What it was sent since.
    pub fn heard(self, world: &mut World) -> Option<Reply> {
        let client = &mut world.nodes[self.node].clients[self.key.0];
        let bytes = std::mem::take(&mut client.out.bytes);
        (!bytes.is_empty()).then(|| wire::reply(&bytes))
    }
}

fn net(port: u16) -> Net {
    let (_, jobs) = mpsc::channel();
    let stop = Arc::new(AtomicBool::new(false));
    let shared = Shared::new(mio::Poll::new().unwrap(), jobs, stop).unwrap();
    Net::new(Rc::new(shared), 0, ([127, 0, 0, 1], port).into())
}
