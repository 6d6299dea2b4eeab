//! A slot on its way from one node to another, and what a client makes of it.

use labrunner::cluster::{Reply, Slot};
use serde_json::json;

use crate::place::{MASTERS, Place};
use crate::scenario::{Stage, keys, values};
use crate::servers::eventually;

/// All its keys are in one slot, where no other step has any.
const PREFIX: &str = "{travels}";
/// Keys that are there when the slot begins to move; the first half goes first.
const COUNT: u64 = 20;

/// Reads and writes while the slot moves, and when it has moved.
pub async fn play<P: Place>(stage: &mut Stage<P>) {
    let slot = Slot::of_key(PREFIX.as_bytes()).to_string();
    let view = stage.nodes.seen_by("redis-1").await;
    let source = stage.nodes.owner(&view, PREFIX);
    let target = MASTERS
        .iter()
        .map(|(node, _)| *node)
        .find(|node| *node != source)
        .unwrap();
    let step = json!({"prefix": PREFIX, "count": COUNT});
    stage.user.ask("fill", step.clone()).await;

    let (from, to) = (stage.nodes.id(&source), stage.nodes.id(target));
    stage
        .nodes
        .tell(target, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from])
        .await;
    stage
        .nodes
        .tell(&source, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to])
        .await;
    migrate(stage, &source, target, &keys(PREFIX, COUNT / 2)).await;

    // Half of the keys are with the one and half with the other, and new ones go to the other.
    let asked = stage.nodes.errors(&source, "ASK").await;
    let seen = stage.user.ask("read", step.clone()).await;
    assert_eq!(seen["read"], json!(values("value", COUNT)));
    let more = json!({"prefix": PREFIX, "count": COUNT + 10});
    let seen = stage.user.ask("write", more.clone()).await;
    assert_eq!(seen["written"], COUNT + 10);
    let asked = stage.nodes.errors(&source, "ASK").await - asked;
    assert!(
        asked >= COUNT / 2 + COUNT / 2 + 10,
        "it was sent on {asked} times"
    );
    for (node, holds) in [(source.as_str(), COUNT / 2), (target, COUNT / 2 + 10)] {
        let count = stage
            .nodes
            .call(node, &["CLUSTER", "COUNTKEYSINSLOT", &slot])
            .await;
        assert_eq!(count, Reply::Int(i64::try_from(holds).unwrap()), "{node}");
    }

    let rest = keys(PREFIX, COUNT).split_off(usize::try_from(COUNT / 2).unwrap());
    migrate(stage, &source, target, &rest).await;
    for node in [target, &source] {
        stage
            .nodes
            .tell(node, &["CLUSTER", "SETSLOT", &slot, "NODE", &to])
            .await;
    }
    eventually("all know the slot's new owner", crate::LIMIT, async || {
        for (node, _) in MASTERS {
            let view = stage.nodes.seen_by(node).await;
            if stage.nodes.owner(&view, PREFIX) != target {
                return None;
            }
        }
        Some(())
    })
    .await;

    // It is redirected at first, and then knows the way. A client may learn it beside its work.
    let moved = stage.nodes.errors(&source, "MOVED").await;
    let until = tokio::time::Instant::now() + crate::LIMIT;
    let mut redirected = Vec::new();
    while redirected.last() != Some(&0) {
        let before = stage.nodes.errors(&source, "MOVED").await;
        let seen = stage.user.ask("read", more.clone()).await;
        assert_eq!(seen["read"], json!(values("new", COUNT + 10)));
        redirected.push(stage.nodes.errors(&source, "MOVED").await - before);
        assert!(
            tokio::time::Instant::now() < until,
            "it does not learn the way: {redirected:?}"
        );
    }
    assert!(
        stage.nodes.errors(&source, "MOVED").await > moved,
        "it knew the way before"
    );
    let there = stage
        .nodes
        .values("redis-1", &keys(PREFIX, COUNT + 10))
        .await;
    assert!(there.iter().flatten().eq(&values("new", COUNT + 10)));
}

async fn migrate<P: Place>(stage: &Stage<P>, source: &str, target: &str, keys: &[String]) {
    let to = crate::place::announced(&stage.place.book(), target);
    let port = to.port.to_string();
    let mut words = vec!["MIGRATE", &to.host, &port, "", "0", "5000", "KEYS"];
    words.extend(keys.iter().map(String::as_str));
    stage.nodes.tell(source, &words).await;
}
