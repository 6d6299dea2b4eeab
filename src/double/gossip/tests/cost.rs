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

#[test]
fn more_nodes_do_not_mean_many_more_messages_a_node() {
    let messages = |masters| {
        let mut bus = Bus::cluster(masters, 1, 5000, 1);
        bus.pass(5000);
        let before = bus.messages;
        bus.pass(20_000);
        (bus.messages - before) / (20 * 2 * masters as u64)
    };
    let (few, many) = (messages(3), messages(15));
    assert!(few >= 2 && many <= few * 3, "{few} {many}");
}
