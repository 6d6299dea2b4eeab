//! What a master tells its replicas, and what a replica makes of it.
//!
//! A master writes every command that has changed something into a [`log`], with the moment of its execution; a replica executes the same commands at
//! the same moments, and so comes to have the same data. Offsets count the bytes that the commands take in RESP. Who has missed something gets it from the
//! log if it is still there (PSYNC), and otherwise all data anew.

mod apply;
mod guards;
mod log;
mod master;
mod message;
mod propagate;
mod replica;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use rand::Rng;

pub(in crate::double) use self::guards::Needs;
use self::log::{Entry, Log};
use self::master::Replica;
pub(in crate::double) use self::master::{Follower, State};
pub(in crate::double) use self::message::ReplicationMessage;
use self::propagate::Pending;
use self::replica::Master;
pub(in crate::double) use self::replica::{Followed, LinkState};
use super::client::ClientKey;
use super::server::{Server, drawn_id};
use crate::double::gossip::{LinkId, MasterLink};

/// Links between master and replica have numbers with this bit, so that they can't be taken for those of the cluster bus.
const REPLICATION_LINK: u64 = 1 << 63;

/// A node's part in replication: a master's, or a replica's.
#[derive(Debug, Default)]
pub(in crate::double) struct Replication {
    /// How many bytes of the stream have been written as a master, or applied as a replica.
    offset: i64,
    /// Up to where the history of the second of [`Server::replication_ids`] is this one's: the first byte that is not; 0: nowhere.
    second_offset: i64,
    /// What replicas can go on from; `None`: there has been none.
    log: Option<Log>,
    /// The database of the last entry of the log.
    selected: Option<usize>,
    /// What is not written yet.
    pending: Pending,
    /// What is written and not sent yet.
    fresh: Vec<Rc<Entry>>,
    /// Those who follow this node, in the order of their coming.
    replicas: Vec<Replica>,
    /// Since when there is none, in milliseconds since 1970.
    no_replicas_since: i64,
    /// All replicas are to be asked at the end of the round how far they are.
    wants_acknowledgements: bool,
    /// Who waits for replicas by WAIT.
    waiting: Vec<ClientKey>,
    /// Whom this node follows; `None`: it is a master.
    master: Option<Master>,
    /// An entry of the stream is being applied.
    applying: bool,
    /// How often [`Server::replication_cron`] was called.
    rounds: u64,
    /// The number of the node in its cluster, which makes those of its links its own.
    number: u32,
    /// How many links it has opened.
    links: u32,
    /// What INFO counts.
    pub(in crate::double) counts: Counts,
}

/// How often replicas have begun to follow.
#[derive(Debug, Default, Clone, Copy)]
pub(in crate::double) struct Counts {
    /// With all data.
    pub full: u64,
    /// With what they had missed.
    pub partial: u64,
    /// With all data, though they had hoped for less.
    pub partial_refused: u64,
}

impl Replication {
    /// The number that no other node of the cluster's life has; to be said before the node follows anybody. The numbers of links are made from it.
    pub fn number_links(&mut self, number: u32) {
        self.number = number;
    }

    /// Whether a link is one between master and replica, and not one of the cluster bus.
    pub fn is_own(link: LinkId) -> bool {
        link.0 & REPLICATION_LINK != 0
    }

    fn new_link(&mut self) -> LinkId {
        self.links += 1;
        LinkId(REPLICATION_LINK | u64::from(self.number) << 32 | u64::from(self.links))
    }

    /// How far it has come: written as a master, read as a replica; in bytes of commands. Of a replica that knows no history, 0.
    pub fn offset(&self) -> i64 {
        match &self.master {
            Some(master) => master.position.as_ref().map_or(0, |it| it.applied.max(0)),
            None => self.offset,
        }
    }

    /// Begins where the saved keys of its life before end. So the offset of a master only grows over a restart in good order.
    pub fn begin_at(&mut self, offset: i64) {
        self.offset = offset;
    }

    /// How it stands with the link to its master.
    pub fn master_link(&self) -> MasterLink {
        match &self.master {
            None => MasterLink::None,
            Some(master) if master.state == LinkState::Connected => MasterLink::Up {
                heard: master.heard,
            },
            Some(master) => MasterLink::Down {
                since: master.down_since,
            },
        }
    }

    /// Whether this node follows another one.
    pub(in crate::double) fn is_replica(&self) -> bool {
        self.master.is_some()
    }

    /// Whether the link to its master is up.
    pub(in crate::double) fn is_up(&self) -> bool {
        let master = self.master.as_ref();
        master.is_some_and(|master| master.state == LinkState::Connected)
    }

    /// Whether what commands change is written into a log.
    pub(in crate::double) fn feeds(&self) -> bool {
        self.log.is_some() && self.master.is_none()
    }

    /// Whether an entry of the master's stream is being applied.
    pub(in crate::double) fn is_applying(&self) -> bool {
        self.applying
    }

    /// INFO's `second_repl_offset`.
    pub(in crate::double) fn second_offset(&self) -> i64 {
        match self.second_offset {
            0 => -1,
            offset => offset,
        }
    }

    /// INFO's `master_repl_offset`.
    pub(in crate::double) fn written(&self) -> i64 {
        self.offset
    }

    /// The first byte in the log, and how many there are; `None`: there is no log.
    pub(in crate::double) fn backlog(&self) -> Option<(i64, i64)> {
        self.log.as_ref().map(|log| (log.first(), log.length()))
    }
}

impl Server {
    /// The id of a new history.
    fn new_history(&mut self) -> String {
        match self.cluster.as_deref_mut() {
            Some(member) => (0..40)
                .filter_map(|_| char::from_digit(member.random.random_range(0..16), 16))
                .collect(),
            None => drawn_id(),
        }
    }

    /// There is a log from now on, of a history that nobody knows.
    fn begin_log(&mut self) {
        self.replication_ids = [self.new_history(), "0".repeat(40)];
        self.replication.second_offset = 0;
        self.replication.selected = None;
        self.replication.log = Some(Log::new(self.replication.offset));
    }

    /// Keys whose time is over are taken out here, and not by word of a master.
    pub(in crate::double) fn takes_out(&self) -> bool {
        !self.replication.is_replica() && !self.is_paused()
    }
}
