//! The node of `labrunner::double` beside a real Redis 7.0: the same commands to both, and every reply the same to the byte, but for what
//! a line declares to vary. Fixed cases in `cases/*.txt` (their format: `case.rs`), and generated sequences of commands (`generated/`).
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod app_scripts;
mod bad_days;
mod case;
mod clients;
mod command;
mod compare;
mod debug;
mod fixed;
mod frame;
mod generated;
mod long_scripts;
mod pair;
mod quoting;
mod real;
mod red;
mod run;
mod show;
mod subject;
mod table;
mod wire;
