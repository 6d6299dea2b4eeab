//! Runs labs: order, deadlines, captures, cleanup. Everything that happens is an [`event`](event::Event), written by one writer.

mod apart;
mod background;
mod begin;
mod check;
mod coming_true;
mod command;
mod database;
mod environment;
pub mod event;
pub mod events;
mod evidence;
mod given;
mod guard;
pub mod interrupt;
mod labs;
mod names;
mod probe;
mod repeat;
mod reuse;
mod run;
mod scene;
mod scope;
pub mod standing;
mod step;
mod task;
mod tell;
mod timeline;
mod traces;
mod trouble;
mod watch;
mod world;

pub use check::check_in_words;
pub use events::Events;
pub use interrupt::Interrupt;
pub use labs::{AT_ONCE, LabsResult, Maker, Manner, run_all};
pub use run::{Ending, LabResult, run};
