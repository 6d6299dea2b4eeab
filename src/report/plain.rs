//! The run as plain lines, for a pipe, a file or a CI log: nothing that moves the cursor, and each line is out as soon as it is known.

use std::io::Write;

use crate::engine::event::Stamped;

use super::Reporter;
use super::story::Story;

/// Writes the run's lines one below the other.
pub(super) struct Plain {
    out: Box<dyn Write + Send>,
    story: Story,
    /// Nobody reads any more: `labrunner run … | head -3` is no fault of the run.
    closed: bool,
}

impl Plain {
    pub fn new(out: Box<dyn Write + Send>, story: Story) -> Plain {
        Plain {
            out,
            story,
            closed: false,
        }
    }

    pub fn story_mut(&mut self) -> &mut Story {
        &mut self.story
    }

    fn write(&mut self, lines: &[String]) {
        if self.closed || lines.is_empty() {
            return;
        }
        let mut text = lines.join("\n");
        text.push('\n');
        self.closed = self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush())
            .is_err();
    }
}

impl Reporter for Plain {
    fn on(&mut self, event: &Stamped) {
        let lines = self.story.tell(event);
        self.write(&lines);
    }

    fn finish(&mut self) {
        let lines = self.story.finish();
        self.write(&lines);
    }
}
