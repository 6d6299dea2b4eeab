//! `labrunner redis-cli` beside the real redis-cli 7.0: the same calls through both, on real servers, and the same bytes on both streams and
//! the same exit code, once ids, ports and times are taken out.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod both;
mod calls;
mod changes;
mod cluster;
mod nodes;
mod piped;
#[path = "../servers/ports.rs"]
mod ports;
mod questions;
mod repairs;
mod replies;
mod server;
mod terminal;
mod wire_log;
mod words;
