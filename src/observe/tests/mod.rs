//! Watching nodes that behave as no real one can be made to: scripts, at the addresses of the recorded cluster (`fixtures/servers`).

mod keys;
mod observer;

use std::time::Duration;

use super::recorded::{name, text};
use crate::cluster::{Endpoint, Reply};
use crate::double::{Script, ScriptServer};
use crate::resp::AddressBook;

/// Within this everything ends that is to end, on a busy machine too.
const SOON: Duration = Duration::from_secs(10);

/// A node that answers all that an observer asks, as this version did in this state. What the test has written into `script` counts first.
async fn node_of(server: &str, state: &str, mut script: Script) -> ScriptServer {
    let recorded = |file: &str| Reply::from(text(server, file).as_str());
    script
        .on("CLUSTER NODES")
        .gives(recorded(&format!("nodes.{state}.txt")));
    script
        .on("CLUSTER INFO")
        .gives(recorded(&format!("cluster-info.{state}.txt")));
    script
        .on("INFO")
        .gives(recorded(&format!("info-replication.{state}.txt")));
    script.on("DBSIZE").gives(7);
    script.start().await.unwrap()
}

/// These servers as redis-1, redis-2 and so on, where the recordings have them.
fn book(servers: &[&ScriptServer]) -> AddressBook {
    let entry = |(server, number): (&&ScriptServer, u16)| {
        server.as_node(name(number), Endpoint::new("127.0.0.1", 21000 + number))
    };
    AddressBook::new(servers.iter().zip(1..).map(entry).collect())
}
