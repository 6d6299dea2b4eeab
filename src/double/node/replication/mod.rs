//! What a master tells its replicas, and what a replica makes of it.

use crate::double::gossip::MasterLink;

/// A node's part in replication: a master's, or a replica's.
#[derive(Debug, Default)]
pub(in crate::double) struct Replication {
    offset: i64,
}

/// What master and replica say to each other.
#[derive(Debug, Clone)]
pub(in crate::double) enum ReplicationMessage {}

impl Replication {
    /// How far it has come: written as a master, read as a replica; in bytes of commands.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// How it stands with the link to its master.
    pub fn master_link(&self) -> MasterLink {
        MasterLink::None
    }
}
