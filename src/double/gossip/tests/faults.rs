//! Random faults, and what holds whatever happens.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::bus::Bus;
use crate::cluster::NodeId;
use crate::double::gossip::Failover;

/// Something that goes wrong, or is done.
#[derive(Debug, Clone)]
enum Fault {
    Kill(usize),
    Start(usize),
    Freeze(usize),
    Thaw(usize),
    /// The nodes of these bits are alone.
    Partition(u8),
    Heal,
    Failover(usize, bool),
    Wait(u16),
}

fn fault() -> impl Strategy<Value = Fault> {
    let node = 0..6usize;
    prop_oneof![
        node.clone().prop_map(Fault::Kill),
        node.clone().prop_map(Fault::Start),
        node.clone().prop_map(Fault::Freeze),
        node.clone().prop_map(Fault::Thaw),
        (1..63u8).prop_map(Fault::Partition),
        Just(Fault::Heal),
        (node, any::<bool>()).prop_map(|(node, force)| Fault::Failover(node, force)),
        (10..4000u16).prop_map(Fault::Wait),
    ]
}

fn happen(bus: &mut Bus, fault: &Fault) {
    match *fault {
        Fault::Kill(node) if bus.nodes[node].up => bus.kill(node),
        Fault::Start(node) if !bus.nodes[node].up => bus.start(node),
        Fault::Freeze(node) => bus.nodes[node].frozen = true,
        Fault::Thaw(node) => bus.nodes[node].frozen = false,
        Fault::Partition(bits) => {
            let (alone, rest): (Vec<usize>, Vec<usize>) =
                (0..6).partition(|node| bits & 1 << node != 0);
            bus.partition(&[&alone, &rest]);
        }
        Fault::Heal => bus.heal(),
        Fault::Failover(node, force) if bus.nodes[node].up && !bus.nodes[node].frozen => {
            let how = if force {
                Failover::Force
            } else {
                Failover::Manual
            };
            bus.with(node, |view, around| view.fail_over(how, around));
        }
        Fault::Wait(milliseconds) => watch(bus, i64::from(milliseconds)),
        _ => {}
    }
    bus.pass(1);
    bus.check();
}

/// Lets time pass and looks all the while.
fn watch(bus: &mut Bus, milliseconds: i64) {
    let end = bus.now + milliseconds;
    while bus.now < end {
        bus.pass(20);
        bus.check();
    }
}

impl Bus {
    /// What holds at every moment.
    fn check(&self) {
        let mut claims: BTreeMap<u64, NodeId> = BTreeMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let view = &node.view;
            let me = view.myself();
            // A view is whole in itself.
            for (slot, owner) in view.owners.iter().enumerate().step_by(97) {
                let slot = super::bus::slot_of(slot);
                for (key, peer) in &view.peers {
                    let owns = owner.is_some_and(|owner| usize::from(owner.0) == key);
                    assert_eq!(peer.slots.contains(slot), owns, "node {index} slot {slot}");
                }
            }
            for (key, peer) in &view.peers {
                assert!(peer.flags.handshake || peer.flags.master != peer.flags.replica);
                for replica in &peer.replicas {
                    let of = view.peer(*replica).replica_of;
                    assert_eq!(of.map(|of| usize::from(of.0)), Some(key));
                }
                assert!(peer.config_epoch <= view.current_epoch || index > 5);
            }
            assert!(view.last_vote_epoch <= view.current_epoch);
            assert_eq!(
                node.follows.is_some(),
                me.flags.replica && node.follows.is_some()
            );
            if me.flags.master {
                assert_eq!(node.follows, None, "node {index}");
            }
            // No epoch is won by two.
            if me.flags.master && me.serves() {
                let other = claims.insert(me.config_epoch, me.id);
                assert_eq!(
                    other,
                    None,
                    "epoch {} twice\n{}",
                    me.config_epoch,
                    self.picture()
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_all_agree_in_the_end(
        seed in any::<u64>(),
        faults in prop::collection::vec(fault(), 1..25),
    ) {
        let mut bus = Bus::cluster(3, 1, 500, seed);
        for fault in &faults {
            happen(&mut bus, fault);
        }
        bus.heal();
        for node in 0..6 {
            bus.nodes[node].frozen = false;
            if !bus.nodes[node].up {
                bus.start(node);
            }
        }
        bus.until("all agree", 60_000, |bus| bus.all_well() && bus.agree());
        bus.check();
        let masters = (0..6).filter(|&node| bus.is_master(node));
        prop_assert_eq!(masters.count(), 3);
    }
}
