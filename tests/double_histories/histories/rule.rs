//! What must hold, and what is reported when it does not.

use std::fmt;

/// What a history must keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// No two nodes accept writes for a slot in the same epoch.
    OneWriter,
    /// An epoch is won by one election only, and is nobody's before.
    OneWinner,
    /// Who wins an election has the votes of a majority of the masters, and then its master's slots.
    Majority,
    /// A master with slots votes once an epoch, for the newest election that it knows, and once in two node timeouts about the same master.
    OneVote,
    /// Nobody votes against a master that it does not take for failed, unless an operator wants it.
    DueVote,
    /// Nobody votes for slots that it knows to be somebody else's by a newer epoch.
    FreshVote,
    /// A replica whose data is too old holds no election.
    FreshData,
    /// A replica waits longer if another one is known to have more data.
    Rank,
    /// A node is said to have failed only if a majority of the masters suspects it.
    Quorum,
    /// Whoever finds that a node has failed tells everybody.
    Told,
    /// A master that reaches no other accepts no writes.
    Minority,
    /// When it reaches others again, it waits.
    Rejoin,
    /// A master that was started again waits before it accepts writes.
    Restart,
    /// A manual failover begins when the replica has everything, and until it is over the master accepts nothing.
    InStep,
    /// A master that loses its last slot to another one's newer claim follows that one at once.
    Deposed,
    /// A slot that was assigned to another node is not this node's any more.
    Assigned,
    /// Whoever is assigned a slot that it has imported claims it by the greatest epoch that it knows.
    Newest,
    /// A node that was reset has no slots and knows nobody.
    Reset,
    /// A node that was forgotten is not brought back for a minute.
    Ban,
    /// A node that has another id than before is not taken for the old one.
    Identity,
    /// After healing all have the same view, without a handshake or a suspicion, and the cluster is well.
    OneView,
    /// After healing no two masters have the same epoch.
    UniqueEpochs,
    /// After healing every slot has an owner, unless it was unassigned.
    Owned,
    /// After healing nobody has keys of slots that are not its own.
    Stray,
    /// No acknowledged write is lost, unless a failover, the death of its master or a partition explains it.
    Lost,
}

/// A history that does not keep to a rule.
#[derive(Debug, Clone)]
pub struct Violation {
    pub rule: Rule,
    /// When, in microseconds since the cluster's start.
    pub at: u64,
    /// What was seen.
    pub what: String,
    /// An assertion in Rust about `cluster` that fails then.
    pub proof: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at as f64 / 1e6;
        write!(f, "{:?} at {seconds:.3} s: {}", self.rule, self.what)
    }
}
