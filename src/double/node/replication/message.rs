//! What master and replica say to each other.

use std::rc::Rc;

use super::log::Entry;
use crate::double::node::keyspace::db::Db;

/// A message between a replica, which has opened the link, and its master. It is the replication protocol of Redis without its form on the wire.
#[derive(Debug, Clone)]
pub(in crate::double) enum ReplicationMessage {
    /// REPLCONF and PSYNC: where the replica is to be found, and from where on it wants the stream.
    Psync {
        /// The id of the history that it knows; `?`: none.
        id: String,
        /// The first byte that it has not; -1 where it knows no history.
        offset: i64,
        /// Where others reach it.
        ip: String,
        port: u16,
        /// `masteruser` and `masterauth`, if it has the latter.
        login: Option<(Vec<u8>, Vec<u8>)>,
    },
    /// An error in reply to `Psync`, in Redis's words.
    Refused(&'static str),
    /// FULLRESYNC: the replica gets everything anew, as of this offset in this history.
    FullResync { id: String, offset: i64 },
    /// All data, behind `FullResync`.
    Snapshot(Rc<Snapshot>),
    /// CONTINUE: the stream goes on where the replica wanted it to; the history has this id now.
    Continue { id: String },
    /// The next entries of the stream.
    Stream(Vec<Rc<Entry>>),
    /// The master lives, and is not ready yet.
    Alive,
    /// REPLCONF ACK: what the replica has applied.
    Acknowledge { offset: i64 },
}

/// All data of a master at one moment.
#[derive(Debug)]
pub(in crate::double) struct Snapshot {
    /// Its databases, without anybody who waits or watches.
    pub(super) dbs: Vec<Db>,
    /// Its libraries of functions, as FUNCTION DUMP has them; `None`: there are none.
    pub(super) functions: Option<Vec<u8>>,
}
