//! The report for people, in the form that the place where it goes can show.

use std::io::Write;

use indicatif::TermLike;

use crate::engine::event::Stamped;

use super::journal::JournalFate;
use super::layout::Page;
use super::live::Live;
use super::plain::Plain;
use super::story::Story;
use super::{Reporter, Style, Verbosity};

/// Shows a run to people.
pub struct Terminal(Form);

enum Form {
    Plain(Box<Plain>),
    Live(Box<Live>),
}

impl Terminal {
    /// Plain lines to `out`, at most `width` columns wide (60 to 200; what is outside counts as the nearest). With a `style` without
    /// colours there are no escape codes in them.
    pub fn new(
        out: impl Write + Send + 'static,
        verbosity: Verbosity,
        style: Style,
        width: usize,
    ) -> Terminal {
        let story = Story::new(verbosity, Page::new(style, width));
        Terminal(Form::Plain(Box::new(Plain::new(Box::new(out), story))))
    }

    /// Live lines to `terminal`, which has `width` columns and can redraw ([`Style::can_redraw`]): `console::Term::buffered_stdout()`,
    /// for one. What is not buffered flickers.
    pub fn live(
        terminal: impl TermLike + 'static,
        verbosity: Verbosity,
        style: Style,
        width: usize,
    ) -> Terminal {
        let story = Story::new(verbosity, Page::new(style, width));
        Terminal(Form::Live(Box::new(Live::new(terminal, story))))
    }

    /// Says before the last line where the journal is, or why it is not complete. `fate` is [`Journal::fate`](super::Journal::fate).
    #[must_use]
    pub fn with_journal(mut self, path: impl Into<String>, fate: JournalFate) -> Terminal {
        let story = match &mut self.0 {
            Form::Plain(plain) => plain.story_mut(),
            Form::Live(live) => live.story_mut(),
        };
        story.set_journal(path.into(), fate);
        self
    }
}

impl Reporter for Terminal {
    fn on(&mut self, event: &Stamped) {
        match &mut self.0 {
            Form::Plain(plain) => plain.on(event),
            Form::Live(live) => live.on(event),
        }
    }

    fn finish(&mut self) {
        match &mut self.0 {
            Form::Plain(plain) => plain.finish(),
            Form::Live(live) => live.finish(),
        }
    }
}
