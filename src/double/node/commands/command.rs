//! COMMAND and its subcommands: what the node knows of its commands.
//!
//! Listed are the commands that there are here. The keys of a call (GETKEYS) are told for every command of Redis 7.0: that needs no more than
//! the table.

use super::{Family, Registry};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::glob;
use crate::double::node::out::Out;
use crate::double::node::table::docs::{self, Argument};
use crate::double::node::table::{
    Begin, Categories, CommandId, Find, KeyPlace, KeySpec, Spec, Table, keys,
};

pub(super) const COMMANDS: Family = &[
    ("command", command),
    ("command|count", count),
    ("command|docs", docs),
    ("command|getkeys", getkeys),
    ("command|getkeysandflags", getkeysandflags),
    ("command|help", help),
    ("command|info", info),
    ("command|list", list),
];

/// Whether a command is there, itself or with a subcommand.
fn is_there(table: &Table, id: CommandId) -> bool {
    let registry = Registry::get();
    registry.handler(id).is_some() || registry.has_subcommands(table.spec(id))
}

/// All commands that are there, each followed by its subcommands.
fn there(table: &Table) -> impl Iterator<Item = CommandId> {
    table.all().filter(|id| is_there(table, *id))
}

/// The same without subcommands.
fn whole(table: &Table) -> impl Iterator<Item = CommandId> {
    there(table).filter(|id| table.spec(*id).parent.is_none())
}

/// The subcommands of a command that are there.
fn subcommands(table: &Table, spec: &Spec) -> Vec<CommandId> {
    let all = spec.subcommands.iter().copied();
    all.filter(|id| is_there(table, *id)).collect()
}

/// The command of a full name, as `config|get`, if it is there.
fn named(table: &Table, name: &[u8]) -> Option<CommandId> {
    let mut parts = name.split(|byte| *byte == b'|');
    let mut id = table.find(parts.next()?)?;
    if let Some(own) = parts.next() {
        id = table.subcommand(id, own)?;
    }
    (parts.next().is_none() && is_there(table, id)).then_some(id)
}

fn command(call: &mut Call<'_>) -> Outcome {
    all(call.out, Table::redis_7_0());
    Ok(())
}

fn count(call: &mut Call<'_>) -> Outcome {
    let count = whole(Table::redis_7_0()).count();
    call.out.int(count as i64);
    Ok(())
}

fn info(call: &mut Call<'_>) -> Outcome {
    let table = Table::redis_7_0();
    let names = call.args.get(2..).unwrap_or_default();
    if names.is_empty() {
        all(call.out, table);
        return Ok(());
    }
    call.out.array(names.len());
    for name in names {
        match named(table, name) {
            Some(id) => describe(call.out, table, id),
            None => call.out.null(),
        }
    }
    Ok(())
}

/// Every command with its description.
fn all(out: &mut Out, table: &Table) {
    out.array(whole(table).count());
    for id in whole(table) {
        describe(out, table, id);
    }
}

fn describe(out: &mut Out, table: &Table, id: CommandId) {
    let spec = table.spec(id);
    out.array(10);
    out.bulk(spec.name.as_bytes());
    out.int(spec.arity.into());
    statuses(out, "", spec.told_flags().words().collect());
    for place in [spec.first, spec.last, spec.step] {
        out.int(place.into());
    }
    statuses(out, "@", spec.categories.words().collect());
    out.set(spec.tips.len());
    for tip in &spec.tips {
        out.bulk(tip.as_bytes());
    }
    out.set(spec.keys.len());
    for key in &spec.keys {
        key_spec(out, key);
    }
    let subcommands = subcommands(table, spec);
    if subcommands.is_empty() {
        out.set(0);
        return;
    }
    out.array(subcommands.len());
    for id in subcommands {
        describe(out, table, id);
    }
}

/// A set of words, each with the same thing before it.
fn statuses(out: &mut Out, before: &str, words: Vec<&str>) {
    out.set(words.len());
    for word in words {
        out.status(&format!("{before}{word}"));
    }
}

