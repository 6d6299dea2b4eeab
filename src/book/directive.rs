//! The places in a chapter where parts of labs stand: `{{#lab 07-scale-down}}`.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// A directive as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it stands, in bytes.
    pub range: Range<usize>,
    /// From 1.
    pub line: usize,
    /// What it is, or why it is none.
    pub directive: Result<Directive, Wrong>,
}

/// Why something is not a directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: String,
}

/// What can stand in a chapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directive {
    /// `{{#lab LAB}}`: a whole lab.
    Lab(String),
    /// `{{#step LAB STEP}}`: a step with all that belongs to it.
    Step(String, String),
    /// `{{#recorded LAB STEP}}`: a step's commands and what they printed.
    Recorded(String, String),
    /// `{{#figure LAB NAME}}`, or `{{#figure LAB NAME = VALUE}}` where the prose depends on what was measured.
    Figure(String, String, Option<String>),
    /// `{{#point LAB N}}`: a learning point, from 1, with the steps that prove it.
    Point(String, String),
    /// `{{#reference}}`: the lab language.
    Reference,
    /// `{{#cli}}`: the command line.
    CommandLine,
}

/// Names of directives with their arguments.
pub const DIRECTIVES: [(&str, &str); 7] = [
    ("lab", "LAB"),
    ("step", "LAB STEP"),
    ("recorded", "LAB STEP"),
    ("figure", "LAB NAME [= VALUE]"),
    ("point", "LAB NUMBER"),
    ("reference", ""),
    ("cli", ""),
];

/// What mdBook itself understands.
const OF_MDBOOK: [&str; 6] = [
    "include",
    "rustdoc_include",
    "playground",
    "playpen",
    "title",
    "template",
];

static PATTERN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(\\)?\{\{\s*#([A-Za-z_-]+)([^}\n]*)\}\}").ok());

/// All directives of a chapter, in their order. One behind a backslash is shown as it is, as mdBook does with its own.
pub fn find(text: &str) -> Vec<Found> {
    let Some(pattern) = PATTERN.as_ref() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for captures in pattern.captures_iter(text) {
        let (Some(whole), Some(name)) = (captures.get(0), captures.get(2)) else {
            continue;
        };
        if captures.get(1).is_some() || OF_MDBOOK.contains(&name.as_str()) {
            continue;
        }
        let rest = captures.get(3).map_or("", |rest| rest.as_str()).trim();
        found.push(Found {
            range: whole.range(),
            line: 1 + text[..whole.start()].matches('\n').count(),
            directive: parse(name.as_str(), rest),
        });
    }
    found
}

fn parse(name: &str, rest: &str) -> Result<Directive, Wrong> {
    let (arguments, value) = match rest.split_once('=') {
        Some((arguments, value)) if name == "figure" => (arguments, Some(value.trim().to_owned())),
        _ => (rest, None),
    };
    let words: Vec<&str> = arguments.split_whitespace().collect();
    let own = |word: &str| word.to_owned();
    match (name, &words[..]) {
        ("lab", [lab]) => Ok(Directive::Lab(own(lab))),
        ("step", [lab, step]) => Ok(Directive::Step(own(lab), own(step))),
        ("recorded", [lab, step]) => Ok(Directive::Recorded(own(lab), own(step))),
        ("figure", [lab, figure]) => Ok(Directive::Figure(own(lab), own(figure), value)),
        ("point", [lab, number]) => Ok(Directive::Point(own(lab), own(number))),
        ("reference", []) => Ok(Directive::Reference),
        ("cli", []) => Ok(Directive::CommandLine),
        _ => Err(wrong(name)),
    }
}

fn wrong(name: &str) -> Wrong {
    match DIRECTIVES.iter().find(|(known, _)| *known == name) {
        Some((_, arguments)) => Wrong {
            what: format!("{{{{#{name}}}}} has other arguments than these"),
            help: format!("write {{{{#{}}}}}", format!("{name} {arguments}").trim()),
        },
        None => {
            let known: Vec<&str> = DIRECTIVES.iter().map(|(name, _)| *name).collect();
            Wrong {
                what: format!("there is no directive {{{{#{name}}}}}"),
                help: super::shelf::nearest_or_list(name, &known),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn one(text: &str) -> Result<Directive, Wrong> {
        find(text).remove(0).directive
    }

    #[rstest]
    #[case("{{#lab 07-scale-down}}", Directive::Lab("07-scale-down".to_owned()))]
    #[case("{{ #step a b }}", Directive::Step("a".to_owned(), "b".to_owned()))]
    #[case("{{#figure a took}}", Directive::Figure("a".to_owned(), "took".to_owned(), None))]
    #[case("{{#figure a took = 4.8 s}}", Directive::Figure("a".to_owned(), "took".to_owned(), Some("4.8 s".to_owned())))]
    #[case("{{#cli}}", Directive::CommandLine)]
    fn is_read(#[case] text: &str, #[case] directive: Directive) {
        assert_eq!(one(text), Ok(directive));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_do() {
        assert_eq!(one("{{#lap x}}").unwrap_err().help, "did you mean `lab`?");
        assert_eq!(
            one("{{#step x}}").unwrap_err().help,
            "write {{#step LAB STEP}}"
        );
    }

    #[test]
    fn places_are_counted_and_mdbooks_own_are_left_alone() {
        let text = "{{#include a.md}}\n\\{{#lab x}}\n\nsee {{#cli}}";
        let found = find(text);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].line, &text[found[0].range.clone()]),
            (4, "{{#cli}}")
        );
    }
}
