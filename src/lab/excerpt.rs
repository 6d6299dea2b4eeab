//! The stretch of a lab's text that is shown around a fault.

use miette::{MietteError, SourceCode, SourceSpan, SpanContents};

use super::source::{Source, Span};

/// The longest line, in bytes, that is shown whole. Of a longer one only what is near the fault is, and no other line.
const LONGEST_LINE: usize = 400;
/// How much of such a line is shown before the fault, and from there on, in bytes.
const BEFORE: usize = 40;
const FROM: usize = 60;

/// Lines of a source, fit to be printed.
struct Excerpt<'a> {
    name: &'a str,
    data: &'a [u8],
    span: SourceSpan,
    line: usize,
    column: usize,
}

impl<'a> SpanContents<'a> for Excerpt<'a> {
    fn data(&self) -> &'a [u8] {
        self.data
    }

    fn span(&self) -> &SourceSpan {
        &self.span
    }

    fn line(&self) -> usize {
        self.line
    }

    fn column(&self) -> usize {
        self.column
    }

    fn line_count(&self) -> usize {
        self.line + 1
    }

    fn name(&self) -> Option<&str> {
        Some(self.name)
    }

    fn language(&self) -> Option<&str> {
        Some("yaml")
    }
}

impl SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let wanted = self.within(Span::new(span.offset(), span.offset() + span.len()));
        let (line, column) = self.place(wanted.start);
        let (last, _) = self.place(wanted.end);
        let shown = if lines_before == 0 && lines_after == 0 {
            wanted
        } else {
            let first = line.saturating_sub(lines_before).max(1);
            let last = last + lines_after;
            if (first..=last).any(|line| {
                self.line(line)
                    .is_some_and(|line| line.end - line.start > LONGEST_LINE)
            }) {
                self.near(wanted.start)
            } else {
                let end = (line..=last)
                    .rev()
                    .find_map(|line| self.line(line))
                    .map_or(wanted.end, |line| line.end);
                Span::new(
                    self.line(first).map_or(wanted.start, |line| line.start),
                    end,
                )
            }
        };
        let (first, first_column) = if shown.start == wanted.start {
            (line, column)
        } else {
            self.place(shown.start)
        };
        Ok(Box::new(Excerpt {
            name: self.name(),
            data: self
                .printable()
                .get(shown.start..shown.end)
                .unwrap_or_default()
                .as_bytes(),
            span: (shown.start, shown.end - shown.start).into(),
            line: first - 1,
            column: first_column - 1,
        }))
    }
}

impl Source {
    /// What is shown of a very long line around the fault at `at`.
    fn near(&self, at: usize) -> Span {
        let (line, _) = self.place(at);
        let line = self.line(line).unwrap_or(Span::new(at, at));
        self.within(Span::new(
            at.saturating_sub(BEFORE).max(line.start),
            (at + FROM).min(line.end),
        ))
    }

    /// The part of a fault's place that can be underlined: no more than its first line, or what is shown of that.
    pub(super) fn underlined(&self, span: Span) -> Span {
        let span = self.within(span);
        let (line, _) = self.place(span.start);
        let Some(whole) = self.line(line) else {
            return span;
        };
        let end = if whole.end - whole.start > LONGEST_LINE {
            self.near(span.start).end
        } else {
            whole.end
        };
        let text = self.slice(Span::new(span.start, span.end.min(end).max(span.start)));
        Span::new(span.start, span.start + text.trim_end().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str, span: Span) -> (String, usize, usize) {
        let source = Source::new("x", text);
        let excerpt = source.read_span(&span.into(), 1, 1).unwrap();
        (
            String::from_utf8(excerpt.data().to_vec()).unwrap(),
            excerpt.line(),
            excerpt.span().offset(),
        )
    }

    #[test]
    fn the_lines_before_and_after_are_shown() {
        assert_eq!(
            excerpt("a\nb\nc\nd\n", Span::new(4, 5)),
            ("b\nc\nd".to_owned(), 1, 2)
        );
        assert_eq!(
            excerpt("a\nb\n", Span::new(0, 1)),
            ("a\nb".to_owned(), 0, 0)
        );
        assert_eq!(excerpt("", Span::new(0, 0)), (String::new(), 0, 0));
    }

    #[test]
    fn a_very_long_line_is_shown_in_part() {
        let text = format!("a\n{}é{}\n", "x".repeat(5000), "y".repeat(5000));
        let (shown, line, _) = excerpt(&text, Span::new(5002, 9000));
        assert_eq!(line, 1);
        assert!(
            shown.len() <= BEFORE + FROM && shown.contains("xé"),
            "{shown}"
        );
        let source = Source::new("x", text);
        assert!(source.underlined(Span::new(5002, 9000)).end <= 5002 + FROM);
    }

    #[test]
    fn a_terminal_gets_nothing_to_obey() {
        assert_eq!(
            excerpt("a\u{1b}[31m\u{85}b\r\nc", Span::new(0, 1)).0,
            "a?[31m??b\r\nc"
        );
    }

    proptest::proptest! {
        #[test]
        fn every_place_can_be_shown(text in "[ab\u{e9}\r\n\t]{0,60}", start in 0usize..80, length in 0usize..80) {
            let source = Source::new("x", text.clone());
            let excerpt = source.read_span(&Span::new(start, start + length).into(), 1, 1).unwrap();
            proptest::prop_assert!(excerpt.span().offset() + excerpt.data().len() <= text.len());
            let underlined = source.underlined(Span::new(start, start + length));
            proptest::prop_assert!(text.is_char_boundary(underlined.start) && text.is_char_boundary(underlined.end));
        }
    }
}
