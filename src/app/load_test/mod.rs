//! What the application is worth under load.
//!
//! A [`Plan`] says what is asked for, [`run`] asks it, and what was answered goes to an audit, which no process that had a part in it should
//! make. A [`LoadReport`] tells all of it.

mod live;
mod plan;
mod report;
mod text;
mod traffic;

pub use live::live_line;
pub use plan::{Mix, Plan, Shape};
pub use report::{
    AuditCounts, AuditVerdict, LatencyMs, LoadReport, LoopReport, NodeShare, OperationReport,
    Redirects, SecondReport,
};
pub use text::milliseconds;
pub use traffic::{Aftermath, Answered, HOLD, run};

/// The operation that reserves seats, as a recorder is to be told.
pub const RESERVE: &str = "reserve";
/// A reservation was refused: fewer seats are free than it asks for.
pub const SOLD_OUT: &str = "sold out";
/// A reservation was refused: a seat that it names is taken.
pub const SEAT_TAKEN: &str = "seat taken";
