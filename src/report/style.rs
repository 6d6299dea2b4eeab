//! Whether there are colours, and which signs can be shown. Decided once, before the run.

use crate::engine::event::Outcome;

/// What `--color` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ColourChoice {
    /// As the surroundings ask.
    #[default]
    Auto,
    /// Colours, whatever the surroundings ask.
    Always,
    /// No colours, whatever the surroundings ask.
    Never,
}

/// How text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether there are colours.
    pub colour: bool,
    /// Whether signs beyond ASCII can be shown.
    pub unicode: bool,
}

/// What a colour stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    Good,
    Bad,
    Warning,
    Strong,
    Faint,
    Busy,
}

impl Style {
    /// Signs beyond ASCII and no colours: what a file or a CI log gets.
    pub const PLAIN: Style = Style {
        colour: false,
        unicode: true,
    };

    /// Decides by `--color`, by whether the output is a terminal, and by environment variables, which `variable` looks up.
    ///
    /// `--color always` and `never` win. Then `NO_COLOR` (not empty) switches colours off, as <https://no-color.org> asks;
    /// `CLICOLOR_FORCE` (not empty, not `0`) switches them on, `CLICOLOR=0` off, as <https://bixense.com/clicolors> asks. Else a
    /// terminal has colours unless it calls itself `dumb`.
    ///
    /// Signs beyond ASCII are shown when the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is not empty names UTF-8, the order in
    /// which POSIX reads them.
    pub fn decide(
        choice: ColourChoice,
        terminal: bool,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Style {
        let filled = |name: &str| variable(name).filter(|value| !value.is_empty());
        let colour = match choice {
            ColourChoice::Always => true,
            ColourChoice::Never => false,
            ColourChoice::Auto if filled("NO_COLOR").is_some() => false,
            ColourChoice::Auto if filled("CLICOLOR_FORCE").is_some_and(|value| value != "0") => {
                true
            }
            ColourChoice::Auto if filled("CLICOLOR").is_some_and(|value| value == "0") => false,
            ColourChoice::Auto => terminal && filled("TERM").is_none_or(|value| value != "dumb"),
        };
        let unicode = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| filled(name))
            .is_some_and(|locale| {
                let locale = locale.to_ascii_lowercase();
                locale.contains("utf-8") || locale.contains("utf8")
            });
        Style { colour, unicode }
    }

    /// Whether lines can be redrawn in place: on a terminal that does not call itself `dumb`.
    pub fn can_redraw(terminal: bool, variable: &dyn Fn(&str) -> Option<String>) -> bool {
        terminal && variable("TERM").is_some_and(|value| !value.is_empty() && value != "dumb")
    }

    /// `text` in the colour of `paint`, or as it is.
    pub(super) fn paint(self, paint: Paint, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        // The sixteen old colours follow the reader's own palette, so they can be read on a dark and on a light ground.
        let code = match paint {
            Paint::Good => "32",
            Paint::Bad => "1;31",
            Paint::Warning => "33",
            Paint::Strong => "1",
            Paint::Faint => "2",
            Paint::Busy => "36",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// The mark before a line that ended so.
    pub(super) fn mark(self, outcome: Outcome) -> String {
        let (sign, word, paint) = match outcome {
            Outcome::Passed => ("✓", "ok  ", Paint::Good),
            Outcome::Failed => ("✗", "FAIL", Paint::Bad),
            Outcome::Skipped => ("-", "skip", Paint::Warning),
            Outcome::Broken => ("✗", "BAD ", Paint::Bad),
            Outcome::Interrupted => ("!", "stop", Paint::Warning),
        };
        self.paint(paint, if self.unicode { sign } else { word })
    }

    /// How many columns a mark takes.
    pub(super) fn mark_width(self) -> usize {
        if self.unicode { 1 } else { 4 }
    }

    /// The sign at the head of a picture of what went wrong.
    pub(super) fn cross(self) -> String {
        self.paint(Paint::Bad, if self.unicode { "✗" } else { "x" })
    }

    /// The sign at the head of a warning.
    pub(super) fn bang(self) -> String {
        self.paint(Paint::Warning, "!")
    }

    /// What stands between two parts of a line.
    pub(super) fn dot(self) -> &'static str {
        if self.unicode { "·" } else { "-" }
    }

    /// What stands for the part of a text that was left out.
    pub(super) fn ellipsis(self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }

    /// What stands before each line of a command's output.
    pub(super) fn bar(self) -> &'static str {
        if self.unicode { "│" } else { "|" }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn decided(choice: ColourChoice, terminal: bool, variables: &[(&str, &str)]) -> Style {
        Style::decide(choice, terminal, &|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[rstest]
    #[case::a_terminal(ColourChoice::Auto, true, &[], true)]
    #[case::a_pipe(ColourChoice::Auto, false, &[], false)]
    #[case::a_dumb_terminal(ColourChoice::Auto, true, &[("TERM", "dumb")], false)]
    #[case::no_color(ColourChoice::Auto, true, &[("NO_COLOR", "1")], false)]
    #[case::no_color_is_empty(ColourChoice::Auto, true, &[("NO_COLOR", "")], true)]
    #[case::forced_in_a_pipe(ColourChoice::Auto, false, &[("CLICOLOR_FORCE", "1")], true)]
    #[case::forced_by_nought(ColourChoice::Auto, false, &[("CLICOLOR_FORCE", "0")], false)]
    #[case::no_color_beats_force(ColourChoice::Auto, true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false)]
    #[case::switched_off(ColourChoice::Auto, true, &[("CLICOLOR", "0")], false)]
    #[case::always_beats_no_color(ColourChoice::Always, false, &[("NO_COLOR", "1")], true)]
    #[case::never_beats_force(ColourChoice::Never, true, &[("CLICOLOR_FORCE", "1")], false)]
    fn colours(
        #[case] choice: ColourChoice,
        #[case] terminal: bool,
        #[case] variables: &[(&str, &str)],
        #[case] colour: bool,
    ) {
        assert_eq!(decided(choice, terminal, variables).colour, colour);
    }

    #[rstest]
    #[case(&[("LANG", "en_GB.UTF-8")], true)]
    #[case(&[("LANG", "C.utf8")], true)]
    #[case(&[("LANG", "C")], false)]
    #[case(&[], false)]
    #[case(&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")], false)]
    #[case(&[("LC_ALL", ""), ("LC_CTYPE", "de_DE.UTF-8"), ("LANG", "C")], true)]
    fn signs(#[case] variables: &[(&str, &str)], #[case] unicode: bool) {
        assert_eq!(
            decided(ColourChoice::Auto, true, variables).unicode,
            unicode
        );
    }

    #[test]
    fn redrawing_needs_a_terminal_that_can() {
        let named = |term: &'static str| move |_: &str| Some(term.to_owned());
        assert!(Style::can_redraw(true, &named("xterm-256color")));
        assert!(!Style::can_redraw(true, &named("dumb")));
        assert!(!Style::can_redraw(false, &named("xterm-256color")));
        assert!(!Style::can_redraw(true, &|_| None));
    }
}
