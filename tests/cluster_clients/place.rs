//! Where the cluster is that a client library talks to.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use labrunner::admin::create;
use labrunner::cluster::{Endpoint, NodeName};
use labrunner::double::Cluster;
use labrunner::resp::{Address, AddressBook};

use crate::servers::Servers;
use crate::shapes::shape;

/// What a node waits before it suspects another.
const NODE_TIMEOUT: Duration = Duration::from_millis(1000);

/// A cluster of the masters redis-1, redis-2 and redis-3, whose replicas are redis-4, redis-5 and redis-6 in this order. Whatever is not said here is done
/// over RESP, as with any cluster.
#[async_trait]
pub trait Place: Send {
    /// Where its nodes are.
    fn book(&self) -> AddressBook;

    /// Kills a node, as `kill -9` does.
    async fn kill(&mut self, node: &str);

    /// Starts a node that was killed, as the member of the cluster that it was.
    async fn start_again(&mut self, node: &str);
}

/// Slots of the masters.
pub const MASTERS: [(&str, &str); 3] = [
    ("redis-1", "0-5460"),
    ("redis-2", "5461-10922"),
    ("redis-3", "10923-16383"),
];

/// Replicas, and whose.
pub const REPLICAS: [(&str, &str); 3] = [
    ("redis-4", "redis-1"),
    ("redis-5", "redis-2"),
    ("redis-6", "redis-3"),
];

/// Processes of redis-server.
pub async fn real() -> impl Place {
    let servers = Servers::start(6);
    let shape = shape(NODE_TIMEOUT, &MASTERS, &REPLICAS);
    create(&servers.book(), &shape, Duration::from_secs(20), &|_| {})
        .await
        .unwrap();
    servers
}

#[async_trait]
impl Place for Servers {
    fn book(&self) -> AddressBook {
        // Nothing stands between them and a client: they are where they say that they are.
        Servers::book(self)
    }

    async fn kill(&mut self, node: &str) {
        Servers::kill(self, node);
    }

    async fn start_again(&mut self, node: &str) {
        self.start_node(node);
    }
}

/// The simulated cluster, on the machine's clock.
pub async fn double() -> impl Place {
    let building = Cluster::builder().masters(3).replicas(1);
    building.node_timeout(NODE_TIMEOUT).start().await.unwrap()
}

#[async_trait]
impl Place for Cluster {
    fn book(&self) -> AddressBook {
        let nodes = self.addresses().into_iter().zip(1..);
        let address = |(reachable, n): (SocketAddr, u16)| Address {
            name: NodeName::new(format!("redis-{n}")),
            announced: Endpoint::new(reachable.ip().to_string(), reachable.port()),
            reachable,
        };
        AddressBook::new(nodes.map(address).collect())
    }

    async fn kill(&mut self, node: &str) {
        Cluster::kill(self, number(node));
    }

    async fn start_again(&mut self, node: &str) {
        Cluster::start_again(self, number(node)).unwrap();
    }
}

/// The double counts its nodes from 0 on, masters first.
fn number(node: &str) -> usize {
    let number: usize = node.trim_start_matches("redis-").parse().unwrap();
    number - 1
}

/// Where a client finds a node.
pub fn announced(book: &AddressBook, node: &str) -> Endpoint {
    book.get(&NodeName::new(node)).unwrap().announced.clone()
}
