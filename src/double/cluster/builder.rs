//! How a cluster is to be, before it is started.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{Cluster, gone, weather};
use crate::cluster::{SLOTS, Slot, SlotSet};
use crate::double::Clock;
use crate::double::node::Presents;
use crate::double::node::config::Config;
use crate::double::node::host::{Host, raise_file_limit};
use crate::double::node::world::{Newcomer, World};

/// What a node's bus port is above its client port, as in Redis.
const BUS: u16 = 10_000;
/// How long before its start a cluster has come into being, in microseconds: so long it had to get to know itself.
const PAST: i64 = 12_000_000;

/// How a [`Cluster`] is to be.
#[derive(Debug)]
pub struct ClusterBuilder {
    masters: usize,
    replicas: usize,
    empty: usize,
    seed: Option<u64>,
    clock: Option<Clock>,
    first_port: Option<u16>,
    sockets: bool,
    settings: Vec<(String, String)>,
    presents: Presents,
    delay: Range<Duration>,
    loss: f64,
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        ClusterBuilder {
            masters: 3,
            replicas: 1,
            empty: 0,
            seed: None,
            clock: None,
            first_port: None,
            sockets: true,
            settings: Vec::new(),
            presents: Presents::default(),
            delay: Duration::ZERO..Duration::ZERO,
            loss: 0.0,
        }
    }
}

impl ClusterBuilder {
    /// So many masters, which share the slots as `redis-cli --cluster create` shares them out. Without this, three; zero: no cluster is made, see
    /// [`nodes`](Self::nodes).
    pub fn masters(mut self, masters: usize) -> Self {
        self.masters = masters;
        self
    }

    /// Each master has so many replicas. Without this, one.
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// So many nodes more that are empty and know nobody.
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.empty = nodes;
        self
    }

    /// All chance comes from this: ids, delays, who is pinged when. Without it, another one each time; [`Cluster::seed`] tells it.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The time that it lives in; without this, the machine's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Its ports are this one and those that follow; without this, free ones. Bus ports are 10,000 above, and are only named: nobody listens there.
    pub fn ports_from(mut self, first: u16) -> Self {
        self.first_port = Some(first);
        self
    }

    /// Nobody listens anywhere: only this process can speak to it, by [`Cluster::run`]. Ports are only names then, from 7001 on unless said otherwise, and two runs with the same seed
    /// on a stepped clock are equal to the byte.
    pub fn without_sockets(mut self) -> Self {
        self.sockets = false;
        self
    }

    /// `cluster-node-timeout` of all nodes.
    pub fn node_timeout(self, timeout: Duration) -> Self {
        let milliseconds = timeout.as_millis().to_string();
        self.config("cluster-node-timeout", &milliseconds)
    }

    /// Sets a parameter of all nodes as a line of `redis.conf` does.
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As which version of Redis its nodes present themselves; without this, 7.0.
    pub fn presents(mut self, version: Presents) -> Self {
        self.presents = version;
        self
    }

    /// How long what nodes send each other takes: any time of this range. Without this, no time.
    pub fn delay(mut self, range: Range<Duration>) -> Self {
        self.delay = range;
        self
    }

    /// Which share of the messages on the cluster bus is lost, 0 to 1.
    pub fn loss(mut self, share: f64) -> Self {
        self.loss = share.clamp(0.0, 1.0);
        self
    }

    /// Starts it. When this returns the cluster is well: all nodes agree and replicas have caught up.
    ///
    /// # Errors
    /// Ports could not be had; or there is no such parameter, or it can't be set to that.
    pub async fn start(self) -> io::Result<Cluster> {
        let seed = self.seed.unwrap_or_else(rand::random);
        let clock = self.clock.clone().unwrap_or_else(Clock::natural);
        let count = self.masters * (1 + self.replicas) + self.empty;
        let newcomers: Vec<Newcomer> = (0..count)
            .map(|at| self.newcomer(at))
            .collect::<io::Result<_>>()?;
        let clients = newcomers.iter().map(|one| one.config.max_clients);
        raise_file_limit(clients.max().unwrap_or_default());
        let host = Host::start(clock.clone(), weather(&self.delay, self.loss), seed)?;
        let (masters, replicas, presents) = (self.masters, self.replicas, self.presents);
        let formed = host.with_world(move |world| {
            // Nodes that are in no cluster yet have no past: they are as servers that were just started.
            if masters > 0 {
                world.go_back(PAST);
            }
            for newcomer in newcomers {
                let place = world.add(newcomer)?;
                world.at(place, |server| server.presents = presents);
            }
            form(world, masters, replicas);
            world.catch_up();
            Ok(())
        });
        formed.unwrap_or_else(|| Err(gone()))?;
        Ok(Cluster { host, clock, seed })
    }

    fn newcomer(&self, at: usize) -> io::Result<Newcomer> {
        let mut config = Config::default();
        let own = [
            ("cluster-enabled", "yes"),
            // A replica's link is up at once, and not after five seconds in which others might want a copy as well.
            ("repl-diskless-sync-delay", "0"),
        ];
        let own = own.iter().map(|(name, value)| (*name, *value));
        let told = self.settings.iter();
        let told = told.map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(told) {
            config.set_at_start(name, value).map_err(|wrong| {
                io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: {wrong}"))
            })?;
        }
        let port = match self.first_port {
            Some(first) => first.checked_add(at as u16).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidInput, "there is no port above 65535")
            })?,
            None if self.sockets => 0,
            None => 7001 + at as u16,
        };
        let listener = self.sockets.then(|| listen(port)).transpose()?;
        let port = match &listener {
            Some(listener) => listener.local_addr()?.port(),
            None => port,
        };
        newcomer(listener, port, config)
    }
}

