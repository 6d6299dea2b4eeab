//! The course's environment: the eight nodes that a lab can speak of, with the addresses that the course text gives them, and the
//! service beside them.

use crate::cluster::NodeName;

/// How many nodes the environment has.
pub const NODES: u16 = 8;
/// The port of `redis-1` less one.
const PORT_BASE: u16 = 7000;
/// The first three numbers of every node's address in the course text.
pub const COURSE_SUBNET: &str = "172.30.0";

/// The service that keeps what has to last: PostgreSQL. It is no node; a lab says by `given: {postgres: …}` that it needs it.
pub const POSTGRES: &str = "postgres";
/// The port of PostgreSQL.
pub const POSTGRES_PORT: u16 = 5432;
/// The last number of its address; the first three are those of [`COURSE_SUBNET`].
pub const POSTGRES_HOST: u8 = 20;
/// The user of the database, who is not a superuser; the password and the name of the database are the same.
pub const POSTGRES_USER: &str = "app";

/// `172.30.0.20`: the address of PostgreSQL in the course's network.
pub fn postgres_ip() -> String {
    format!("{COURSE_SUBNET}.{POSTGRES_HOST}")
}

/// Whether `name` is that of a node or of the service.
pub fn is_there(name: &str) -> bool {
    name == POSTGRES || CourseNode::named(name).is_some()
}

/// What a `${…}` can ask of a node, and what it gets.
pub const ATTRIBUTES: [(&str, &str); 5] = [
    (
        "id",
        "the node id, 40 hexadecimal digits, as the node says it",
    ),
    ("addr", "address and port, as in `172.30.0.17:7007`"),
    ("ip", "the address, as in `172.30.0.17`"),
    ("port", "the port, as in `7007`"),
    ("name", "the name, as in `redis-7`"),
];

/// A node as the course text knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CourseNode(u16);

impl CourseNode {
    /// All eight, `redis-1` first.
    pub fn all() -> impl Iterator<Item = CourseNode> {
        (1..=NODES).map(CourseNode)
    }

    /// The node called `name`, as in `redis-7`.
    pub fn named(name: &str) -> Option<CourseNode> {
        Self::all().find(|node| node.name().as_str() == name)
    }

    /// The node that serves on `port`.
    pub fn on_port(port: u16) -> Option<CourseNode> {
        Self::all().find(|node| node.port() == port)
    }

    /// The node that a host as typed stands for: a name or a course address. The loopback address stands for none: there the
    /// port decides.
    pub fn at_host(host: &str) -> Option<CourseNode> {
        Self::all().find(|node| node.name().as_str() == host || node.ip() == host)
    }

    /// 1 to 8.
    pub fn number(self) -> u16 {
        self.0
    }

    /// `redis-7`.
    pub fn name(self) -> NodeName {
        NodeName::new(format!("redis-{}", self.0))
    }

    /// 7007 for `redis-7`.
    pub fn port(self) -> u16 {
        PORT_BASE + self.0
    }

    /// `172.30.0.17` for `redis-7`.
    pub fn ip(self) -> String {
        format!("{COURSE_SUBNET}.{}", 10 + self.0)
    }

    /// `172.30.0.17:7007` for `redis-7`.
    pub fn address(self) -> String {
        format!("{}:{}", self.ip(), self.port())
    }
}
