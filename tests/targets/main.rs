//! The course's targets on real containers: what they do, what they print, and when they refuse.
//!
//! Every test makes an environment of its own, and looks at it by itself: through a client of its own, and by asking docker.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../engine/mod.rs"]
mod engine;
#[path = "../shapes/mod.rs"]
mod shapes;
#[path = "../support/mod.rs"]
mod support;

mod failover;
mod refusals;
mod scaling;
mod stage;
mod watch;
