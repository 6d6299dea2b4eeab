//! A node whose script does not end: it can be asked, its client can hang up, and it can be stopped.

use std::time::{Duration, Instant};

use labrunner::cluster::Reply;
use labrunner::double::Node;

use crate::wire::{Wire, command};

const ENDLESS: [&str; 3] = ["EVAL", "while true do end", "0"];

async fn busy_node() -> (Node, Wire) {
    let node = Node::start().await.unwrap();
    node.run(["CONFIG", "SET", "busy-reply-threshold", "10"]);
    let mut wire = Wire::connect(node.address()).unwrap();
    wire.send(&command(&ENDLESS)).unwrap();
    (node, wire)
}

/// What the node says when it is asked until it says something else than `OK`.
fn said_at_last(node: &Node, words: &[&str], unlike: &Reply) -> Reply {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let reply = node.run(words);
        if reply != *unlike || Instant::now() > until {
            return reply;
        }
    }
}

#[tokio::test]
async fn a_test_asks_and_ends_it() {
    let (node, mut wire) = busy_node().await;
    let none = node.run(["GET", "a"]);
    let busy = match &none {
        // It may have been asked before the script began.
        Reply::Error(_) => none.clone(),
        _ => said_at_last(&node, &["GET", "a"], &none),
    };
    assert!(
        matches!(&busy, Reply::Error(words) if words.starts_with("BUSY")),
        "{busy:?}"
    );
    assert_eq!(node.get("a"), None);
    assert_eq!(node.connections(), 1);
    assert_eq!(node.run(["SCRIPT", "KILL"]), Reply::Status("OK".to_owned()));
    let reply = wire.read().unwrap();
    assert!(reply.is_error(), "{reply:?}");
    assert!(reply.payload.starts_with(b"ERR Script killed by user"));
}

#[tokio::test]
async fn its_client_hangs_up() {
    let (node, wire) = busy_node().await;
    let none = node.run(["GET", "a"]);
    if !matches!(none, Reply::Error(_)) {
        said_at_last(&node, &["GET", "a"], &none);
    }
    drop(wire);
    let mut other = Wire::connect(node.address()).unwrap();
    assert!(other.call(&["GET", "a"]).unwrap().is_error());
    assert_eq!(other.call(&["SCRIPT", "KILL"]).unwrap().payload, b"OK");
    let until = Instant::now() + Duration::from_secs(20);
    while node.connections() > 1 && Instant::now() < until {}
    assert_eq!(node.connections(), 1);
}

#[tokio::test]
async fn the_node_is_stopped() {
    let node = Node::start().await.unwrap();
    // Nobody would be answered for five seconds.
    let mut wire = Wire::connect(node.address()).unwrap();
    wire.send(&command(&ENDLESS)).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let began = Instant::now();
    drop(node);
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_script_can_not_take_the_machine() {
    let node = Node::start().await.unwrap();
    for code in [
        "local x = 'x' while true do x = x .. x end",
        "local t = {} while true do t[#t + 1] = {} end",
        "return string.rep('x', 2e9)",
        "local s, t = string.rep('x', 1e6), {} for i = 1, 1000 do t[i] = s end return cjson.encode(t)",
        "local s, t = string.rep('x', 1e6), {} for i = 1, 1000 do t[i] = s end return cmsgpack.pack(t)",
    ] {
        let reply = node.run(["EVAL", code, "0"]);
        assert!(
            matches!(&reply, Reply::Error(words) if words.contains("not enough memory")),
            "{code}: {reply:?}"
        );
    }
    assert_eq!(node.run(["EVAL", "return 1", "0"]), Reply::Int(1));
}
