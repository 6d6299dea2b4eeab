//! Text on a page of a given width: cleaned of what would move the cursor, cut, wrapped, aligned.
//!
//! Widths are columns of a terminal, not characters: `移` takes two, a combining accent none.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::style::{Paint, Style};

/// The narrowest page that is laid out for; on a narrower terminal the terminal wraps.
const NARROWEST: usize = 60;
/// The widest page that is made use of; longer lines are hard to read.
const WIDEST: usize = 200;
/// The farthest to the right that a time or a place stands: farther away the eye loses the line.
const FARTHEST: usize = 100;

/// How much room there is, and how text looks in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    pub style: Style,
    pub width: usize,
}

impl Page {
    /// A page of `width` columns, or of the nearest width that can be laid out for.
    pub fn new(style: Style, width: usize) -> Page {
        Page {
            style,
            width: width.clamp(NARROWEST, WIDEST),
        }
    }

    /// The column at which times and places end.
    pub fn right_edge(self) -> usize {
        self.width.min(FARTHEST)
    }

    /// `left` and, at the right edge, `right`. What does not fit of `left` is cut. Both are `(text, paint)`.
    pub fn spread(
        self,
        indent: &str,
        left: (&str, Option<Paint>),
        right: (&str, Option<Paint>),
    ) -> String {
        let taken = columns_painted(indent) + columns(right.0) + 2;
        let room = self.right_edge().saturating_sub(taken);
        let text = self.cut(left.0, room);
        let gap = if right.0.is_empty() {
            0
        } else {
            room.saturating_sub(columns(&text)) + 2
        };
        format!(
            "{indent}{}{}{}",
            self.painted(left.1, &text),
            " ".repeat(gap),
            self.painted(right.1, right.0)
        )
    }

    /// `text`, or as much of its beginning as fits into `room` columns, with an ellipsis where it was cut.
    pub fn cut<'a>(self, text: &'a str, room: usize) -> Cow<'a, str> {
        if columns(text) <= room {
            return Cow::Borrowed(text);
        }
        let ellipsis = self.style.ellipsis();
        let end = fitting(text, room.saturating_sub(columns(ellipsis)));
        Cow::Owned(format!("{}{ellipsis}", text[..end].trim_end()))
    }

    /// At most `most` of `lines`: the first third and the last two thirds, with a line between them that says how many were left out.
    pub fn cut_middle(self, lines: Vec<String>, most: usize) -> Vec<String> {
        if lines.len() <= most {
            return lines;
        }
        let kept = most.saturating_sub(1);
        let head = kept / 3;
        let tail = lines.len() - (kept - head);
        let left_out = super::words::count(tail - head, "line");
        let marker = format!("{0} {left_out} left out {0}", self.style.ellipsis());
        let mut out = lines;
        out.splice(head..tail, [marker]);
        out
    }

    /// At most `most` of the lines of a text that was wrapped to `room` columns, with an ellipsis at the end of the last.
    pub fn cut_end(self, mut lines: Vec<String>, most: usize, room: usize) -> Vec<String> {
        if most > 0 && lines.len() > most {
            // The next line fills what is free of the last one; it is longer than that, else it would not be the next one.
            let rest = lines
                .split_off(most - 1)
                .into_iter()
                .take(2)
                .collect::<Vec<_>>()
                .join(" ");
            let ellipsis = self.style.ellipsis();
            let last = self.cut(&rest, room - columns(ellipsis)).into_owned();
            lines.push(if last.ends_with(ellipsis) {
                last
            } else {
                format!("{last}{ellipsis}")
            });
        }
        lines
    }

    /// Rows whose cells stand apart by a tab or by two spaces and more, as a table. The last column is cut where the page ends.
    pub fn table(self, rows: &[String], room: usize) -> Vec<String> {
        let cells: Vec<Vec<String>> = rows.iter().map(|row| split_cells(row)).collect();
        let mut widths: Vec<usize> = Vec::new();
        for row in cells.iter().filter(|row| row.len() > 1) {
            for (column, cell) in row.iter().enumerate().take(row.len() - 1) {
                if widths.len() == column {
                    widths.push(0);
                }
                widths[column] = widths[column].max(columns(cell));
            }
        }
        let aligned = cells.iter().map(|row| {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                line.push_str(cell);
                if column + 1 < row.len() {
                    let width = widths.get(column).copied().unwrap_or_default();
                    line.push_str(&" ".repeat(width.saturating_sub(columns(cell)) + 2));
                }
            }
            self.cut(&line, room).into_owned()
        });
        aligned.collect()
    }

    /// `text` in a colour, or as it is.
    pub fn painted(self, paint: Option<Paint>, text: &str) -> String {
        paint.map_or_else(|| text.to_owned(), |paint| self.style.paint(paint, text))
    }
}

