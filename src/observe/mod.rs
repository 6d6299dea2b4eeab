//! Watching nodes over RESP: every node's own view, and the given keys read back.

mod keys_report;
mod observation;
mod observer;

pub use keys_report::{KeysReport, read_back};
pub use observation::{Observation, Seen, View};
pub use observer::{Needs, Observer};
