//! Holds a tree against the key table: unknown keys, missing keys, values of the wrong kind, all at once.

use std::ops::Range;

use super::environment::CourseNode;
use super::fault::{Fault, nearest, suggest};
use super::keys::{Group, Key, Rule, Shape, TABLES, Table};
use super::line::Line;
use super::model::{JsonPart, JsonPath, SaveSource};
use super::place::locate;
use super::quantity::{Comparison, Pattern, Unit, VersionRule, parse_duration, parse_rate};
use super::source::{Source, Span};
use super::sql::Statement;
use super::template::Template;
use super::tree::{Entry, Kind, Tree};
use crate::cluster::SlotSet;

/// Faults that are told of in one text. Who has ten wrong words in a line has understood.
pub(super) const TOLD_OF_ONE_TEXT: usize = 10;

/// Puts everything that is wrong with `tree`, as a `shape`, into `faults`.
pub fn check(source: &Source, tree: &Tree, shape: &Shape, faults: &mut Vec<Fault>) {
    Walk { source, faults }.value(tree, shape, "a lab");
}

/// What is written for `key` in a mapping: its entry, or one whose key is unknown and most like it. Who misspells a key has one
/// fault to mend, and does not want to hear of everything that would follow if nothing were there.
pub(super) fn meant<'t>(tree: &'t Tree, table: &Table, key: &str) -> Option<&'t Entry> {
    tree.entry(key).or_else(|| {
        tree.entries().iter().find(|entry| {
            table.key(&entry.key).is_none() && nearest(&entry.key, table.names()) == Some(key)
        })
    })
}

struct Walk<'a> {
    source: &'a Source,
    faults: &'a mut Vec<Fault>,
}

