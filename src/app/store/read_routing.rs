//! Who is asked for reads, where replicas may be.

use rand::Rng;
use redis::cluster::NodeAddress;
use redis::cluster_read_routing::{
    ReadCandidates, ReadRoutingStrategy, ReadRoutingStrategyFactory,
};

use crate::app::settings::ReadFrom;

/// Picks the node for each read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reads {
    from: ReadFrom,
}

impl From<ReadFrom> for Reads {
    fn from(from: ReadFrom) -> Self {
        Reads { from }
    }
}

impl ReadRoutingStrategyFactory for Reads {
    fn create_strategy(&self) -> Box<dyn ReadRoutingStrategy> {
        Box::new(*self)
    }
}

impl ReadRoutingStrategy for Reads {
    fn route_read<'a>(&self, candidates: &ReadCandidates<'a>) -> &'a NodeAddress {
        match candidates {
            ReadCandidates::ReplicasOnly(nodes) => nodes.replicas().choose_random(),
            ReadCandidates::AnyNode(nodes) => match self.from {
                ReadFrom::Master => nodes.primary(),
                ReadFrom::Replicas => nodes.replicas().choose_random(),
                ReadFrom::Random => {
                    // Each node of the shard is as likely as any other.
                    let replicas = nodes.replicas();
                    let at = rand::rng().random_range(0..=replicas.len().get());
                    replicas.get(at).unwrap_or(nodes.primary())
                }
            },
        }
    }
}
