//! The application of the course: seats of events are reserved, confirmed and cancelled, by many at once, and none is sold twice.
//!
//! - [`request`] and [`answer`]: what can be asked, with its limits, and what is answered.
//! - [`Store`]: the hot state in Redis Cluster. Each transition is one script of `lua/`, see [`scripts`].
//! - [`Settings`]: how the cluster is reached, and how patient the application is.
//! - [`audit`]: reads every seat of an event and holds it against what was answered.
//! - [`ledger`]: confirmed reservations in PostgreSQL. What Redis has acknowledged can be lost in a failover; what the ledger has committed can't.
//! - [`patterns`]: how Redis and the ledger work together.

pub mod answer;
pub mod audit;
pub mod error;
pub mod event_id;
pub mod flow;
pub mod ledger;
pub mod load_test;
pub mod patterns;
pub mod payment;
pub mod rebuild;
pub mod request;
pub mod scripts;
pub mod seat;
mod session;
pub mod settings;
pub mod store;
pub mod sweep;
pub mod worker;

use std::time::{SystemTime, UNIX_EPOCH};

pub use error::{AppError, Refusal};
pub use event_id::EventId;
pub use ledger::Ledger;
pub use patterns::Pattern;
pub use seat::Seat;
pub use session::Session;
pub use settings::Settings;
pub use store::Store;
pub use worker::Worker;

/// This machine's time in milliseconds since 1970. Scripts use the node's own, which decides.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
