//! Load and probes.
//!
//! An [`OpenLoop`] begins operations at a rate, a [`ClosedLoop`] has users who wait for their answers; a [`Recorder`] counts what
//! comes of either. A [`Probe`] is a bounded stream of reads and writes that runs beside a step of a lab and measures what a client
//! would have noticed: failures, redirections, gaps, lost writes.

mod aim;
mod audit;
mod calendar;
mod closed;
mod histogram;
mod keys;
mod open;
mod operation;
mod outcome;
mod pacer;
mod plan;
mod probe;
mod ready;
mod recorder;
mod report;
mod tally;
#[cfg(test)]
mod tests;
mod workers;

pub use closed::{Act, ClosedLoop, Users};
pub use open::{OpenLoop, Operation};
pub use outcome::{Done, Outcome};
pub use plan::{ProbeError, ProbePlan, ProbeSlots};
pub use probe::Probe;
pub use recorder::{OperationSummary, Percentiles, Progress, Recorder, Second, Summary};
pub use report::{Latency, ProbeReport};
pub use workers::LoadError;