impl Walk<'_> {
    /// `what` names the value in messages: `` `slots` ``.
    fn value(&mut self, tree: &Tree, shape: &Shape, what: &str) {
        match shape {
            Shape::Table(table) => self.table(tree, table, what),
            Shape::List(inner) => self.list(tree, inner, what),
            Shape::Map { key, value } => self.map(tree, key, value, what),
            _ => self.scalar(tree, shape, what),
        }
    }

    fn fault(
        &mut self,
        span: Span,
        text: impl Into<String>,
        label: impl Into<String>,
    ) -> &mut Fault {
        let at = self.faults.len();
        self.faults.push(Fault::new(span, text, label));
        &mut self.faults[at]
    }

    fn table(&mut self, tree: &Tree, table: &'static Table, what: &str) {
        let Kind::Map(entries) = &tree.kind else {
            let fault = self.fault(
                tree.span,
                format!("{what} has to be a mapping, not {}", tree.describe()),
                "here",
            );
            fault.help = Some(format!(
                "{} can have the keys {}",
                table.one(),
                table.names().join(", ")
            ));
            return;
        };
        for entry in entries {
            match table.key(&entry.key) {
                Some(key) if entry.value.kind == Kind::Null => {
                    self.fault(
                        entry.key_span,
                        format!("`{}` has no value", key.name),
                        "nothing after the colon",
                    );
                }
                Some(key) => self.value(&entry.value, &key.shape, &format!("`{}`", key.name)),
                None => self.unknown_key(table, &entry.key, entry.key_span),
            }
        }
        let has = |key: &&Key| entries.iter().any(|entry| entry.key == key.name);
        for key in table
            .keys
            .iter()
            .filter(|key| key.group == Group::Required && !has(key))
        {
            // A key that is there, but misspelt, is one fault and not two.
            if meant(tree, table, key.name).is_none() {
                let fault = self.fault(
                    tree.span,
                    format!("{} has no `{}`", table.this(), key.name),
                    "here",
                );
                fault.help = Some(format!("`{}`: {}", key.name, key.doc));
            }
        }
        let kinds: Vec<&Key> = table
            .keys
            .iter()
            .filter(|key| key.group == Group::Kind)
            .filter(has)
            .collect();
        let unknown = entries.iter().any(|entry| table.key(&entry.key).is_none());
        match table.rule {
            Rule::Free => {}
            Rule::NotEmpty if entries.is_empty() => {
                let fault = self.fault(
                    tree.span,
                    format!("{} says nothing that could be wrong", table.this()),
                    "empty",
                );
                fault.help = Some(format!("it can say {}", table.names().join(", ")));
            }
            Rule::SomeKind | Rule::OneKind if kinds.is_empty() && !unknown => {
                let names = table.names_of(Group::Kind).join(", ");
                let text = match table.rule {
                    Rule::OneKind if table.name == "meanwhile" => {
                        format!("{} does not say what goes on", table.this())
                    }
                    _ => format!("{} does not say what is checked", table.this()),
                };
                self.fault(tree.span, text, "nothing here").help =
                    Some(format!("it can say {names}"));
            }
            Rule::OneKind if kinds.len() > 1 => {
                let second = kinds[1].name;
                let span = tree.entry(second).map_or(tree.span, |entry| entry.key_span);
                let fault = self.fault(
                    span,
                    format!(
                        "{} is of two kinds, `{}` and `{second}`",
                        table.this(),
                        kinds[0].name
                    ),
                    format!("the first is `{}`", kinds[0].name),
                );
                fault.help = Some(format!("make it an item of its own: `- {second}: …`"));
            }
            _ => {}
        }
    }

    fn unknown_key(&mut self, table: &'static Table, key: &str, span: Span) {
        if key == "<<" {
            self.fault(span, "merge keys (`<<`) have no meaning in a lab", "here");
            return;
        }
        let known = table.names();
        let (label, help) = suggest(key, &known);
        // A key of another mapping is more often put in the wrong place than misspelt.
        let elsewhere: Vec<String> = TABLES
            .iter()
            .filter(|other| other.key(key).is_some())
            .map(|other| other.one())
            .collect();
        let is_near = help.is_none();
        let fault = self.fault(span, format!("{} has no key `{key}`", table.one()), label);
        fault.help = match &elsewhere[..] {
            [rest @ .., last] if !is_near => {
                let owners = if rest.is_empty() {
                    last.clone()
                } else {
                    format!("{} or {last}", rest.join(", "))
                };
                Some(format!(
                    "`{key}` is a key of {owners}; {} has {}",
                    table.one(),
                    known.join(", ")
                ))
            }
            _ => help,
        };
    }

    fn list(&mut self, tree: &Tree, inner: &Shape, what: &str) {
        match &tree.kind {
            Kind::List(items) if items.is_empty() => {
                self.fault(
                    tree.span,
                    format!("{what} is an empty list"),
                    "nothing in it",
                );
            }
            Kind::List(items) => items.iter().for_each(|item| {
                if item.kind == Kind::Null {
                    self.fault(
                        item.span,
                        format!("an item of {what} is empty"),
                        "nothing here",
                    );
                } else {
                    self.value(item, inner, &format!("an item of {what}"));
                }
            }),
            _ => {
                let fault = self.fault(
                    tree.span,
                    format!("{what} has to be a list, not {}", tree.describe()),
                    "here",
                );
                fault.help = Some("begin every item with `- `".to_owned());
            }
        }
    }

    fn map(&mut self, tree: &Tree, key: &Shape, value: &Shape, what: &str) {
        let Kind::Map(entries) = &tree.kind else {
            self.fault(
                tree.span,
                format!("{what} has to be a mapping, not {}", tree.describe()),
                "here",
            );
            return;
        };
        if entries.is_empty() {
            self.fault(tree.span, format!("{what} is empty"), "nothing in it");
        }
        for entry in entries {
            if let Err(problem) = read_word(&entry.key, key) {
                self.fault(entry.key_span, problem.what, problem.label).help = problem.help;
            }
            if entry.value.kind == Kind::Null {
                self.fault(
                    entry.key_span,
                    format!("`{}` has no value", entry.key),
                    "nothing after the colon",
                );
            } else {
                self.value(&entry.value, value, &format!("`{}`", entry.key));
            }
        }
    }

    fn scalar(&mut self, tree: &Tree, shape: &Shape, what: &str) {
        let Kind::Scalar(scalar) = &tree.kind else {
            let fault = self.fault(
                tree.span,
                format!(
                    "{what} has to be {}, not {}",
                    describe(shape),
                    tree.describe()
                ),
                "here",
            );
            if matches!(tree.kind, Kind::Map(_)) {
                fault.help = Some("if the text begins with `{`, put it in quotes".to_owned());
            }
            return;
        };
        if let Shape::Line = shape {
            if let Err(faults) = Line::parse(&scalar.text) {
                for fault in faults.into_iter().take(TOLD_OF_ONE_TEXT) {
                    let span = locate(self.source, tree.span, &scalar.text, fault.range.clone());
                    self.fault(span, fault.what, fault.label).help = fault.help;
                }
            }
            return;
        }
        if let (Shape::Flag | Shape::Number { .. }, false) = (shape, scalar.plain) {
            let what = format!("`{}` in quotes is text", scalar.text);
            self.fault(tree.span, what, format!("has to be {}", describe(shape)))
                .help = Some("leave out the quotes".to_owned());
            return;
        }
        if let Err(problem) = read_word(&scalar.text, shape) {
            let span = problem.range.map_or(tree.span, |range| {
                locate(self.source, tree.span, &scalar.text, range)
            });
            let fault = self.fault(span, problem.what, problem.label);
            fault.help = problem.help;
        }
    }
}