fn key_spec(out: &mut Out, key: &KeySpec) {
    out.map(3 + usize::from(key.note.is_some()));
    if let Some(note) = key.note {
        text(out, "notes", note);
    }
    out.bulk(b"flags");
    statuses(out, "", key.flags.words().collect());
    out.bulk(b"begin_search");
    out.map(2);
    match key.begin {
        Begin::Index(at) => {
            text(out, "type", "index");
            numbers(out, &[("index", at)]);
        }
        Begin::Keyword(word, from) => {
            text(out, "type", "keyword");
            out.bulk(b"spec");
            out.map(2);
            text(out, "keyword", word);
            out.bulk(b"startfrom");
            out.int(from.into());
        }
        Begin::Unknown => {
            text(out, "type", "unknown");
            numbers(out, &[]);
        }
    }
    out.bulk(b"find_keys");
    out.map(2);
    match key.find {
        Find::Range { last, step, limit } => {
            text(out, "type", "range");
            numbers(
                out,
                &[("lastkey", last), ("keystep", step), ("limit", limit)],
            );
        }
        Find::Number { at, first, step } => {
            text(out, "type", "keynum");
            numbers(
                out,
                &[("keynumidx", at), ("firstkey", first), ("keystep", step)],
            );
        }
        Find::Unknown => {
            text(out, "type", "unknown");
            numbers(out, &[]);
        }
    }
}

/// A pair of a map: both are texts.
fn text(out: &mut Out, name: &str, text: &str) {
    out.bulk(name.as_bytes());
    out.bulk(text.as_bytes());
}

/// The pair `spec`, with a map of numbers.
fn numbers(out: &mut Out, numbers: &[(&str, i32)]) {
    out.bulk(b"spec");
    out.map(numbers.len());
    for (name, number) in numbers {
        out.bulk(name.as_bytes());
        out.int((*number).into());
    }
}

/// Which commands are to be listed.
enum Filter<'a> {
    None,
    /// Those of a module. There are no modules here.
    Module,
    /// Those of an ACL category; `None`: of one that there is not.
    Category(Option<Categories>),
    Pattern(&'a [u8]),
}

impl Filter<'_> {
    fn takes(&self, spec: &Spec) -> bool {
        match self {
            Filter::None => true,
            Filter::Module => false,
            Filter::Category(category) => category.is_some_and(|one| spec.categories.has(one)),
            Filter::Pattern(pattern) => glob::matches(pattern, spec.name.as_bytes(), true),
        }
    }
}

fn list(call: &mut Call<'_>) -> Outcome {
    let table = Table::redis_7_0();
    let filter = match *call.args {
        [_, _] => Filter::None,
        [_, _, by, kind, what] if is(by, "filterby") => {
            if is(kind, "module") {
                Filter::Module
            } else if is(kind, "aclcat") {
                let mut all = Categories::ALL.iter();
                let found = all.find(|(name, _)| is(what, name));
                Filter::Category(found.map(|(_, category)| *category))
            } else if is(kind, "pattern") {
                Filter::Pattern(what)
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        _ => return Err(Failure::SYNTAX),
    };
    let listed = || {
        let specs = there(table).map(|id| table.spec(id));
        specs.filter(|spec| filter.takes(spec))
    };
    call.out.array(listed().count());
    for spec in listed() {
        call.out.bulk(spec.name.as_bytes());
    }
    Ok(())
}

/// Whether this is the word, in any case. What comes after a zero byte does not count, as in C.
fn is(arg: &[u8], word: &str) -> bool {
    let arg = arg.split(|byte| *byte == 0).next().unwrap_or_default();
    arg.eq_ignore_ascii_case(word.as_bytes())
}

fn getkeys(call: &mut Call<'_>) -> Outcome {
    let (words, places) = keys_of(call.args)?;
    call.out.array(places.len());
    for place in places {
        call.out.bulk(words[place.at]);
    }
    Ok(())
}

fn getkeysandflags(call: &mut Call<'_>) -> Outcome {
    let (words, places) = keys_of(call.args)?;
    call.out.array(places.len());
    for place in places {
        call.out.array(2);
        call.out.bulk(words[place.at]);
        statuses(call.out, "", place.flags.words().collect());
    }
    Ok(())
}

/// The call that the command was asked about, and where its keys are.
fn keys_of<'a, 'b>(args: &'a [&'b [u8]]) -> Result<(&'a [&'b [u8]], Vec<KeyPlace>), Failure> {
    let table = Table::redis_7_0();
    let words = args.get(2..).unwrap_or_default();
    let id = table
        .of_call(words)
        .ok_or(Failure::text("ERR Invalid command specified"))?;
    match keys(table, id, words) {
        Ok(places) => Ok((words, places)),
        Err(none) => Err(Failure::text(none.message())),
    }
}

