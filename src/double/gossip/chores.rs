//! What the tick has to do for whom: most peers need nothing most of the time, and a node that knows sixty is not to look at all of them ten times a second.

use super::around::Around;
use super::peer::PeerKey;
use super::view::View;

/// How working replicas are spread over the masters, as a replica that may move has to know it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Replicas {
    /// Masters that have lost all of theirs.
    pub orphans: usize,
    /// The most that one master has.
    pub most: usize,
    /// How many this node's master has.
    pub mine: usize,
}

/// When the tick has to look at each peer again, and what it keeps of all of them.
#[derive(Debug, Default)]
pub(super) struct Chores {
    /// By [`PeerKey`]: before this moment, in milliseconds since 1970, there is nothing to be done for it. Earlier than need be does no harm.
    moments: Vec<i64>,
    /// The node timeout by which they were made.
    timeout: i64,
    /// What a peer is taken for may have changed: what is kept of all of them is no good any more.
    changed: bool,
    /// How working replicas are spread, if this node is one.
    pub replicas: Replicas,
    /// A list to be used again.
    list: Vec<PeerKey>,
}

impl Chores {
    /// Something has changed at a peer.
    pub fn touch(&mut self, key: PeerKey) {
        self.hurry(key);
        self.changed = true;
    }

    /// A peer was pinged, or has answered: not more.
    pub fn hurry(&mut self, key: PeerKey) {
        let index = usize::from(key.0);
        if index >= self.moments.len() {
            self.moments.resize(index + 1, 0);
        }
        self.moments[index] = 0;
    }

    /// A peer has been touched since the last tick.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// So many milliseconds have passed in which nothing was due.
    pub fn put_off(&mut self, by: i64) {
        for moment in &mut self.moments {
            *moment = moment.saturating_add(by);
        }
    }
}

impl View {
    /// Whom the tick has to look at, in order.
    pub(super) fn peers_due(&mut self, around: &Around<'_>) -> Vec<PeerKey> {
        let mut due = std::mem::take(&mut self.chores.list);
        due.clear();
        let timeout = around.settings.node_timeout;
        // A manual failover has its own pings.
        let all = self.chores.timeout != timeout || self.manual.until.is_some();
        self.chores.timeout = timeout;
        let moments = &self.chores.moments;
        let is_due = |key: &&PeerKey| all || moments[usize::from(key.0)] <= around.now;
        due.extend(self.order.iter().filter(is_due));
        due
    }

    /// They were looked at: notes when that has to be done again.
    pub(super) fn note_looked_after(&mut self, due: Vec<PeerKey>, around: &Around<'_>) {
        for key in &due {
            if self.peers.contains(usize::from(key.0)) {
                self.chores.moments[usize::from(key.0)] = self.next_chore(*key, around);
            }
        }
        self.chores.list = due;
    }

    /// The first moment at which the tick may have something to do for a peer, if nothing but time passes; what is heard of it meanwhile only puts that off.
    fn next_chore(&self, key: PeerKey, around: &Around<'_>) -> i64 {
        let peer = self.peer(key);
        if key == self.me || peer.flags.no_address {
            return i64::MAX;
        }
        let Some(own) = peer.link.filter(|_| !peer.flags.handshake) else {
            return 0;
        };
        let timeout = around.settings.node_timeout;
        let waits = peer.ping_sent != 0;
        let heard = peer.ping_sent.max(peer.data_received);
        let new_link = match (own.up, waits) {
            (false, _) => own.since + timeout,
            (true, true) => (own.since + timeout).max(heard + timeout / 2),
            (true, false) => i64::MAX - 1,
        };
        let other = match waits {
            false => peer.pong_received + timeout / 2,
            true if peer.flags.unwell() => i64::MAX - 1,
            true => heard + timeout,
        };
        new_link.min(other) + 1
    }

    /// Counts anew what is kept of all peers, if it may have changed.
    pub(super) fn count_peers(&mut self, around: &Around<'_>) {
        if !std::mem::take(&mut self.chores.changed) {
            return;
        }
        self.note_unrest(around.now);
        let others = || {
            self.peers
                .iter()
                .map(|(_, peer)| peer)
                .filter(|peer| !peer.flags.no_address)
        };
        // Nobody suspects himself.
        self.suspected = others().filter(|peer| peer.flags.suspected).count();
        let me = self.myself();
        let mut replicas = Replicas::default();
        if me.flags.replica {
            for (index, peer) in &self.peers {
                let flags = peer.flags;
                let key = PeerKey(index as u16);
                if key == self.me
                    || flags.no_address
                    || flags.handshake
                    || !flags.master
                    || flags.failed
                {
                    continue;
                }
                let well = self.working_replicas(key);
                if well == 0 && flags.migrate_to && peer.serves() {
                    replicas.orphans += 1;
                }
                replicas.most = replicas.most.max(well);
                if me.replica_of == Some(key) {
                    replicas.mine = well;
                }
            }
        }
        self.chores.replicas = replicas;
    }

    /// How many replicas of a master have not failed.
    pub(super) fn working_replicas(&self, master: PeerKey) -> usize {
        let replicas = self.peer(master).replicas.iter();
        replicas
            .filter(|key| !self.peer(**key).flags.failed)
            .count()
    }
}
