//! The chapter of the guide that says what the node answers, `book/src/doubles/commands.md`. It is compared here; with `LABRUNNER_RECORD=1` it
//! is written anew.

use std::fmt::Write as _;
use std::path::Path;

use super::Registry;
use crate::double::node::table::{CommandId, Table};

/// The groups of `COMMAND DOCS`, and how the chapter calls them.
const GROUPS: [(&str, &str); 16] = [
    ("string", "Strings"),
    ("bitmap", "Bitmaps"),
    ("hyperloglog", "HyperLogLogs"),
    ("hash", "Hashes"),
    ("list", "Lists"),
    ("set", "Sets"),
    ("sorted-set", "Sorted sets"),
    ("geo", "Places on the earth"),
    ("stream", "Streams"),
    ("generic", "Keys"),
    ("pubsub", "Pub/Sub"),
    ("transactions", "Transactions"),
    ("scripting", "Scripts and functions"),
    ("connection", "Connections"),
    ("server", "The server"),
    ("cluster", "The cluster"),
];

const START: &str = "# What the node answers

<!-- Made by the test double::node::commands::chapter with LABRUNNER_RECORD=1, not by hand. -->

`labrunner::double::Node` answers as Redis 7.0 does. What follows are the commands of Redis 7.0.15 by the groups of its documentation: which of
them the node has, and which are missing. One that is missing is answered as Redis answers what it does not know, with `ERR unknown command` or
`ERR unknown subcommand`; `COMMAND` tells only of those that are there. The keys of a call, `COMMAND GETKEYS`, are told for all of them.
";

/// The names, in lines of at most 120 characters.
fn lines(start: &str, names: &[String]) -> String {
    let mut text = start.to_owned();
    let mut width = start.len();
    for (name, at) in names.iter().zip(1..) {
        if width + name.len() + 3 > 120 {
            text.truncate(text.trim_end().len());
            text.push('\n');
            width = 0;
        }
        let end = if at == names.len() { "" } else { ", " };
        text += &format!("`{name}`{end}");
        width += name.len() + 4;
    }
    text
}

/// The chapter, from the table and the commands that have a function.
fn chapter(table: &Table, registry: &Registry) -> String {
    // A command that only holds subcommands is none itself.
    let single =
        |id: &CommandId| table.spec(*id).subcommands.is_empty() || registry.handler(*id).is_some();
    let all: Vec<CommandId> = table.all().filter(single).collect();
    let names = |group: &str, there: bool| -> Vec<String> {
        let ids = all.iter().filter(|id| {
            table.spec(**id).group == group && registry.handler(**id).is_some() == there
        });
        ids.map(|id| table.spec(*id).name.to_uppercase().replace('|', " "))
            .collect()
    };
    let mut text = START.to_owned();
    let there = all
        .iter()
        .filter(|id| registry.handler(**id).is_some())
        .count();
    let _ = writeln!(text, "\nIn all, {there} of {} are there.", all.len());
    for (group, title) in GROUPS {
        let (there, missing) = (names(group, true), names(group, false));
        let count = match (there.len(), missing.len()) {
            (_, 0) => "all".to_owned(),
            (0, _) => "none".to_owned(),
            (there, missing) => format!("{there} of {}", there + missing),
        };
        let _ = writeln!(text, "\n## {title}: {count}");
        if !there.is_empty() {
            let _ = writeln!(text, "\n{}", lines("", &there));
        }
        if !missing.is_empty() {
            let _ = writeln!(text, "\n{}", lines("Missing: ", &missing));
        }
    }
    text
}

#[test]
fn the_chapter_says_what_the_node_has() {
    let (table, registry) = (Table::redis_7_0(), Registry::get());
    for id in table.all() {
        let group = table.spec(id).group;
        assert!(GROUPS.iter().any(|(known, _)| *known == group), "{group}");
    }
    let text = chapter(table, registry);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src/doubles/commands.md");
    if std::env::var_os("LABRUNNER_RECORD").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == text,
        "the chapter is out of date: LABRUNNER_RECORD=1 cargo test --lib the_chapter_says_what_the_node_has"
    );
}
