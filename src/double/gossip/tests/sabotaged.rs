//! Bugs put in on purpose make a difference.

use std::collections::BTreeSet;

use rstest::rstest;

use super::bus::{Bus, slot_of};
use crate::double::gossip::{Failover, Sabotage};

fn all_have(bus: &mut Bus, bug: Sabotage) {
    for node in &mut bus.nodes {
        node.view.sabotage = Some(bug);
    }
}

#[test]
fn all_are_listed_once() {
    let all: BTreeSet<Sabotage> = Sabotage::ALL.into_iter().collect();
    assert_eq!(all.len(), Sabotage::ALL.len());
}

/// With no bug of these is a cluster of nodes that all are well ever seen to be anything else.
#[rstest]
fn a_quiet_cluster_stays_well(#[values(1, 2)] seed: u64) {
    for bug in Sabotage::ALL {
        let mut bus = Bus::cluster(3, 1, 1000, seed);
        all_have(&mut bus, bug);
        bus.pass(5000);
        assert!(bus.all_well() && bus.agree(), "{bug:?}");
    }
}

/// A history and what is to be seen in its end: with the bug, and not without.
#[rstest]
#[case::one_vote(Sabotage::OneVoteIsEnough, |bus: &mut Bus| {
    let mut other = Bus::cluster(5, 1, 1000, 1);
    std::mem::swap(bus, &mut other);
    all_have_of(&other, bus);
    for node in [0, 1] { bus.kill(node); }
    bus.partition(&[&[2, 3], &[4, 5, 6, 7, 8, 9]]);
    bus.with(5, |view, around| view.fail_over(Failover::Force, around));
    bus.pass(3000);
    bus.is_master(5)
})]
#[case::minority(Sabotage::MinorityStaysOk, |bus: &mut Bus| {
    for node in &mut bus.nodes { node.settings.full_coverage = false; }
    bus.partition(&[&[0], &[1, 2, 3, 4, 5]]);
    bus.pass(8000);
    bus.nodes[0].view.ok
})]
#[case::rejoins(Sabotage::RejoinsAtOnce, |bus: &mut Bus| {
    for node in &mut bus.nodes { node.settings.full_coverage = false; node.settings.no_failover = true; }
    bus.partition(&[&[0], &[1, 2, 3, 4, 5]]);
    bus.until("it stops", 5000, |bus| !bus.nodes[0].view.ok);
    bus.pass(2000);
    bus.heal();
    bus.until("it sees two", 5000, |bus| [1, 2].iter().any(|&other| !bus.flags(0, other).suspected && !bus.flags(0, other).failed));
    bus.pass(200);
    bus.nodes[0].view.ok
})]
#[case::writable(Sabotage::WritableAtOnce, |bus: &mut Bus| {
    bus.kill(0);
    bus.pass(300);
    bus.start(0);
    bus.pass(1500);
    bus.nodes[0].view.ok
})]
#[case::promotion_keeps_epoch(Sabotage::PromotionKeepsEpoch, |bus: &mut Bus| {
    bus.kill(0);
    bus.pass(8000);
    !bus.agree()
})]
#[case::promoted_without_slots(Sabotage::PromotedWithoutSlots, |bus: &mut Bus| {
    bus.kill(0);
    bus.pass(8000);
    bus.is_master(3) && bus.slots(3, 3).is_empty()
})]
#[case::new_claims_ignored(Sabotage::NewClaimsIgnored, |bus: &mut Bus| {
    bus.kill(0);
    bus.pass(8000);
    !bus.agree()
})]
#[case::deposed(Sabotage::DeposedStaysMaster, |bus: &mut Bus| {
    bus.with(3, |view, around| view.fail_over(Failover::Takeover, around));
    bus.pass(3000);
    bus.is_master(0)
})]
#[case::lost_keys(Sabotage::LostKeysStay, |bus: &mut Bus| {
    let slot = slot_of(1);
    bus.nodes[0].keys.insert(slot, 1);
    take(bus, 1, 1);
    bus.pass(3000);
    bus.nodes[0].keys.contains_key(&slot)
})]
#[case::import_keeps_epoch(Sabotage::ImportKeepsEpoch, |bus: &mut Bus| {
    take(bus, 0, 16000);
    bus.pass(3000);
    bus.nodes[1].view.owner(slot_of(16000)) == Some(bus.key(1, 2))
})]
#[case::source_keeps(Sabotage::SourceKeepsSlot, |bus: &mut Bus| {
    let slot = slot_of(1);
    let target = bus.key(0, 1);
    bus.with(0, |view, around| view.assign_slot(slot, target, around));
    bus.nodes[0].view.owner(slot) == Some(bus.nodes[0].view.me)
})]
#[case::takeover_keeps_epoch(Sabotage::TakeoverKeepsEpoch, |bus: &mut Bus| {
    bus.kill(0);
    bus.with(3, |view, around| view.fail_over(Failover::Takeover, around));
    bus.pass(3000);
    !bus.agree()
})]
#[case::collisions(Sabotage::CollisionsStay, |bus: &mut Bus| {
    for node in [0, 1] {
        let me = usize::from(bus.nodes[node].view.me.0);
        bus.nodes[node].view.peers[me].config_epoch = 9;
    }
    bus.pass(5000);
    bus.nodes[0].view.myself().config_epoch == bus.nodes[1].view.myself().config_epoch
})]
#[case::stale(Sabotage::StaleNotCorrected, |bus: &mut Bus| {
    bus.kill(0);
    bus.pass(5000);
    // The old master comes back, and its successor can't be seen by it.
    bus.partition(&[&[0], &[3]]);
    bus.start(0);
    bus.pass(5000);
    bus.is_master(0)
})]
#[case::quorum(Sabotage::FailWithoutQuorum, |bus: &mut Bus| {
    let mut other = Bus::cluster(5, 0, 1000, 1);
    std::mem::swap(bus, &mut other);
    all_have_of(&other, bus);
    bus.partition(&[&[0], &[1, 2]]);
    bus.pass(10_000);
    bus.nodes.iter().any(|node| node.log.iter().any(|line| line.starts_with("Marking node")))
})]
#[case::fail_forever(Sabotage::FailForever, |bus: &mut Bus| {
    bus.kill(4);
    bus.pass(5000);
    bus.start(4);
    bus.pass(5000);
    !bus.agree()
})]
#[case::old_data(Sabotage::OldDataFailsOver, |bus: &mut Bus| {
    for node in &mut bus.nodes { node.settings.validity_factor = 1; node.settings.replica_ping_period = 1; }
    bus.partition(&[&[0], &[3]]);
    bus.pass(10_000);
    bus.kill(0);
    bus.pass(10_000);
    bus.is_master(3)
})]
#[case::ban(Sabotage::BanIgnored, |bus: &mut Bus| {
    let key = bus.key(0, 5);
    bus.with(0, |view, around| view.forget(key, around));
    bus.pass(5000);
    bus.nodes[0].view.find(bus.id(5)).is_some()
})]
#[case::does_not_wait(Sabotage::ManualFailoverDoesNotWait, |bus: &mut Bus| {
    bus.nodes[3].stalled = true;
    bus.nodes[0].offset = 100;
    bus.with(3, |view, around| view.fail_over(Failover::Manual, around));
    bus.pass(3000);
    bus.is_master(3)
})]
#[case::does_not_pause(Sabotage::ManualFailoverDoesNotPause, |bus: &mut Bus| {
    bus.nodes[3].stalled = true;
    bus.nodes[0].offset = 100;
    bus.with(3, |view, around| view.fail_over(Failover::Manual, around));
    bus.pass(1000);
    bus.nodes[0].paused.is_none()
})]
#[case::any_id(Sabotage::AnyIdIsTaken, |bus: &mut Bus| {
    let old = bus.id(3);
    bus.with(3, |view, around| view.reset(true, around));
    bus.pass(5000);
    let view = &bus.nodes[0].view;
    !view.peer(view.find(old).unwrap()).flags.no_address
})]
#[case::handshakes(Sabotage::HandshakesStay, |bus: &mut Bus| {
    bus.kill(5);
    bus.with(0, |view, around| view.meet("127.0.0.1", 7005, 17005, around));
    bus.pass(5000);
    bus.nodes[0].view.by_id.len() == 7
})]
#[case::reset(Sabotage::ResetKeepsSlots, |bus: &mut Bus| {
    bus.with(0, |view, around| view.reset(false, around));
    !bus.slots(0, 0).is_empty()
})]
#[case::elections_epoch(Sabotage::ElectionKeepsEpoch, |bus: &mut Bus| {
    bus.kill(0);
    bus.pass(8000);
    bus.nodes[1].view.current_epoch == 6
})]
#[case::not_told(Sabotage::FailNotTold, |bus: &mut Bus| {
    bus.kill(0);
    bus.until("failed", 5000, |bus| (1..6).any(|node| bus.flags(node, 0).failed));
    bus.pass(20);
    (1..6).any(|node| !bus.flags(node, 0).failed)
})]
#[case::living_master(Sabotage::LivingMasterVotedOut, |bus: &mut Bus| {
    // Only the replica takes its master for failed.
    bus.partition(&[&[0], &[3]]);
    let key = bus.key(3, 0);
    for _ in 0..500 {
        let peer = &mut bus.nodes[3].view.peers[usize::from(key.0)];
        peer.flags.failed = true;
        bus.pass(10);
    }
    bus.is_master(3)
})]
fn a_bug_is_seen(#[case] bug: Sabotage, #[case] seen: fn(&mut Bus) -> bool) {
    let mut sound = Bus::cluster(3, 1, 1000, 1);
    assert!(!seen(&mut sound), "without the bug\n{}", sound.picture());
    let mut bus = Bus::cluster(3, 1, 1000, 1);
    all_have(&mut bus, bug);
    assert!(seen(&mut bus), "with the bug\n{}", bus.picture());
}

/// Gives a cluster the bug of another one.
fn all_have_of(other: &Bus, bus: &mut Bus) {
    for node in &mut bus.nodes {
        node.view.sabotage = other.nodes[0].view.sabotage;
    }
}

/// A node takes a slot for itself as the end of an import.
fn take(bus: &mut Bus, node: usize, slot: usize) {
    let slot = slot_of(slot);
    bus.with(node, |view, around| {
        let source = view.owner(slot).unwrap();
        view.importing.insert(slot, source);
        view.assign_slot(slot, view.me, around);
    });
}
