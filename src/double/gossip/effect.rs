//! What a node does, by word of its view of the cluster.

use std::sync::Arc;

use super::message::{Body, Message};
use crate::cluster::{NodeId, Slot, SlotSet};

/// A link between two nodes' cluster buses. Whoever opens it and whoever accepts it use the same number; it is never given twice in a cluster's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::double) struct LinkId(pub u64);

/// Something that a node is to do.
#[derive(Debug, Clone)]
pub(in crate::double) enum Effect {
    /// Open a link to the bus port of a node. What comes of it is told by [`View::connected`](super::View::connected) or
    /// [`View::closed`](super::View::closed), or, if nobody can be reached, not at all.
    Connect {
        link: LinkId,
        ip: String,
        bus_port: u16,
    },
    /// Send a message on a link, opened or accepted.
    Send { link: LinkId, message: Message },
    /// Close a link, opened or accepted. Nothing more is told about it.
    Close { link: LinkId },
    /// Replicate this node from now on; a link to another master ends.
    Follow {
        master: NodeId,
        ip: String,
        port: u16,
    },
    /// Be a master from now on, with the keys that there are.
    Lead,
    /// Take away all keys of a slot.
    DropKeys(Slot),
    /// Take away all keys.
    DropAllKeys,
    /// These slots are not served by this node's shard any more: whoever is subscribed to a shard channel of theirs is told so.
    DropChannels(Arc<SlotSet>),
    /// Hand a message that was published to those who listen here.
    Publish {
        channel: Vec<u8>,
        message: Vec<u8>,
        sharded: bool,
    },
    /// Hold clients that write until this moment, in milliseconds since 1970, for a manual failover.
    Pause { until: i64 },
    /// The manual failover is over: hold nobody any more.
    Unpause,
    /// A line for the node's log, in the words of Redis.
    Log(String),
}

impl Effect {
    /// What comes of a message that a client has published at another node.
    pub fn of_published(body: Body) -> Option<Effect> {
        match body {
            Body::Publish {
                channel,
                message,
                sharded,
            } => Some(Effect::Publish {
                channel,
                message,
                sharded,
            }),
            _ => None,
        }
    }

    /// It only hands on what a client has published.
    pub fn is_of_published(&self) -> bool {
        match self {
            Effect::Publish { .. } => true,
            Effect::Send { message, .. } => message.body.is_published(),
            _ => false,
        }
    }
}
