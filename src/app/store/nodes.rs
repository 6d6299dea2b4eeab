//! What the nodes themselves counted: the library hides redirections, as it should, so the nodes are asked how many they gave.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::Store;
use super::diagnose::connect_one;
use crate::cluster::{Endpoint, Info};

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// What one node has counted since it was started, over all of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct NodeCounts {
    /// Requests of the application that it has served: calls of scripts that it had, and looks at an event's free seats.
    pub requests: u64,
    /// Clients that it sent to the new owner of a slot.
    pub moved: u64,
    /// Clients that it sent on for one request, while a slot is moving.
    pub ask: u64,
    /// Clients that it asked to come again, while the keys of a request are in two places.
    pub tryagain: u64,
}

impl NodeCounts {
    /// What was counted since `before`. A node that was started again has begun anew.
    pub fn since(self, before: NodeCounts) -> NodeCounts {
        let since = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        NodeCounts {
            requests: since(self.requests, before.requests),
            moved: since(self.moved, before.moved),
            ask: since(self.ask, before.ask),
            tryagain: since(self.tryagain, before.tryagain),
        }
    }

    fn of(info: &Info) -> NodeCounts {
        // cmdstat_evalsha:calls=12,usec=…,rejected_calls=0,failed_calls=1; errorstat_MOVED:count=3
        let part = |field: &str, part: &str| -> u64 {
            let parts = info
                .get(field)
                .into_iter()
                .flat_map(|value| value.split(','));
            let mut numbers = parts.filter_map(|text| text.split_once('='));
            let found = numbers.find(|(name, _)| *name == part);
            found
                .and_then(|(_, number)| number.parse().ok())
                .unwrap_or(0)
        };
        // A call that the node refused (MOVED, say) is not among its calls; one that failed (NOSCRIPT) is.
        let served = |command: &str| {
            let field = format!("cmdstat_{command}");
            part(&field, "calls").saturating_sub(part(&field, "failed_calls"))
        };
        let errors = |kind: &str| part(&format!("errorstat_{kind}"), "count");
        NodeCounts {
            requests: ["evalsha", "eval", "zcard"].map(served).iter().sum(),
            moved: errors("MOVED"),
            ask: errors("ASK"),
            tryagain: errors("TRYAGAIN"),
        }
    }
}

impl Store {
    /// What every node of the cluster that answers has counted, by the address that it announces.
    pub async fn node_counts(&self) -> BTreeMap<Endpoint, NodeCounts> {
        let mut counts = BTreeMap::new();
        for node in self.client.lanes().nodes() {
            if let Some(found) = self.counts_of(&node).await {
                counts.insert(node, found);
            }
        }
        counts
    }

    /// The masters, by the addresses that they announce.
    pub fn masters(&self) -> Vec<Endpoint> {
        self.client.lanes().masters()
    }

    /// Gives every node the scripts, so that the first requests need not bring them along. Best effort: a node that could not be reached, or
    /// joins later, gets each with the first request for it.
    pub async fn load_scripts(&self) {
        let settings = self.client.settings();
        for node in self.client.lanes().nodes() {
            let reachable = settings.reachable(&node);
            let Ok(mut connection) = connect_one(settings, &reachable, PATIENCE).await else {
                continue;
            };
            let mut pipeline = redis::pipe();
            for script in crate::app::scripts::ALL {
                pipeline
                    .cmd("SCRIPT")
                    .arg("LOAD")
                    .arg(script.source)
                    .ignore();
            }
            let _: redis::RedisResult<()> = pipeline.query_async(&mut connection).await;
        }
    }

    async fn counts_of(&self, node: &Endpoint) -> Option<NodeCounts> {
        let settings = self.client.settings();
        let reachable = settings.reachable(node);
        let mut connection = connect_one(settings, &reachable, PATIENCE).await.ok()?;
        let mut text = String::new();
        for section in ["commandstats", "errorstats"] {
            let part: String = redis::cmd("INFO")
                .arg(section)
                .query_async(&mut connection)
                .await
                .ok()?;
            text.push_str(&part);
        }
        Info::parse(&text).ok().map(|info| NodeCounts::of(&info))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_info_and_begin_anew_with_the_node() {
        let info = Info::parse(concat!(
            "# Commandstats\r\ncmdstat_evalsha:calls=12,usec=340,usec_per_call=28.33,rejected_calls=3,failed_calls=2\r\n",
            "cmdstat_eval:calls=2,usec=90,usec_per_call=45.00,rejected_calls=0,failed_calls=0\r\n",
            "cmdstat_zcard:calls=5,usec=9,usec_per_call=1.80,rejected_calls=0,failed_calls=0\r\n",
            "# Errorstats\r\nerrorstat_MOVED:count=3\r\nerrorstat_ASK:count=40\r\n",
        ))
        .unwrap();
        let counts = NodeCounts::of(&info);
        let expected = NodeCounts {
            requests: 17,
            moved: 3,
            ask: 40,
            tryagain: 0,
        };
        assert_eq!(counts, expected);
        assert_eq!(counts.since(NodeCounts::default()), expected);
        assert_eq!(counts.since(expected), NodeCounts::default());
        let more = NodeCounts {
            requests: 100,
            ..expected
        };
        assert_eq!(counts.since(more).requests, 17);
    }
}
