//! The Lua scripts on real servers: every reply, what is and is not changed, repetitions, expiry, and a model.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../servers/mod.rs"]
mod servers;
#[path = "../support/mod.rs"]
mod support;

mod all_or_nothing;
mod contention;
mod event;
mod expiry;
mod in_a_cluster;
mod ledger;
mod locks;
mod model;
mod rate_limits;
mod repeats;
mod replies;
mod server;
mod stream;
mod views;
