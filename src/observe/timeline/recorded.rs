//! Recorded views of a real cluster, for tests: `fixtures/servers/README.md` says of which cluster.

use std::path::Path;
use std::time::Duration;

use crate::cluster::{NodeId, NodeName, Topology};
use crate::observe::{Observation, Seen, View};

/// What servers of one version printed.
pub(super) struct Recorded {
    server: &'static str,
}

/// Everybody in that cluster.
pub(super) const NODES: [&str; 5] = ["redis-1", "redis-2", "redis-3", "redis-4", "redis-5"];

impl Recorded {
    /// Of one of the folders.
    pub fn of(server: &str) -> Recorded {
        let server = ["redis-6.2.5", "redis-7.0.15", "redis-8.2.3", "valkey-9.1.2"]
            .into_iter()
            .find(|known| *known == server)
            .unwrap();
        Recorded { server }
    }

    /// What `node` answers to `CLUSTER NODES` in a state. Recorded is the answer of redis-1 (of redis-5 for `promoted-replica`, of
    /// redis-4 for `replica`); another node's is made of it by moving the word `myself`.
    pub fn text(&self, node: &str, state: &str) -> String {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/servers")
            .join(self.server)
            .join(format!("nodes.{state}.txt"));
        let text = std::fs::read_to_string(file).unwrap();
        let own = format!(":{}@", port(node));
        let lines = text.lines().map(|line| {
            let line = line.replace("myself,", "");
            let mut words: Vec<&str> = line.split(' ').collect();
            let flags = format!("myself,{}", words[2]);
            if words[1].contains(&own) {
                words[2] = &flags;
            }
            words.join(" ") + "\n"
        });
        lines.collect()
    }

    pub fn view_of(&self, node: &str, state: &str) -> View {
        view(self.text(node, state))
    }

    /// All nodes before anything happens.
    pub fn before(&self) -> Observation {
        let views = NODES
            .iter()
            .map(|node| (NodeName::new(*node), Ok(self.view_of(node, "normal"))))
            .collect();
        Observation {
            views,
            took: Duration::ZERO,
        }
    }

    pub fn id(&self, node: &str) -> NodeId {
        let topology = self.view_of(node, "normal").topology.unwrap();
        topology.value.myself().unwrap().id
    }

    /// The view of redis-1 alone, in a state that the others have no part in.
    pub fn alone(&self, state: &str) -> Observation {
        let view = self.view_of("redis-1", state);
        Observation {
            views: [(NodeName::new("redis-1"), Ok(view))].into(),
            took: Duration::ZERO,
        }
    }
}

fn port(node: &str) -> String {
    format!("2100{}", node.strip_prefix("redis-").unwrap())
}

fn view(raw: String) -> View {
    View {
        topology: Some(Seen {
            value: Topology::parse(&raw).unwrap(),
            raw,
        }),
        ..View::default()
    }
}
