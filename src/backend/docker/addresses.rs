//! The network and the host ports of one environment.
//!
//! A run needs a subnet of its own and nine ports on the host's loopback interface: one a node, and PostgreSQL's. Both are fixed before anything is made, since the
//! addresses are handed out before the nodes start. So they are reserved: a socket is bound to every port, without listening (a client is
//! refused, as it is by a node that is not there), until the moment before docker starts the node. The kernel gives a port to one
//! process only, and which subnet a run takes follows from its ports. So two runs that start at the same moment don't meet.
//!
//! What remains is somebody who takes a port in the milliseconds between our release and docker's start. Then the start fails,
//! with the port's name, and the run ends with exit code 4.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use tokio::net::TcpSocket;

pub(super) use crate::backend::subnet::Subnet;
use crate::lab::environment::{CourseNode, NODES, POSTGRES_PORT};

/// The first port of the first block. Below Linux's range of ports for outgoing connections (32768 and up), so that none of
/// those is in the way.
const FIRST_BLOCK: u16 = 20_000;
/// The port for PostgreSQL in the first block; it goes up by one a block.
const FIRST_POSTGRES: u16 = 25_000;
/// Where blocks take their subnets from, by their first two numbers; 256 each.
const POOLS: [[u8; 2]; 2] = [[10, 213], [172, 31]];
/// How many blocks there are.
const BLOCKS: u16 = 256 * POOLS.len() as u16;

/// A block of addresses that is in use: `172.17.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    first: u32,
    mask: u32,
}

impl Block {
    /// Whether any address of `subnet` is in this block.
    pub(super) fn meets(self, subnet: Subnet) -> bool {
        let mask = self.mask & 0xFFFF_FF00;
        u32::from(subnet.ip(0)) & mask == self.first & mask
    }
}

impl FromStr for Block {
    type Err = ();

    /// Reads `172.17.0.0/16`; IPv6 is none of our business.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = text.split_once('/').ok_or(())?;
        let address: Ipv4Addr = address.parse().map_err(|_| ())?;
        let bits: u32 = bits.parse().map_err(|_| ())?;
        if bits > 32 {
            return Err(());
        }
        Ok(Block {
            first: address.into(),
            mask: u32::MAX.checked_shl(32 - bits).unwrap_or(0),
        })
    }
}

/// The destinations of the machine's routes, from the text of `/proc/net/route`, without the default route.
///
/// The kernel prints addresses as eight hex digits in the machine's own byte order.
pub(super) fn routes(proc_net_route: &str) -> Vec<Block> {
    let address = |digits: &str| {
        u32::from_str_radix(digits, 16)
            .ok()
            .map(u32::to_ne_bytes)
            .map(u32::from_be_bytes)
    };
    proc_net_route
        .lines()
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let (destination, mask) = (columns.get(1)?, columns.get(7)?);
            Some(Block {
                first: address(destination)?,
                mask: address(mask)?,
            })
        })
        .filter(|route| route.mask != 0)
        .collect()
}

/// What somebody asked for, instead of leaving it to us.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    pub(super) subnet: Option<Subnet>,
    pub(super) first_port: Option<u16>,
    /// The port for PostgreSQL; without, that of a block. Where both others are wanted it has to be too, or there is none.
    pub(super) postgres_port: Option<u16>,
}

/// Why no addresses can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Taken {
    /// A port that was asked for is in use.
    Port(u16),
    /// The ports asked for don't exist: there is none above 65535, and none of 0.
    NoSuchPorts(u16),
    /// Not one of our own blocks is free.
    Everything,
}

/// The addresses of one environment, and the sockets that keep its ports free until they are needed.
#[derive(Debug)]
pub(super) struct Reservation {
    pub(super) subnet: Subnet,
    first_port: u16,
    postgres_port: u16,
    held: Mutex<BTreeMap<u16, TcpSocket>>,
}

