//! Where a node can be reached.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::as_text::{debug_as_text, serde_as_text};
use super::error::{ParseError, number, quoted};

/// Where a node can be reached: `172.30.0.11:7001`. IPv6 is printed as Redis does, `::1:7001`, the last colon being the
/// port's; with brackets it is read too. The host is empty for a node that does not know its own address yet (`:7001`), which in a
/// redirect means "the host that you asked".
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// An address or a host name, without brackets; may be empty.
    pub host: String,
    /// The client port; 0 for a node whose address is not known (`noaddr`).
    pub port: u16,
}

impl Endpoint {
    /// This host and port; nothing is checked.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Endpoint {
            host: host.into(),
            port,
        }
    }

    /// As an address to connect to, if the host is an IPv4 or IPv6 address and not a name.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        self.host
            .parse::<IpAddr>()
            .ok()
            .map(|ip| SocketAddr::new(ip, self.port))
    }
}

impl FromStr for Endpoint {
    type Err = ParseError;

    /// The last colon divides host and port.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = |why: String| Err(ParseError::new("endpoint", why));
        let Some((host, port)) = text.rsplit_once(':') else {
            return wrong(format!("{} has no port", quoted(text)));
        };
        let host = host
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'))
            .unwrap_or(host);
        if host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '[' || c == ']') {
            return wrong(format!("{} is not a host", quoted(host)));
        }
        Ok(Endpoint {
            host: host.to_owned(),
            port: number("endpoint", "port", port)?,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

debug_as_text!(Endpoint);
serde_as_text!(Endpoint);

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Endpoint::new(address.ip().to_string(), address.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("172.30.0.11:7001", "172.30.0.11", 7001)]
    #[case("::1:7001", "::1", 7001)]
    #[case("fd00::2:7:7001", "fd00::2:7", 7001)]
    #[case::fresh_node(":7001", "", 7001)]
    #[case::noaddr(":0", "", 0)]
    #[case::host_name("redis-1.lab:7001", "redis-1.lab", 7001)]
    #[case::unknown_host_name("?:7001", "?", 7001)]
    fn reads_and_prints(#[case] text: &str, #[case] host: &str, #[case] port: u16) {
        let endpoint: Endpoint = text.parse().unwrap();
        assert_eq!(endpoint, Endpoint::new(host, port));
        assert_eq!(endpoint.to_string(), text);
    }

    #[test]
    fn brackets_are_read_and_not_printed() {
        let endpoint: Endpoint = "[::1]:7001".parse().unwrap();
        assert_eq!(endpoint.to_string(), "::1:7001");
        assert_eq!(endpoint.socket_addr(), Some("[::1]:7001".parse().unwrap()));
        assert_eq!(Endpoint::from(endpoint.socket_addr().unwrap()), endpoint);
        assert_eq!(Endpoint::new("redis-1", 7001).socket_addr(), None);
    }

    #[rstest]
    #[case("7001", r#"endpoint: "7001" has no port"#)]
    #[case("a:", r#"endpoint: port "" is not a number"#)]
    #[case("a:65536", r#"endpoint: port "65536" is too large"#)]
    #[case("a b:1", r#"endpoint: "a b" is not a host"#)]
    #[case("[::1:7001", r#"endpoint: "[::1" is not a host"#)]
    fn refuses(#[case] text: &str, #[case] why: &str) {
        assert_eq!(text.parse::<Endpoint>().unwrap_err().to_string(), why);
    }
}
