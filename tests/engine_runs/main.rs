//! Small labs, run by the engine in an environment that does what a test wants, and the stories that are told of them.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../servers/mod.rs"]
mod servers;
#[path = "../support/mod.rs"]
mod support;

mod commands;
mod endings;
mod environment;
mod given;
mod interrupts;
mod state;
mod story;