impl Reservation {
    /// Reserves a subnet that meets none of `in_use`, and eight ports. What is `wanted` is taken as it is: whether a wanted subnet
    /// is free is for the caller to find out. `seed` says where among the blocks to begin to look.
    ///
    /// # Errors
    /// When a wanted port is in use, or no block is free.
    pub(super) fn make(wanted: Wanted, in_use: &[Block], seed: u16) -> Result<Self, Taken> {
        let wanted_ports = wanted.first_port.map(|first| hold_wanted(first, NODES));
        let mut wanted_ports = wanted_ports.transpose()?;
        if let Some(port) = wanted.postgres_port {
            let held = hold_wanted(port, 1)?;
            wanted_ports.get_or_insert_default().extend(held);
        }
        if let (Some(subnet), Some(first_port)) = (wanted.subnet, wanted.first_port) {
            return Ok(Reservation {
                subnet,
                first_port,
                postgres_port: wanted.postgres_port.unwrap_or(POSTGRES_PORT),
                held: Mutex::new(wanted_ports.unwrap_or_default()),
            });
        }
        for block in (0..BLOCKS).map(|step| (seed % BLOCKS + step) % BLOCKS) {
            let subnet = wanted.subnet.unwrap_or_else(|| subnet_of(block));
            if wanted.subnet.is_none() && in_use.iter().any(|used| used.meets(subnet)) {
                continue;
            }
            let block_port = FIRST_BLOCK + block * NODES;
            // Held even when other ports are wanted: it is what keeps the block's subnet ours.
            let Some(mut held) = hold(block_port) else {
                continue;
            };
            let block_postgres = FIRST_POSTGRES + block;
            let Some(postgres) = bind(block_postgres) else {
                continue;
            };
            held.insert(block_postgres, postgres);
            let first_port = wanted.first_port.unwrap_or(block_port);
            held.extend(wanted_ports.take().unwrap_or_default());
            return Ok(Reservation {
                subnet,
                first_port,
                postgres_port: wanted.postgres_port.unwrap_or(block_postgres),
                held: Mutex::new(held),
            });
        }
        Err(Taken::Everything)
    }

    /// The addresses of an environment that stands: nothing has to be kept free.
    pub(super) fn of(subnet: Subnet, first_port: u16, postgres_port: u16) -> Self {
        Reservation {
            subnet,
            first_port,
            postgres_port,
            held: Mutex::default(),
        }
    }

    /// The port of `node` on the host's loopback interface.
    pub(super) fn port(&self, node: CourseNode) -> u16 {
        self.first_port.saturating_add(node.number() - 1)
    }

