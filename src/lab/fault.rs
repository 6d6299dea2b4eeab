//! What is wrong with a lab's file: where, what, and what to do about it. All faults of a file are collected and shown at once.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, SourceCode};
use strsim::damerau_levenshtein;

use super::source::{Source, Span};

/// One thing that is wrong, at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, in one sentence without a full stop.
    pub what: String,
    /// Where.
    pub span: Span,
    /// A few words under the caret.
    pub label: String,
    /// What to do, if there is something to say.
    pub help: Option<String>,
}

impl Fault {
    /// A fault at `span`.
    pub fn new(span: Span, what: impl Into<String>, label: impl Into<String>) -> Self {
        Fault {
            what: what.into(),
            span,
            label: label.into(),
            help: None,
        }
    }

    /// The same with something to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The longest sentence, in characters.
const LONGEST: usize = 400;

/// Made fit to be printed: sentences quote the file, and in a file there can be anything, of any length.
fn presentable(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(LONGEST)
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}

/// All that is wrong with one file. Never empty.
#[derive(Debug, Clone)]
pub struct Faults {
    /// The file.
    pub source: Source,
    /// In the order of their places.
    pub faults: Vec<Fault>,
}

impl Faults {
    /// The faults of `source`, put in the order in which they stand in it, each once.
    pub fn new(source: &Source, mut faults: Vec<Fault>) -> Self {
        faults.sort_by(|a, b| {
            (a.span.start, a.span.end, &a.what).cmp(&(b.span.start, b.span.end, &b.what))
        });
        faults.dedup();
        Faults {
            source: source.clone(),
            faults,
        }
    }

    /// One diagnostic a fault, each with its source.
    pub fn diagnostics(&self) -> impl Iterator<Item = Shown<'_>> {
        self.faults.iter().map(|fault| Shown {
            fault,
            source: &self.source,
        })
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.faults.len();
        write!(
            f,
            "{} is not a valid lab: {count} {}",
            self.source.name(),
            if count == 1 { "fault" } else { "faults" }
        )
    }
}

impl std::error::Error for Faults {}

/// A fault together with its source, ready to be drawn.
#[derive(Debug)]
pub struct Shown<'a> {
    fault: &'a Fault,
    source: &'a Source,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&presentable(&self.fault.what))
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.fault
            .help
            .as_deref()
            .map(|help| Box::new(presentable(help)) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        // A span over several lines would be drawn as a box around all of them; its first line says enough.
        let span = self.source.underlined(self.fault.span);
        Some(Box::new(std::iter::once(
            LabeledSpan::new_primary_with_span(Some(presentable(&self.fault.label)), span),
        )))
    }
}

/// The spelling nearest to `typed`, if one is near enough to have been meant. None if many are as near: `redis-9` is one letter
/// away from eight names, and means none of them.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let near: Vec<(usize, &str)> = known
        .into_iter()
        .map(|candidate| {
            (
                damerau_levenshtein(&typed, &candidate.to_lowercase()),
                candidate,
            )
        })
        // Up to a third of the word may be wrong, and always one letter.
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count().max(3) / 3).max(1))
        .collect();
    let (nearest, found) = *near.iter().min_by_key(|(distance, _)| *distance)?;
    (near
        .iter()
        .filter(|(distance, _)| *distance == nearest)
        .count()
        <= 2)
        .then_some(found)
}

/// `did you mean …?`, or the list of what is known.
pub fn suggest(typed: &str, known: &[&str]) -> (String, Option<String>) {
    match nearest(typed, known.iter().copied()) {
        Some(near) => (format!("did you mean `{near}`?"), None),
        None => (
            "not known here".to_owned(),
            Some(format!("known here: {}", known.join(", "))),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("expct", Some("expect"))]
    #[case("witin", Some("within"))]
    #[case("EXPECT", Some("expect"))]
    #[case("frobnicate", None)]
    #[case("xpect", Some("expect"))]
    fn the_nearest_spelling_is_near(#[case] typed: &str, #[case] meant: Option<&str>) {
        assert_eq!(nearest(typed, ["expect", "holds", "within", "run"]), meant);
    }

    #[test]
    fn faults_come_in_the_order_of_the_file_and_once() {
        let source = Source::new("x.yaml", "abc");
        let late = Fault::new(Span::new(2, 3), "late", "here");
        let early = Fault::new(Span::new(0, 1), "early", "here");
        let faults = Faults::new(&source, vec![late.clone(), early.clone(), late.clone()]);
        assert_eq!(faults.faults, [early, late]);
        assert_eq!(faults.to_string(), "x.yaml is not a valid lab: 2 faults");
    }
}