/// Why a scalar is not what it has to be.
struct Problem {
    what: String,
    label: String,
    help: Option<String>,
    range: Option<Range<usize>>,
}

impl Problem {
    fn new(what: impl Into<String>, label: impl Into<String>) -> Self {
        Problem {
            what: what.into(),
            label: label.into(),
            help: None,
            range: None,
        }
    }
}

fn read_word(text: &str, shape: &Shape) -> Result<(), Problem> {
    let needs = |what: String| Problem::new(what, format!("has to be {}", describe(shape)));
    match shape {
        Shape::Text => {
            if text.trim().is_empty() {
                return Err(Problem::new("this text is empty", "here"));
            }
            Ok(())
        }
        Shape::Template => Template::parse(text).map(drop).map_err(|fault| Problem {
            what: fault.what,
            label: "here".to_owned(),
            help: Some("`${name}` is a value, `$${` is a literal `${`".to_owned()),
            range: Some(fault.range),
        }),
        Shape::Query => {
            read_word(text, &Shape::Template)?;
            Statement::read_query(text)
                .map(drop)
                .map_err(|fault| Problem {
                    what: fault.what,
                    label: fault.label,
                    help: fault.help,
                    range: Some(fault.range),
                })
        }
        Shape::Line | Shape::List(_) | Shape::Map { .. } | Shape::Table(_) => Ok(()),
        Shape::Pattern => text.parse::<Pattern>().map(drop).map_err(|what| {
            let help = text.contains("${").then(|| {
                "in a pattern `${…}` is not filled in: use `contains` or `equals`".to_owned()
            });
            Problem {
                help,
                ..needs(what)
            }
        }),
        Shape::Id => {
            let good =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
            if text.is_empty()
                || !text.chars().all(good)
                || !text.starts_with(|c: char| c.is_ascii_lowercase())
            {
                return Err(needs(format!("`{text}` can't be a name")));
            }
            Ok(())
        }
        Shape::Flag => {
            if !matches!(text, "true" | "false") {
                return Err(needs(format!("`{text}` is neither true nor false")));
            }
            Ok(())
        }
        Shape::Number { min, max } => match text.parse::<u64>() {
            Ok(number) if (*min..=*max).contains(&number) => Ok(()),
            Ok(number) => Err(Problem::new(
                format!("{number} is out of range"),
                format!("from {min} to {max}"),
            )),
            Err(_) => Err(needs(format!("`{text}` is not a whole number"))),
        },
        Shape::Duration => parse_duration(text).map(drop).map_err(needs),
        Shape::Rate => parse_rate(text).map(drop).map_err(needs),
        Shape::Compare(unit) => Comparison::parse(text, *unit).map(drop).map_err(needs),
        Shape::Slots => read_slots(text).map(drop).map_err(needs),
        Shape::ProbeSlots => match text {
            "all" | "moving" => Ok(()),
            _ => read_slots(text).map(drop).map_err(|_| {
                let near = nearest(text, ["all", "moving"])
                    .map_or("here".to_owned(), |near| format!("did you mean `{near}`?"));
                Problem {
                    help: Some("write `all`, `moving` or slots, as in `0-1364 5461`".to_owned()),
                    ..Problem::new(format!("`{text}` is not a choice of slots"), near)
                }
            }),
        },
        Shape::Node => {
            if CourseNode::named(text).is_none() {
                let known: Vec<String> = CourseNode::all()
                    .map(|node| node.name().to_string())
                    .collect();
                let label = nearest(text, known.iter().map(String::as_str))
                    .map_or("here".to_owned(), |near| format!("did you mean `{near}`?"));
                let help = Some("the nodes are redis-1 to redis-8".to_owned());
                return Err(Problem {
                    help,
                    ..Problem::new(format!("`{text}` is not a node of this environment"), label)
                });
            }
            Ok(())
        }
        Shape::Choice(words) => {
            if words.contains(&text) {
                return Ok(());
            }
            let (mut label, help) = suggest(text, words);
            if text == "slave" && words.contains(&"replica") {
                label = "did you mean `replica`?".to_owned();
            }
            Err(Problem {
                help,
                ..Problem::new(format!("`{text}` is not a choice here"), label)
            })
        }
        Shape::SaveSource => {
            read_save_source(text)
                .map(drop)
                .map_err(|what| match text.split_once(' ') {
                    Some(("json", _)) => Problem::new(
                        what,
                        format!("after `json` has to be {}", describe(&Shape::JsonPath)),
                    ),
                    Some(("match", _)) => Problem::new(
                        what,
                        format!("after `match` has to be {}", describe(&Shape::Pattern)),
                    ),
                    _ => needs(what),
                })
        }
        Shape::Version => text.parse::<VersionRule>().map(drop).map_err(needs),
        Shape::JsonPath => read_json_path(text).map(drop).map_err(needs),
    }
}

