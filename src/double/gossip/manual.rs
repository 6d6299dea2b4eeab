//! Failover by an operator's word.

use super::around::Around;
use super::effect::{Effect, LinkId};
use super::message::{Body, Message, Ping};
use super::peer::PeerKey;
use super::sabotage::Sabotage;
use super::view::{Failover, View};

/// How long, in milliseconds, a manual failover may take.
const LIMIT: i64 = 5000;
/// How many times as long the master holds its clients: they are let go as soon as it is over.
const PAUSE: i64 = 2;

/// A manual failover that is under way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manual {
    /// When it is given up; `None`: there is none.
    pub until: Option<i64>,
    /// At the master: the replica that wants its place.
    pub replica: Option<PeerKey>,
    /// At the replica: the offset at which the master has paused its clients.
    pub master_offset: Option<i64>,
    /// At the replica: it may ask for votes.
    pub can_start: bool,
}

impl View {
    /// CLUSTER FAILOVER.
    pub fn fail_over(&mut self, how: Failover, around: &mut Around<'_>) {
        let me = self.myself();
        let Some(master) = me.replica_of.filter(|_| me.flags.replica) else {
            return;
        };
        self.reset_manual_failover();
        self.manual.until = Some(around.now + LIMIT);
        match how {
            Failover::Takeover => {
                self.log("Taking over the master (user request).");
                if self.sabotaged(Sabotage::TakeoverKeepsEpoch) {
                    self.keep_epoch_of_master();
                } else {
                    self.bump_without_consensus();
                }
                self.replace_master(around);
            }
            Failover::Force => {
                self.log("Forced failover user request accepted.");
                self.manual.can_start = true;
            }
            Failover::Manual => {
                self.log("Manual failover user request accepted.");
                if let Some(link) = self.peer(master).link {
                    let header = self.header(false, around);
                    let body = Body::ManualFailoverStart;
                    self.send(link.id, Message { header, body });
                }
            }
        }
    }

    /// No manual failover is under way any more.
    pub(super) fn reset_manual_failover(&mut self) {
        if self.manual.replica.is_some() {
            self.effects.push(Effect::Unpause);
        }
        self.manual = Manual::default();
    }

    pub(super) fn end_manual_failover_in_time(&mut self, around: &Around<'_>) {
        if self.manual.until.is_some_and(|until| until < around.now) {
            self.log("Manual failover timed out.");
            self.reset_manual_failover();
        }
    }

    /// A replica waits until it has all that its master had when it paused its clients.
    pub(super) fn go_on_with_manual_failover(&mut self, around: &Around<'_>) {
        if self.manual.until.is_none() || self.manual.can_start {
            return;
        }
        let Some(wanted) = self.manual.master_offset else {
            return;
        };
        if wanted == around.offset || self.sabotaged(Sabotage::ManualFailoverDoesNotWait) {
            self.manual.can_start = true;
            self.log("All master replication stream processed, manual failover can start.");
            self.todo.failover = true;
        } else {
            self.todo.manual_failover = true;
        }
    }

    /// A replica hears from its master at which offset it has paused its clients.
    pub(super) fn hear_paused_offset(&mut self, sender: PeerKey, paused: bool) {
        let me = self.myself();
        if self.manual.until.is_some()
            && me.flags.replica
            && me.replica_of == Some(sender)
            && paused
            && self.manual.master_offset.is_none()
        {
            let offset = self.peer(sender).offset;
            self.manual.master_offset = Some(offset);
            self.todo.manual_failover = true;
            self.log(format!(
                "Received replication offset for paused master manual failover: {offset}"
            ));
        }
    }

    /// A replica wants this master's place.
    pub(super) fn start_manual_failover(
        &mut self,
        replica: PeerKey,
        link: LinkId,
        around: &mut Around<'_>,
    ) {
        if self.peer(replica).replica_of != Some(self.me) {
            return;
        }
        self.reset_manual_failover();
        self.manual.until = Some(around.now + LIMIT);
        self.manual.replica = Some(replica);
        if !self.sabotaged(Sabotage::ManualFailoverDoesNotPause) {
            let until = around.now + LIMIT * PAUSE;
            self.effects.push(Effect::Pause { until });
        }
        let id = self.peer(replica).id;
        self.log(format!("Manual failover requested by replica {id}."));
        // It tells the offset, and that the clients are paused.
        self.send_ping(link, Ping::Ping, around);
    }
}
