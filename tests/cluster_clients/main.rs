//! Client libraries of several languages, unmodified, against a cluster: what they learn of it, where they send what, and what becomes of it when slots
//! move and masters die.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../servers/mod.rs"]
mod servers;
#[path = "../shapes/mod.rs"]
mod shapes;
#[path = "../support/mod.rs"]
mod support;

mod agent;
mod failovers;
mod libraries;
mod look;
mod moving;
mod place;
mod redis_rs;
mod scenario;
mod storm;

use std::time::Duration;

use rstest::rstest;
use tokio::sync::Mutex;

use libraries::Library;

/// How long what comes about by itself may take.
const LIMIT: Duration = Duration::from_secs(20);

/// One scenario at a time on each kind of nodes: all of them are about time, and a cluster is six nodes.
static ON_SERVERS: Mutex<()> = Mutex::const_new(());
static ON_THE_DOUBLE: Mutex<()> = Mutex::const_new(());

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn on_servers(
    #[values(
        Library::RedisRs { protocol: 2 },
        Library::RedisRs { protocol: 3 },
        Library::RedisPy { protocol: 2 },
        Library::RedisPy { protocol: 3 },
        Library::RedisRb,
        Library::NodeRedis
    )]
    library: Library,
) {
    let test = format!("on_servers, {library:?}");
    if servers::available(&test) && library.available(&test) {
        let _alone = ON_SERVERS.lock().await;
        scenario::play(library, place::real().await).await;
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn on_the_double(
    #[values(
        Library::RedisRs { protocol: 2 },
        Library::RedisRs { protocol: 3 },
        Library::RedisPy { protocol: 2 },
        Library::RedisPy { protocol: 3 },
        Library::RedisRb,
        Library::NodeRedis
    )]
    library: Library,
) {
    if library.available(&format!("on_the_double, {library:?}")) {
        let _alone = ON_THE_DOUBLE.lock().await;
        scenario::play(library, place::double().await).await;
    }
}
