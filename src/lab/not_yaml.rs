//! What to say of a file that is not YAML.

use saphyr_parser::ScanError;

use super::fault::Fault;
use super::source::{Source, Span};
use super::tree::too_deep;

/// What the parser says of a file, with what most often is the cause.
pub(super) fn explain(source: &Source, error: &ScanError) -> Fault {
    let at = source.byte_at(error.marker().line(), error.marker().col());
    let rest = source.slice(Span::new(at, source.text().len()));
    let line = rest.split(['\n', '\r']).next().unwrap_or_default();
    let span = if line.trim().is_empty() {
        // Past the end of something: the last sign before it is what a reader can look at.
        let before = source.text()[..at].trim_end();
        let last = before.chars().next_back().map_or(0, char::len_utf8);
        Span::new(before.len() - last, before.len())
    } else {
        let indent = line.len() - line.trim_start().len();
        Span::new(at + indent, at + line.trim_end().len())
    };
    let says = |words: &str| error.info().contains(words);
    if says("recursion limit") {
        return too_deep(span);
    }
    let help = if says("mapping values are not allowed") {
        "a text with `: ` in it has to stand in quotes; or is this line indented further than the one before?"
    } else if says("tab") {
        "indent with spaces: YAML takes no tabs"
    } else if says("flow") || says("misplaced bracket") {
        "is a `{` or `[` before this not closed, or a comma missing?"
    } else if says("quoted scalar") || says("trailing content") {
        "is a quote before this not closed, or one too many?"
    } else if says("simple key") {
        "a line is `key: value` or `- item`; or is something before this not closed?"
    } else if says("indent") || says("expected key") || says("'-' indicator") {
        "is this line indented like those that it belongs to?"
    } else if says("unknown anchor") {
        "`*name` stands for what is marked `&name` before it"
    } else if says("scanning a tag") || says("unexpected character") || says("cannot start") {
        "a text that begins with a sign has to stand in quotes"
    } else {
        "put texts with signs in quotes, and indent with spaces"
    };
    Fault::new(span, format!("this is not YAML: {}", error.info()), "here").help(help)
}
