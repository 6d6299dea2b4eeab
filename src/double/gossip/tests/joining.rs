//! Nodes come to know each other, and forget each other.

use rstest::rstest;

use super::bus::Bus;
use crate::double::gossip::View;

#[rstest]
#[case(1)]
#[case(2)]
#[case(3)]
fn six_nodes_become_a_cluster(#[case] seed: u64) {
    let bus = Bus::cluster(3, 1, 2000, seed);
    for node in &bus.nodes {
        assert_eq!(node.view.size, 3);
        assert_eq!(node.view.by_id.len(), 6);
        // The address is learned from whoever comes to meet.
        assert_eq!(&*node.view.myself().ip, "127.0.0.1");
    }
    for replica in 3..6 {
        let me = bus.nodes[replica].view.myself();
        assert_eq!(me.replica_of, Some(bus.key(replica, replica - 3)));
        assert_eq!(bus.nodes[replica].follows, Some(bus.id(replica - 3)));
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let picture = |seed| {
        let mut bus = Bus::cluster(3, 1, 1000, seed);
        bus.kill(0);
        bus.pass(5000);
        (bus.messages, bus.picture())
    };
    assert_eq!(picture(7), picture(7));
    assert_ne!(picture(7), picture(8));
}

#[test]
fn a_chain_of_meetings_is_enough() {
    let mut bus = Bus::new(5, 2000, 1);
    for node in 0..4 {
        assert!(bus.meet(node, node + 1));
    }
    bus.until("all know all", 10_000, |bus| {
        bus.nodes
            .iter()
            .all(|node| node.view.by_id.len() == 5 && no_handshake(&node.view))
    });
}

fn no_handshake(view: &View) -> bool {
    view.peers.iter().all(|(_, peer)| !peer.flags.handshake)
}

#[test]
fn a_cluster_of_new_masters_is_not_well_before_two_seconds() {
    let mut bus = Bus::new(1, 1000, 1);
    bus.share_slots(1);
    let took = bus.until("the state is ok", 5000, |bus| bus.all_well());
    assert!((2000..2300).contains(&took), "{took}");
    assert!(
        bus.nodes[0]
            .log
            .contains(&"Cluster state changed: ok".to_owned())
    );
}

#[test]
fn nobody_is_met_twice_at_once_nor_at_no_address() {
    let mut bus = Bus::new(2, 1000, 1);
    assert!(bus.meet(0, 1));
    assert!(!bus.meet(0, 1), "it is under way");
    let refused = |bus: &mut Bus, ip: &str, port| {
        !bus.with(0, |view, around| view.meet(ip, port, 17001, around))
    };
    assert!(refused(&mut bus, "redis-1", 7001));
    assert!(refused(&mut bus, "127.0.0.1", 0));
    bus.until("both know each other", 2000, |bus| {
        bus.nodes
            .iter()
            .all(|node| node.view.by_id.len() == 2 && no_handshake(&node.view))
    });
    // Met again, a known node gets no second entry.
    assert!(bus.meet(0, 1));
    bus.pass(500);
    assert_eq!(bus.nodes[0].view.by_id.len(), 2);
    assert!(no_handshake(&bus.nodes[0].view));
}

#[rstest]
#[case::dead(true)]
#[case::out_of_reach(false)]
fn a_handshake_without_an_answer_ends(#[case] dead: bool) {
    let mut bus = Bus::new(2, 1500, 1);
    if dead {
        bus.kill(1);
    } else {
        bus.partition(&[&[0], &[1]]);
    }
    bus.meet(0, 1);
    bus.pass(1400);
    assert_eq!(bus.nodes[0].view.by_id.len(), 2);
    bus.pass(400);
    assert_eq!(bus.nodes[0].view.by_id.len(), 1);
    assert!(bus.nodes[0].view.links.is_empty());
}

#[test]
fn a_node_that_meets_itself_stays_alone() {
    let mut bus = Bus::new(1, 1000, 1);
    bus.meet(0, 0);
    bus.pass(500);
    assert_eq!(bus.nodes[0].view.by_id.len(), 1);
    assert_eq!(&*bus.nodes[0].view.myself().ip, "127.0.0.1");
}

#[test]
fn what_is_forgotten_by_all_stays_away() {
    let mut bus = Bus::cluster(3, 1, 1000, 3);
    let gone = bus.id(5);
    for node in 0..5 {
        bus.with(node, |view, around| {
            let key = view.find(gone).unwrap();
            view.forget(key, around);
        });
    }
    bus.with(5, |view, around| view.reset(false, around));
    bus.pass(70_000);
    for node in 0..5 {
        assert_eq!(bus.nodes[node].view.find(gone), None, "{node}");
    }
    assert_eq!(bus.nodes[5].view.by_id.len(), 1);
    assert!(bus.is_master(5));
}

#[test]
fn what_is_forgotten_by_one_comes_back_after_a_minute() {
    let mut bus = Bus::cluster(3, 0, 1000, 3);
    let gone = bus.id(2);
    bus.with(0, |view, around| {
        let key = view.find(gone).unwrap();
        view.forget(key, around);
    });
    assert!(
        bus.nodes[0]
            .view
            .owner(super::bus::slot_of(16000))
            .is_none()
    );
    bus.pass(59_000);
    assert_eq!(bus.nodes[0].view.find(gone), None);
    bus.pass(5_000);
    assert!(bus.nodes[0].view.find(gone).is_some());
    bus.until("its slots are known again", 5000, |bus| {
        bus.all_well() && bus.agree()
    });
}

#[rstest]
#[case::soft(false)]
#[case::hard(true)]
fn a_reset_replica_is_an_empty_master_that_knows_nobody(#[case] hard: bool) {
    let mut bus = Bus::cluster(3, 1, 1000, 4);
    bus.nodes[0].keys.insert(super::bus::slot_of(1), 5);
    bus.pass(200);
    assert_eq!(bus.nodes[3].keys.len(), 1);
    let id = bus.id(3);
    bus.with(3, |view, around| view.reset(hard, around));
    let node = &bus.nodes[3];
    assert_eq!(node.view.by_id.len(), 1);
    assert!(node.view.myself().flags.master);
    assert!(node.view.owners.iter().all(Option::is_none));
    assert!(node.keys.is_empty());
    assert_eq!(node.follows, None);
    assert_eq!(node.view.myself().id == id, !hard);
    assert_eq!(node.view.current_epoch == 0, hard);
    assert_eq!(node.view.links.len(), 0);
}

#[test]
fn a_node_with_another_id_at_a_known_address_is_not_taken_for_the_old_one() {
    let mut bus = Bus::cluster(3, 1, 1000, 4);
    let old = bus.id(3);
    bus.with(3, |view, around| view.reset(true, around));
    bus.until("the old one has no address", 10_000, |bus| {
        let view = &bus.nodes[0].view;
        view.peer(view.find(old).unwrap()).flags.no_address
    });
}

#[test]
fn a_restarted_node_keeps_what_is_on_disk() {
    let mut bus = Bus::cluster(3, 1, 1000, 5);
    bus.meet(0, 0);
    let slot = super::bus::slot_of(3);
    let target = bus.key(0, 1);
    bus.nodes[0].view.migrating.insert(slot, target);
    bus.kill(0);
    let (id, epoch) = (bus.id(0), bus.nodes[0].view.current_epoch);
    bus.pass(300);
    bus.start(0);
    let view = &bus.nodes[0].view;
    assert_eq!(view.myself().id, id);
    assert_eq!(view.by_id.len(), 6, "handshakes are not kept");
    assert_eq!(view.current_epoch, epoch);
    assert_eq!(view.myself().slots.len(), 5461);
    assert_eq!(view.migrating.len(), 1);
    assert!(!view.ok && view.links.is_empty());
    let took = bus.until("it is well again", 5000, |bus| {
        bus.all_well() && bus.agree()
    });
    assert!(took >= 2000, "{took}");
}

#[test]
fn keys_of_foreign_slots_are_noticed_at_start() {
    let mut bus = Bus::new(2, 1000, 5);
    bus.meet(0, 1);
    bus.with(1, |view, _| {
        view.give_slot(super::bus::slot_of(7), Some(view.me));
    });
    bus.until("it is known", 5000, |bus| {
        bus.nodes[0].view.owner(super::bus::slot_of(7)).is_some()
    });
    bus.kill(0);
    for slot in [7, 9] {
        bus.nodes[0].keys.insert(super::bus::slot_of(slot), 1);
    }
    bus.start(0);
    bus.pass(200);
    let view = &bus.nodes[0].view;
    assert_eq!(view.myself().slots.to_string(), "9");
    assert_eq!(
        view.importing.keys().copied().collect::<Vec<_>>(),
        [super::bus::slot_of(7)]
    );
}

#[test]
fn settings_are_told() {
    let mut bus = Bus::cluster(2, 1, 1000, 5);
    bus.nodes[0].settings.hostname = "redis-1".to_owned();
    bus.nodes[2].settings.no_failover = true;
    bus.until("they are known", 5000, |bus| {
        let of_first = bus.nodes[1].view.peer(bus.key(1, 0));
        of_first.hostname == "redis-1" && bus.flags(1, 2).no_failover
    });
}
