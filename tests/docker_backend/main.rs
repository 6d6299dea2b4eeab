//! The docker backend against the real engine.
//!
//! Every test makes an environment of its own, and finds the image as `labrunner` does. Without an engine or an image the tests say
//! `SKIPPED` and pass, unless the variable `LABRUNNER_REQUIRE` names `docker`: then they fail.

#[path = "../engine/mod.rs"]
mod engine;
#[path = "../support/mod.rs"]
mod support;

mod lab;
mod making;
mod nodes;
mod output;
mod remains;
