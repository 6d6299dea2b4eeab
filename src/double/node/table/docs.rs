//! What `COMMAND DOCS` says of commands beyond the table: read only when somebody asks.
//!
//! A command begins at the start of a line, with its full name. Below it, two blanks further in, one thing a line:
//!
//! ```text
//! complexity TEXT
//! flags      FLAG…
//! deprecated VERSION
//! replaced   TEXT
//! history    VERSION TEXT
//! - NAME TYPE PROPERTY=VALUE… FLAG…
//! ```
//!
//! The last is an argument. Arguments that it is made of follow it, two blanks further in than itself.

use std::sync::OnceLock;

use super::Table;
use super::spec::CommandId;

/// What is told of one command.
#[derive(Debug, Default)]
pub(in crate::double) struct Document {
    pub(in crate::double) complexity: Option<&'static str>,
    /// `deprecated`, `syscmd`.
    pub(in crate::double) flags: Vec<&'static str>,
    pub(in crate::double) deprecated_since: Option<&'static str>,
    pub(in crate::double) replaced_by: Option<&'static str>,
    /// Version, and what changed with it.
    pub(in crate::double) history: Vec<(&'static str, &'static str)>,
    pub(in crate::double) arguments: Vec<Argument>,
}

/// An argument of a command, or a part of one.
#[derive(Debug, Default)]
pub(in crate::double) struct Argument {
    pub(in crate::double) name: &'static str,
    /// `key`, `integer`, `oneof`, `block` …
    pub(in crate::double) kind: &'static str,
    /// Of a key: which of the command's key specifications finds it.
    pub(in crate::double) key: Option<i64>,
    /// The word that stands before it, or that it is.
    pub(in crate::double) token: Option<&'static str>,
    pub(in crate::double) since: Option<&'static str>,
    pub(in crate::double) deprecated_since: Option<&'static str>,
    /// `optional`, `multiple`, `multiple_token`.
    pub(in crate::double) flags: Vec<&'static str>,
    pub(in crate::double) parts: Vec<Argument>,
}

/// The documents of Redis 7.0.15, by [`CommandId::index`]; read once in a process.
pub(in crate::double) fn redis_7_0() -> &'static [Document] {
    static DOCUMENTS: OnceLock<Vec<Document>> = OnceLock::new();
    // A test says that every line of it can be read.
    DOCUMENTS.get_or_init(|| read(Table::redis_7_0(), include_str!("redis-7.0.docs")).0)
}

/// A document for each command of the table, and the lines that could not be read.
pub(super) fn read(table: &Table, text: &'static str) -> (Vec<Document>, Vec<&'static str>) {
    let mut documents = Vec::new();
    documents.resize_with(table.len(), Document::default);
    let mut faults = Vec::new();
    let mut at: Option<&mut Document> = None;
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let inner = line.trim_start_matches(' ');
        let depth = (line.len() - inner.len()) / 2;
        let read = if depth == 0 {
            let id = named(table, line);
            at = id.and_then(|id| documents.get_mut(id.index()));
            at.as_ref().map(|_| ())
        } else {
            at.as_mut()
                .and_then(|document| match inner.strip_prefix("- ") {
                    Some(argument) => add(&mut document.arguments, depth - 1, argument),
                    None => more(document, inner),
                })
        };
        if read.is_none() {
            faults.push(line);
        }
    }
    (documents, faults)
}

fn named(table: &Table, name: &str) -> Option<CommandId> {
    match name.split_once('|') {
        None => table.find(name.as_bytes()),
        Some((parent, own)) => table.subcommand(table.find(parent.as_bytes())?, own.as_bytes()),
    }
}

fn more(document: &mut Document, line: &'static str) -> Option<()> {
    let (label, rest) = line.split_once(' ')?;
    let rest = rest.trim_start();
    match label {
        "complexity" => document.complexity = Some(rest),
        "flags" => document.flags = rest.split(' ').collect(),
        "deprecated" => document.deprecated_since = Some(rest),
        "replaced" => document.replaced_by = Some(rest),
        "history" => document.history.push(rest.split_once(' ')?),
        _ => return None,
    }
    Some(())
}

/// Adds an argument: to these, or so many steps further in, to the last one of the last one.
fn add(arguments: &mut Vec<Argument>, depth: usize, line: &'static str) -> Option<()> {
    let mut arguments = arguments;
    for _ in 0..depth {
        arguments = &mut arguments.last_mut()?.parts;
    }
    let mut words = line.split(' ');
    let mut argument = Argument {
        name: words.next()?,
        kind: words.next()?,
        ..Argument::default()
    };
    for word in words {
        match word.split_once('=') {
            None => argument.flags.push(word),
            // A token may have a = in it, or be one.
            Some(("key", value)) => argument.key = Some(value.parse().ok()?),
            Some(("token", value)) => argument.token = Some(value),
            Some(("since", value)) => argument.since = Some(value),
            Some(("deprecated", value)) => argument.deprecated_since = Some(value),
            Some(_) => return None,
        }
    }
    arguments.push(argument);
    Some(())
}
