//! The election of a replica in place of its master that has failed.

use rand::Rng;

use super::around::{Around, MasterLink};
use super::effect::Effect;
use super::message::{Body, Header, Message};
use super::peer::PeerKey;
use super::sabotage::Sabotage;
use super::view::View;

/// How long, in milliseconds, a replica waits before it asks for votes, so that all have heard of the failure; and by chance up to as long again.
const DELAY: i64 = 500;
/// How much longer, in milliseconds, it waits for each replica that has more data.
const DELAY_OF_RANK: i64 = 1000;
/// The least time, in milliseconds, that votes are waited for.
const LEAST_TIMEOUT: i64 = 2000;
/// After how many seconds the same reason for not failing over is logged again.
const LOG_AGAIN: i64 = 60 * 5;
/// For how long, in milliseconds beside the node timeout, a failure may last before reasons are logged.
const LOG_AFTER: i64 = 5000;

/// Why a replica whose master has failed does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Hindrance {
    #[default]
    None,
    DataAge,
    WaitingDelay,
    Expired,
    WaitingVotes,
}

/// An election, as the replica that wants to be elected keeps it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Election {
    /// When votes are or were asked for.
    at: i64,
    /// Votes that came.
    votes: usize,
    /// They were asked for.
    asked: bool,
    /// How many replicas have more data.
    rank: usize,
    /// Its epoch.
    epoch: u64,
    hindrance: Hindrance,
    /// When a hindrance was logged last, in seconds since 1970.
    logged: i64,
}

impl View {
    /// Goes on with the election of this node, if its master has failed or a manual failover may start.
    pub(super) fn go_on_with_election(&mut self, around: &mut Around<'_>) {
        self.todo.failover = false;
        let (now, timeout) = (around.now, around.settings.node_timeout);
        let age = now - self.election.at;
        let manual = self.manual.until.is_some() && self.manual.can_start;
        let vote_timeout = (timeout * 2).max(LEAST_TIMEOUT);
        let me = self.myself();
        let wanted = me.replica_of.is_some_and(|master| {
            me.flags.replica
                && (manual || (self.peer(master).flags.failed && !around.settings.no_failover))
                && self.peer(master).serves()
        });
        if !wanted {
            self.election.hindrance = Hindrance::None;
            return;
        }
        if !manual && is_data_too_old(around) && !self.sabotaged(Sabotage::OldDataFailsOver) {
            self.hindered(Hindrance::DataAge, around);
            return;
        }
        if age > vote_timeout * 2 {
            self.schedule_election(around);
            return;
        }
        if !self.election.asked && self.manual.until.is_none() {
            let rank = self.rank(around);
            if rank > self.election.rank {
                let added = delay_of_rank(rank - self.election.rank);
                self.election.at += added;
                self.election.rank = rank;
                self.log(format!(
                    "Replica rank updated to #{rank}, added {added} milliseconds of delay."
                ));
            }
        }
        if now < self.election.at {
            self.hindered(Hindrance::WaitingDelay, around);
        } else if age > vote_timeout {
            self.hindered(Hindrance::Expired, around);
        } else if !self.election.asked {
            self.ask_for_votes(around);
        } else if self.election.votes >= self.votes_needed() {
            self.win(around);
        } else {
            self.hindered(Hindrance::WaitingVotes, around);
        }
    }

    fn votes_needed(&self) -> usize {
        if self.sabotaged(Sabotage::OneVoteIsEnough) {
            1
        } else {
            self.quorum()
        }
    }

    fn schedule_election(&mut self, around: &mut Around<'_>) {
        let now = around.now;
        let rank = self.rank(around);
        self.election.at = now + DELAY + around.random.random_range(0..DELAY) + delay_of_rank(rank);
        self.election.votes = 0;
        self.election.asked = false;
        self.election.rank = rank;
        if self.manual.until.is_some() {
            self.election.at = now;
            self.election.rank = 0;
            self.todo.failover = true;
        }
        self.log(format!(
            "Start of election delayed for {} milliseconds (rank #{}, offset {}).",
            self.election.at - now,
            self.election.rank,
            around.offset
        ));
        // The other replicas have to know the offset for their own rank.
        self.broadcast_pong(true, around);
    }

