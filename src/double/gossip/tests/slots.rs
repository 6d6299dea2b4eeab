//! Slots move.

use rstest::rstest;

use super::bus::{Bus, slot_of};
use crate::cluster::Slot;
use crate::double::gossip::Settings;

/// What redis-cli does for one slot.
fn move_slot(bus: &mut Bus, slot: Slot, from: usize, to: usize) {
    move_slots(bus, &[slot], from, to);
}

/// Each step of the move for all of them at once.
fn move_slots(bus: &mut Bus, slots: &[Slot], from: usize, to: usize) {
    let (source, target) = (bus.id(from), bus.id(to));
    bus.with(to, |view, _| {
        let key = view.find(source).unwrap();
        view.importing.extend(slots.iter().map(|slot| (*slot, key)));
    });
    bus.with(from, |view, _| {
        let key = view.find(target).unwrap();
        view.migrating.extend(slots.iter().map(|slot| (*slot, key)));
    });
    for slot in slots {
        if let Some(count) = bus.nodes[from].keys.remove(slot) {
            bus.nodes[to].keys.insert(*slot, count);
        }
    }
    for node in [to, from] {
        bus.with(node, |view, around| {
            let key = view.find(target).unwrap();
            for slot in slots {
                view.assign_slot(*slot, key, around);
            }
        });
    }
}

#[test]
fn a_slot_moves_and_all_come_to_know() {
    let mut bus = Bus::cluster(3, 1, 1000, 1);
    let slot = slot_of(100);
    bus.nodes[0].keys.insert(slot, 3);
    move_slot(&mut bus, slot, 0, 1);
    bus.until("all agree", 2000, |bus| bus.agree());
    for node in 0..6 {
        assert_eq!(bus.nodes[node].view.owner(slot), Some(bus.key(node, 1)));
    }
    let view = &bus.nodes[1].view;
    assert_eq!(view.myself().config_epoch, 7);
    assert!(view.importing.is_empty() && bus.nodes[0].view.migrating.is_empty());
    assert_eq!(bus.nodes[1].keys[&slot], 3);
    assert!(
        bus.nodes[1]
            .log
            .contains(&"configEpoch updated after importing slot 100".to_owned())
    );
    // The next one needs no new epoch.
    move_slot(&mut bus, slot_of(101), 0, 1);
    assert_eq!(bus.nodes[1].view.myself().config_epoch, 7);
}

#[test]
fn an_importing_slot_is_closed_only_by_hand() {
    let mut bus = Bus::cluster(3, 0, 1000, 1);
    let slot = slot_of(100);
    // Node 2 takes the slot while node 1 waits for it.
    let source = bus.key(1, 0);
    bus.nodes[1].view.importing.insert(slot, source);
    move_slot(&mut bus, slot, 0, 2);
    bus.pass(5000);
    assert_eq!(bus.nodes[1].view.owner(slot), Some(source));
    bus.nodes[1].view.importing.clear();
    bus.until("known", 5000, |bus| bus.agree());
}

#[rstest]
#[case::allowed(true)]
#[case::not_allowed(false)]
fn whoever_gives_its_last_slot_away_follows(#[case] allowed: bool) {
    let mut bus = Bus::cluster(4, 1, 1000, 1);
    set(&mut bus, |settings| settings.replica_migration = allowed);
    let slots: Vec<Slot> = bus.slots(3, 3).iter().collect();
    let (last, others) = slots.split_last().unwrap();
    move_slots(&mut bus, others, 3, 0);
    assert!(bus.is_master(3));
    move_slot(&mut bus, *last, 3, 0);
    bus.until("all agree", 10_000, |bus| bus.all_well() && bus.agree());
    bus.pass(2000);
    assert_eq!(bus.is_master(3), !allowed);
    let master = if allowed { 0 } else { 3 };
    assert_eq!(bus.nodes[7].follows, Some(bus.id(master)));
    assert_eq!(bus.nodes[0].view.size, 3);
    if allowed {
        assert_eq!(bus.nodes[3].follows, Some(bus.id(0)));
        let peer = bus.nodes[1].view.peer(bus.key(1, 0));
        assert_eq!(peer.replicas.len(), 3);
    }
}

fn set(bus: &mut Bus, mut what: impl FnMut(&mut Settings)) {
    for node in &mut bus.nodes {
        what(&mut node.settings);
    }
}

#[test]
fn keys_of_a_slot_that_was_taken_are_dropped() {
    let mut bus = Bus::cluster(3, 0, 1000, 1);
    let slot = slot_of(5);
    bus.nodes[0].keys.insert(slot, 2);
    // The operator assigns it to node 1 there, by a new epoch, without moving anything.
    bus.with(1, |view, around| {
        let source = view.owner(slot).unwrap();
        view.importing.insert(slot, source);
        view.assign_slot(slot, view.me, around);
    });
    bus.until("all agree", 2000, |bus| bus.agree());
    assert!(bus.nodes[0].keys.is_empty());
}

#[test]
fn a_claim_by_an_older_epoch_is_answered_with_the_newer_one() {
    let mut bus = Bus::cluster(3, 0, 1000, 1);
    let slot = slot_of(16000);
    // Node 0, of the smallest epoch, claims a slot of node 2.
    bus.with(0, |view, _| view.give_slot(slot, Some(view.me)));
    bus.until("it is corrected", 5000, |bus| bus.agree());
    assert_eq!(bus.nodes[0].view.owner(slot), Some(bus.key(0, 2)));
    let updates: u64 = bus.nodes.iter().map(|node| node.view.sent[7]).sum();
    assert!(updates > 0);
}

#[test]
fn slots_that_are_taken_away_are_nobodys_in_that_view_alone() {
    let mut bus = Bus::cluster(3, 0, 1000, 1);
    bus.with(0, |view, _| {
        for slot in 0..10 {
            view.give_slot(slot_of(slot), None);
        }
    });
    bus.until("its own state is fail", 1000, |bus| !bus.nodes[0].view.ok);
    bus.pass(3000);
    assert!(
        bus.nodes[1].view.ok,
        "it stays with its owner, until another one claims it"
    );
    assert_eq!(bus.slots(1, 0).len(), 5461);
    // Anybody may claim it now, by whatever epoch.
    bus.with(1, |view, _| {
        for slot in 0..10 {
            view.give_slot(slot_of(slot), Some(view.me));
        }
    });
    bus.until("all agree", 5000, |bus| bus.all_well() && bus.agree());
}
