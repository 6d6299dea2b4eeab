//! A terminal that gets real line breaks.
//!
//! indicatif goes to the next line by filling the current one with spaces, so that the terminal wraps. Two things come of it. What
//! stays on the screen is one long line to the terminal: copied, it has no line breaks, and it falls apart when the window gets
//! narrower. And the cursor rests in the last column, so `^C`, as the terminal echoes it, goes to a line of its own, which indicatif doesn't
//! know of: the lines that it redraws next are the wrong ones. [`Screen`] stands between the two and breaks lines itself.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::TermLike;

/// A terminal, handed on to indicatif. Clones write to the same terminal.
#[derive(Debug, Clone)]
pub(super) struct Screen {
    terminal: Arc<dyn TermLike>,
    line: Arc<Mutex<Line>>,
}

/// Where the cursor is. indicatif writes each line in two pieces, its text and the spaces that fill it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// At the beginning of an empty line.
    Empty,
    /// Behind a text whose filling is still to come.
    Written,
    /// Behind a text that is complete: the next one belongs on the next line.
    Complete,
}

impl Screen {
    pub fn new(terminal: impl TermLike + 'static) -> Screen {
        Screen {
            terminal: Arc::new(terminal),
            line: Arc::new(Mutex::new(Line::Empty)),
        }
    }

    /// Goes to a new line, so that what others write stands apart.
    pub fn leave(&self) -> io::Result<()> {
        let mut line = self.line();
        if *line != Line::Empty {
            *line = Line::Empty;
            self.terminal.write_line("")?;
        }
        self.terminal.flush()
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // The worst that a panic in another thread can leave behind is a wrong line break.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.terminal.width()
    }

    fn height(&self) -> u16 {
        self.terminal.height()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.terminal.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.terminal.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.terminal.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.terminal.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        let mut line = self.line();
        if *line == Line::Complete {
            self.terminal.write_line("")?;
        }
        *line = Line::Empty;
        self.terminal.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut line = self.line();
        if *line == Line::Written {
            *line = Line::Complete;
            return Ok(());
        }
        if *line == Line::Complete {
            self.terminal.write_line("")?;
        }
        *line = Line::Written;
        self.terminal.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        *self.line() = Line::Empty;
        self.terminal.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.terminal.flush()
    }
}
