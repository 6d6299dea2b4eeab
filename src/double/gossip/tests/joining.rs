//! Nodes come to know each other.

use super::bus::Bus;

#[test]
fn six_nodes_become_a_cluster() {
    let bus = Bus::cluster(3, 1, 2000, 1);
    for node in &bus.nodes {
        assert_eq!(node.view.size, 3);
        assert_eq!(node.view.by_id.len(), 6);
    }
    for replica in 3..6 {
        let me = bus.nodes[replica].view.myself();
        assert_eq!(me.replica_of, Some(bus.key(replica, replica - 3)));
        assert_eq!(bus.nodes[replica].follows, Some(bus.id(replica - 3)));
    }
    // The address is learned from whoever comes to meet.
    assert!(
        bus.nodes
            .iter()
            .all(|node| node.view.myself().ip == "127.0.0.1")
    );
}
