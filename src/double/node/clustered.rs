//! A node of a cluster made by hand, for tests: no bus, no sockets, and others that are only known of.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::call::Origin;
use super::client::ClientKey;
use super::config::Config;
use super::dispatch::Prepared;
use super::net::{Net, Shared};
use super::out::Out;
use super::server::Server;
use super::table::Table;
use crate::cluster::{NodeId, Slot, SlotRange};
use crate::double::Clock;
use crate::double::gossip::{Effect, Flags, LinkId, OutgoingLink, Peer, PeerKey, View};

/// The node, and its clients by a number each.
pub(in crate::double) struct Clustered {
    pub server: Server,
    pub clock: Clock,
    clients: BTreeMap<u8, ClientKey>,
}

/// The id of the node with this number.
pub(in crate::double) fn id(number: u8) -> NodeId {
    NodeId::from_bytes([number; 20])
}

/// A server without a cluster, and its time.
pub(in crate::double) fn lone() -> (Server, Clock) {
    let clock = Clock::stepped();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (poll, jobs) = (mio::Poll::new().unwrap(), mpsc::channel().1);
    let shared = Shared::new(poll, jobs, Arc::new(AtomicBool::new(false))).unwrap();
    let net = Net::new(Rc::new(shared), 0, address);
    (Server::new(clock.clone(), Config::default(), net), clock)
}

impl Clustered {
    /// A node that knows nobody: number 1.
    pub fn new(port: u16) -> Clustered {
        let (mut server, clock) = lone();
        let view = View::new(1, id(1), port, port + 10_000, server.now);
        server.join(view, StdRng::seed_from_u64(1));
        let mut node = Clustered {
            server,
            clock,
            clients: BTreeMap::new(),
        };
        node.tick();
        node
    }

    pub fn view(&mut self) -> &mut View {
        &mut self.server.cluster.as_deref_mut().unwrap().view
    }

    /// A master that it knows of.
    pub fn knows(&mut self, id: NodeId, port: u16) -> PeerKey {
        let now = self.server.now;
        let flags = Flags {
            master: true,
            ..Flags::default()
        };
        let link = OutgoingLink {
            id: LinkId(u64::from(port)),
            up: true,
            since: now,
        };
        self.view().insert(Peer {
            ip: "127.0.0.1".into(),
            port,
            bus_port: port + 10_000,
            link: Some(link),
            pong_received: now,
            ..Peer::new(id, flags, now)
        })
    }

    /// The slots from one to another are this node's.
    pub fn gives(&mut self, start: u16, end: u16, owner: PeerKey) {
        let range = SlotRange::new(Slot::new(start).unwrap(), Slot::new(end).unwrap()).unwrap();
        for slot in range.iter() {
            self.view().give_slot(slot, Some(owner));
        }
        self.view().note_change();
    }

    /// It is a replica of this node.
    pub fn follows(&mut self, master: PeerKey) {
        let view = self.view();
        let me = view.me;
        let myself = view.peer_mut(me);
        myself.flags.master = false;
        myself.flags.replica = true;
        myself.replica_of = Some(master);
        view.peer_mut(master).replicas.push(me);
    }

    /// A tenth of a second passes.
    pub fn tick(&mut self) {
        self.clock.advance(Duration::from_millis(100));
        self.server.look_at_the_clock();
        self.server.in_cluster(|view, around| {
            view.tick(around);
            view.settle(around);
        });
        self.server.look_at_slots();
    }

    /// So much time passes, without anything happening on the bus.
    pub fn waits(&mut self, by: Duration) {
        self.clock.advance(by);
        self.server.look_at_the_clock();
        self.server.in_cluster(|view, around| view.settle(around));
    }

    fn key(&mut self, number: u8) -> ClientKey {
        let server = &mut self.server;
        let key = self.clients.entry(number).or_insert_with(|| {
            let key = server.client_by_hand();
            server.clients[key.0].out.resp3 = false;
            key
        });
        *key
    }

    /// The client is gone.
    pub fn close(&mut self, number: u8) {
        if let Some(key) = self.clients.remove(&number) {
            self.server.close(key);
        }
    }

    /// Has a client say something. All that it has got by then and has not been given yet.
    pub fn ask<W: AsRef<[u8]>>(&mut self, client: u8, words: &[W]) -> Vec<u8> {
        let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
        let key = self.key(client);
        let mut out = Out::new(self.server.clients[key.0].out.resp3);
        self.server.current = Some(key);
        self.server.execute(key, &words, &mut out);
        self.server.current = None;
        if let Some(client) = self.server.clients.get_mut(key.0) {
            client.out.bytes.append(&mut out.bytes);
        }
        self.settles();
        self.server.end_round();
        self.told(client)
    }

    /// What is done at the end of a turn. Effects are left undone but for those that only concern clients.
    fn settles(&mut self) {
        let effects = self.server.in_cluster(|view, around| {
            view.settle(around);
            view.take_effects()
        });
        for effect in effects.unwrap() {
            if let Effect::DropChannels(slots) = effect {
                self.server.drop_channels(&slots);
            }
        }
        self.server.look_at_slots();
    }

    /// What a client has got and has not been given yet.
    pub fn told(&mut self, client: u8) -> Vec<u8> {
        let key = self.key(client);
        let client = self.server.clients.get_mut(key.0);
        client.map_or_else(Vec::new, |client| std::mem::take(&mut client.out.bytes))
    }

    /// Executes a command as it comes from a master.
    pub fn obeys<W: AsRef<[u8]>>(&mut self, words: &[W]) {
        let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
        let client = self.key(0);
        let prepared = Prepared {
            client,
            db: 0,
            args: &words,
            command: Table::redis_7_0().of_call(&words).unwrap(),
            origin: Origin::Client,
        };
        let mut out = Out::default();
        self.server.call(prepared, &mut out).unwrap();
    }
}
