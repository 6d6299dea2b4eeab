//! What every client library is tried with.

use std::collections::BTreeSet;

use labrunner::cluster::{Reply, Slot};
use labrunner::resp::hash_tag;
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::libraries::Library;
use crate::look::Nodes;
use crate::place::{MASTERS, Place, REPLICAS, announced};
use crate::servers::eventually;
use crate::{failovers, moving};

/// Keys that fall on all nodes.
const KEYS: u64 = 200;

/// Of the masters.
const FIRST_SLOTS: [u16; 3] = [0, 5461, 10923];

/// A client of a cluster, and the cluster.
pub struct Stage<P> {
    pub library: Library,
    pub user: Agent,
    pub place: P,
    pub nodes: Nodes,
}

/// Plays all of it.
pub async fn play<P: Place>(library: Library, place: P) {
    let book = place.book();
    let nodes = Nodes::of(book.clone()).await;
    tells_of_replicas(&nodes).await;
    let mut user = library.user(&announced(&book, "redis-1"));
    let connected = user.done("connect").await;
    eprintln!("{}", connected["client"]);
    let mut stage = Stage {
        library,
        user,
        place,
        nodes,
    };
    stage.knows_the_cluster().await;
    stage.keys_go_to_their_nodes().await;
    stage.pipelines().await;
    stage.keys_of_one_slot().await;
    stage.scripts().await;
    stage.reads_from_replicas().await;
    stage.hears_what_is_published().await;
    moving::play(&mut stage).await;
    failovers::play(&mut stage).await;
}

/// Waits until all nodes tell clients of all replicas. They leave out those that have not replicated anything, of which they hear in gossip.
async fn tells_of_replicas(nodes: &Nodes) {
    for ((master, _), slot) in MASTERS.iter().zip(FIRST_SLOTS) {
        let key = format!("{{{}}}first", hash_tag(Slot::new(slot).unwrap()));
        nodes.tell(master, &["SET", &key, ""]).await;
    }
    eventually(
        "clients are told of all replicas",
        crate::LIMIT,
        async || {
            for (node, _) in MASTERS.iter().chain(&REPLICAS) {
                let shards = nodes.call(node, &["CLUSTER", "SLOTS"]).await;
                let whole = |shard: &Reply| shard.as_array().unwrap().len() == 4;
                if !shards.as_array().unwrap().iter().all(whole) {
                    return None;
                }
            }
            Some(())
        },
    )
    .await;
}

/// The keys of a step.
pub fn keys(prefix: &str, count: u64) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n}")).collect()
}

/// The values that the step `fill` writes, or with the word `new` those of `write`.
pub fn values(word: &str, count: u64) -> Vec<String> {
    (0..count).map(|n| format!("{word}-{n}")).collect()
}

impl<P: Place> Stage<P> {
    /// What the client believes of the cluster: masters, replicas, and the owners of each master's first slot.
    pub async fn believed(
        &mut self,
    ) -> (
        BTreeSet<String>,
        Option<BTreeSet<String>>,
        Option<Vec<String>>,
    ) {
        let keys = FIRST_SLOTS.map(|slot| hash_tag(Slot::new(slot).unwrap()).to_string());
        let question = json!({"slots": FIRST_SLOTS, "keys": keys});
        let told = self.user.ask("topology", question).await;
        let names = |list: &Value| -> Option<Vec<String>> {
            let list = list.as_array()?.iter();
            Some(
                list.map(|who| self.nodes.named(who.as_str().unwrap()))
                    .collect(),
            )
        };
        (
            names(&told["masters"]).unwrap().into_iter().collect(),
            names(&told["replicas"]).map(|list| list.into_iter().collect()),
            names(&told["owners"]),
        )
    }

    async fn knows_the_cluster(&mut self) {
        let (masters, replicas, owners) = self.believed().await;
        assert_eq!(masters, MASTERS.map(|(node, _)| node.to_owned()).into());
        assert_eq!(replicas.is_some(), self.library.tells_replicas());
        if let Some(replicas) = replicas {
            assert_eq!(replicas, REPLICAS.map(|(node, _)| node.to_owned()).into());
        }
        assert_eq!(owners.is_some(), self.library.tells_owners());
        if let Some(owners) = owners {
            assert_eq!(owners, MASTERS.map(|(node, _)| node.to_owned()));
        }
    }

