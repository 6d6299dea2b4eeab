//! A lab's text, and places in it.

use std::sync::Arc;

use miette::NamedSource;

/// The text of one file, with the name that it was given by. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Source {
    name: Arc<str>,
    text: Arc<str>,
    line_starts: Arc<[usize]>,
}

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
    /// A source called `name`, usually its path as the user typed it.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Source {
            name: name.into(),
            text,
            line_starts,
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

    /// The text of a span; empty where the span is not one of this source.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or("")
    }

    /// Line and column of a byte, both from 1, the column in characters.
    pub fn place(&self, byte: usize) -> (usize, usize) {
        let line = self
            .line_starts
            .partition_point(|start| *start <= byte)
            .max(1);
        let start = self.line_starts[line - 1];
        let column = self
            .text
            .get(start..byte.min(self.text.len()))
            .map_or(0, |s| s.chars().count());
        (line, column + 1)
    }

    /// The byte at a line (from 1) and a column (from 0, in characters); the end of the line where it is shorter.
    pub fn byte_at(&self, line: usize, column: usize) -> usize {
        let Some(&start) = self.line_starts.get(line.saturating_sub(1)) else {
            return self.text.len();
        };
        let rest = &self.text[start..];
        rest.char_indices()
            .take_while(|(_, c)| *c != '\n')
            .nth(column)
            .map_or_else(
                || start + rest.find('\n').unwrap_or(rest.len()),
                |(at, _)| start + at,
            )
    }

    /// For diagnostics.
    pub fn named(&self) -> NamedSource<String> {
        NamedSource::new(&*self.name, self.text.to_string()).with_language("yaml")
    }
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
}