    fn ask_for_votes(&mut self, around: &Around<'_>) {
        if !self.sabotaged(Sabotage::ElectionKeepsEpoch) {
            self.current_epoch += 1;
        }
        self.election.epoch = self.current_epoch;
        self.log(format!(
            "Starting a failover election for epoch {}.",
            self.current_epoch
        ));
        let force = self.manual.until.is_some();
        self.broadcast(Body::AuthRequest, force, around);
        self.election.asked = true;
        self.todo.state = true;
    }

    fn win(&mut self, around: &mut Around<'_>) {
        self.log("Failover election won: I'm the new master.");
        let epoch = self.election.epoch;
        if self.sabotaged(Sabotage::PromotionKeepsEpoch) {
            self.keep_epoch_of_master();
        } else if self.myself().config_epoch < epoch {
            self.peer_mut(self.me).config_epoch = epoch;
            self.log(format!(
                "configEpoch set to {epoch} after successful failover"
            ));
        }
        self.replace_master(around);
    }

    /// A bug: its claim will be no newer than its master's.
    pub(super) fn keep_epoch_of_master(&mut self) {
        let master = self.myself().replica_of;
        let old = master.map_or(0, |master| self.peer(master).config_epoch);
        self.peer_mut(self.me).config_epoch = old;
    }

    /// Takes its master's place and slots.
    pub(super) fn replace_master(&mut self, around: &mut Around<'_>) {
        let me = self.myself();
        let Some(master) = me.replica_of.filter(|_| !me.flags.master) else {
            return;
        };
        self.set_as_master(self.me);
        self.effects.push(Effect::Lead);
        if !self.sabotaged(Sabotage::PromotedWithoutSlots) {
            let slots = self.peer(master).slots.clone();
            for slot in slots.iter() {
                self.unbind(slot);
                self.bind(slot, self.me);
            }
        }
        self.update_state(around);
        self.broadcast_pong(false, around);
        self.reset_manual_failover();
    }

    /// How many replicas of the same master have more data than this one.
    fn rank(&self, around: &Around<'_>) -> usize {
        let Some(master) = self.myself().replica_of else {
            return 0;
        };
        if self.sabotaged(Sabotage::RankIgnored) {
            return 0;
        }
        let others = self.peer(master).replicas.iter();
        others
            .filter(|key| **key != self.me)
            .map(|key| self.peer(*key))
            .filter(|peer| !peer.flags.no_failover && peer.offset > around.offset)
            .count()
    }

    /// A master has given its vote.
    pub(super) fn count_vote(&mut self, sender: PeerKey, epoch: u64) {
        let peer = self.peer(sender);
        let counts = peer.flags.master && peer.serves();
        if (counts || self.sabotaged(Sabotage::AnyVoteCounts)) && epoch >= self.election.epoch {
            self.election.votes += 1;
            self.todo.failover = true;
        }
    }

    /// A replica asks for this node's vote. It gets it if everything speaks for it.
    pub(super) fn consider_vote(
        &mut self,
        candidate: PeerKey,
        request: &Header,
        around: &Around<'_>,
    ) {
        let me = self.myself();
        if (me.flags.replica || !me.serves()) && !self.sabotaged(Sabotage::EverybodyVotes) {
            return;
        }
        let id = self.peer(candidate).id;
        let master = match self.may_have_vote(candidate, request, around) {
            Ok(master) => master,
            Err(why) => {
                self.log(format!("Failover auth denied to {id}: {why}"));
                return;
            }
        };
        if !self.sabotaged(Sabotage::VoteForgotten) {
            self.last_vote_epoch = self.current_epoch;
        }
        self.peer_mut(master).voted = around.now;
        if let Some(link) = self.peer(candidate).link {
            let header = self.header(false, around);
            let body = Body::AuthAck;
            self.send(link.id, Message { header, body });
        }
        let epoch = self.current_epoch;
        self.log(format!("Failover auth granted to {id} for epoch {epoch}"));
    }

