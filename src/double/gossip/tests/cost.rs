//! What a simulated second costs.

use super::bus::Bus;

/// A node pings one other a second, and whomever it has not heard of for half the node timeout; each ping has an answer.
#[test]
fn no_more_is_said_than_has_to_be() {
    for masters in [3, 15] {
        let mut bus = Bus::cluster(masters, 1, 5000, 1);
        bus.pass(5000);
        let before = bus.messages;
        bus.pass(20_000);
        let nodes = 2 * masters as u64;
        let messages = (bus.messages - before) / 20 / nodes;
        let most = 2 * (1 + (nodes - 1) * 2 / 5);
        assert!((2..=most).contains(&messages), "{nodes} nodes: {messages}");
    }
}
