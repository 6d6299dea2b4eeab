//! Load and probes.
//!
//! A [`Probe`] is a bounded stream of reads and writes that runs beside a step of a lab and measures what a client
//! would have noticed: failures, redirections, gaps, lost writes.

mod aim;
mod audit;
mod histogram;
mod keys;
mod operation;
mod pacer;
mod plan;
mod probe;
mod report;
mod tally;

pub use plan::{ProbeError, ProbePlan, ProbeSlots};
pub use probe::Probe;
pub use report::{Latency, ProbeReport};
