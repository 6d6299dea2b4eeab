//! The timeline of a failover: four moments, as the nodes themselves show them.
//!
//! - [`Recorder`] looks once at the cluster as it is before, and says what can't be timed.
//! - [`Recording`] asks every node again and again, and tries to write to the replicas, until it is stopped.
//!
//! What the answers mean is decided in one place without I/O, so that it can be tested with recorded answers.

mod moments;
mod poll;
#[cfg(test)]
mod recorded;
mod recorder;
mod subject;
#[cfg(test)]
mod tests;

pub use recorder::{Recorder, Recording};
pub use subject::RecorderError;
