//! The other nodes of a node's world, as far as it can ask them for something and wait for the answer: MIGRATE does.

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::double) enum Asked {
    /// Its reply, in RESP2.
    Reply(Vec<u8>),
    /// Nobody listens there.
    Refused,
    /// It does not answer: it is frozen, busy, or can't be reached.
    Silent,
    /// There is no node of this world.
    NotOurs,
}

/// The other nodes.
pub(in crate::double) trait Peers {
    /// Asks the one that listens at this address.
    fn ask(&self, ip: &str, port: u16, words: &[Vec<u8>]) -> Asked;
}
