//! The side of the double: nodes that know nobody, on a clock that goes on only when the scenario lets it.

use std::time::Duration;

use labrunner::double::{Clock, Cluster};
use tokio::runtime::Runtime;

use crate::frame::Frame;
use crate::stage::{By, Place, Stage};
use crate::wire::Wire;

/// All chance comes from this.
const SEED: u64 = 20;
/// How long a message takes.
const DELAY: std::ops::Range<Duration> = Duration::from_micros(100)..Duration::from_micros(600);

pub struct Double {
    cluster: Cluster,
    wires: Vec<[Option<Wire>; 2]>,
    _runtime: Runtime,
}

impl Double {
    /// Starts this many, with these settings beside those that the real side has as well.
    pub fn start(count: usize, settings: &[(String, String)]) -> Double {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut builder = Cluster::builder()
            .masters(0)
            .replicas(0)
            .nodes(count)
            .seed(SEED)
            .clock(Clock::stepped())
            .delay(DELAY)
            .node_timeout(Duration::from_secs(1))
            .config("repl-ping-replica-period", "3600");
        for (name, value) in settings {
            builder = builder.config(name, value);
        }
        let cluster = runtime.block_on(builder.start()).unwrap();
        Double {
            cluster,
            wires: (0..count).map(|_| [None, None]).collect(),
            _runtime: runtime,
        }
    }
}

impl Stage for Double {
    fn place(&self, node: usize) -> Place {
        let address = self.cluster.address(node);
        Place {
            ip: match address.ip() {
                std::net::IpAddr::V4(ip) => ip,
                std::net::IpAddr::V6(_) => panic!("nodes listen at 127.0.0.1"),
            },
            port: address.port(),
            bus: address.port() + 10_000,
        }
    }

    fn call(&mut self, node: usize, by: By, words: &[Vec<u8>]) -> Result<Frame, String> {
        let address = self.cluster.address(node);
        let slot = &mut self.wires[node][by as usize];
        let wire = match slot {
            Some(wire) => wire,
            None => slot.insert(Wire::connect(address).map_err(|error| error.to_string())?),
        };
        let reply = wire.call(words).map_err(|none| none.why);
        if reply.is_err() {
            *slot = None;
        }
        reply
    }

    fn stop(&mut self, node: usize) {
        self.cluster.stop(node);
        self.wires[node] = [None, None];
    }

    fn kill(&mut self, node: usize) {
        self.cluster.kill(node);
        self.wires[node] = [None, None];
    }

    fn start(&mut self, node: usize) {
        self.cluster.start_again(node).unwrap();
    }

    fn freeze(&mut self, node: usize) {
        self.cluster.freeze(node);
    }

    fn thaw(&mut self, node: usize) {
        self.cluster.thaw(node);
    }

    fn cut(&mut self, groups: &[Vec<usize>]) {
        let groups: Vec<&[usize]> = groups.iter().map(Vec::as_slice).collect();
        self.cluster.partition(&groups);
    }

    fn heal(&mut self) {
        self.cluster.heal();
    }

    fn now(&self) -> Duration {
        self.cluster.clock().now()
    }

    fn pause(&mut self, time: Duration) {
        self.cluster.advance(time);
    }

    fn log(&self, node: usize) -> String {
        let lines = self.cluster.log(node);
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}
