//! `labrunner` makes course material about Redis Cluster and PostgreSQL executable: an author writes a lab once, in YAML; CI runs
//! it against real containers; a learner is judged by the same checks.
//!
//! The rooms, from the bottom up; a room uses only what stands below it:
//!
//! - [`cluster`]: the vocabulary, and how to read what Redis prints. No I/O.
//! - [`resp`]: one connection to one node, and a small client over all of them.
//! - [`double`]: Redis-protocol test doubles.
//! - [`lab`]: the language: loading, static checks, templates, the JSON Schema.
//! - [`admin`]: changing a cluster: making one of a given shape, filling it.
//! - [`observe`]: watching nodes: every node's own view.
//! - [`load`]: traffic, and what a client notices of it.
//! - [`redis_cli`]: redis-cli, for machines that have none.
//! - [`app`]: the seat-reservation application of the course.
//! - [`backend`]: where nodes live.
//! - [`targets`]: the course's make targets.
//! - [`engine`]: runs a lab and tells everything that happens as events.
//! - [`report`]: what people and programs get to see of a run, made from its events.
//! - [`book`]: the guide, rendered from labs and from recordings of their runs.
//! - [`cli`]: what the programs `labrunner` and `app` do with their arguments. Only here is anything printed.

// Library code never panics on input, never prints and never exits: it says what it has to say to whoever called it. Only the command line prints, and ends the process when somebody interrupts it again.
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::todo,
        clippy::print_stdout,
        clippy::print_stderr,
        clippy::exit
    )
)]

pub mod admin;
pub mod app;
pub mod backend;
pub mod book;
// It is the programs', and stands in the library so that it is compiled once for both of them.
#[allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]
pub mod cli;
pub mod cluster;
pub mod double;
pub mod engine;
pub mod lab;
pub mod load;
pub mod observe;
pub mod redis_cli;
pub mod report;
pub mod resp;
pub mod targets;