fn docs(call: &mut Call<'_>) -> Outcome {
    let table = Table::redis_7_0();
    let names = call.args.get(2..).unwrap_or_default();
    let ids: Vec<CommandId> = if names.is_empty() {
        whole(table).collect()
    } else {
        names.iter().filter_map(|name| named(table, name)).collect()
    };
    call.out.map(ids.len());
    for id in ids {
        call.out.bulk(table.spec(id).name.as_bytes());
        explain(call.out, table, id);
    }
    Ok(())
}

fn explain(out: &mut Out, table: &Table, id: CommandId) {
    let spec = table.spec(id);
    let document = &docs::redis_7_0()[id.index()];
    let subcommands = subcommands(table, spec);
    let place = out.open();
    let mut pairs = 3;
    text(out, "summary", spec.summary);
    text(out, "since", spec.since);
    text(out, "group", spec.group);
    if let Some(complexity) = document.complexity {
        pairs += 1;
        text(out, "complexity", complexity);
    }
    if !document.flags.is_empty() {
        pairs += 1;
        out.bulk(b"doc_flags");
        statuses(out, "", document.flags.clone());
    }
    if let Some(version) = document.deprecated_since {
        pairs += 1;
        text(out, "deprecated_since", version);
    }
    if let Some(other) = document.replaced_by {
        pairs += 1;
        text(out, "replaced_by", other);
    }
    if !document.history.is_empty() {
        pairs += 1;
        out.bulk(b"history");
        out.set(document.history.len());
        for (version, change) in &document.history {
            out.array(2);
            out.bulk(version.as_bytes());
            out.bulk(change.as_bytes());
        }
    }
    if !document.arguments.is_empty() {
        pairs += 1;
        arguments(out, &document.arguments);
    }
    if !subcommands.is_empty() {
        pairs += 1;
        out.bulk(b"subcommands");
        out.map(subcommands.len());
        for id in subcommands {
            out.bulk(table.spec(id).name.as_bytes());
            explain(out, table, id);
        }
    }
    out.close(place, |out| out.map(pairs));
}

/// The pair `arguments`.
fn arguments(out: &mut Out, arguments: &[Argument]) {
    out.bulk(b"arguments");
    out.array(arguments.len());
    for argument in arguments {
        let place = out.open();
        let mut pairs = 2;
        text(out, "name", argument.name);
        text(out, "type", argument.kind);
        if let Some(key) = argument.key {
            pairs += 1;
            out.bulk(b"key_spec_index");
            out.int(key);
        }
        let texts = [
            ("token", argument.token),
            ("since", argument.since),
            ("deprecated_since", argument.deprecated_since),
        ];
        for (name, what) in texts {
            if let Some(what) = what {
                pairs += 1;
                text(out, name, what);
            }
        }
        if !argument.flags.is_empty() {
            pairs += 1;
            out.bulk(b"flags");
            statuses(out, "", argument.flags.clone());
        }
        if !argument.parts.is_empty() {
            pairs += 1;
            self::arguments(out, &argument.parts);
        }
        out.close(place, |out| out.map(pairs));
    }
}

fn help(call: &mut Call<'_>) -> Outcome {
    call.help(
        "COMMAND",
        &[
            "(no subcommand)",
            "    Return details about all Redis commands.",
            "COUNT",
            "    Return the total number of commands in this Redis server.",
            "LIST",
            "    Return a list of all commands in this Redis server.",
            "INFO [<command-name> ...]",
            "    Return details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "DOCS [<command-name> ...]",
            "    Return documentation details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "GETKEYS <full-command>",
            "    Return the keys from a full Redis command.",
            "GETKEYSANDFLAGS <full-command>",
            "    Return the keys and the access flags from a full Redis command.",
        ],
    );
    Ok(())
}
