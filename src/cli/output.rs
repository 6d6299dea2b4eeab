//! Where output goes and what it can show.

use std::io::{IsTerminal, Write};

use crate::report::{ColourChoice, Style, Terminal, Verbosity};

/// The surroundings that the process was started in, looked at once.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// How standard output looks.
    pub style: Style,
    /// How standard error looks.
    pub error_style: Style,
    /// Whether standard output is a terminal on which lines can be redrawn.
    pub live: bool,
    /// Columns.
    pub width: usize,
}

impl Output {
    /// Looks around.
    pub fn decide(choice: ColourChoice) -> Output {
        let variable = |name: &str| std::env::var(name).ok();
        let (out, error) = (
            std::io::stdout().is_terminal(),
            std::io::stderr().is_terminal(),
        );
        let (_, columns) = console::Term::stdout().size();
        Output {
            style: Style::decide(choice, out, &variable),
            error_style: Style::decide(choice, error, &variable),
            live: Style::can_redraw(out, &variable),
            width: if out { usize::from(columns) } else { 100 },
        }
    }

    /// Shows on standard output what happens, in place where that can be.
    pub fn terminal(self, verbosity: Verbosity) -> Terminal {
        if self.live {
            let out = console::Term::buffered_stdout();
            Terminal::live(out, verbosity, self.style, self.width)
        } else {
            Terminal::new(std::io::stdout(), verbosity, self.style, self.width)
        }
    }
}

/// Prints a line to standard output. A reader that has gone away (`| head`) is no error.
pub fn say(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout().lock(), "{}", line.as_ref());
}

/// Prints a line to standard error.
pub fn complain(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", line.as_ref());
}

/// `1 step`, `2 steps`.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Prints what is wrong and what to do about it.
pub fn complain_with_help(what: &str, help: &str) {
    complain(format!("error: {what}"));
    for (at, line) in help.lines().enumerate() {
        complain(format!(
            "{} {line}",
            if at == 0 { " help:" } else { "      " }
        ));
    }
}
