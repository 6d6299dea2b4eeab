//! What a node sends to other nodes of its cluster. There are no sockets between them: whoever holds all nodes carries it from one to the other, in the time
//! that it wants it to take.

use super::replication::ReplicationMessage;
use crate::double::gossip::{LinkId, Message};

/// Something sent on a link.
#[derive(Debug, Clone)]
pub(in crate::double) enum Packet {
    /// On the cluster bus.
    Bus(Message),
    /// Between a master and a replica.
    Replication(ReplicationMessage),
}

/// Something that is to be done about links.
#[derive(Debug, Clone)]
pub(in crate::double) enum Wire {
    /// Open one to this address: a bus port, or a client port for replication. It stands or is closed later, or nothing is heard of it at all.
    Connect { link: LinkId, ip: String, port: u16 },
    /// Send something on it.
    Send { link: LinkId, packet: Packet },
    /// Close it.
    Close { link: LinkId },
}