fn describe(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text | Shape::Template => "text",
        Shape::Line => "a command line",
        Shape::Query => "a statement of SQL",
        Shape::Pattern => "a regular expression",
        Shape::Id => "a name of small letters, digits and hyphens",
        Shape::Flag => "true or false",
        Shape::Number { .. } => "a whole number",
        Shape::Duration => "a time, as in `10s` or `500ms`",
        Shape::Rate => "a rate, as in `200/s`",
        Shape::Compare(Unit::Count) => "a number, or a comparison such as `\">= 50\"`",
        Shape::Compare(Unit::Time) => "a time to compare with, such as `\"< 10s\"`",
        Shape::Compare(Unit::Bytes) => "a size to compare with, such as `\"<= 1MiB\"`",
        Shape::Slots => "ranges of slots, as in `0-1364 5461`",
        Shape::ProbeSlots => "`all`, `moving` or ranges of slots",
        Shape::Node => "a node's name",
        Shape::Choice(_) => "one of a few words",
        Shape::SaveSource => "`stdout`, `stderr`, `json PATH` or `match PATTERN`",
        Shape::Version => "a rule such as `>= 7.0`",
        Shape::JsonPath => "a path such as `.seats[0].state`",
        Shape::List(_) => "a list",
        Shape::Map { .. } | Shape::Table(_) => "a mapping",
    }
}

/// Ranges of slots; at least one slot.
pub(super) fn read_slots(text: &str) -> Result<SlotSet, String> {
    let slots: SlotSet = text
        .parse()
        .map_err(|error: crate::cluster::ParseError| error.to_string())?;
    if slots.is_empty() {
        Err("there are no slots here".to_owned())
    } else {
        Ok(slots)
    }
}

/// The value of a `save:` entry.
pub(super) fn read_save_source(text: &str) -> Result<SaveSource, String> {
    match text.split_once(' ') {
        None if text == "stdout" => Ok(SaveSource::Stdout),
        None if text == "stderr" => Ok(SaveSource::Stderr),
        Some(("json", path)) => read_json_path(path.trim()).map(SaveSource::Json),
        Some(("match", pattern)) => pattern.trim().parse().map(SaveSource::Match),
        _ => Err(format!("`{text}` is not a place to save from")),
    }
}

/// `.seats[0].state`, `.per_node["172.30.0.11:7001"].share`, or `.` for the whole.
pub(super) fn read_json_path(text: &str) -> Result<JsonPath, String> {
    let bad = || format!("`{text}` is not a path into JSON");
    let mut parts = Vec::new();
    let mut rest = text.strip_prefix('.').ok_or_else(bad)?;
    let mut expects_field = true;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (part, after) = match inner.strip_prefix('"') {
                Some(quoted) => {
                    let open = || format!("in `{text}` a name in quotes isn't closed by `\"]`");
                    let (name, after) = quoted.split_once('"').ok_or_else(open)?;
                    let after = after.strip_prefix(']').ok_or_else(open)?;
                    (JsonPart::Field(name.to_owned()), after)
                }
                None => {
                    let (index, after) = inner.split_once(']').ok_or_else(bad)?;
                    (JsonPart::Index(index.parse().map_err(|_| bad())?), after)
                }
            };
            parts.push(part);
            rest = after;
            expects_field = false;
        } else {
            let field = match rest.strip_prefix('.') {
                Some(field) if !expects_field => field,
                None if expects_field => rest,
                _ => return Err(bad()),
            };
            let end = field.find(['.', '[']).unwrap_or(field.len());
            if end == 0 {
                return Err(bad());
            }
            parts.push(JsonPart::Field(field[..end].to_owned()));
            rest = &field[end..];
            expects_field = false;
        }
    }
    Ok(JsonPath {
        text: text.to_owned(),
        parts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(".", Some(0))]
    #[case(".a", Some(1))]
    #[case(".a.b[0].c", Some(4))]
    #[case(".[0]", Some(1))]
    #[case(".a[\"b.c:1\"].d", Some(3))]
    #[case(".[\"b[0]\"][1]", Some(2))]
    #[case("a", None)]
    #[case(".a..b", None)]
    #[case(".a[x]", None)]
    #[case(".a[0", None)]
    #[case(".a[\"b", None)]
    #[case(".a[\"b]", None)]
    #[case(".a[\"b\"x]", None)]
    #[case(".a[\"b\"]c", None)]
    #[case(".a.[\"b\"]", None)]
    #[case("", None)]
    fn paths_into_json(#[case] text: &str, #[case] parts: Option<usize>) {
        assert_eq!(
            read_json_path(text).ok().map(|path| path.parts.len()),
            parts
        );
    }
}