    /// Where `node` is reached from this machine.
    pub(super) fn reachable(&self, node: CourseNode) -> SocketAddr {
        SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port(node)))
    }

    /// The port of PostgreSQL on the host's loopback interface.
    pub(super) fn postgres_port(&self) -> u16 {
        self.postgres_port
    }

    /// Where PostgreSQL is reached from this machine.
    pub(super) fn postgres(&self) -> SocketAddr {
        SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.postgres_port))
    }

    /// Gives up the port of `node`, so that docker can take it.
    pub(super) fn release(&self, node: CourseNode) {
        self.release_port(self.port(node));
    }

    /// Gives up a port, so that docker can take it.
    pub(super) fn release_port(&self, port: u16) {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&port);
    }

    /// Takes the port of `node` back, which docker has given up, so that nobody else takes it meanwhile. Where it can't be had, be it that
    /// somebody was quicker or that a connection of the old node is still closing, the next start finds out whether it is free.
    pub(super) fn take_back(&self, node: CourseNode) {
        self.take_back_port(self.port(node));
    }

    /// As [`take_back`](Self::take_back), of any port.
    pub(super) fn take_back_port(&self, port: u16) {
        if let Some(socket) = bind(port) {
            self.held
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(port, socket);
        }
    }

    /// Gives up everything.
    pub(super) fn release_all(&self) {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

fn subnet_of(block: u16) -> Subnet {
    let [pool, third] = block.to_be_bytes();
    let [a, b] = POOLS[usize::from(pool) % POOLS.len()];
    Subnet([a, b, third])
}

/// Binds the eight ports from `first`; nothing if one is in use.
fn hold(first: u16) -> Option<BTreeMap<u16, TcpSocket>> {
    (first..first + NODES)
        .map(|port| Some((port, bind(port)?)))
        .collect()
}

/// Binds without listening. Without SO_REUSEADDR too, so that nobody else can bind to the port, whichever way they try.
fn bind(port: u16) -> Option<TcpSocket> {
    let socket = TcpSocket::new_v4().ok()?;
    socket
        .bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .ok()?;
    Some(socket)
}

/// Holds the ports that somebody asked for.
fn hold_wanted(first: u16, count: u16) -> Result<BTreeMap<u16, TcpSocket>, Taken> {
    if first == 0 || first.checked_add(count - 1).is_none() {
        return Err(Taken::NoSuchPorts(first));
    }
    let mut held = BTreeMap::new();
    for port in (first..).take(usize::from(count)) {
        // As a server would: connections of a server that was there a moment ago are not in the way of a new one, although they
        // would be in the way of a bind without SO_REUSEADDR, so that such a port is free and can't be held.
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
            return Err(Taken::Port(port));
        }
        if let Some(socket) = bind(port) {
            held.insert(port, socket);
        }
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn node(number: usize) -> CourseNode {
        CourseNode::all().nth(number - 1).expect("one of the eight")
    }

    #[rstest]
    #[case("172.30.0", Some(Subnet([172, 30, 0])))]
    #[case("172.30", None)]
    #[case("172.30.0.0", None)]
    #[case("172.30.256", None)]
    #[case("", None)]
    fn reads_subnets(#[case] text: &str, #[case] subnet: Option<Subnet>) {
        assert_eq!(text.parse::<Subnet>().ok(), subnet);
    }

    #[rstest]
    #[case::the_same("172.30.0.0/24", true)]
    #[case::around_it("172.16.0.0/12", true)]
    #[case::inside_it("172.30.0.128/25", true)]
    #[case::one_host_in_it("172.30.0.7/32", true)]
    #[case::everything("0.0.0.0/0", true)]
    #[case::its_neighbour("172.30.1.0/24", false)]
    #[case::elsewhere("10.0.0.0/8", false)]
    fn sees_where_networks_meet(#[case] block: &str, #[case] meets: bool) {
        let block: Block = block.parse().expect("a block");
        assert_eq!(block.meets(Subnet([172, 30, 0])), meets);
    }

    #[rstest]
    #[case("fd00::/8")]
    #[case("172.30.0.0")]
    #[case("172.30.0.0/33")]
    #[case("")]
    fn what_is_no_block_is_none(#[case] text: &str) {
        assert_eq!(text.parse::<Block>(), Err(()));
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn reads_the_kernels_routes() {
        let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
            nonsense\n";
        assert_eq!(routes(text), ["172.17.0.0/16".parse().expect("a block")]);
    }

    #[tokio::test]
    async fn two_reservations_never_meet() {
        let one = Reservation::make(Wanted::default(), &[], 17).expect("free");
        let two = Reservation::make(Wanted::default(), &[], 17).expect("free");
        assert_ne!(one.subnet, two.subnet);
        assert_ne!(one.port(node(1)), two.port(node(1)));
        assert_ne!(one.postgres_port(), two.postgres_port());
    }

    #[tokio::test]
    async fn a_subnet_in_use_is_passed_over() {
        let ten: Block = "10.0.0.0/8".parse().expect("a block");
        let made = Reservation::make(Wanted::default(), &[ten], 0).expect("free");
        assert!(
            made.subnet.to_string().starts_with("172.31."),
            "{}",
            made.subnet
        );
        let all: Block = "0.0.0.0/0".parse().expect("a block");
        assert_eq!(
            Reservation::make(Wanted::default(), &[all], 0).err(),
            Some(Taken::Everything)
        );
    }

    #[tokio::test]
    async fn a_held_port_refuses_clients_and_servers_until_it_is_released() {
        let made = Reservation::make(Wanted::default(), &[], 99).expect("free");
        let address = made.reachable(node(3));
        let refused = std::net::TcpStream::connect(address).expect_err("nobody listens");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        TcpListener::bind(address).expect_err("held");
        made.release(node(3));
        drop(TcpListener::bind(address).expect("free again"));
        made.take_back(node(3));
        TcpListener::bind(address).expect_err("held again");
        made.release(node(3));
        TcpListener::bind(made.reachable(node(4))).expect_err("the others are still held");
        made.release_all();
        TcpListener::bind(made.reachable(node(4))).expect("free again");
    }

    #[tokio::test]
    async fn wanted_ports_and_subnet_are_taken_as_they_are() {
        let wanted = Wanted {
            subnet: Some(Subnet([172, 30, 0])),
            first_port: Some(24_301),
            postgres_port: Some(24_309),
        };
        let all: Block = "0.0.0.0/0".parse().expect("a block");
        let made = Reservation::make(wanted, &[all], 5).expect("free");
        assert_eq!(made.subnet.node(node(8)).to_string(), "172.30.0.18");
        assert_eq!(made.reachable(node(8)).to_string(), "127.0.0.1:24308");
        assert_eq!(made.postgres().to_string(), "127.0.0.1:24309");
        TcpListener::bind(made.postgres()).expect_err("held");
        made.release_port(24_309);
        TcpListener::bind(made.postgres()).expect("free");
    }

    #[tokio::test]
    async fn a_wanted_port_that_is_taken_is_named() {
        let taken = TcpListener::bind("127.0.0.1:24315").expect("free");
        let wanted = Wanted {
            first_port: Some(24_311),
            ..Wanted::default()
        };
        assert_eq!(
            Reservation::make(wanted, &[], 5).err(),
            Some(Taken::Port(24_315))
        );
        drop(taken);
        let made = Reservation::make(wanted, &[], 5).expect("free now");
        assert_eq!(made.port(node(5)), 24_315);
    }

    #[rstest]
    #[case(0)]
    #[case(65_529)]
    fn ports_that_do_not_exist_are_refused(#[case] first: u16) {
        let wanted = Wanted {
            first_port: Some(first),
            ..Wanted::default()
        };
        assert_eq!(
            Reservation::make(wanted, &[], 5).err(),
            Some(Taken::NoSuchPorts(first))
        );
    }
}
