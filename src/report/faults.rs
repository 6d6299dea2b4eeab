//! What is wrong with a lab's file, drawn for people.

use std::fmt::Write;

use miette::{GraphicalReportHandler, GraphicalTheme, ThemeStyles};

use super::style::Style;
use crate::lab::fault::Faults;

/// The narrowest and the widest that faults are drawn, in columns.
const WIDTHS: std::ops::RangeInclusive<usize> = 60..=120;
/// Faults that are drawn of one file. A file with more is not a lab with slips in it.
const DRAWN: usize = 100;

/// All faults of a file, in the order of their places: each with its line and a caret under it, and at the end how many there are.
/// `width` is in columns. The text ends with a line break.
pub fn faults(faults: &Faults, style: Style, width: usize) -> String {
    let theme = match (style.unicode, style.colour) {
        (true, true) => GraphicalTheme::unicode(),
        (true, false) => GraphicalTheme::unicode_nocolor(),
        (false, true) => GraphicalTheme {
            styles: ThemeStyles::ansi(),
            ..GraphicalTheme::ascii()
        },
        (false, false) => GraphicalTheme {
            styles: ThemeStyles::none(),
            ..GraphicalTheme::ascii()
        },
    };
    let width = width.clamp(*WIDTHS.start(), *WIDTHS.end());
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(width)
        .with_context_lines(1);
    let mut out = String::new();
    for fault in faults.diagnostics().take(DRAWN) {
        let mut drawn = String::new();
        // Writing to a string does not fail; should the drawing fail, the sentence alone is shown.
        if handler.render_report(&mut drawn, &fault).is_err() {
            drawn = format!("{fault}\n");
        }
        for line in drawn.trim_end().lines() {
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out.push('\n');
    }
    if let Some(more) = faults
        .faults
        .len()
        .checked_sub(DRAWN)
        .filter(|more| *more > 0)
    {
        let _ = writeln!(out, "… and {more} more\n");
    }
    let _ = writeln!(out, "{faults}");
    out
}
