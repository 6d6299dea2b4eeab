//! Where the simulated nodes are.
//!
//! A run takes a network of its own out of the machine's loopback network, 127.0.0.0/8: there are more than fifty thousand of them. It is taken by a socket that
//! listens at an address in it as long as the run lives; the kernel gives that address to one process only, and frees it when that process ends, however it ends.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use rand::Rng;

use crate::backend::subnet::Subnet;
use crate::backend::terms::Terms;
use crate::backend::{BackendError, Clock};
use crate::cluster::Endpoint;
use crate::lab::environment::CourseNode;
use crate::resp::{Address, AddressBook};

/// The address and the port by which a network is taken.
const TAKEN_BY: (u8, u16) = (10, 7000);
/// The second number of a run's network. Those below belong to what systems put there by themselves, such as 127.0.0.53 and 127.0.1.1.
const SECOND: std::ops::RangeInclusive<u8> = 16..=239;
/// So many networks are tried.
const TRIES: usize = 64;

/// The addresses of one environment's nodes.
#[derive(Debug)]
pub(super) enum Hosts {
    /// In a network that is this run's as long as the socket is there.
    Own {
        subnet: Subnet,
        /// Only held.
        _taken: TcpListener,
    },
    /// At 127.0.0.1, by the course's ports.
    Loopback,
}

impl Hosts {
    /// Takes a network that nobody else has.
    ///
    /// # Errors
    /// `Unavailable` when there is none.
    pub(super) fn reserve() -> Result<Self, BackendError> {
        let mut random = rand::rng();
        let mut last = None;
        for _ in 0..TRIES {
            let subnet = Subnet([127, random.random_range(SECOND), random.random()]);
            match take(subnet) {
                Ok(taken) => {
                    return Ok(Hosts::Own {
                        subnet,
                        _taken: taken,
                    });
                }
                Err(error) => last = Some(error),
            }
        }
        let why = last.map_or_else(String::new, |(at, error)| format!(": {at}: {error}"));
        Err(BackendError::Unavailable {
            what: format!("simulated nodes find no addresses on this machine{why}"),
            help: "they need addresses of 127.0.0.0/8, and the ports 7001 to 7008 there: stop a program that listens on one of these ports at every address; \
                   where a system has only 127.0.0.1, `labrunner up --backend sim` works"
                .to_owned(),
        })
    }

    /// Where a node is.
    pub(super) fn address(&self, node: CourseNode) -> SocketAddr {
        let ip = match self {
            Hosts::Own { subnet, .. } => subnet.node(node),
            Hosts::Loopback => Ipv4Addr::LOCALHOST,
        };
        SocketAddr::from((ip, node.port()))
    }

    /// How this environment calls what the course speaks of.
    pub(super) fn terms(&self) -> Terms {
        let (subnet, loopback) = match self {
            Hosts::Own { subnet, .. } => (*subnet, false),
            Hosts::Loopback => (Subnet([127, 0, 0]), true),
        };
        Terms {
            prefix: String::new(),
            subnet,
            loopback,
        }
    }

    /// The addresses of all nodes.
    pub(super) fn book(&self, clock: Arc<dyn Clock>) -> AddressBook {
        let address = |node: CourseNode| {
            let reachable = self.address(node);
            Address {
                name: node.name(),
                announced: Endpoint {
                    host: reachable.ip().to_string(),
                    port: reachable.port(),
                },
                reachable,
            }
        };
        AddressBook::with_clock(CourseNode::all().map(address).collect(), clock)
    }
}

/// Takes a network, if all of its addresses can be had.
fn take(subnet: Subnet) -> Result<TcpListener, (SocketAddr, std::io::Error)> {
    let bind = |ip: Ipv4Addr, port: u16| {
        let at = SocketAddr::from((ip, port));
        TcpListener::bind(at).map_err(|error| (at, error))
    };
    let (last, port) = TAKEN_BY;
    let taken = bind(subnet.ip(last), port)?;
    // Nobody else takes them once the network is taken; but a program may listen at every address.
    for node in CourseNode::all() {
        bind(subnet.node(node), node.port())?;
    }
    Ok(taken)
}

/// Which of the course's ports of 127.0.0.1 somebody listens on, and why it can't be had.
pub(super) fn first_taken_port() -> Option<(u16, std::io::Error)> {
    CourseNode::all().find_map(|node| {
        let at = Hosts::Loopback.address(node);
        TcpListener::bind(at)
            .err()
            .map(|error| (node.port(), error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::RealClock;

    #[test]
    fn two_environments_have_different_addresses() {
        let (one, two) = (Hosts::reserve().unwrap(), Hosts::reserve().unwrap());
        let first = CourseNode::all().next().unwrap();
        assert_ne!(one.address(first), two.address(first));
        assert_eq!(one.address(first).port(), 7001);
        let Hosts::Own { subnet, .. } = one else {
            panic!("a network of its own");
        };
        assert!(take(subnet).is_err(), "it is taken");
        drop(one);
        take(subnet).expect("free again");
    }

    #[test]
    fn nodes_announce_where_they_are() {
        let book = Hosts::Loopback.book(Arc::new(RealClock::new()));
        let shown: Vec<String> = book
            .iter()
            .map(|node| format!("{} {} {}", node.name, node.announced, node.reachable))
            .collect();
        assert_eq!(shown[6], "redis-7 127.0.0.1:7007 127.0.0.1:7007");
        assert_eq!(shown.len(), 8);
    }
}
