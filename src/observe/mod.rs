//! Watching nodes over RESP: every node's own view, the given keys read back, and the timeline of a failover. And looking into the
//! database by a query.

mod keys_report;
mod observation;
mod observer;
pub mod picture;
#[cfg(test)]
pub(crate) mod recorded;
mod sql;
#[cfg(test)]
mod tests;
mod timeline;
mod who;

pub use keys_report::{KeysReport, read_back};
pub use observation::{Observation, Seen, View};
pub use observer::{Needs, Observer};
pub use sql::{Rows, SqlObserver};
pub use timeline::{Recorder, RecorderError, Recording};
pub use who::Who;
