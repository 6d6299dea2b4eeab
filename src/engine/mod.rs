//! Runs a lab: order, deadlines, captures, cleanup. Everything that happens is an [`event`](event::Event), written by one writer.

mod check;
mod coming_true;
mod command;
pub mod event;
pub mod events;
mod given;
mod guard;
pub mod interrupt;
mod names;
mod probe;
mod run;
mod scene;
mod scope;
mod step;
mod trouble;
mod watch;
mod world;

pub use events::Events;
pub use interrupt::Interrupt;
pub use run::{Ending, LabResult, run};
