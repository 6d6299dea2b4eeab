//! PostgreSQL in the application, on real servers: the throw-away server itself, the schema, the ledger, the patterns.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../databases/mod.rs"]
mod databases;
#[path = "../support/mod.rs"]
mod support;

mod server;
