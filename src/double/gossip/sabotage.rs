//! Bugs of the protocol, put in on purpose.
//!
//! Whoever checks histories of a cluster wants to know whether the check sees anything. A view with one of these is wrong in one single place; each
//! can be seen from outside in some history: two nodes that take writes for a slot in the same epoch, views that do not agree after everything has healed,
//! epochs that are not unique, slots without an owner, acknowledged writes that are lost without a reason.

/// A single deviation from the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(
    not(any(test, fuzzing)),
    expect(dead_code, reason = "only tests put bugs in")
)]
pub enum Sabotage {
    /// A master votes as often as it is asked, also twice in the same epoch.
    VotesTwice,
    /// A master votes without looking at the epoch of the request.
    OldEpochGetsVote,
    /// A master votes against a master that is well.
    LivingMasterVotedOut,
    /// A master votes for a replica whose slots are claimed by another master with a greater epoch.
    StaleSlotsGetVote,
    /// A master does not remember in which epoch it voted.
    VoteForgotten,
    /// A master forgets in which epoch it voted when it is started again.
    VoteForgottenAtRestart,
    /// Replicas and masters without slots vote too.
    EverybodyVotes,
    /// Votes of replicas and of masters without slots count.
    AnyVoteCounts,
    /// A single vote makes a replica master.
    OneVoteIsEnough,
    /// An election is held without a new epoch.
    ElectionKeepsEpoch,
    /// A replica that was elected claims its master's slots by its master's old epoch.
    PromotionKeepsEpoch,
    /// A replica that was elected does not claim its master's slots.
    PromotedWithoutSlots,
    /// A replica fails over with data of any age.
    OldDataFailsOver,
    /// A replica with less data is as quick as one with more.
    RankIgnored,
    /// A claim to a slot is believed though its epoch is smaller than the owner's.
    OldClaimsTaken,
    /// A claim to a slot that has an owner is never believed.
    NewClaimsIgnored,
    /// Two masters with the same epoch stay so.
    CollisionsStay,
    /// A node that claims slots by an old epoch is not told of the newer one.
    StaleNotCorrected,
    /// A master that has lost its slots to another one stays a master.
    DeposedStaysMaster,
    /// The keys of slots that were lost to another master stay.
    LostKeysStay,
    /// Whoever suspects a node takes it for failed at the first report.
    FailWithoutQuorum,
    /// Replicas' reports of failures count.
    ReplicasReport,
    /// A node that takes another one for failed does not tell anybody.
    FailNotTold,
    /// A node that has failed is never taken for well again.
    FailForever,
    /// A master in a minority goes on to take the cluster for well.
    MinorityStaysOk,
    /// A master that was in a minority takes the cluster for well as soon as it sees a majority.
    RejoinsAtOnce,
    /// A master that was started again takes the cluster for well at once.
    WritableAtOnce,
    /// A slot that was imported is assigned without a new epoch.
    ImportKeepsEpoch,
    /// The source of a slot that was assigned to another node goes on to serve it.
    SourceKeepsSlot,
    /// A takeover happens without a new epoch.
    TakeoverKeepsEpoch,
    /// A manual failover does not wait until the replica has everything.
    ManualFailoverDoesNotWait,
    /// A master whose replica wants a manual failover does not pause its clients.
    ManualFailoverDoesNotPause,
    /// Gossip about nodes that were just forgotten is believed.
    BanIgnored,
    /// Whoever answers at a peer's address is taken for that peer.
    AnyIdIsTaken,
    /// Handshakes that are not answered never end.
    HandshakesStay,
    /// A node that is reset keeps its slots.
    ResetKeepsSlots,
}

#[cfg(any(test, fuzzing))]
impl Sabotage {
    /// All of them.
    pub const ALL: [Sabotage; 36] = [
        Sabotage::VotesTwice,
        Sabotage::OldEpochGetsVote,
        Sabotage::LivingMasterVotedOut,
        Sabotage::StaleSlotsGetVote,
        Sabotage::VoteForgotten,
        Sabotage::VoteForgottenAtRestart,
        Sabotage::EverybodyVotes,
        Sabotage::AnyVoteCounts,
        Sabotage::OneVoteIsEnough,
        Sabotage::ElectionKeepsEpoch,
        Sabotage::PromotionKeepsEpoch,
        Sabotage::PromotedWithoutSlots,
        Sabotage::OldDataFailsOver,
        Sabotage::RankIgnored,
        Sabotage::OldClaimsTaken,
        Sabotage::NewClaimsIgnored,
        Sabotage::CollisionsStay,
        Sabotage::StaleNotCorrected,
        Sabotage::DeposedStaysMaster,
        Sabotage::LostKeysStay,
        Sabotage::FailWithoutQuorum,
        Sabotage::ReplicasReport,
        Sabotage::FailNotTold,
        Sabotage::FailForever,
        Sabotage::MinorityStaysOk,
        Sabotage::RejoinsAtOnce,
        Sabotage::WritableAtOnce,
        Sabotage::ImportKeepsEpoch,
        Sabotage::SourceKeepsSlot,
        Sabotage::TakeoverKeepsEpoch,
        Sabotage::ManualFailoverDoesNotWait,
        Sabotage::ManualFailoverDoesNotPause,
        Sabotage::BanIgnored,
        Sabotage::AnyIdIsTaken,
        Sabotage::HandshakesStay,
        Sabotage::ResetKeepsSlots,
    ];
}