fn newcomer(listener: Option<TcpListener>, port: u16, mut config: Config) -> io::Result<Newcomer> {
    // A number is never refused.
    let _ = config.set_at_start("port", &port.to_string());
    Ok(Newcomer {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        listener,
        config,
        in_cluster: true,
        forgets: false,
        bus_port: port.checked_add(BUS).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "port {port}: a node's bus port is 10000 above, and there is none above 65535"
                ),
            )
        })?,
    })
}

/// A node more for a cluster that runs, at an address of its own and with settings of its own.
pub(super) fn newcomer_at(address: SocketAddr, settings: &[(&str, &str)]) -> io::Result<Newcomer> {
    let mut config = Config::default();
    let own = [("cluster-enabled", "yes")];
    for (name, value) in own.iter().chain(settings) {
        config.set_at_start(name, value).map_err(|wrong| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: {wrong}"))
        })?;
    }
    raise_file_limit(config.max_clients);
    let listener = TcpListener::bind(address)
        .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?;
    let made = newcomer(Some(listener), address.port(), config)?;
    Ok(Newcomer {
        address,
        forgets: true,
        ..made
    })
}

/// A node more for a cluster that runs, with the settings of its first.
pub(super) fn newcomer_like_first(cluster: &Cluster) -> io::Result<Newcomer> {
    let first = cluster.world(|world| {
        let config = world.at(0, |server| server.config.clone());
        let ports = (0..world.len()).map(|at| world.address(at).port());
        (config, world.has_sockets(), ports.max().unwrap_or(7000) + 1)
    });
    let (config, sockets, next) = first.ok_or_else(gone)?;
    let listener = sockets.then(|| listen(0)).transpose()?;
    let port = match &listener {
        Some(listener) => listener.local_addr()?.port(),
        None => next,
    };
    newcomer(listener, port, config)
}

/// Listens on a port, or on a free one that has a bus port: 0.
fn listen(port: u16) -> io::Result<TcpListener> {
    let mut passed_over = Vec::new();
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .map_err(|error| io::Error::new(error.kind(), format!("port {port}: {error}")))?;
        if port != 0 || listener.local_addr()?.port() <= u16::MAX - BUS {
            return Ok(listener);
        }
        // Held until another one is found, so that it is not offered again.
        passed_over.push(listener);
        if passed_over.len() > 1000 {
            return Err(io::Error::other("no free port below 55536"));
        }
    }
}

/// Which slots a master has of `of`, as `redis-cli --cluster create` shares them out.
fn share(master: usize, of: usize) -> Range<u16> {
    let each = f64::from(SLOTS) / of as f64;
    let bound = |at: usize| match at == of {
        true => SLOTS,
        false => (at as f64 * each).round() as u16,
    };
    bound(master)..bound(master + 1)
}

/// Makes a cluster of the first nodes of a world: everybody knows everybody, and what everybody is.
fn form(world: &mut World, masters: usize, replicas: usize) {
    let members = masters * (1 + replicas);
    let all: Vec<_> = (0..members).map(|at| world.introduction(at)).collect();
    let shares: Vec<Arc<SlotSet>> = (0..masters)
        .map(|at| {
            let slots = share(at, masters).filter_map(|slot| Slot::new(slot).ok());
            Arc::new(slots.collect())
        })
        .collect();
    for place in 0..members {
        world.introduce(place, &all);
        for (at, slots) in shares.iter().enumerate() {
            world.give_slots(place, all[at].id, slots, at as u64 + 1);
        }
        if let Some(at) = place.checked_sub(masters) {
            world.follow(place, all[at % masters].id);
        }
    }
}
