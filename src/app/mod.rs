//! The application of the course: seats of events are reserved, confirmed and cancelled, by many at once, and none is sold twice.
//!
//! - [`request`] and [`answer`]: what can be asked, with its limits, and what is answered.
//! - [`Store`]: the hot state in Redis Cluster. Each transition is one script of `lua/`, see [`scripts`].
//! - [`Settings`]: how the cluster is reached, and how patient the application is.
//! - [`audit`]: reads every seat of an event and holds it against what was answered.
//!
//! The ledger, which will keep confirmed reservations, belongs between a caller and [`Store::confirm`](store::Store::confirm): what Redis has
//! acknowledged can be lost in a failover, so whoever may not lose a sale has to write it down elsewhere before saying so.

pub mod answer;
pub mod audit;
pub mod error;
pub mod event_id;
pub mod load_test;
pub mod request;
pub mod scripts;
pub mod seat;
mod session;
pub mod settings;
pub mod store;

use std::time::{SystemTime, UNIX_EPOCH};

pub use error::{AppError, Refusal};
pub use event_id::EventId;
pub use seat::Seat;
pub use session::Session;
pub use settings::Settings;
pub use store::Store;

/// This machine's time in milliseconds since 1970. Scripts use the node's own, which decides.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
