//! Where nodes are.

use std::net::SocketAddr;
use std::sync::Arc;

use super::clock::{Clock, RealClock};
use crate::cluster::{Endpoint, NodeName};

/// Where a node is: as the cluster announces it, and as this program reaches it.
///
/// With containers the two differ: nodes announce `172.30.0.11:7001`, this program reaches the same node at
/// `127.0.0.1:7001`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// What people call the node.
    pub name: NodeName,
    /// The address in `CLUSTER NODES`, `MOVED` and `ASK`, and the one that other nodes `MEET` it at.
    pub announced: Endpoint,
    /// The address that this program connects to.
    pub reachable: SocketAddr,
}

/// The addresses of one environment, fixed when it is made. Cloning shares them.
#[derive(Debug, Clone)]
pub struct AddressBook {
    entries: Arc<Vec<Address>>,
    clock: Arc<dyn Clock>,
}

impl Default for AddressBook {
    fn default() -> Self {
        AddressBook::new(Vec::new())
    }
}

impl AddressBook {
    /// A book of these addresses, in this order. Names and announced addresses are meant to be different from each
    /// other; where they are not, the first entry wins. The nodes live in the machine's time.
    pub fn new(entries: Vec<Address>) -> Self {
        AddressBook::with_clock(entries, Arc::new(RealClock::new()))
    }

    /// The same of nodes that live in the time of `clock`.
    pub fn with_clock(entries: Vec<Address>, clock: Arc<dyn Clock>) -> Self {
        AddressBook {
            entries: Arc::new(entries),
            clock,
        }
    }

    /// The time that the nodes live in: whoever waits for something of them waits by it.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// All addresses, in the order they were given in.
    pub fn iter(&self) -> impl Iterator<Item = &Address> {
        self.entries.iter()
    }

    /// The address of the node with this name.
    pub fn get(&self, name: &NodeName) -> Option<&Address> {
        self.entries.iter().find(|a| a.name == *name)
    }

    /// The node that announces itself as `endpoint`: how a redirection finds its target.
    pub fn by_announced(&self, endpoint: &Endpoint) -> Option<&Address> {
        self.entries.iter().find(|a| a.announced == *endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(name: &str, host: &str, port: u16) -> Address {
        Address {
            name: NodeName::new(name),
            announced: Endpoint {
                host: host.into(),
                port,
            },
            reachable: SocketAddr::from(([127, 0, 0, 1], port)),
        }
    }

    #[test]
    fn finds_a_node_by_name_and_by_what_it_announces() {
        let book = AddressBook::new(vec![
            address("redis-1", "172.30.0.11", 7001),
            address("redis-2", "172.30.0.12", 7002),
        ]);
        assert_eq!(
            book.get(&NodeName::new("redis-2"))
                .map(|a| a.announced.port),
            Some(7002)
        );
        assert_eq!(book.get(&NodeName::new("redis-3")), None);
        let announced = Endpoint {
            host: "172.30.0.11".into(),
            port: 7001,
        };
        assert_eq!(
            book.by_announced(&announced).map(|a| a.name.as_str()),
            Some("redis-1")
        );
        // The same port on another host is another node.
        assert_eq!(
            book.by_announced(&Endpoint {
                host: "127.0.0.1".into(),
                port: 7001
            }),
            None
        );
        assert_eq!(book.iter().count(), 2);
    }
}
