//! A replica takes over, asked to and because its master has died, while a client writes.

use std::time::Duration;

use serde_json::json;

use crate::place::Place;
use crate::scenario::Stage;
use crate::servers::eventually;
use crate::storm::Storm;

/// Writes that show that a client is well.
const SOME: usize = 100;
/// How long a client may take to find the new master. Libraries wait between their tries, each in its way.
const FOUND: Duration = Duration::from_secs(30);

pub async fn play<P: Place>(stage: &mut Stage<P>) {
    asked_for(stage).await;
    after_a_death(stage).await;
    knows_who_is_master(stage).await;
}

/// Nothing that was acknowledged is lost when a replica takes over from a master that lives.
async fn asked_for<P: Place>(stage: &mut Stage<P>) {
    let mut storm = Storm::begin(&mut stage.user, "asked:").await;
    storm
        .until(&mut stage.user, "some writes", crate::LIMIT, |storm| {
            storm.acknowledged().count() >= SOME
        })
        .await;
    stage.nodes.tell("redis-4", &["CLUSTER", "FAILOVER"]).await;
    is_promoted(stage, "redis-4").await;
    finds(stage, &mut storm, "redis-4").await;
    storm.end(&mut stage.user).await;
    eprintln!("asked for: {}", storm.summary());
    assert_eq!(lost(stage, &storm, "redis-4").await, [0; 0]);
}

/// When a master dies, nothing is lost that its replica had, or that was acknowledged after the replica had taken over.
async fn after_a_death<P: Place>(stage: &mut Stage<P>) {
    let mut storm = Storm::begin(&mut stage.user, "death:").await;
    storm
        .until(&mut stage.user, "some writes", crate::LIMIT, |storm| {
            storm.acknowledged().count() >= SOME
        })
        .await;
    let confirmed = storm.acknowledged().next_back().unwrap();
    let offset = stage.nodes.offset("redis-2").await;
    eventually("the replica has it all", crate::LIMIT, async || {
        (stage.nodes.offset("redis-5").await >= offset).then_some(())
    })
    .await;
    stage.place.kill("redis-2").await;
    is_promoted(stage, "redis-5").await;
    let after = storm.so_far(&mut stage.user);
    let waits = !stage.library.looks_for_the_new_master();
    if waits {
        stage.place.start_again("redis-2").await;
    }
    finds(stage, &mut storm, "redis-5").await;
    storm.end(&mut stage.user).await;
    if !waits {
        stage.place.start_again("redis-2").await;
    }
    let lost = lost(stage, &storm, "redis-5").await;
    eprintln!("after a death: {}, lost {lost:?}", storm.summary());
    let unexplained: Vec<&u64> = lost
        .iter()
        .filter(|n| **n <= confirmed || **n > after)
        .collect();
    assert!(unexplained.is_empty(), "lost {unexplained:?}");
}

async fn is_promoted<P: Place>(stage: &Stage<P>, replica: &str) {
    eventually(
        &format!("{replica} is a master"),
        crate::LIMIT,
        async || stage.nodes.is_master(replica).await.then_some(()),
    )
    .await;
}

/// Waits until writes are acknowledged that only the new master can have acknowledged.
async fn finds<P: Place>(stage: &mut Stage<P>, storm: &mut Storm, master: &str) {
    let after = storm.so_far(&mut stage.user);
    let view = stage.nodes.seen_by(master).await;
    let nodes = &stage.nodes;
    storm
        .until(
            &mut stage.user,
            "writes to the new master",
            FOUND,
            |storm| {
                let new = storm.acknowledged().rev().take_while(|n| *n > after);
                new.filter(|n| nodes.owner(&view, &storm.key(*n)) == master)
                    .count()
                    >= 30
            },
        )
        .await;
}

/// Acknowledged writes that are not there.
async fn lost<P: Place>(stage: &Stage<P>, storm: &Storm, witness: &str) -> Vec<u64> {
    let numbers: Vec<u64> = storm.acknowledged().collect();
    let keys: Vec<String> = numbers.iter().map(|n| storm.key(*n)).collect();
    let there = stage.nodes.values(witness, &keys).await;
    let pairs = numbers.into_iter().zip(there);
    pairs
        .filter(|(n, value)| *value != Some(format!("value-{n}")))
        .map(|(n, _)| n)
        .collect()
}

/// Whoever uses the cluster for a while knows its new masters, and all that was written at the beginning is there.
async fn knows_who_is_master<P: Place>(stage: &mut Stage<P>) {
    let masters = ["redis-3", "redis-4", "redis-5"].map(str::to_owned).into();
    let until = tokio::time::Instant::now() + crate::LIMIT;
    loop {
        let step = json!({"prefix": "key:", "count": 50});
        let seen = stage.user.ask("read", step).await;
        assert_eq!(seen["read"], json!(crate::scenario::values("value", 50)));
        let (believed, _, owners) = stage.believed().await;
        let knows = believed == masters
            && owners.is_none_or(|owners| owners == ["redis-4", "redis-5", "redis-3"]);
        if knows {
            return;
        }
        assert!(
            tokio::time::Instant::now() < until,
            "it believes in the masters {believed:?}"
        );
    }
}
