//! Small labs, run by the engine in an environment that does what a test wants, and the stories that are told of them.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../engine/mod.rs"]
mod docker;
#[path = "../last_look/mod.rs"]
mod last_look;
#[path = "../servers/mod.rs"]
mod servers;
#[path = "../support/mod.rs"]
mod support;

mod application;
mod background;
mod background_docker;
mod commands;
mod endings;
mod environment;
mod given;
mod interrupts;
mod several;
mod state;
mod story;
mod targets;
mod timeline;
mod watches;
