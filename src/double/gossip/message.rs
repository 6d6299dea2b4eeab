//! What nodes say to each other on the cluster bus.
//!
//! The fields are those of the specification's packets; the form on the wire is left out, since both ends are here.

use std::sync::Arc;

use super::peer::Flags;
use crate::cluster::{NodeId, SlotSet};

/// A message.
#[derive(Debug, Clone)]
pub(in crate::double) struct Message {
    /// What every message has.
    pub header: Arc<Header>,
    /// What it is about.
    pub body: Body,
}

/// What every message says of its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::double) struct Header {
    /// Its id.
    pub sender: NodeId,
    /// `cluster-announce-ip`, or empty: the receiver takes what it sees.
    pub ip: String,
    /// What the receiver sees: the address that the link comes from. Filled in by whoever carries the message.
    pub seen_ip: String,
    /// Its client port.
    pub port: u16,
    /// Its bus port.
    pub bus_port: u16,
    /// Its hostname, or empty.
    pub hostname: String,
    /// What it takes itself for.
    pub flags: Flags,
    /// The slots that it serves; of a replica, its master's.
    pub slots: Arc<SlotSet>,
    /// Its master, if it is a replica.
    pub replica_of: Option<NodeId>,
    /// Its replication offset.
    pub offset: i64,
    /// The greatest epoch that it knows.
    pub current_epoch: u64,
    /// The epoch of its slots; of a replica, its master's.
    pub config_epoch: u64,
    /// It takes the cluster for well.
    pub state_ok: bool,
    /// `CLUSTERMSG_FLAG0_PAUSED`: a master that has paused its clients for a manual failover.
    pub paused: bool,
    /// `CLUSTERMSG_FLAG0_FORCEACK`: vote even if the master is well, since this failover was asked for.
    pub force_ack: bool,
}

impl Header {
    /// The address that the sender announces, or else the one that it is seen at.
    pub(super) fn address(&self) -> &str {
        if self.ip.is_empty() {
            &self.seen_ip
        } else {
            &self.ip
        }
    }
}

/// What a message is about.
#[derive(Debug, Clone)]
pub(in crate::double) enum Body {
    /// PING, PONG or MEET.
    Ping { kind: Ping, gossip: Vec<Gossip> },
    /// A node has failed.
    Fail(NodeId),
    /// PUBLISH, or SPUBLISH.
    Publish {
        channel: Vec<u8>,
        message: Vec<u8>,
        sharded: bool,
    },
    /// FAILOVER_AUTH_REQUEST: a replica wants to become master.
    AuthRequest,
    /// FAILOVER_AUTH_ACK: it may.
    AuthAck,
    /// A node serves these slots by an epoch greater than the receiver has shown to know.
    Update {
        node: NodeId,
        config_epoch: u64,
        slots: Arc<SlotSet>,
    },
    /// A replica wants its master to pause its clients for a manual failover.
    ManualFailoverStart,
}

/// The three messages that carry gossip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::enum_variant_names)] // the specification's own words
pub(in crate::double) enum Ping {
    Ping,
    Pong,
    /// A ping that makes the receiver take the sender into its cluster.
    Meet,
}

/// What a message says of a third node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::double) struct Gossip {
    /// Its id.
    pub id: NodeId,
    /// Its address.
    pub ip: Arc<str>,
    pub port: u16,
    pub bus_port: u16,
    /// When the sender last sent it a ping that is unanswered, in milliseconds since 1970, to the second; 0: none.
    pub ping_sent: i64,
    /// When the sender last heard from it, in the same way.
    pub pong_received: i64,
    /// What the sender takes it for.
    pub flags: Flags,
}

impl Message {
    /// It is one of those that nodes send each other even if nothing has changed: pings and pongs, and what clients publish.
    pub fn is_routine(&self) -> bool {
        match &self.body {
            Body::Ping { kind, .. } => *kind != Ping::Meet,
            body => body.is_published(),
        }
    }
}

impl Body {
    /// It is nothing but what a client has published.
    pub fn is_published(&self) -> bool {
        matches!(self, Body::Publish { .. })
    }

    /// Its place in [`View::sent`](super::View::sent) and [`View::received`](super::View::received).
    pub(super) fn kind(&self) -> usize {
        match self {
            Body::Ping { kind, .. } => match kind {
                Ping::Ping => 0,
                Ping::Pong => 1,
                Ping::Meet => 2,
            },
            Body::Fail(_) => 3,
            Body::Publish { sharded: false, .. } => 4,
            Body::AuthRequest => 5,
            Body::AuthAck => 6,
            Body::Update { .. } => 7,
            Body::ManualFailoverStart => 8,
            Body::Publish { sharded: true, .. } => 10,
        }
    }
}
