//! What operators ask for: failover, epochs, messages.

use rstest::rstest;

use super::bus::Bus;
use crate::double::gossip::Failover;

fn ask(bus: &mut Bus, node: usize, how: Failover) {
    bus.with(node, |view, around| view.fail_over(how, around));
}

#[rstest]
#[case(1)]
#[case(2)]
#[case(3)]
fn a_manual_failover_swaps_master_and_replica(#[case] seed: u64) {
    let mut bus = Bus::cluster(3, 1, 2000, seed);
    bus.nodes[0].offset = 4711;
    bus.pass(100);
    ask(&mut bus, 3, Failover::Manual);
    bus.until("the master's clients are paused", 1000, |bus| {
        bus.nodes[0].paused.is_some()
    });
    let took = bus.until("promoted", 2000, |bus| bus.is_master(3));
    assert!(took < 500, "{took}");
    bus.until("all agree", 5000, |bus| bus.all_well() && bus.agree());
    assert!(!bus.is_master(0));
    assert_eq!(bus.nodes[0].follows, Some(bus.id(3)));
    assert_eq!(
        bus.nodes[0].paused, None,
        "its clients are let go, and sent on"
    );
    assert_eq!(bus.nodes[3].view.myself().config_epoch, 7);
    for line in [
        "Manual failover user request accepted.",
        "Received replication offset for paused master manual failover: 4711",
        "All master replication stream processed, manual failover can start.",
        "Start of election delayed for 0 milliseconds (rank #0, offset 4711).",
    ] {
        assert!(
            bus.nodes[3].log.iter().any(|found| found == line),
            "{line}\n{:#?}",
            bus.nodes[3].log
        );
    }
    let said = format!("Manual failover requested by replica {}.", bus.id(3));
    assert!(bus.nodes[0].log.contains(&said));
    // Nobody was ever taken for failed.
    assert!(
        bus.nodes
            .iter()
            .all(|node| !node.log.iter().any(|line| line.contains("failing")))
    );
}

#[test]
fn a_manual_failover_waits_for_the_offset_and_gives_up() {
    let mut bus = Bus::cluster(3, 1, 2000, 1);
    bus.nodes[3].stalled = true;
    bus.nodes[0].offset = 10;
    ask(&mut bus, 3, Failover::Manual);
    bus.pass(4900);
    assert!(bus.nodes[0].paused.is_some() && !bus.is_master(3));
    bus.pass(400);
    assert!(bus.nodes[0].paused.is_none() && bus.is_master(0));
    let said = "Manual failover timed out.".to_owned();
    assert!(bus.nodes[0].log.contains(&said) && bus.nodes[3].log.contains(&said));
}

#[rstest]
#[case::of_a_master_that_is_well(false)]
#[case::of_a_dead_master(true)]
fn a_forced_failover_does_not_ask_the_master(#[case] dead: bool) {
    let mut bus = Bus::cluster(3, 1, 5000, 1);
    if dead {
        bus.kill(0);
        bus.pass(100);
    }
    ask(&mut bus, 3, Failover::Force);
    let took = bus.until("promoted", 2000, |bus| bus.is_master(3));
    assert!(took < 500, "{took}");
    assert!(bus.nodes[0].paused.is_none());
    if !dead {
        bus.until("all agree", 5000, |bus| bus.all_well() && bus.agree());
    }
}

#[test]
fn a_forced_failover_needs_a_majority() {
    let mut bus = Bus::cluster(3, 1, 1000, 1);
    bus.kill(1);
    bus.kill(2);
    ask(&mut bus, 3, Failover::Force);
    bus.pass(10_000);
    assert!(!bus.is_master(3));
}

#[test]
fn a_takeover_needs_nobody() {
    let mut bus = Bus::cluster(3, 1, 1000, 1);
    for node in [0, 1, 2] {
        bus.kill(node);
    }
    bus.pass(200);
    for node in [3, 4, 5] {
        ask(&mut bus, node, Failover::Takeover);
        assert!(bus.is_master(node));
        assert_eq!(bus.slots(node, node).len(), 5461 + usize::from(node == 5));
    }
    bus.until("all agree", 20_000, |bus| bus.all_well() && bus.agree());
    let mut epochs = [3, 4, 5].map(|node| bus.nodes[node].view.myself().config_epoch);
    epochs.sort_unstable();
    assert!(
        epochs[0] >= 6 && epochs[0] < epochs[1] && epochs[1] < epochs[2],
        "{epochs:?}"
    );
}

#[test]
fn masters_with_the_same_epoch_get_different_ones() {
    let mut bus = Bus::new(5, 1000, 1);
    bus.share_slots(5);
    for node in 1..5 {
        bus.meet(0, node);
    }
    bus.until("all agree", 30_000, |bus| {
        let mut epochs: Vec<u64> = bus
            .nodes
            .iter()
            .map(|node| node.view.myself().config_epoch)
            .collect();
        epochs.sort_unstable();
        epochs.dedup();
        epochs.len() == 5 && bus.all_well() && bus.agree()
    });
    // The one with the greatest id never moves.
    let last = (0..5).max_by_key(|&node| bus.id(node)).unwrap();
    assert_eq!(bus.nodes[last].view.myself().config_epoch, 0);
}

#[test]
fn an_epoch_is_bumped_unless_it_is_the_greatest() {
    let mut bus = Bus::cluster(3, 0, 1000, 1);
    let bump = |bus: &mut Bus, node| bus.with(node, |view, around| view.bump_epoch(around));
    assert!(bump(&mut bus, 0));
    assert_eq!(bus.nodes[0].view.myself().config_epoch, 4);
    assert!(!bump(&mut bus, 0));
    bus.until("known", 5000, |bus| bus.agree());
    assert!(bump(&mut bus, 1));
    assert_eq!(bus.nodes[1].view.current_epoch, 5);
}

#[test]
fn what_is_published_reaches_all_or_the_shard() {
    let mut bus = Bus::cluster(3, 1, 1000, 1);
    bus.with(0, |view, around| {
        view.publish(b"news", b"all", false, around);
    });
    bus.with(3, |view, around| {
        view.publish(b"news", b"shard", true, around);
    });
    bus.pass(50);
    for (index, node) in bus.nodes.iter().enumerate() {
        let mut expected: Vec<&[u8]> = Vec::new();
        if index != 0 {
            expected.push(b"all");
        } else {
            expected.push(b"shard");
        }
        assert_eq!(node.published, expected, "{index}");
    }
    assert_eq!(bus.nodes[0].view.sent[4], 5);
    assert_eq!(bus.nodes[3].view.sent[10], 1);
    assert_eq!(bus.nodes[0].view.received[10], 1);
}

#[test]
fn a_replica_follows_another_master_when_told() {
    let mut bus = Bus::cluster(3, 1, 1000, 1);
    bus.follow(3, 1);
    bus.until("all agree", 5000, |bus| bus.all_well() && bus.agree());
    let view = &bus.nodes[2].view;
    assert_eq!(view.peer(bus.key(2, 1)).replicas.len(), 2);
    assert_eq!(view.peer(bus.key(2, 0)).replicas.len(), 0);
}