/// How many columns `text` takes on a terminal.
pub(super) fn columns(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// How many columns `text` takes when it may have colours in it.
pub(super) fn columns_painted(text: &str) -> usize {
    if text.contains('\x1b') {
        columns(&clean(text))
    } else {
        columns(text)
    }
}

/// `text` as lines that can be shown: no escape codes, no control characters, tabs as spaces. Of a line that was overwritten in place
/// (a progress display) the last state is kept. Empty lines at the end are dropped.
pub(super) fn lines_of(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .split('\n')
        .map(|line| {
            let shown = line
                .trim_end_matches('\r')
                .rsplit('\r')
                .find(|state| !state.is_empty())
                .unwrap_or_default();
            clean(shown).trim_end().to_owned()
        })
        .collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// `text` on one line that can be shown.
pub(super) fn one_line(text: &str) -> String {
    lines_of(text)
        .iter()
        .map(|line| line.trim())
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A number and its unit, or whatever else [`wrap`] shall not part.
pub(super) fn together(text: &str) -> String {
    text.replace(' ', "\u{a0}")
}

/// `text` broken at spaces into lines of at most `room` columns; a word that is longer is broken where it has to be. The spaces at the
/// beginning are kept. What was put [`together`] stays so, with ordinary spaces.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let room = room.max(8);
    let mut lines = Vec::new();
    let mut rest = text.trim_end();
    while columns(rest) > room {
        let end = fitting(rest, room);
        let indent = rest.len() - rest.trim_start().len();
        // A break right after the indentation would make an empty line.
        let broken = rest[..end].rfind(' ').filter(|space| *space > indent);
        // A word that has to be broken anyway is broken here and now.
        let broken = broken.filter(|space| {
            rest[space + 1..]
                .split(' ')
                .next()
                .is_some_and(|word| columns(word) <= room)
        });
        let broken = if rest[end..].starts_with(' ') {
            Some(end)
        } else {
            broken
        };
        // At least one character is taken, even when it is wider than the room.
        let at = broken
            .unwrap_or(end)
            .max(rest.chars().next().map_or(0, char::len_utf8));
        lines.push(rest[..at].trim_end().replace('\u{a0}', " "));
        rest = rest[at..].trim_start();
    }
    if !rest.is_empty() || lines.is_empty() {
        lines.push(rest.replace('\u{a0}', " "));
    }
    lines
}

/// How many bytes of `text` fit into `room` columns.
fn fitting(text: &str, room: usize) -> usize {
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        taken += c.width().unwrap_or_default();
        if taken > room {
            return at;
        }
    }
    text.len()
}

/// The cells of a row: by tabs if it has any, else by two spaces and more.
fn split_cells(row: &str) -> Vec<String> {
    let parts: Vec<&str> = if row.contains('\t') {
        row.split('\t').collect()
    } else {
        row.split("  ").collect()
    };
    let mut cells: Vec<String> = Vec::new();
    for part in parts {
        let cell = one_line(part);
        // Runs of spaces leave empty parts behind; an empty cell between tabs is meant.
        if !cell.is_empty() || row.contains('\t') {
            cells.push(cell);
        }
    }
    cells
}

/// `text` without escape sequences (ECMA-48: `ESC [ … final`, `ESC ] … BEL` and their like) and control characters.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => match chars.next() {
                Some('[') => {
                    while chars
                        .next()
                        .is_some_and(|c| !('\x40'..='\x7e').contains(&c))
                    {}
                }
                Some(']' | 'P' | '_' | '^' | 'X') => {
                    // A string of the operating system's kind: it ends with BEL, or with ESC and a backslash.
                    while let Some(c) = chars.next() {
                        if c == '\x07' || (c == '\x1b' && chars.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                _ => {}
            },
            '\t' => out.push_str("    "),
            // Marks of direction would turn the rest of a line around.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const PAGE: Page = Page {
        style: Style::PLAIN,
        width: 80,
    };

    #[rstest]
    #[case("a\x1b[1;31mred\x1b[0m b", &["ared b"])]
    #[case("title\x1b]0;evil\x07 here", &["title here"])]
    #[case("10%\r50%\r100%\r\ndone\r\n", &["100%", "done"])]
    #[case("a\tb\x00\x08c", &["a    bc"])]
    #[case("a\n\nb\n\n\n", &["a", "", "b"])]
    #[case("\x1b[", &[])]
    #[case("abc\u{202e}def", &["abcdef"])]
    fn output_is_made_showable(#[case] text: &str, #[case] lines: &[&str]) {
        assert_eq!(lines_of(text), lines);
    }

    #[rstest]
    #[case("one two three", 8, &["one two", "three"])]
    #[case("one twothr four", 10, &["one twothr", "four"])]
    #[case("    indented text", 10, &["    indent", "ed text"])]
    #[case("is 0123456789abcdef now", 10, &["is 0123456", "789abcdef", "now"])]
    #[case("0123456789abcdef", 10, &["0123456789", "abcdef"])]
    #[case("took 12\u{a0}ms here", 9, &["took", "12 ms", "here"])]
    #[case("移移移移移移", 8, &["移移移移", "移移"])]
    #[case("", 10, &[""])]
    fn text_is_wrapped(#[case] text: &str, #[case] room: usize, #[case] lines: &[&str]) {
        assert_eq!(wrap(text, room), lines);
    }

    #[test]
    fn text_is_cut_by_columns() {
        assert_eq!(PAGE.cut("scaling down", 8), "scaling…");
        assert_eq!(PAGE.cut("移移移移", 6), "移移…");
        assert_eq!(PAGE.cut("short", 5), "short");
        let ascii = Page {
            style: Style {
                colour: false,
                unicode: false,
            },
            ..PAGE
        };
        assert_eq!(ascii.cut("scaling down", 8), "scali...");
    }

    #[test]
    fn output_is_cut_in_the_middle() {
        let lines: Vec<String> = (1..=10).map(|n| n.to_string()).collect();
        assert_eq!(
            PAGE.cut_middle(lines.clone(), 5),
            ["1", "… 6 lines left out …", "8", "9", "10"]
        );
        assert_eq!(PAGE.cut_middle(lines.clone(), 1), ["… 10 lines left out …"]);
        assert_eq!(PAGE.cut_middle(lines, 10).len(), 10);
    }

    #[test]
    fn a_text_is_cut_at_its_end() {
        let lines = [
            "the first line".to_owned(),
            "the second".to_owned(),
            "the third".to_owned(),
        ];
        assert_eq!(
            PAGE.cut_end(lines.to_vec(), 2, 14),
            ["the first line", "the second t…"]
        );
        assert_eq!(PAGE.cut_end(lines.to_vec(), 1, 14), ["the first li…"]);
        assert_eq!(PAGE.cut_end(lines.to_vec(), 3, 14), lines);
    }

    #[test]
    fn a_table_is_aligned() {
        let rows = [
            "redis-1\tmaster\t0-5460",
            "redis-10\treplica\tof redis-1",
            "redis-3 does not answer",
        ]
        .map(String::from);
        assert_eq!(
            PAGE.table(&rows, 70),
            [
                "redis-1   master   0-5460",
                "redis-10  replica  of redis-1",
                "redis-3 does not answer"
            ]
        );
        let spaced =
            ["redis-1  master    0-5460", "redis-10  replica  of redis-1"].map(String::from);
        assert_eq!(
            PAGE.table(&spaced, 70),
            ["redis-1   master   0-5460", "redis-10  replica  of redis-1"]
        );
    }

    proptest! {
        #[test]
        fn wrapped_lines_fit_and_lose_nothing_but_spaces(text in "[a-z移 é]{0,200}", room in 8_usize..100) {
            let lines = wrap(&text, room);
            for line in &lines {
                prop_assert!(columns(line) <= room, "{line:?} is wider than {room}");
            }
            let letters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }

        #[test]
        fn nothing_that_moves_the_cursor_is_left(text in any::<String>()) {
            for line in lines_of(&text) {
                prop_assert!(!line.chars().any(char::is_control));
            }
        }
    }
}
