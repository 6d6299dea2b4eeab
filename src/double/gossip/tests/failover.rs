//! Nodes fail, and replicas take their places.

use rstest::rstest;

use super::bus::{Bus, slot_of};
use crate::double::gossip::MasterLink;

fn promoted(bus: &Bus, replica: usize) -> bool {
    bus.is_master(replica) && bus.nodes[replica].view.myself().serves()
}

#[rstest]
#[case::one_second(1000)]
#[case::two_seconds(2000)]
#[case::five_seconds(5000)]
fn a_replica_takes_the_place_of_a_dead_master(#[case] timeout: i64, #[values(1, 2, 3)] seed: u64) {
    let mut bus = Bus::cluster(3, 1, timeout, seed);
    bus.kill(0);
    let suspected = bus.until("suspected", timeout * 3, |bus| {
        let flags = bus.flags(1, 0);
        flags.suspected || flags.failed
    });
    let failed = suspected
        + bus.until("failed", timeout * 3, |bus| {
            (1..6).all(|node| bus.flags(node, 0).failed)
        });
    assert!(bus.running().any(|node| !node.view.ok), "slots are missing");
    let taken = failed + bus.until("promoted", 5000, |bus| promoted(bus, 3));
    assert!(
        (timeout..timeout * 2 + 500).contains(&suspected),
        "{suspected}"
    );
    assert!((400..1700).contains(&(taken - failed)), "{failed} {taken}");
    bus.until("all agree", 5000, |bus| bus.all_well() && bus.agree());
    // The winner's epoch is the greatest of all.
    let view = &bus.nodes[3].view;
    let epochs = (1..3).map(|master| bus.nodes[master].view.myself().config_epoch);
    assert!(epochs.max().unwrap() < view.myself().config_epoch);
    assert_eq!(view.myself().config_epoch, view.current_epoch);
    let log = &bus.nodes[3].log;
    for line in [
        "Start of election delayed for ",
        "Starting a failover election for epoch 7.",
        "Failover election won: I'm the new master.",
        "configEpoch set to 7 after successful failover",
        "Cluster state changed: ok",
    ] {
        assert!(
            log.iter().any(|found| found.starts_with(line)),
            "{line} {log:#?}"
        );
    }
    let granted = format!("Failover auth granted to {} for epoch 7", bus.id(3));
    assert!(bus.nodes[1].log.contains(&granted) && bus.nodes[2].log.contains(&granted));
}

/// `clusterLinkConnectHandler` frees a link that was refused and does no more: a node that has just been heard of is pinged when half of the node timeout is over, and only then it owes an answer.
#[test]
fn a_node_that_refuses_links_is_suspected_as_late_as_one_that_is_silent() {
    let mut bus = Bus::cluster(3, 0, 2000, 1);
    bus.pass(5000);
    let key = bus.key(0, 2);
    bus.until("it is heard of", 3000, |bus| {
        let peer = bus.nodes[0].view.peer(key);
        peer.ping_sent == 0 && bus.now - peer.pong_received < 10
    });
    bus.kill(2);
    let heard = bus.nodes[0].view.peer(key).pong_received;
    bus.until("suspected", 6000, |bus| bus.flags(0, 2).unwell());
    let took = bus.now - heard;
    assert!((3000..3300).contains(&took), "{took}");
}

#[test]
fn the_old_master_comes_back_as_a_replica() {
    let mut bus = Bus::cluster(3, 1, 1000, 1);
    bus.kill(0);
    bus.until("promoted", 10_000, |bus| promoted(bus, 3));
    bus.pass(1000);
    bus.start(0);
    bus.until("all agree", 10_000, |bus| bus.all_well() && bus.agree());
    assert!(!bus.is_master(0));
    assert_eq!(bus.nodes[0].follows, Some(bus.id(3)));
    // It was not writable in between.
    assert!(
        !bus.nodes[0]
            .log
            .iter()
            .skip_while(|line| !line.starts_with("Node configuration loaded"))
            .take_while(|line| !line.starts_with("Configuration change detected"))
            .any(|line| line == "Cluster state changed: ok")
    );
}

#[test]
fn a_master_that_comes_back_before_anybody_has_missed_it_goes_on() {
    let mut bus = Bus::cluster(3, 1, 3000, 1);
    bus.kill(0);
    bus.pass(500);
    bus.start(0);
    bus.pass(10_000);
    assert!(bus.all_well() && bus.agree() && bus.is_master(0));
}

#[test]
fn a_master_without_replicas_takes_its_slots_with_it_and_brings_them_back() {
    let mut bus = Bus::cluster(3, 0, 1000, 1);
    bus.kill(2);
    bus.until("the others are not well", 5000, |bus| {
        bus.running().all(|node| !node.view.ok)
    });
    bus.start(2);
    bus.until("all are well", 10_000, |bus| bus.all_well() && bus.agree());
    let line = format!(
        "Clear FAIL state for node {}: is reachable again and nobody is serving its slots after some time.",
        bus.id(2)
    );
    assert!(bus.nodes[0].log.contains(&line), "{:#?}", bus.nodes[0].log);
}

