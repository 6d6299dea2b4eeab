//! PostgreSQL in the application, on real servers: the throw-away server itself, the schema, the ledger, the patterns.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../databases/mod.rs"]
mod databases;
#[path = "../servers/mod.rs"]
mod servers;
#[path = "../support/mod.rs"]
mod support;

mod cache_aside;
mod commands;
mod containers;
mod full;
mod ledger;
mod offline;
mod place;
mod schema;
mod server;
mod skew;
mod tls;
mod write_through;

use std::time::Duration;

use labrunner::app::ledger::LedgerSettings;
use labrunner::app::{AppError, Refusal};

/// Settings of somebody who does not wait long.
fn impatient(url: &str) -> LedgerSettings {
    LedgerSettings {
        deadline: Duration::from_secs(3),
        attempt: Duration::from_secs(1),
        ..LedgerSettings::new(url)
    }
}

/// The refusal that an answer has to be.
#[track_caller]
fn refusal_of<T: std::fmt::Debug>(answer: Result<T, AppError>) -> Refusal {
    match answer {
        Err(AppError::Refused(refusal)) => refusal,
        other => panic!("no refusal: {other:?}"),
    }
}
