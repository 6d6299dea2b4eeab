//! What a node knows of another one, or of itself.

use std::sync::Arc;

use super::effect::LinkId;
use crate::cluster::{NodeId, SlotSet};

/// The place of a peer in [`View::peers`](super::View). It is given away again when the peer is forgotten; whatever names one is cleared before that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::double) struct PeerKey(pub u16);

/// What a node is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::double) struct Flags {
    pub master: bool,
    pub replica: bool,
    /// PFAIL: it does not answer.
    pub suspected: bool,
    /// FAIL: a majority of masters says so.
    pub failed: bool,
    /// It has not answered for the first time yet.
    pub handshake: bool,
    /// Nobody knows where it is.
    pub no_address: bool,
    /// It is to be sent MEET.
    pub meet: bool,
    /// A master that replicas may move to: it has had some.
    pub migrate_to: bool,
    /// `cluster-replica-no-failover`.
    pub no_failover: bool,
}

/// A node, as another one knows it.
#[derive(Debug, Clone)]
pub(in crate::double) struct Peer {
    /// Its id; a chance one while it is in handshake.
    pub id: NodeId,
    /// Its address; empty: not known yet, as a new node's own.
    pub ip: Arc<str>,
    /// Its client port.
    pub port: u16,
    /// Its bus port.
    pub bus_port: u16,
    /// Its hostname; empty: it has none.
    pub hostname: String,
    /// What it is taken for.
    pub flags: Flags,
    /// Its master, if it is a replica and that master is known here.
    pub replica_of: Option<PeerKey>,
    /// Its replicas, as known here, in the order in which they came.
    pub replicas: Vec<PeerKey>,
    /// The slots that it serves, as known here. Copied when it is changed and a message still has it.
    pub slots: Arc<SlotSet>,
    /// The epoch of its slots.
    pub config_epoch: u64,
    /// When it came to be known, in milliseconds since 1970; so are all moments here.
    pub since: i64,
    /// When a ping that is unanswered was sent; 0: there is none.
    pub ping_sent: i64,
    /// When it was heard of last by pong or gossip; 0: never.
    pub pong_received: i64,
    /// When anything came from it last.
    pub data_received: i64,
    /// When FAIL was set.
    pub failed_since: i64,
    /// When it was last given, as a master, a vote for one of its replicas.
    pub voted: i64,
    /// When it was last seen without a working replica; 0: it has one.
    pub orphaned_since: i64,
    /// Its replication offset, as it was told last.
    pub offset: i64,
    /// Who reports it as failing, and since when.
    pub reports: Vec<(PeerKey, i64)>,
    /// The link that was opened to it; whether it stands already; and since when.
    pub link: Option<OutgoingLink>,
    /// The link that it has opened to here.
    pub inbound: Option<(LinkId, i64)>,
}

/// A link to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) struct OutgoingLink {
    pub id: LinkId,
    /// It stands: messages can be sent. Before that they are lost.
    pub up: bool,
    /// When it was opened.
    pub since: i64,
}

impl Flags {
    /// It is suspected or has failed.
    pub fn unwell(self) -> bool {
        self.suspected || self.failed
    }
}

impl Peer {
    /// A node of which no more is known.
    pub fn new(id: NodeId, flags: Flags, now: i64) -> Peer {
        Peer {
            id,
            ip: Arc::default(),
            port: 0,
            bus_port: 0,
            hostname: String::new(),
            flags,
            replica_of: None,
            replicas: Vec::new(),
            slots: Arc::default(),
            config_epoch: 0,
            since: now,
            ping_sent: 0,
            pong_received: 0,
            data_received: 0,
            failed_since: 0,
            voted: 0,
            orphaned_since: 0,
            offset: 0,
            reports: Vec::new(),
            link: None,
            inbound: None,
        }
    }

    /// It serves slots.
    pub fn serves(&self) -> bool {
        !self.slots.is_empty()
    }
}
