//! Clusters as tests write them down: who is master of which slots, and who is whose replica.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use labrunner::admin::Shape;
use labrunner::cluster::NodeName;

/// `("redis-1", "0-8191")` is a master and its slots, `("redis-4", "redis-1")` a replica and its master.
pub fn shape(node_timeout: Duration, masters: &[(&str, &str)], replicas: &[(&str, &str)]) -> Shape {
    let name = |text: &str| NodeName::new(text);
    Shape {
        node_timeout: Some(node_timeout),
        masters: masters
            .iter()
            .map(|(node, slots)| (name(node), slots.parse().unwrap()))
            .collect(),
        replicas: replicas
            .iter()
            .map(|(node, master)| (name(node), name(master)))
            .collect(),
    }
}
