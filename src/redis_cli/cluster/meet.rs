//! CLUSTER MEET, which needs an address in numbers.

use std::net::ToSocketAddrs;

use crate::redis_cli::halt::Flow;

use super::work::Work;

impl Work<'_, '_> {
    /// What follows CLUSTER MEET for a node that is to meet the one at `at`. The bus port is said only where it isn't the usual one, for servers
    /// that don't know the word.
    pub(super) fn place_to_meet(&mut self, at: usize) -> Flow<Vec<String>> {
        let Some((host, port, bus)) = self
            .nodes
            .get(at)
            .map(|node| (node.host.clone(), node.port, node.bus_port))
        else {
            return Ok(Vec::new());
        };
        let resolved = (host.as_str(), 0)
            .to_socket_addrs()
            .ok()
            .and_then(|addresses| {
                let mut addresses: Vec<_> = addresses.collect();
                addresses.sort_by_key(|address| address.is_ipv6());
                addresses.first().map(|address| address.ip().to_string())
            });
        let Some(address) = resolved else {
            return self.give_up(format_args!(
                "Invalid IP address or hostname specified: {host}\n"
            ));
        };
        let mut words = vec![address, port.to_string()];
        if bus != 0 && bus != port + 10_000 {
            words.push(bus.to_string());
        }
        Ok(words)
    }
}
