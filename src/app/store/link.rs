//! The library's connections to the cluster, which can be replaced while they are in use.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterClientBuilder, NodeAddress};
use redis::cluster_async::ClusterConnection;
use redis::{ConnectionAddr, IntoConnectionInfo};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::failure::Failure;
use super::read_routing::Reads;
use crate::app::settings::{ReadFrom, Settings};
use crate::cluster::Endpoint;

/// How long a new client may take to come about.
const BUILD_TIME: Duration = Duration::from_secs(3);
/// How long connecting to one node may take. A node that hangs is met by every new client, so this is also what each one waits.
const CONNECT_TIME: Duration = Duration::from_millis(400);
/// Pauses of the library between its attempts to connect to a node: the first, and the longest, in milliseconds.
const RETRY_WAITS: (u64, u64) = (5, 100);
/// From the start of one making to that of the next.
const PAUSE: Duration = Duration::from_millis(250);

/// The connections of one making: each is the library's client of the whole cluster.
#[derive(Clone)]
pub(super) struct Connections {
    /// To masters.
    pub changes: ClusterConnection,
    /// To whom the settings say.
    pub reads: ClusterConnection,
}

impl Connections {
    /// Makes the connections, beginning with what `seeds` say of the cluster.
    pub async fn make(settings: &Settings, seeds: &[Endpoint]) -> Result<Self, Failure> {
        let made = timeout(BUILD_TIME, async {
            let changes = cluster_client(settings, seeds, None)?;
            let changes = changes.get_async_connection().await?;
            let reads = match settings.read_from {
                ReadFrom::Master => changes.clone(),
                from => {
                    let reads = cluster_client(settings, seeds, Some(Reads::from(from)))?;
                    reads.get_async_connection().await?
                }
            };
            Ok::<_, redis::RedisError>(Connections { changes, reads })
        });
        match made.await {
            Ok(made) => made.map_err(Failure::from),
            Err(_) => Err(Failure::TimedOut),
        }
    }
}

/// Connections in use, and those that will replace them when they get nowhere.
pub(super) struct Link {
    connections: RwLock<Connections>,
    making: Mutex<Making>,
    /// Wakes those whose attempts are under way on connections that were replaced: they are not worth waiting for.
    pub replaced: Notify,
}

struct Making {
    is_under_way: bool,
    /// When the last one was begun.
    last: Instant,
    /// When that was begun whose connections are in use.
    used: Instant,
}

impl Link {
    pub fn new(connections: Connections) -> Self {
        Link {
            connections: RwLock::new(connections),
            making: Mutex::new(Making {
                is_under_way: false,
                last: Instant::now(),
                used: Instant::now(),
            }),
            replaced: Notify::new(),
        }
    }

    /// The connections to be used now.
    pub fn connections(&self) -> Connections {
        self.connections
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the caller is to make new ones: nobody is at it, and it was not just done. The caller has to [`end`](Self::end) it then.
    pub fn begin(&self) -> bool {
        let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if making.is_under_way || making.last.elapsed() < PAUSE {
            return false;
        }
        making.is_under_way = true;
        making.last = Instant::now();
        true
    }

    /// The making has ended. Where nothing came of it the old ones stay.
    pub fn end(&self, made: Option<Connections>) {
        let is_made = made.is_some();
        if let Some(made) = made {
            *self
                .connections
                .write()
                .unwrap_or_else(PoisonError::into_inner) = made;
        }
        {
            let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            making.is_under_way = false;
            if is_made {
                making.used = making.last;
            }
        }
        if is_made {
            self.replaced.notify_waiters();
        }
    }

    /// Whether the connections in use were begun to be made after this moment: they know what was known then.
    pub fn is_newer_than(&self, moment: Instant) -> bool {
        let making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        making.used > moment
    }
}

fn cluster_client(
    settings: &Settings,
    seeds: &[Endpoint],
    reads: Option<Reads>,
) -> redis::RedisResult<ClusterClient> {
    let seeds = seeds
        .iter()
        .map(|seed| ConnectionAddr::Tcp(seed.host.clone(), seed.port).into_connection_info());
    let seeds = seeds.collect::<Result<Vec<_>, _>>()?;
    let map: HashMap<NodeAddress, NodeAddress> = settings
        .map
        .iter()
        .map(|(announced, reachable)| (node_address(announced), node_address(reachable)))
        .collect();
    let mut builder = ClusterClientBuilder::new(seeds)
        .connection_timeout(CONNECT_TIME)
        .response_timeout(settings.attempt)
        .overall_response_timeout(Some(settings.attempt * 2))
        .retries(0)
        .min_retry_wait(RETRY_WAITS.0)
        .max_retry_wait(RETRY_WAITS.1)
        .node_address_map(map);
    if let Some(password) = &settings.password {
        builder = builder.password(password);
    }
    if let Some(username) = &settings.username {
        builder = builder.username(username);
    }
    if let Some(reads) = reads {
        builder = builder.read_routing_strategy(reads);
    }
    builder.build()
}

fn node_address(endpoint: &Endpoint) -> NodeAddress {
    NodeAddress::new(endpoint.host.as_str(), endpoint.port)
}
