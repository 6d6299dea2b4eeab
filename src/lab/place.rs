//! From a place in a scalar's text to its place in the file.

use std::ops::Range;

use super::source::{Source, Span};

/// Where a stretch of a scalar's text stands in the file: `span` is the scalar's, `text` is what YAML made of it, `range` is in
/// bytes of `text`. The scalar's whole span where the stretch can't be found (behind an alias, say).
///
/// Quotes, folding, indentation and escapes make the two differ. But the characters that are not blank are the same on both sides,
/// one for one and in the same order, once quotes, escapes and a block's first line are understood; so they can be counted off.
pub(super) fn locate(source: &Source, span: Span, text: &str, range: Range<usize>) -> Span {
    let mut solid = solid(source.slice(span)).into_iter();
    let mut found: Option<Range<usize>> = None;
    for (at, c) in text.char_indices().filter(|(_, c)| !c.is_whitespace()) {
        match solid.next() {
            Some((raw, same)) if same == c => {
                if range.contains(&at) {
                    found = Some(found.map_or(raw.start, |found| found.start)..raw.end);
                }
            }
            _ => return span,
        }
        if at >= range.end {
            break;
        }
    }
    found.map_or(span, |found| {
        Span::new(span.start + found.start, span.start + found.end)
    })
}

/// The characters of a scalar as written that stand for something that is not blank, each with its place and what it stands for.
fn solid(raw: &str) -> Vec<(Range<usize>, char)> {
    let mut solid = match raw.as_bytes().first() {
        Some(b'"') => double_quoted(raw),
        Some(b'\'') => single_quoted(raw),
        // `|` and `>` with what else belongs to a block's first line, a remark perhaps.
        Some(b'|' | b'>') => plain(raw, raw.find('\n').map_or(raw.len(), |at| at + 1)),
        _ => plain(raw, 0),
    };
    solid.retain(|(_, c)| !c.is_whitespace());
    solid
}

fn plain(raw: &str, from: usize) -> Vec<(Range<usize>, char)> {
    raw[from..]
        .char_indices()
        .map(|(at, c)| (from + at..from + at + c.len_utf8(), c))
        .collect()
}

fn single_quoted(raw: &str) -> Vec<(Range<usize>, char)> {
    let mut out = Vec::new();
    let mut chars = raw.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\'' {
            out.push((at..at + c.len_utf8(), c));
        } else if chars.next_if(|(_, next)| *next == '\'').is_some() {
            out.push((at..at + 2, '\''));
        } else {
            break;
        }
    }
    out
}

/// The escapes are those of YAML 1.2, 5.7.
fn double_quoted(raw: &str) -> Vec<(Range<usize>, char)> {
    let mut out = Vec::new();
    let mut chars = raw.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => break,
            '\\' => {
                let Some((_, escaped)) = chars.next() else {
                    break;
                };
                let digits = match escaped {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => 0,
                };
                let number: String = chars
                    .by_ref()
                    .take(digits)
                    .map(|(_, digit)| digit)
                    .collect();
                let means = match escaped {
                    'x' | 'u' | 'U' => u32::from_str_radix(&number, 16)
                        .ok()
                        .and_then(char::from_u32),
                    // Line breaks and blanks stand for blanks or for nothing; which of these is of no matter here.
                    't' | '\t' | 'n' | 'r' | 'v' | 'f' | 'N' | '_' | 'L' | 'P' | ' ' | '\n'
                    | '\r' => None,
                    '0' => Some('\0'),
                    'a' => Some('\u{7}'),
                    'b' => Some('\u{8}'),
                    'e' => Some('\u{1b}'),
                    other => Some(other),
                };
                let length = 1 + escaped.len_utf8() + number.len();
                out.extend(means.map(|means| (at..at + length, means)));
            }
            other => out.push((at..at + other.len_utf8(), other)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::tree::read;
    use rstest::rstest;

    /// Reads `yaml`, a value alone, and says what of the file `word` of its text was found to be.
    fn found(yaml: &str, word: &str) -> String {
        let source = Source::new("x", format!("k: {yaml}\n"));
        let tree = read(&source, &mut Vec::new()).unwrap();
        let value = tree.get("k").unwrap();
        let text = value.text().unwrap();
        let at = text
            .rfind(word)
            .unwrap_or_else(|| panic!("{word:?} is not in {text:?}"));
        source
            .slice(locate(&source, value.span, text, at..at + word.len()))
            .to_owned()
    }

    #[rstest]
    #[case::plain("redis-cli bad", "bad", "bad")]
    #[case::plain_over_lines("redis-cli\n  very bad", "bad", "bad")]
    #[case::folded(
        ">-\n  redis-cli --cluster reshard\n  --cluster-form x",
        "--cluster-form",
        "--cluster-form"
    )]
    #[case::header_is_no_text(">-\n  - bad", "- bad", "- bad")]
    #[case::remark_is_no_text(">- # bad\n  so bad", "bad", "bad")]
    #[case::literal("|\n  one\n  two bad\n", "bad", "bad")]
    #[case::indented_more(">-\n  one\n    two\n      bad", "bad", "bad")]
    #[case::double(r#""redis-cli \"a b\" bad""#, "bad", "bad")]
    #[case::escaped_itself(r#""a \"b\" \x41\u00e9 bad""#, "Aé", "\\x41\\u00e9")]
    #[case::escaped_breaks("\"a\\n b\\t\\\n   bad\"", "bad", "bad")]
    #[case::single("'it''s bad'", "bad", "bad")]
    #[case::single_quote_itself("'it''s'", "'", "''")]
    #[case::beyond_ascii("añ→b bad", "bad", "bad")]
    fn a_word_of_the_text_is_found_in_the_file(
        #[case] yaml: &str,
        #[case] word: &str,
        #[case] there: &str,
    ) {
        assert_eq!(found(yaml, word), there);
    }

    #[test]
    fn the_remark_of_a_block_is_not_taken_for_its_text() {
        let text = "k: >- # bad\n  so bad\n";
        let source = Source::new("x", text);
        let tree = read(&source, &mut Vec::new()).unwrap();
        let span = locate(&source, tree.get("k").unwrap().span, "so bad", 3..6);
        assert_eq!(span.start, text.rfind("bad").unwrap());
    }

    #[test]
    fn what_is_behind_an_alias_stands_at_the_alias() {
        let source = Source::new("x", "a: &r redis-cli bad\nb: *r\n");
        let tree = read(&source, &mut Vec::new()).unwrap();
        let span = locate(
            &source,
            tree.get("b").unwrap().span,
            "redis-cli bad",
            10..13,
        );
        assert_eq!(source.slice(span), "*r");
    }

    proptest::proptest! {
        #[test]
        fn locating_never_panics(raw in "[\"'|>]?\\PC{0,30}", text in "\\PC{0,30}", a in 0usize..30, b in 0usize..30) {
            let source = Source::new("x", raw.clone());
            let span = locate(&source, Span::new(0, raw.len()), &text, a..b);
            proptest::prop_assert!(span.end <= raw.len());
            proptest::prop_assert!(raw.is_char_boundary(span.start) && raw.is_char_boundary(span.end));
        }
    }
}
