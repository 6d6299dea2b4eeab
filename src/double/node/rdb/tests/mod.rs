//! Payloads of real servers, recorded in `fixtures/dump/`.
//!
//! `LABRUNNER_RECORD=1 cargo test --lib double::node::rdb::tests::live -- --test-threads=1` records them anew.

mod foreign;
mod forged;
mod live;
mod mutated;
mod recorded;
mod server;
mod values;
