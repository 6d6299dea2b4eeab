//! Suspicion (PFAIL), what others report, and failure (FAIL).

use super::around::Around;
use super::message::Body;
use super::peer::PeerKey;
use super::sabotage::Sabotage;
use super::state::quorum_of;
use super::view::View;

/// For how many node timeouts a report counts.
const REPORT_VALIDITY: i64 = 2;
/// For how many node timeouts a master that still serves slots stays failed though it can be reached again.
const UNDO_TIME: i64 = 2;

impl View {
    /// CLUSTER COUNT-FAILURE-REPORTS.
    pub fn failure_reports(&mut self, peer: PeerKey, around: &Around<'_>) -> usize {
        if self.peer(peer).reports.is_empty() {
            return 0;
        }
        let oldest = around.now - around.settings.node_timeout * REPORT_VALIDITY;
        let reports = &mut self.heard_mut(peer).reports;
        reports.retain(|&(_, at)| at >= oldest);
        reports.len()
    }

    /// A master says that a node is failing.
    pub(super) fn add_report(&mut self, failing: PeerKey, by: PeerKey, now: i64) {
        let reports = &mut self.heard_mut(failing).reports;
        match reports.iter_mut().find(|(key, _)| *key == by) {
            Some((_, at)) => *at = now,
            None => reports.push((by, now)),
        }
    }

    /// A master does not say so any more.
    pub(super) fn remove_report(&mut self, key: PeerKey, by: PeerKey, around: &Around<'_>) {
        let reports = &mut self.heard_mut(key).reports;
        if let Some(index) = reports.iter().position(|(reporter, _)| *reporter == by) {
            reports.remove(index);
            self.failure_reports(key, around);
        }
    }

    /// How many masters are a majority.
    pub(super) fn quorum(&self) -> usize {
        quorum_of(self.size)
    }

    /// A node that is suspected here, and by a majority of masters with this node, has failed.
    pub(super) fn fail_if_agreed(&mut self, key: PeerKey, around: &Around<'_>) {
        let flags = self.peer(key).flags;
        if !flags.suspected || flags.failed {
            return;
        }
        let mut reports = self.failure_reports(key, around);
        if self.myself().flags.master {
            reports += 1;
        }
        if reports < self.quorum() && !self.sabotaged(Sabotage::FailWithoutQuorum) {
            return;
        }
        let id = self.peer(key).id;
        self.log(format!("Marking node {id} as failing (quorum reached)."));
        self.set_failed(key, around.now);
        if !self.sabotaged(Sabotage::FailNotTold) {
            self.broadcast(Body::Fail(id), false, around);
        }
    }

    pub(super) fn set_failed(&mut self, key: PeerKey, now: i64) {
        let peer = self.peer_mut(key);
        peer.flags.suspected = false;
        peer.flags.failed = true;
        peer.failed_since = now;
        self.todo.state = true;
    }

    /// A failed node has answered: it is well again, unless it is a master that is about to be replaced.
    pub(super) fn clear_failure(&mut self, key: PeerKey, around: &Around<'_>) {
        if self.sabotaged(Sabotage::FailForever) {
            return;
        }
        let peer = self.peer(key);
        let id = peer.id;
        let what = if peer.flags.replica || !peer.serves() {
            let what = if peer.flags.replica {
                "replica"
            } else {
                "master without slots"
            };
            format!("Clear FAIL state for node {id}: {what} is reachable again.")
        } else if peer.flags.master
            && around.now - peer.failed_since > around.settings.node_timeout * UNDO_TIME
        {
            format!(
                "Clear FAIL state for node {id}: is reachable again and nobody is serving its slots after some time."
            )
        } else {
            return;
        };
        self.log(what);
        self.peer_mut(key).flags.failed = false;
        self.todo.state = true;
    }

    /// Somebody says that a node has failed, by the word of a majority.
    pub(super) fn hear_of_failure(
        &mut self,
        sender: Option<PeerKey>,
        sender_id: crate::cluster::NodeId,
        failing: crate::cluster::NodeId,
        around: &Around<'_>,
    ) {
        if sender.is_none() {
            self.log(format!(
                "Ignoring FAIL message from unknown node {sender_id} about {failing}"
            ));
            return;
        }
        if let Some(key) = self.find(failing)
            && key != self.me
            && !self.peer(key).flags.failed
        {
            self.log(format!(
                "FAIL message received from {sender_id} about {failing}"
            ));
            self.set_failed(key, around.now);
        }
    }
}
