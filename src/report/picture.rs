//! A picture of a cluster in the colours of a terminal, and drawn again in its place.

use std::io;

use indicatif::TermLike;

use super::layout::columns_painted;
use super::style::{Paint, Style};
use crate::observe::picture::{Picture, Span, Tone};

/// The lines of a picture, in colours or as they are.
pub fn picture(picture: &Picture, style: Style) -> Vec<String> {
    let line = |spans: &Vec<Span>| -> String {
        let painted = spans.iter().map(|span| painted(style, span));
        painted.collect::<String>().trim_end().to_owned()
    };
    picture.lines.iter().map(line).collect()
}

fn painted(style: Style, span: &Span) -> String {
    let text = &span.text;
    let paint = match span.tone {
        Tone::Plain => return text.clone(),
        Tone::Good => Paint::Good,
        Tone::Warning => Paint::Warning,
        Tone::Bad => Paint::Bad,
        Tone::Strong => Paint::Strong,
        Tone::Faint => Paint::Faint,
    };
    // Colours of blanks can't be seen, and would keep them from being cut.
    let kept = text.trim_end();
    format!(
        "{}{}",
        style.paint(paint, kept),
        " ".repeat(text.len() - kept.len())
    )
}

/// Lines on a terminal that are drawn again and again in the same place.
///
/// The cursor rests below them, at the beginning of an empty line: whoever ends the program, in whichever way, gets the prompt there.
#[derive(Debug)]
pub struct Redraw<T: TermLike> {
    terminal: T,
    style: Style,
    drawn: Vec<String>,
}

impl<T: TermLike> Redraw<T> {
    /// Has drawn nothing yet. What is written to `terminal` becomes visible when it is flushed, so that nobody sees half a picture.
    pub fn new(terminal: T, style: Style) -> Self {
        Redraw {
            terminal,
            style,
            drawn: Vec::new(),
        }
    }

    /// Columns for the next lines.
    pub fn width(&self) -> usize {
        usize::from(self.terminal.width())
    }

    /// Draws lines in place of those that are there. What does not fit into the window is left out, and a line says so.
    ///
    /// # Errors
    /// Those of the terminal, which may be gone.
    pub fn draw(&mut self, lines: Vec<String>) -> io::Result<()> {
        self.erase()?;
        let lines = self.fitting(lines);
        for line in &lines {
            self.terminal.write_line(line)?;
        }
        self.drawn = lines;
        self.terminal.flush()
    }

    /// Takes away what stands below the lines, as a `^C` that the terminal has echoed there.
    ///
    /// # Errors
    /// Those of the terminal.
    pub fn leave(&mut self) -> io::Result<()> {
        self.terminal.clear_line()?;
        self.terminal.flush()
    }

    fn erase(&self) -> io::Result<()> {
        let rows: usize = self.drawn.iter().map(|line| self.rows(line)).sum();
        self.terminal.clear_line()?;
        for _ in 0..rows {
            self.terminal.move_cursor_up(1)?;
            self.terminal.clear_line()?;
        }
        Ok(())
    }

    /// How many rows of the window a line takes, which may have become narrower since it was drawn.
    fn rows(&self, line: &str) -> usize {
        columns_painted(line).div_ceil(self.width().max(1)).max(1)
    }

    fn fitting(&self, mut lines: Vec<String>) -> Vec<String> {
        // The last row is the cursor's.
        let most = usize::from(self.terminal.height()).saturating_sub(1).max(1);
        let all = lines.len();
        let mut rows: usize = lines.iter().map(|line| self.rows(line)).sum();
        while rows > most && lines.len() > 1 {
            // One more for the line that says so.
            let left_out = if lines.len() == all { 2 } else { 1 };
            for _ in 0..left_out {
                rows -= lines.pop().map_or(0, |line| self.rows(&line));
            }
            rows += usize::from(left_out == 2);
        }
        if lines.len() < all {
            let more = super::words::count(all - lines.len(), "line");
            let text = format!(
                "{} {more} more than the window has room for",
                self.style.ellipsis()
            );
            lines.push(self.style.paint(Paint::Faint, &text));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn lines_are_drawn_in_the_same_place() {
        let terminal = InMemoryTerm::new(10, 20);
        terminal.write_line("$ labrunner").unwrap();
        let mut redraw = Redraw::new(terminal.clone(), Style::PLAIN);
        redraw.draw(lines("one two three")).unwrap();
        redraw.draw(lines("four")).unwrap();
        assert_eq!(terminal.contents(), "$ labrunner\nfour");
        redraw.draw(lines("five six")).unwrap();
        terminal.write_str("^C").unwrap();
        redraw.leave().unwrap();
        terminal.write_str("$ ").unwrap();
        assert_eq!(terminal.contents(), "$ labrunner\nfive\nsix\n$");
    }

    #[test]
    fn a_line_that_takes_several_rows_is_taken_away_whole() {
        let terminal = InMemoryTerm::new(10, 10);
        let mut redraw = Redraw::new(terminal.clone(), Style::PLAIN);
        redraw.draw(vec!["x".repeat(25), "y".to_owned()]).unwrap();
        redraw.draw(lines("one two")).unwrap();
        assert_eq!(terminal.contents(), "one\ntwo");
    }

    #[test]
    fn what_the_window_has_no_room_for_is_left_out_and_said() {
        let terminal = InMemoryTerm::new(5, 60);
        let mut redraw = Redraw::new(terminal.clone(), Style::PLAIN);
        redraw.draw(lines("1 2 3 4 5 6")).unwrap();
        redraw.draw(lines("1 2 3 4 5 6")).unwrap();
        assert_eq!(
            terminal.contents(),
            "1\n2\n3\n… 3 lines more than the window has room for"
        );
        redraw.draw(lines("1 2 3 4")).unwrap();
        assert_eq!(terminal.contents(), "1\n2\n3\n4");
    }

    #[test]
    fn tones_are_colours_and_without_colours_nothing() {
        let drawn = Picture {
            lines: vec![vec![
                Span {
                    text: "master ".to_owned(),
                    tone: Tone::Strong,
                },
                Span {
                    text: "fail  ".to_owned(),
                    tone: Tone::Bad,
                },
            ]],
            state: String::new(),
            slots: String::new(),
        };
        assert_eq!(picture(&drawn, Style::PLAIN), ["master fail"]);
        let colours = Style {
            colour: true,
            unicode: true,
        };
        assert_eq!(
            picture(&drawn, colours),
            ["\u{1b}[1mmaster\u{1b}[0m \u{1b}[1;31mfail\u{1b}[0m"]
        );
    }
}
