//! What people and programs get to see of a run. Every report here is made from the run's events and from nothing else.
//!
//! [`Terminal`] is for people: lines in a pipe, live lines on a terminal. [`Journal`] is for programs: JSON lines. Nothing here prints by
//! itself: each writes to what it was handed.
//!
//! A failing writer never ends a run. A broken pipe makes [`Terminal`] silent; a full disk is remembered by [`Journal`] and told at
//! the end.

use crate::engine::event::Stamped;

mod environment;
mod failure;
mod faults;
mod journal;
mod layout;
mod live;
mod picture;
mod plain;
mod probe;
pub mod recording;
#[cfg(test)]
mod rehearsal;
mod screen;
mod steps;
mod story;
#[cfg(test)]
mod story_tests;
mod style;
mod summary;
mod terminal;
mod timeline;
mod words;

pub use environment::{environment, environment_below, how_to_use};
pub use faults::faults;
pub use journal::{Journal, JournalFate};
pub use picture::{Redraw, picture};
pub use probe::line as probe_in_words;
pub use style::{ColourChoice, Style};
pub use terminal::Terminal;
pub use words::{number, span, took};

/// Something that is told everything that happens in a run.
pub trait Reporter: Send {
    /// Takes the next event. Events come in the order of their numbers; the last is `run_finished`, unless the process breaks off.
    fn on(&mut self, event: &Stamped);

    /// No more events come: what was held back is written now. Called once, after a run that broke off as well.
    fn finish(&mut self) {}
}

/// Several reporters, told one after the other in the order in which they stand. The journal goes first, so that what the
/// others show is on disk already.
#[derive(Default)]
pub struct Reporters(pub Vec<Box<dyn Reporter>>);

impl Reporter for Reporters {
    fn on(&mut self, event: &Stamped) {
        for reporter in &mut self.0 {
            reporter.on(event);
        }
    }

    fn finish(&mut self) {
        for reporter in &mut self.0 {
            reporter.finish();
        }
    }
}

/// How much is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// `-q`: failures and the last line.
    Quiet,
    /// A line a step.
    #[default]
    Normal,
    /// `-v`: each command as really run and what it printed, each check with what was seen, each phase.
    Verbose,
}
