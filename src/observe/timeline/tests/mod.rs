//! Recording failovers of scripts, which say things in any order, late, by halves or not at all. redis-2 is the master that is to fail, redis-5 its
//! replica; what they say was recorded.

mod order;
mod trouble;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::recorded::{NODES, Recorded};
use super::{Recorder, Recording};
use crate::cluster::{Endpoint, Reply, Timeline};
use crate::double::{Clock, Script, ScriptServer};
use crate::resp::AddressBook;

/// Within this everything comes about that is to, on a busy machine too.
const SOON: Duration = Duration::from_secs(10);
const VERSION: &str = "redis-7.0.15";
const WRITE: &str = "SET * recovered PX 60000";
const MOVED: &str = "MOVED 5461 127.0.0.1:21002";

/// Five nodes, of which each sees that all is well, and who don't accept writes for slots of redis-2.
struct Stage {
    recorded: Recorded,
    servers: BTreeMap<&'static str, ScriptServer>,
}

impl Stage {
    async fn of(version: &str, clock: Clock) -> Stage {
        let recorded = Recorded::of(version);
        let mut servers = BTreeMap::new();
        for node in NODES {
            let mut script = Script::new().with_clock(clock.clone());
            let info = crate::observe::recorded::text(version, "cluster-info.normal.txt");
            script.on("CLUSTER INFO").gives(info.as_str());
            script.on(WRITE).errs(MOVED);
            servers.insert(node, script.start().await.unwrap());
        }
        let stage = Stage { recorded, servers };
        for node in NODES {
            stage.sees(node, "normal");
        }
        stage
    }

    async fn new() -> Stage {
        Stage::of(VERSION, Clock::natural()).await
    }

    fn server(&self, node: &str) -> &ScriptServer {
        &self.servers[node]
    }

    fn book(&self) -> AddressBook {
        let entry = |(node, server): (&&'static str, &ScriptServer)| {
            let number: u16 = node.trim_start_matches("redis-").parse().unwrap();
            server.as_node(*node, Endpoint::new("127.0.0.1", 21000 + number))
        };
        AddressBook::new(self.servers.iter().map(entry).collect())
    }

    /// From now on the node sees this state.
    fn sees(&self, node: &str, state: &str) {
        self.says(node, &self.recorded.text(node, state));
    }

    /// From now on it says that redis-2 has failed, and nothing else that is new.
    fn sees_it_failed(&self, node: &str) {
        let own = format!("{} ", self.recorded.id("redis-2"));
        let text = self.recorded.text(node, "suspected");
        let lines = text.lines().map(|line| match line.starts_with(&own) {
            true => line.replace("fail?", "fail") + "\n",
            false => line.to_owned() + "\n",
        });
        self.says(node, &lines.collect::<String>());
    }

    fn says(&self, node: &str, view: &str) {
        self.server(node).instead(|script| {
            script.on("CLUSTER NODES").gives(view);
        });
    }

    fn answers_writes(&self, node: &str, reply: Reply) {
        self.server(node).instead(|script| {
            script.on(WRITE).gives(reply);
        });
    }

    async fn begin(&self) -> Recording {
        let recorder = Recorder::prepare(&self.book(), &"redis-2".into()).await;
        recorder.unwrap().begin()
    }

    /// Returns when what the node says now has been read.
    async fn is_heard(&self, node: &str) {
        let server = self.server(node);
        // The answer to the next question may be that of before; when a third one comes, the second one's was read.
        let enough = server.times("CLUSTER NODES") + 3;
        eventually(|| server.times("CLUSTER NODES") >= enough).await;
    }
}

async fn eventually(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "it did not come about");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn until(recording: &Recording, moment: &str) {
    let seen = recording.until(|timeline| timeline.moment(moment).is_some());
    let seen = timeout(SOON, seen).await;
    assert!(seen.is_ok(), "not {moment}: {}", recording.timeline());
}

/// `suspected by redis-1, not failed, …`.
fn by(timeline: &Timeline) -> String {
    let moments = timeline.moments().map(|(name, moment)| match moment {
        Some(moment) => format!("{name} by {}", moment.seen_by),
        None => format!("not {name}"),
    });
    moments.join(", ")
}

fn ok() -> Reply {
    Reply::Status("OK".to_owned())
}
