//! Whether the cluster is well, as this node sees it.

use super::around::Around;
use super::sabotage::Sabotage;
use super::view::View;
use crate::cluster::SLOTS;

/// How long, in milliseconds, a master that was started does not take the cluster for well: somebody may have taken its place.
const WRITABLE_DELAY: i64 = 2000;
/// The bounds, in milliseconds, of how long a master that was in a minority waits before it takes the cluster for well again.
const REJOIN_DELAY: (i64, i64) = (500, 5000);

/// What the state depends on beside the peers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StateHistory {
    /// When the state was looked at first.
    first: Option<i64>,
    /// When this node was in a minority last; 0: never.
    pub minority: i64,
}

/// What is served, and who can be reached.
struct Reach {
    /// Slots whose owner has not failed.
    covered: usize,
    /// Masters that serve slots.
    masters: usize,
    /// Those of them that are well.
    reachable: usize,
}

impl Reach {
    fn is_minority(&self) -> bool {
        self.reachable < quorum_of(self.masters)
    }
}

/// How many masters are a majority.
pub(super) fn quorum_of(masters: usize) -> usize {
    masters / 2 + 1
}

impl View {
    /// Looks whether the cluster is well.
    pub(super) fn update_state(&mut self, around: &Around<'_>) {
        let now = around.now;
        self.todo.state = false;
        let first = *self.history.first.get_or_insert(now);
        if self.myself().flags.master
            && !self.ok
            && now - first < WRITABLE_DELAY
            && !self.sabotaged(Sabotage::WritableAtOnce)
        {
            return;
        }
        let reach = self.reach();
        self.size = reach.masters;
        let mut ok = is_covered(&reach, around);
        if reach.is_minority() && !self.sabotaged(Sabotage::MinorityStaysOk) {
            ok = false;
            self.history.minority = now;
        }
        if ok == self.ok {
            return;
        }
        let delay = around
            .settings
            .node_timeout
            .clamp(REJOIN_DELAY.0, REJOIN_DELAY.1);
        if ok
            && self.myself().flags.master
            && now - self.history.minority < delay
            && !self.sabotaged(Sabotage::RejoinsAtOnce)
        {
            return;
        }
        self.ok = ok;
        let word = if ok { "ok" } else { "fail" };
        self.log(format!("Cluster state changed: {word}"));
    }

    fn reach(&self) -> Reach {
        let mut reach = Reach {
            covered: 0,
            masters: 0,
            reachable: 0,
        };
        for (_, peer) in &self.peers {
            let slots = peer.slots.len();
            if slots == 0 {
                continue;
            }
            if !peer.flags.failed {
                reach.covered += slots;
            }
            if peer.flags.master {
                reach.masters += 1;
                reach.reachable += usize::from(!peer.flags.unwell());
            }
        }
        reach
    }

    /// Whether it takes the cluster for what it is by what it knows: it has looked, and does not wait to be sure of it.
    pub(super) fn is_state_settled(&self, around: &Around<'_>) -> bool {
        let reach = self.reach();
        self.size == reach.masters
            && self.ok == (is_covered(&reach, around) && !reach.is_minority())
    }
}

fn is_covered(reach: &Reach, around: &Around<'_>) -> bool {
    !around.settings.full_coverage || reach.covered == usize::from(SLOTS)
}
