//! Waiting until nodes that have met know each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::redis_cli::halt::Flow;

use super::nodes_text::lines;
use super::work::Work;

/// Between two looks.
const POLL: Duration = Duration::from_millis(20);

/// How long redis-cli waits before its first look. It looks at slots alone, and empty nodes agree on those before they have met.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// How long a node may take to hear of a master of its cluster.
const ACQUAINTANCE: Duration = Duration::from_secs(15);

impl Work<'_, '_> {
    /// Waits until all nodes agree about the slots, with a dot for every second, and now and then a word on who can't be reached.
    ///
    /// redis-cli sleeps for a second and then looks once a second. Here the nodes are looked at all the time, and it is over as soon as each of
    /// them knows all the others, too; should that not be within a second, then what redis-cli looks at is enough.
    pub(super) fn await_join(&mut self) -> Flow {
        self.show("Waiting for the cluster to join\n")?;
        let start = Instant::now();
        let mut seconds = 0u64;
        let warn_after = 20 + (self.nodes.len() as f32 * 0.15) as u64;
        while !self.has_joined(start.elapsed() < FIRST_LOOK)? {
            std::thread::sleep(POLL);
            let waited = start.elapsed().saturating_sub(FIRST_LOOK).as_secs();
            if start.elapsed() > FIRST_LOOK && waited >= seconds {
                seconds += 1;
                self.show(".")?;
                if seconds.is_multiple_of(warn_after) {
                    self.warn_of_links()?;
                }
            }
        }
        self.say("\n")
    }

    /// Whether all agree; at the beginning only once everybody knows everybody.
    fn has_joined(&mut self, at_first: bool) -> Flow<bool> {
        if at_first {
            let everybody: BTreeSet<String> =
                self.nodes.iter().map(|node| node.id.clone()).collect();
            for at in 0..self.nodes.len() {
                let seen = self.ask(at, &["CLUSTER", "NODES"])?;
                let lines = seen.text().map(lines).unwrap_or_default();
                let known = lines
                    .iter()
                    .filter(|line| line.link == "connected" && line.port != 0);
                let known: BTreeSet<String> = known.map(|line| line.id.clone()).collect();
                if !everybody.is_subset(&known) {
                    return Ok(false);
                }
            }
        }
        self.agree()
    }

    /// Waits until the node at `new` knows the one at `other`, some time at most. Joining is about slots, and a master without slots may be heard of
    /// later: then redis-cli has its CLUSTER REPLICATE refused.
    pub(super) fn await_acquaintance(&mut self, new: usize, other: usize) -> Flow {
        let id = self.id(other);
        let start = Instant::now();
        loop {
            let seen = self.ask(new, &["CLUSTER", "NODES"])?;
            let lines = seen.text().map(lines).unwrap_or_default();
            if lines.iter().any(|line| line.id == id) || start.elapsed() > ACQUAINTANCE {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Tells which nodes' bus ports may be unreachable, and from where.
    fn warn_of_links(&mut self) -> Flow {
        let mut unreachable: BTreeMap<(String, i64), Vec<String>> = BTreeMap::new();
        for at in 0..self.nodes.len() {
            let seen = self.ask(at, &["CLUSTER", "NODES"])?;
            let address = self.address(at);
            for line in seen.text().map(lines).unwrap_or_default() {
                if line.link == "disconnected" || line.flags.iter().any(|flag| flag == "handshake")
                {
                    unreachable
                        .entry((line.host, line.bus_port))
                        .or_default()
                        .push(address.clone());
                }
            }
        }
        if unreachable.is_empty() {
            return Ok(());
        }
        self.say("\n")?;
        self.wrong(format_args!(
            "Warning: {} node(s) may be unreachable\n",
            unreachable.len()
        ))?;
        for ((host, port), from) in unreachable {
            self.wrong(format_args!(
                " - The port {port} of node {host} may be unreachable from:\n"
            ))?;
            for address in from {
                self.wrong(format_args!("   {address}\n"))?;
            }
        }
        self.wrong(
            "Cluster bus ports must be reachable by every node.\nRemember that cluster bus ports are different from standard instance ports.\n",
        )
    }
}
