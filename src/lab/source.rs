//! A lab's text, and places in it.

use std::sync::Arc;

/// The text of one file, with the name that it was given by. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Source {
    name: Arc<str>,
    text: Arc<str>,
    printable: Arc<str>,
    line_starts: Arc<[usize]>,
    /// The byte of every [`STRIDE`]th character, so that characters need not be counted from a line's start: a file can be one
    /// long line, and then the reading of it would take the square of its length.
    marks: Arc<[usize]>,
}

/// Characters between two marks.
const STRIDE: usize = 64;

/// A stretch of a source, in bytes; the end is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

impl Span {
    /// From `start` to `end`, in bytes.
    pub fn new(start: usize, end: usize) -> Self {
        Span {
            start,
            end: end.max(start),
        }
    }
}

impl From<Span> for miette::SourceSpan {
    fn from(span: Span) -> Self {
        (span.start, span.end - span.start).into()
    }
}

impl Source {
    /// A source called `name`, usually its path as the user typed it. A byte order mark at its begin is left out: places are
    /// counted from the first character that an editor shows.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let text = text
            .strip_prefix('\u{feff}')
            .map_or_else(|| text.clone(), Arc::from);
        // Lines end as YAML says (1.2, 5.4): with LF, CR LF, or CR alone.
        let ends = text
            .match_indices(['\n', '\r'])
            .filter(|(at, sign)| *sign == "\n" || !text[at + 1..].starts_with('\n'));
        let line_starts = std::iter::once(0)
            .chain(ends.map(|(at, _)| at + 1))
            .collect();
        let printable = if text.contains(char::is_control) {
            printable(&text).into()
        } else {
            text.clone()
        };
        let marks = text
            .char_indices()
            .step_by(STRIDE)
            .map(|(at, _)| at)
            .collect();
        Source {
            name: name.into(),
            text,
            printable,
            line_starts,
            marks,
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text with `?` in place of what a terminal would obey, byte for byte.
    pub(super) fn printable(&self) -> &str {
        &self.printable
    }

    /// The text of a span; empty where the span is not one of this source.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or("")
    }

    /// The part of `span` that lies in this source, with whole characters only.
    pub fn within(&self, span: Span) -> Span {
        let at = |byte: usize| {
            (0..=byte.min(self.text.len()))
                .rev()
                .find(|at| self.text.is_char_boundary(*at))
                .unwrap_or(0)
        };
        Span::new(at(span.start), at(span.end))
    }

    /// A line, counted from 1, without what ends it.
    pub fn line(&self, number: usize) -> Option<Span> {
        let start = *self.line_starts.get(number.checked_sub(1)?)?;
        let next = self
            .line_starts
            .get(number)
            .copied()
            .unwrap_or(self.text.len());
        let text = self.text.get(start..next)?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        Some(Span::new(
            start,
            start + text.strip_suffix('\r').unwrap_or(text).len(),
        ))
    }

    /// Line and column of a byte, both from 1, the column in characters.
    pub fn place(&self, byte: usize) -> (usize, usize) {
        let line = self
            .line_starts
            .partition_point(|start| *start <= byte)
            .max(1);
        (
            line,
            self.characters_before(byte) - self.characters_before(self.line_starts[line - 1]) + 1,
        )
    }

    /// The byte at a line (from 1) and a column (from 0, in characters); the end of the line where it is shorter.
    pub fn byte_at(&self, line: usize, column: usize) -> usize {
        let Some(line) = self.line(line.max(1)) else {
            return self.text.len();
        };
        self.byte_of(self.characters_before(line.start).saturating_add(column))
            .min(line.end)
    }

    fn characters_before(&self, byte: usize) -> usize {
        let mark = self
            .marks
            .partition_point(|mark| *mark <= byte)
            .saturating_sub(1);
        let from = self.marks.get(mark).copied().unwrap_or(0);
        mark * STRIDE
            + self.text[from..]
                .char_indices()
                .take_while(|(at, c)| from + at + c.len_utf8() <= byte)
                .count()
    }

    fn byte_of(&self, character: usize) -> usize {
        let Some(&from) = self.marks.get(character / STRIDE) else {
            return self.text.len();
        };
        self.text[from..]
            .char_indices()
            .nth(character % STRIDE)
            .map_or(self.text.len(), |(at, _)| from + at)
    }
}

/// The text with `?` for every sign that a terminal obeys instead of showing it, but for tabs and line ends. As many bytes as
/// `text`, so that places stay what they are.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_line_end = c == '\n' || (c == '\r' && chars.peek() == Some(&'\n'));
        if c.is_control() && !is_line_end && c != '\t' {
            out.extend(std::iter::repeat_n('?', c.len_utf8()));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_from_one_and_in_characters() {
        let source = Source::new("a.yaml", "é: 1\nxy: 2\n");
        assert_eq!(source.place(0), (1, 1));
        assert_eq!(source.place("é".len()), (1, 2));
        assert_eq!(source.place(source.text().find("2").unwrap_or(0)), (2, 5));
        assert_eq!(source.place(9999), (3, 1));
    }

    #[test]
    fn bytes_are_found_by_line_and_column() {
        let source = Source::new("a.yaml", "é: 1\nxy: 2\n");
        assert_eq!(source.byte_at(1, 1), 2);
        assert_eq!(source.byte_at(2, 4), 10);
        assert_eq!(source.byte_at(2, 400), 11);
        assert_eq!(source.byte_at(77, 0), source.text().len());
    }

    #[test]
    fn lines_end_as_yaml_says() {
        let source = Source::new("a.yaml", "\u{feff}a\r\nb\rc\nd");
        let lines: Vec<&str> = (1..)
            .map_while(|number| source.line(number))
            .map(|line| source.slice(line))
            .collect();
        assert_eq!(lines, ["a", "b", "c", "d"]);
        assert_eq!(source.byte_at(2, 0), 3);
        assert_eq!(source.place(5), (3, 1));
    }

    proptest::proptest! {
        #[test]
        fn places_and_bytes_are_each_others_inverse(text in "[aé→\r\n]{0,300}") {
            let source = Source::new("x", text.clone());
            for (at, c) in text.char_indices().filter(|(_, c)| !matches!(c, '\r' | '\n')) {
                let (line, column) = source.place(at);
                proptest::prop_assert_eq!(source.byte_at(line, column - 1), at, "{:?}", c);
                let begin = source.line(line).unwrap().start;
                proptest::prop_assert_eq!(column, text[begin..at].chars().count() + 1);
            }
        }
    }
}
