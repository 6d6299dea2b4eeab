//! A network of 256 addresses, in which the nodes of an environment have theirs.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use crate::lab::environment::CourseNode;

/// A /24 network: `172.30.0` stands for 172.30.0.0/24.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) struct Subnet(pub(in crate::backend) [u8; 3]);

impl Subnet {
    /// The address that ends in `last`.
    pub(in crate::backend) fn ip(self, last: u8) -> Ipv4Addr {
        let [a, b, c] = self.0;
        Ipv4Addr::new(a, b, c, last)
    }

    /// The address that `node` has in this network.
    pub(in crate::backend) fn node(self, node: CourseNode) -> Ipv4Addr {
        // Node numbers are 1 to 8.
        self.ip(10 + u8::try_from(node.number()).unwrap_or(0))
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.0;
        write!(f, "{a}.{b}.{c}")
    }
}

impl FromStr for Subnet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not a subnet: say its first three numbers, as in 172.30.0");
        let numbers: Vec<u8> = text
            .split('.')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| wrong())?;
        numbers.try_into().map(Subnet).map_err(|_| wrong())
    }
}
