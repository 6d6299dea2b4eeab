//! The reference chapter of the guide: everything that a lab can say. The prose is `reference.md` beside this file; what is listed
//! comes from the tables that the reader of labs works with, so that the chapter can't say anything else.

use std::fmt::Write;

use super::environment::{ATTRIBUTES, CourseNode};
use super::keys::{Group, Key, Rule, Shape, TABLES, Table};
use super::line::app::table::{AppOption, COMMANDS, GLOBAL, REFUSED};
use super::line::docker::VERBS;
use super::line::grep::OPTIONS;
use super::line::make::TARGETS;
use super::line::psql;
use super::line::redis_cli::{CLUSTER_OPTIONS, FILES, FLAGS, LOOKING, SUBCOMMANDS, VALUES};
use super::quantity::Unit;

/// The chapter, as Markdown.
pub fn markdown() -> String {
    [
        ("{{keys}}", keys()),
        ("{{values}}", values()),
        ("{{nodes}}", nodes()),
        ("{{docker}}", docker()),
        ("{{redis-cli flags}}", listed(FLAGS)),
        ("{{redis-cli values}}", listed(VALUES)),
        ("{{redis-cli files}}", listed(FILES)),
        ("{{redis-cli subcommands}}", listed(SUBCOMMANDS)),
        ("{{redis-cli looking}}", listed(LOOKING)),
        (
            "{{redis-cli cluster options}}",
            listed(CLUSTER_OPTIONS.map(|(option, _)| option)),
        ),
        (
            "{{grep}}",
            listed(OPTIONS.chars().map(|option| format!("-{option}"))),
        ),
        (
            "{{psql flags}}",
            listed(both(&psql::FLAGS).chain([psql::CSV])),
        ),
        ("{{psql values}}", listed(both(&psql::VALUES))),
        ("{{psql files}}", listed(both(&psql::FILES))),
        ("{{sql looking}}", listed(super::sql::LOOKING)),
        ("{{app}}", app()),
        (
            "{{app options}}",
            listed(GLOBAL.iter().map(|option| option.name)),
        ),
        ("{{app refused}}", listed(REFUSED.map(|(option, _)| option))),
        ("{{targets}}", targets()),
        ("{{attributes}}", attributes()),
    ]
    .into_iter()
    .fold(
        include_str!("reference.md").to_owned(),
        |text, (place, list)| text.replace(place, list.trim_end()),
    )
}

/// The short and the long name of each option.
fn both<'o>(options: &'o [(&'o str, &'o str)]) -> impl Iterator<Item = &'o str> {
    options.iter().flat_map(|(short, long)| [*short, *long])
}

fn listed<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> String {
    words
        .into_iter()
        .map(|word| format!("`{}`", word.as_ref()))
        .collect::<Vec<_>>()
        .join(", ")
}

fn keys() -> String {
    TABLES
        .iter()
        .fold(String::new(), |out, table| out + &section(table))
}

fn section(table: &Table) -> String {
    let mut out = format!("### {}\n\n{}", heading(table), table.doc);
    out.push_str(match table.rule {
        Rule::Free => "",
        Rule::NotEmpty => " At least one of its keys has to be there.",
        Rule::OneKind => " Exactly one of the keys marked *kind* has to be there.",
        Rule::SomeKind => " At least one of the keys marked *kind* has to be there.",
    });
    out.push_str("\n\n| key | value | |\n|---|---|---|\n");
    for key in table.keys {
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "| `{}`{} | {} | {} |",
            key.name,
            mark(key),
            shape(&key.shape),
            key.doc.replace('|', "\\|")
        );
    }
    out.push('\n');
    out
}

fn mark(key: &Key) -> &'static str {
    match key.group {
        Group::Required => " (required)",
        Group::Optional => "",
        Group::Kind => " *kind*",
    }
}

fn heading(table: &Table) -> String {
    let one = table.one();
    let mut letters = one.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// The place of a heading in the chapter, as mdBook makes it: small letters, blanks as hyphens, no other signs.
fn anchor(table: &Table) -> String {
    let kept = heading(table).to_lowercase().replace(' ', "-");
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
        .collect()
}

fn shape(shape: &Shape) -> String {
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::Template => "text with `${…}`".to_owned(),
        Shape::Line => "[a `run` line](#what-a-run-line-can-be)".to_owned(),
        Shape::Query => "SQL with `${…}`".to_owned(),
        Shape::Pattern => "regular expression".to_owned(),
        Shape::Id => "name".to_owned(),
        Shape::Flag => "`true` or `false`".to_owned(),
        Shape::Number { min, max } => format!("whole number, {min} to {max}"),
        Shape::Duration => "time".to_owned(),
        Shape::Rate => "rate".to_owned(),
        Shape::Compare(Unit::Count) => "comparison with a number".to_owned(),
        Shape::Compare(Unit::Time) => "comparison with a time".to_owned(),
        Shape::Compare(Unit::Bytes) => "comparison with a size".to_owned(),
        Shape::Slots => "slots".to_owned(),
        Shape::ProbeSlots => "`all`, `moving`, or slots".to_owned(),
        Shape::Node => "node".to_owned(),
        Shape::Choice(words) => listed(words.iter()),
        Shape::SaveSource => "place to save from".to_owned(),
        Shape::Version => "servers".to_owned(),
        Shape::JsonPath => "path into JSON".to_owned(),
        Shape::List(inner) => format!("list: {}", self::shape(inner)),
        Shape::Map { key, value } => {
            format!("mapping: {} to {}", self::shape(key), self::shape(value))
        }
        Shape::Table(table) => format!("[{}](#{})", table.one(), anchor(table)),
    }
}

