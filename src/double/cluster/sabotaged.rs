//! The checker of histories is checked: bugs of the protocol are put into all nodes of a cluster, and it has to see them.

#[path = "../../../tests/double_histories/histories/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "what is printed of a history is for those who play many"
)]
pub(super) mod histories;

use std::collections::BTreeSet;

use histories::{History, Rule, play};

use crate::double::gossip::Sabotage;
use crate::{cluster, double};

/// How many seeds are looked at for one that shows a bug, if the one of the table does not any more.
const SEEDS: u64 = 100;

/// Each bug, a seed whose history shows it, and the rule that is broken then. `cargo bench --bench histories -- --bugs ""`, built as is said there, finds them.
const SHOWN: [(Sabotage, u64, Rule); 30] = [
    (Sabotage::VotesTwice, 1, Rule::OneVote),
    (Sabotage::LivingMasterVotedOut, 15, Rule::DueVote),
    (Sabotage::StaleSlotsGetVote, 80, Rule::FreshVote),
    (Sabotage::VoteForgotten, 412, Rule::OneVote),
    (Sabotage::EverybodyVotes, 0, Rule::OneVote),
    (Sabotage::OneVoteIsEnough, 0, Rule::Majority),
    (Sabotage::ElectionKeepsEpoch, 0, Rule::OneWinner),
    (Sabotage::PromotionKeepsEpoch, 2, Rule::OneWriter),
    (Sabotage::PromotedWithoutSlots, 0, Rule::Majority),
    (Sabotage::OldDataFailsOver, 11, Rule::FreshData),
    (Sabotage::RankIgnored, 2, Rule::Rank),
    (Sabotage::OldClaimsTaken, 0, Rule::Owned),
    (Sabotage::NewClaimsIgnored, 0, Rule::OneView),
    (Sabotage::CollisionsStay, 19, Rule::UniqueEpochs),
    (Sabotage::DeposedStaysMaster, 1, Rule::Deposed),
    (Sabotage::FailWithoutQuorum, 2, Rule::Quorum),
    (Sabotage::ReplicasReport, 2, Rule::Quorum),
    (Sabotage::FailNotTold, 0, Rule::Told),
    (Sabotage::FailForever, 0, Rule::OneView),
    (Sabotage::MinorityStaysOk, 0, Rule::Minority),
    (Sabotage::RejoinsAtOnce, 20, Rule::Rejoin),
    (Sabotage::WritableAtOnce, 0, Rule::Restart),
    (Sabotage::ImportKeepsEpoch, 1, Rule::Newest),
    (Sabotage::SourceKeepsSlot, 1, Rule::Assigned),
    (Sabotage::TakeoverKeepsEpoch, 1, Rule::OneWriter),
    (Sabotage::ManualFailoverDoesNotWait, 22, Rule::InStep),
    (Sabotage::ManualFailoverDoesNotPause, 22, Rule::InStep),
    (Sabotage::BanIgnored, 4, Rule::Ban),
    (Sabotage::AnyIdIsTaken, 16, Rule::Identity),
    (Sabotage::HandshakesStay, 75, Rule::OneView),
];

/// Bugs that no history by chance shows, and why. Most of them are shown by one that is made by hand (`src/double/gossip/tests/sabotaged.rs`).
const LEFT_OUT: [Sabotage; 6] = [
    // Whoever has no slots does not vote in the first place.
    Sabotage::AnyVoteCounts,
    // The owner of the slots says so itself, as soon as it can be reached.
    Sabotage::StaleNotCorrected,
    // They need two things within a moment of each other, and none of the first 60 seeds has them.
    Sabotage::OldEpochGetsVote,
    Sabotage::VoteForgottenAtRestart,
    Sabotage::LostKeysStay,
    Sabotage::ResetKeepsSlots,
];

/// By which rule a history shows that the cluster has a bug.
fn seen(bug: Sabotage, seed: u64) -> Option<Rule> {
    let outcome = play(&History::of(seed), &|cluster| cluster.sabotage(bug), false);
    outcome.violation.map(|violation| violation.rule)
}

#[test]
fn bugs_are_seen() {
    let mut wrong = Vec::new();
    for (bug, seed, rule) in SHOWN {
        let now = seen(bug, seed);
        if now != Some(rule) {
            // All of them are told at once: a change of the protocol's timing changes many histories.
            let other = (0..SEEDS).find_map(|seed| Some((seed, seen(bug, seed)?)));
            wrong.push(format!(
                "{bug:?} is not seen by {rule:?} in history {seed}, but {now:?}; the first that shows it is {other:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_bug_is_named_once() {
    let shown = SHOWN.iter().map(|(bug, ..)| *bug);
    let all: Vec<Sabotage> = shown.chain(LEFT_OUT).collect();
    assert_eq!(all.len(), Sabotage::ALL.len(), "none is named twice");
    let named: BTreeSet<Sabotage> = all.into_iter().collect();
    assert_eq!(named, Sabotage::ALL.into_iter().collect());
}
