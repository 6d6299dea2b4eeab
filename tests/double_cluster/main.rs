//! A simulated cluster, `labrunner::double::Cluster`, beside real Redis 7.0 servers: the same scenarios on both, and after each step of each
//! scenario every node's CLUSTER NODES, SLOTS, SHARDS and INFO the same, once ids, addresses and times are taken out.
//!
//! The scenarios are in `scenarios/*.txt`; their format is in `scenario.rs`. `LABRUNNER_SCENARIOS=forget,reset` plays only those whose title has one of
//! these words, and `LABRUNNER_SCENARIOS_AGAINST=real` plays the real servers against other real servers: what differs then is a fault of a scenario or
//! of the normalisation.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod condition;
mod difference;
mod double;
#[allow(dead_code)]
#[path = "../double_node/frame.rs"]
mod frame;
#[path = "../servers/mesh.rs"]
mod mesh;
mod names;
mod normal;
mod play;
#[path = "../servers/ports.rs"]
mod ports;
mod real;
mod run;
mod scenario;
mod stage;
mod view;
#[allow(dead_code)]
#[path = "../double_node/wire.rs"]
mod wire;