fn values() -> String {
    let rows = [
        (
            "name",
            "small letters, digits, `-` and `_`, a letter first",
            "`empty-it`",
        ),
        (
            "time",
            "a number with `ms`, `s` or `min`, up to an hour",
            "`500ms`, `10s`, `1.5s`, `2min`",
        ),
        ("rate", "operations a second, from 1 to 20000", "`200/s`"),
        (
            "comparison",
            "a number (with a time: and its unit; with a size: bytes, `KiB`, `MiB` or `GiB`), before it nothing or one of `>=`, `<=`, `!=`, `>`, `<`",
            "`3`, `\">= 50\"`, `\"< 10s\"`, `\"<= 1MiB\"`",
        ),
        (
            "slots",
            "slots and ranges of them, both ends included, from 0 to 16383",
            "`0-1364 5461 6000-6826`",
        ),
        (
            "servers",
            "product or version or both; several rules with commas between them must all apply",
            "`>= 7.0`, `redis < 7.2`, `valkey`",
        ),
        (
            "regular expression",
            "that of Rust's `regex`; `^` and `$` are a line's ends",
            "`^cluster_state:ok`",
        ),
        (
            "path into JSON",
            "fields and places; a name with dots in it stands in brackets and quotes; `.` is the whole",
            "`.seats[0].state`, `.nodes[\"a.b:1\"].share`",
        ),
        (
            "place to save from",
            "`stdout` or `stderr` without blanks at their ends; `json PATH`; `match PATTERN`, which is the first group of the first match",
            "`match id=([0-9a-f]+)`",
        ),
    ];
    let mut out = String::from("| value | is | for example |\n|---|---|---|\n");
    for (name, what, example) in rows {
        let _ = writeln!(out, "| {name} | {what} | {example} |");
    }
    out
}

fn nodes() -> String {
    let mut out = String::from("| name | address | port |\n|---|---|---|\n");
    for node in CourseNode::all() {
        let _ = writeln!(
            out,
            "| `{}` | `{}` | `{}` |",
            node.name(),
            node.ip(),
            node.port()
        );
    }
    out
}

fn docker() -> String {
    let verbs = listed(VERBS.map(|(verb, _)| verb));
    format!(
        "- `docker VERB NODE …` and `docker compose VERB NODE …`, where VERB is one of {verbs}.\n\
         - `docker compose up -d NODE …` makes nodes that are not there and starts them.\n\
         - `postgres` can stand in all of these where a node can, in a lab with `given: {{postgres: …}}`.\n\
         - `docker network disconnect NETWORK NODE` cuts a node's links; `connect` heals them. There is one network, so its name is not looked at."
    )
}

fn app() -> String {
    let mut out = String::from("| command | |\n|---|---|\n");
    for command in COMMANDS {
        let typed = |option: &AppOption| match option.value {
            Some(value) => format!("{} {}", option.name, value.placeholder()),
            None => option.name.to_owned(),
        };
        let either: Vec<String> = command
            .options
            .iter()
            .filter(|option| command.one_of.contains(&option.name))
            .map(typed)
            .collect();
        let mut words = vec![format!("./app {}", command.name)];
        for option in command.options {
            match command.one_of.iter().position(|name| *name == option.name) {
                Some(0) => words.push(format!("({})", either.join(" \\| "))),
                Some(_) => {}
                None if option.required => words.push(typed(option)),
                None => words.push(format!("[{}]", typed(option))),
            }
        }
        let _ = writeln!(out, "| `{}` | {} |", words.join(" "), command.doc);
    }
    out
}

fn targets() -> String {
    let mut out = String::from("| target | |\n|---|---|\n");
    for (name, target, doc) in TARGETS {
        let variables: String = target
            .variables()
            .iter()
            .map(|(variable, has_to)| {
                let said = format!("{}={}", variable.name(), variable.example());
                match has_to {
                    true => format!(" {said}"),
                    false => format!(" [{said}]"),
                }
            })
            .collect();
        let _ = writeln!(out, "| `make {name}{variables}` | {doc} |");
    }
    out
}

fn attributes() -> String {
    let rows =
        ATTRIBUTES.map(|(name, what)| format!("| `${{redis-7.{name}}}` | of a node: {what} |"));
    rows.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_the_prose_is_filled_in() {
        let chapter = markdown();
        assert!(!chapter.contains("{{"), "{chapter}");
        for table in TABLES {
            assert!(
                chapter.contains(&format!("\n### {}\n", heading(table))),
                "{}",
                table.name
            );
        }
    }

    #[test]
    fn every_link_of_the_chapter_leads_to_a_heading() {
        let chapter = markdown();
        let place = |heading: &str| {
            let kept = heading
                .trim_start_matches('#')
                .trim()
                .to_lowercase()
                .replace(' ', "-");
            kept.chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
                .collect::<String>()
        };
        let places: Vec<String> = chapter
            .lines()
            .filter(|line| line.starts_with('#'))
            .map(place)
            .collect();
        let links: Vec<&str> = chapter
            .split("](#")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
            .collect();
        assert!(links.len() > TABLES.len());
        for link in links {
            assert!(
                places.iter().any(|place| place == link),
                "{link} is not one of {places:?}"
            );
        }
    }
}