#[test]
fn without_full_coverage_the_rest_goes_on() {
    let mut bus = Bus::cluster(3, 0, 1000, 1);
    for node in &mut bus.nodes {
        node.settings.full_coverage = false;
    }
    bus.kill(2);
    bus.until("failed", 5000, |bus| {
        bus.flags(0, 2).failed && bus.flags(1, 2).failed
    });
    bus.pass(2000);
    assert!(bus.all_well());
}

#[test]
fn a_failed_replica_is_well_as_soon_as_it_answers() {
    let mut bus = Bus::cluster(3, 1, 1000, 1);
    bus.kill(4);
    bus.until("failed", 5000, |bus| bus.flags(0, 4).failed);
    assert!(bus.all_well());
    bus.start(4);
    bus.until("well", 2000, |bus| bus.agree());
    let line = format!(
        "Clear FAIL state for node {}: replica is reachable again.",
        bus.id(4)
    );
    assert!(bus.running().any(|node| node.log.contains(&line)));
}

#[rstest]
#[case(1)]
#[case(2)]
#[case(3)]
fn a_minority_stops_and_the_majority_goes_on(#[case] seed: u64) {
    let mut bus = Bus::cluster(3, 1, 1000, seed);
    // The master 0 is alone with the replica of master 1.
    bus.partition(&[&[0, 4], &[1, 2, 3, 5]]);
    bus.until("the minority stops", 3000, |bus| !bus.nodes[0].view.ok);
    bus.until("the majority has a new master", 6000, |bus| {
        promoted(bus, 3) && bus.nodes[1].view.ok
    });
    // Two masters claim the slots, but only one takes the cluster for well.
    assert!(bus.is_master(0) && !bus.nodes[0].view.ok);
    bus.pass(5000);
    assert!(bus.is_master(0) && !bus.nodes[0].view.ok);
    bus.heal();
    bus.until("all agree", 10_000, |bus| bus.all_well() && bus.agree());
    assert!(!bus.is_master(0) && bus.is_master(3));
    assert_eq!(bus.nodes[0].follows, Some(bus.id(3)));
}

#[test]
fn a_node_that_was_frozen_finds_its_place_taken() {
    let mut bus = Bus::cluster(3, 1, 1000, 2);
    bus.nodes[1].frozen = true;
    bus.until("promoted", 10_000, |bus| promoted(bus, 4));
    bus.nodes[1].frozen = false;
    bus.until("all agree", 10_000, |bus| bus.all_well() && bus.agree());
    assert!(!bus.is_master(1));
}

#[test]
fn without_a_majority_of_masters_nobody_is_elected() {
    let mut bus = Bus::cluster(3, 1, 1000, 2);
    bus.kill(0);
    bus.kill(1);
    bus.pass(20_000);
    assert!(!bus.is_master(3) && !bus.is_master(4));
    assert!(bus.running().all(|node| !node.view.ok));
}

#[test]
fn all_at_once_and_all_again() {
    let mut bus = Bus::cluster(3, 1, 1000, 2);
    for node in 0..6 {
        bus.kill(node);
    }
    bus.pass(3000);
    for node in 0..6 {
        bus.start(node);
    }
    bus.until("all agree", 20_000, |bus| bus.all_well() && bus.agree());
    assert_eq!((0..6).filter(|&node| bus.is_master(node)).count(), 3);
}

#[test]
fn of_two_replicas_the_one_with_more_data_wins() {
    for seed in 1..6 {
        let mut bus = Bus::cluster(3, 2, 1000, seed);
        bus.nodes[0].offset = 500;
        bus.pass(2000);
        // Node 3 falls behind; the others go on.
        bus.partition(&[&[0], &[3]]);
        bus.nodes[0].offset = 900;
        bus.pass(500);
        bus.kill(0);
        bus.until("promoted", 10_000, |bus| {
            promoted(bus, 3) || promoted(bus, 6)
        });
        assert!(promoted(&bus, 6), "seed {seed}\n{}", bus.picture());
        assert_eq!(bus.nodes[6].offset, 900);
    }
}

