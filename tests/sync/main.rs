//! Redis and the ledger kept together: streams drained, differences found and repaired, an empty Redis filled, a reservation from its hold to its
//! payment. A real PostgreSQL, and a cluster in the test's own process.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../databases/mod.rs"]
mod databases;
#[path = "../servers/mod.rs"]
mod servers;
#[path = "../support/mod.rs"]
mod support;

mod drift;
mod flow;
mod place;
mod proxy;
mod rebuild;
mod repeats;
mod retention;
mod sweep;
mod worker;