    /// The master that a candidate wants to replace, or why it may not.
    fn may_have_vote(
        &self,
        candidate: PeerKey,
        request: &Header,
        around: &Around<'_>,
    ) -> Result<PeerKey, String> {
        let current = self.current_epoch;
        if request.current_epoch < current && !self.sabotaged(Sabotage::OldEpochGetsVote) {
            let asked = request.current_epoch;
            return Err(format!("reqEpoch ({asked}) < curEpoch({current})"));
        }
        if self.last_vote_epoch == current && !self.sabotaged(Sabotage::VotesTwice) {
            return Err(format!("already voted for epoch {current}"));
        }
        let peer = self.peer(candidate);
        if peer.flags.master {
            return Err("it is a master node".to_owned());
        }
        let Some(master) = peer.replica_of else {
            return Err("I don't know its master".to_owned());
        };
        if !self.peer(master).flags.failed
            && !request.force_ack
            && !self.sabotaged(Sabotage::LivingMasterVotedOut)
        {
            return Err("its master is up".to_owned());
        }
        let (since, limit) = (
            around.now - self.peer(master).voted,
            around.settings.node_timeout * 2,
        );
        if since < limit && !self.sabotaged(Sabotage::VotesTwice) {
            let left = limit - since;
            return Err(format!(
                "can't vote about this master before {left} milliseconds"
            ));
        }
        if self.sabotaged(Sabotage::StaleSlotsGetVote) {
            return Ok(master);
        }
        for slot in request.slots.iter() {
            let Some(owner) = self.owner(slot).filter(|_| !self.is_unclaimed(slot)) else {
                continue;
            };
            let (epoch, asked) = (self.peer(owner).config_epoch, request.config_epoch);
            if epoch > asked {
                return Err(format!("slot {slot} epoch ({epoch}) > reqEpoch ({asked})"));
            }
        }
        Ok(master)
    }

    /// Logs why there is no failover, unless it was just logged, or the failure is still young.
    fn hindered(&mut self, why: Hindrance, around: &Around<'_>) {
        let seconds = around.now / 1000;
        if why == self.election.hindrance && seconds - self.election.logged < LOG_AGAIN {
            return;
        }
        self.election.hindrance = why;
        if let Some(master) = self.myself().replica_of.map(|key| self.peer(key))
            && master.flags.failed
            && around.now - master.failed_since < around.settings.node_timeout + LOG_AFTER
        {
            return;
        }
        let text = match why {
            Hindrance::DataAge => {
                "Disconnected from master for longer than allowed. Please check the 'cluster-replica-validity-factor' configuration option."
            }
            Hindrance::WaitingDelay => "Waiting the delay before I can start a new failover.",
            Hindrance::Expired => "Failover attempt expired.",
            Hindrance::WaitingVotes => "Waiting for votes, but majority still not reached.",
            Hindrance::None => "Unknown reason code.",
        };
        self.election.logged = seconds;
        self.log(format!("Currently unable to failover: {text}"));
    }
}

fn delay_of_rank(rank: usize) -> i64 {
    i64::try_from(rank).unwrap_or(0) * DELAY_OF_RANK
}

/// Whether a replica has not heard from its master for so long that its data is no good any more.
fn is_data_too_old(around: &Around<'_>) -> bool {
    let settings = around.settings;
    let heard = match around.master_link {
        MasterLink::Up { heard } => heard,
        MasterLink::Down { since } => since.unwrap_or(0),
        MasterLink::None => 0,
    };
    // Whole seconds, as they are kept there.
    let mut age = (around.now / 1000 - heard / 1000) * 1000;
    if age > settings.node_timeout {
        age -= settings.node_timeout;
    }
    settings.validity_factor != 0
        && age
            > settings.replica_ping_period * 1000 + settings.node_timeout * settings.validity_factor
}