#[test]
fn a_replica_with_data_that_is_too_old_does_not_ask() {
    let mut bus = Bus::cluster(3, 1, 1000, 2);
    for node in &mut bus.nodes {
        node.settings.validity_factor = 1;
        node.settings.replica_ping_period = 1;
    }
    bus.partition(&[&[0], &[3]]);
    bus.pass(10_000);
    bus.kill(0);
    bus.pass(20_000);
    assert!(!bus.is_master(3));
    let said = "Currently unable to failover: Disconnected from master for longer than allowed. Please check the 'cluster-replica-validity-factor' configuration option.";
    assert!(
        bus.nodes[3].log.iter().any(|line| line == said),
        "{:#?}",
        bus.nodes[3].log
    );
    // Unless nothing is too old.
    bus.nodes[3].settings.validity_factor = 0;
    bus.until("promoted", 10_000, |bus| promoted(bus, 3));
}

#[test]
fn a_replica_that_may_not_fail_over_does_not() {
    let mut bus = Bus::cluster(3, 1, 1000, 2);
    bus.nodes[3].settings.no_failover = true;
    bus.kill(0);
    bus.pass(15_000);
    assert!(!bus.is_master(3));
}

#[test]
fn a_replica_that_was_never_in_step_does_not_fail_over() {
    let mut bus = Bus::cluster(3, 1, 1000, 2);
    bus.kill(0);
    // Started again, it has never heard from a master in its life.
    bus.kill(3);
    bus.start(3);
    bus.pass(15_000);
    assert_eq!(bus.nodes[3].link, MasterLink::Down { since: None });
    assert!(!bus.is_master(3));
}

#[rstest]
#[case(1)]
#[case(2)]
fn an_orphaned_master_gets_a_replica_of_one_that_has_two(#[case] seed: u64) {
    let mut bus = Bus::cluster(3, 1, 1000, seed);
    // A seventh node is the second replica of master 1.
    bus.add_node();
    bus.join(6);
    bus.follow(6, 1);
    bus.until("agreed", 5000, |bus| bus.all_well() && bus.agree());
    bus.kill(3);
    let took = bus.until("a replica has moved", 20_000, |bus| {
        [4, 6]
            .iter()
            .any(|&node| bus.nodes[node].view.myself().replica_of == Some(bus.key(node, 0)))
    });
    assert!(took > 5000 + 1000, "{took}");
    bus.until("agreed", 5000, |bus| bus.all_well() && bus.agree());
    // The one with the smaller id moves.
    let mover = if bus.id(4) < bus.id(6) { 4 } else { 6 };
    assert_eq!(
        bus.nodes[mover].view.myself().replica_of,
        Some(bus.key(mover, 0))
    );
    let said = format!("Migrating to orphaned master {}", bus.id(0));
    assert!(bus.nodes[mover].log.contains(&said));
}

#[rstest]
#[case::not_allowed(false, 1)]
#[case::barrier(true, 2)]
fn no_replica_moves_where_it_may_not(#[case] allowed: bool, #[case] barrier: usize) {
    let mut bus = Bus::cluster(3, 2, 1000, 1);
    for node in &mut bus.nodes {
        node.settings.replica_migration = allowed;
        node.settings.migration_barrier = barrier;
    }
    bus.kill(3);
    bus.kill(6);
    bus.pass(20_000);
    let masters: Vec<_> = [4, 5, 7, 8]
        .map(|node| bus.nodes[node].follows)
        .into_iter()
        .collect();
    assert!(!masters.contains(&Some(bus.id(0))));
}

#[test]
fn reports_are_counted_and_forgotten() {
    let mut bus = Bus::cluster(5, 0, 1000, 1);
    // Only master 1 can't reach master 0.
    bus.partition(&[&[0], &[1]]);
    bus.until("reported", 10_000, |bus| {
        let key = bus.key(2, 0);
        bus.with(2, |view, around| view.failure_reports(key, around)) == 1
    });
    assert!(!bus.flags(2, 0).failed && !bus.flags(2, 0).suspected);
    bus.heal();
    let key = bus.key(2, 0);
    bus.until("forgotten", 10_000, |bus| {
        bus.with(2, |view, around| view.failure_reports(key, around)) == 0
    });
}

/// A replica has heard its master's newest claim and, on the other link, an older one after it: for a moment its master did not claim a slot any more. It takes its master's place in that moment.
#[test]
fn a_new_owner_is_not_taken_for_one_that_has_ceased_to_claim() {
    let mut bus = Bus::cluster(3, 1, 1000, 1);
    bus.kill(0);
    let slot = slot_of(7);
    bus.nodes[3].view.unclaimed.insert(slot);
    bus.until("promoted", 8000, |bus| promoted(bus, 3));
    let me = bus.nodes[3].view.me;
    assert!(!bus.nodes[3].view.is_unclaimed(slot));
    // The old master comes back and claims the slot by its old epoch, as it does until it has been told better.
    bus.start(0);
    for _ in 0..50 {
        bus.pass(100);
        assert_eq!(bus.nodes[3].view.owner(slot), Some(me));
    }
    bus.until("all agree", 5000, |bus| bus.all_well() && bus.agree());
}
