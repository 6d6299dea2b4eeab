//! What a simulated second costs.

use std::time::Instant;

use super::bus::Bus;

/// Prints; run with `--release --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn of_idle_nodes() {
    for (masters, replicas) in [(3, 1), (15, 1), (30, 1)] {
        let began = Instant::now();
        let mut bus = Bus::cluster(masters, replicas, 5000, 1);
        let boot = (began.elapsed(), bus.now - super::bus::START);
        bus.pass(10_000);
        let (began, messages) = (Instant::now(), bus.messages);
        bus.pass(100_000);
        let second = began.elapsed() / 100;
        println!(
            "{} nodes: from nothing to well {:?} ({} ms of theirs); a second {:?}, {} messages",
            masters * (replicas + 1),
            boot.0,
            boot.1,
            second,
            (bus.messages - messages) / 100
        );
    }
}

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