    async fn keys_go_to_their_nodes(&mut self) {
        let step = json!({"prefix": "key:", "count": KEYS});
        let seen = self.user.ask("fill", step).await;
        assert_eq!(seen["read"], json!(values("value", KEYS)));
        let there = self.nodes.values("redis-1", &keys("key:", KEYS)).await;
        assert!(there.iter().flatten().eq(&values("value", KEYS)));
        for (node, _) in MASTERS {
            let count = self.nodes.call(node, &["DBSIZE"]).await.as_int().unwrap();
            assert!(count > 40, "{node} has {count} of {KEYS} keys");
        }
    }

    async fn pipelines(&mut self) {
        let step = json!({"prefix": "piped:", "count": KEYS, "tag": "{one}"});
        let seen = self.user.ask("pipeline", step).await;
        assert_eq!(seen["tagged"], json!((1..=KEYS).collect::<Vec<_>>()));
        if self.library.pipelines_across_nodes() {
            assert_eq!(seen["across"], json!(values("value", KEYS)));
            let there = self.nodes.values("redis-1", &keys("piped:", KEYS)).await;
            assert!(there.iter().flatten().eq(&values("value", KEYS)));
        } else {
            assert!(seen["cannot"].is_string(), "{seen}");
        }
        let seen = self.user.ask("transaction", json!({"tag": "{one}"})).await;
        assert_eq!(seen["replies"], json!([1, 42]));
    }

    async fn keys_of_one_slot(&mut self) {
        let seen = self.user.ask("several_keys", json!({"tag": "{one}"})).await;
        assert_eq!(seen["read"], json!(["1", "2", "3"]));
        let seen = self
            .user
            .ask("crossslot", json!({"keys": ["{one}s", "{two}s"]}))
            .await;
        let errors = seen["errors"].as_array().unwrap();
        assert!(!errors.is_empty(), "keys of two slots in one command");
        // A server's own word, of which redis-rs spells the code in its way.
        let said = errors.last().unwrap().as_str().unwrap();
        assert!(
            said.contains("Keys in request don't hash to the same slot"),
            "{said}"
        );
    }

    async fn scripts(&mut self) {
        let seen = self.user.ask("script", json!({"tag": "{two}"})).await;
        assert_eq!(
            seen["replies"],
            json!([[40, "{two}other"], [42, "{two}other"]])
        );
    }

    async fn reads_from_replicas(&mut self) {
        let mut before = Vec::new();
        for (replica, master) in REPLICAS {
            // What was written is there before it is read.
            let offset = self.nodes.offset(master).await;
            eventually("the replica has it all", crate::LIMIT, async || {
                (self.nodes.offset(replica).await >= offset).then_some(())
            })
            .await;
            before.push(self.nodes.calls(replica, "get").await);
        }
        let step = json!({"prefix": "key:", "count": KEYS});
        let seen = self.user.ask("from_replicas", step).await;
        assert_eq!(seen["read"], json!(values("value", KEYS)));
        for ((replica, _), before) in REPLICAS.iter().zip(before) {
            let after = self.nodes.calls(replica, "get").await;
            assert!(after > before, "nothing was read from {replica}");
        }
    }

    /// What one node is told to publish is heard by those who listen at another.
    async fn hears_what_is_published(&mut self) {
        for sharded in [false, true] {
            let step = json!({"channel": "news", "sharded": sharded});
            let seen = self.user.ask("listen", step.clone()).await;
            if !self.library.hears(sharded) {
                assert_eq!(seen["listening"], false);
                continue;
            }
            assert_eq!(seen["listening"], true);
            if sharded {
                let view = self.nodes.seen_by("redis-1").await;
                let owner = self.nodes.owner(&view, "news");
                let heard = self
                    .nodes
                    .call(&owner, &["SPUBLISH", "news", "sharded"])
                    .await;
                assert_eq!(heard.as_int(), Some(1), "{owner}");
            } else {
                for (node, _) in MASTERS {
                    self.nodes.call(node, &["PUBLISH", "news", node]).await;
                }
            }
            let mut heard = BTreeSet::new();
            for _ in 0..if sharded { 1 } else { 3 } {
                let seen = self.user.ask("hear", step.clone()).await;
                assert_eq!(seen["channel"], "news");
                heard.insert(seen["message"].as_str().unwrap().to_owned());
            }
            let all = if sharded {
                BTreeSet::from(["sharded".to_owned()])
            } else {
                MASTERS.map(|(node, _)| node.to_owned()).into()
            };
            assert_eq!(heard, all);
        }
    }
}
