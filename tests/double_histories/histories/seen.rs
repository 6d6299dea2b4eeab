//! What was seen of nodes: each one as it was when it was looked at last, and what came of it.

use std::collections::BTreeMap;

use super::cluster::{NodeId, Slot, SlotSet};
use super::double::Look;

/// What was seen of a node when it was looked at last.
#[derive(Debug, Clone)]
pub struct Seen {
    pub id: NodeId,
    pub running: bool,
    /// Since when it runs.
    pub running_since: u64,
    /// It was started again since the beginning, and when last.
    pub restarted: bool,
    pub(super) started_at: u64,
    /// It serves slots.
    pub(super) serves: bool,
    pub master: bool,
    /// The last moment at which it was a master.
    pub master_until: u64,
    pub ok: bool,
    /// It was `ok` as a replica since it was started.
    pub ok_as_replica: bool,
    pub epoch: u64,
    pub master_of: Option<usize>,
    /// Its link to its master was up since it was started.
    pub was_linked: bool,
    pub(super) linked: bool,
    /// Since when nothing can have come from its master.
    pub silent_since: Option<u64>,
    /// Since when it reaches no other master.
    pub alone_since: Option<u64>,
    /// It was alone for long, was not `ok`, and ceased to be alone then.
    pub joined_at: Option<u64>,
    pub offset: i64,
    pub offset_since: u64,
    /// How many nodes it knows, and since when so many: to one that has just come to be known there may be no link yet.
    pub(super) known: usize,
    pub(super) known_since: u64,
    /// How many lines of its log were read.
    pub(super) lines: usize,
    /// The epoch of its last election, and whom it wanted to replace.
    pub(super) election: u64,
    pub(super) replaces: Option<usize>,
    /// When an operator last asked it for a failover, and whether in step with its master.
    pub asked: Option<(u64, bool)>,
    /// The same moment, kept when the failover is over.
    pub asked_last: Option<u64>,
    /// At which offset its master has paused.
    pub(super) paused_offset: Option<i64>,
    /// Until when it holds its clients for a manual failover.
    pub pauses_until: u64,
    /// Whom it took for unwell.
    pub(super) unwell: Vec<usize>,
    /// Its link to its master was up since it follows that one: it has that one's data, and not another's.
    pub(super) has_synced: bool,
    /// It has keys of slots that it does not serve, and nobody takes them away. It has become a master in the place of one that served nothing, by an operator's word; or of one that it had come to follow
    /// and whose data it did not have yet: Redis counts the age of a replica's data from when its last link broke, to whomever that was (`replicationHandleMasterDisconnection`; `replicationSetMaster` leaves it as it
    /// is). Nobody takes such keys away: `clusterFailoverReplaceYourMaster` only takes slots. Or it has taken the place of such a master.
    pub(super) has_others_keys: bool,
    /// The last moment at which it was linked to the master that it follows and as far as that one: it has all that was accepted before. 0: there was none.
    pub(super) has_until: u64,
    /// When it voted about a master since it was started.
    pub(super) voted: BTreeMap<usize, u64>,
}

/// A replica that took its master's place.
#[derive(Debug, Clone)]
pub struct Promotion {
    pub at: u64,
    pub node: usize,
    pub before: Option<usize>,
    /// It has all that its master had accepted before.
    pub has_until: u64,
    pub slots: SlotSet,
    /// Who else claims these slots, and has not heard of it yet.
    pub claims: Vec<Doubt>,
}

/// A master claims slots that another one claims too. What it accepts until one of them yields may be lost: whoever hears of a newer claim takes the keys away, or copies the other one
/// (`clusterUpdateSlotsConfigWith`).
#[derive(Debug, Clone)]
pub struct Doubt {
    pub node: usize,
    pub rival: usize,
    pub slots: SlotSet,
    /// When one of them was first seen to have yielded.
    pub until: Option<u64>,
}

/// A master that was killed and started again, without its keys: it saves them only when it ends in good order.
#[derive(Debug, Clone)]
pub struct Rebirth {
    pub node: usize,
    /// When it was killed.
    pub killed: u64,
    /// What it served then.
    pub slots: SlotSet,
}

/// Somebody who has to hear of a failure.
#[derive(Debug, Clone)]
pub struct Owed {
    pub(super) by: usize,
    pub(super) failed: usize,
    pub(super) to: usize,
    pub(super) until: u64,
}

impl Doubt {
    /// Whether it may have cost something that this node accepted then.
    pub fn concerns(&self, slot: Slot, at: u64, by: usize) -> bool {
        self.node == by && self.slots.contains(slot) && self.until.is_none_or(|until| at <= until)
    }
}

impl Seen {
    pub(super) fn new(look: &Look<'_>, node: usize) -> Seen {
        Seen {
            id: look.id(node),
            running: true,
            running_since: 0,
            restarted: false,
            started_at: 0,
            serves: look.serves(node),
            master: look.is_master(node),
            master_until: 0,
            ok: look.is_ok(node),
            ok_as_replica: false,
            epoch: 0,
            master_of: None,
            was_linked: false,
            linked: false,
            silent_since: None,
            alone_since: None,
            joined_at: None,
            offset: 0,
            offset_since: 0,
            known: 0,
            known_since: 0,
            lines: 0,
            election: 0,
            replaces: None,
            asked: None,
            asked_last: None,
            paused_offset: None,
            pauses_until: 0,
            unwell: Vec::new(),
            has_synced: look.is_linked(node),
            has_others_keys: false,
            has_until: 0,
            voted: BTreeMap::new(),
        }
    }

    /// It begins a new life.
    pub fn start(&mut self, now: u64) {
        self.restarted = true;
        self.started_at = now;
        self.running = true;
        self.running_since = now;
        self.was_linked = false;
        self.ok_as_replica = false;
        self.alone_since = None;
        self.joined_at = None;
        self.silent_since = None;
        self.pauses_until = 0;
        self.asked = None;
        self.asked_last = None;
        self.voted.clear();
    }
}
