//! The command table is that of a real server: the files that `src/double/node/table` is made of say what a Redis 7.0 says of its commands
//! and of the keys of many calls.
//!
//! With `LABRUNNER_RECORD=1` the files are written anew from what the server says; otherwise they are compared with it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::frame::Frame;
use crate::real::{self, Real};
use crate::wire::{Wire, command};

const FOLDER: &str = "src/double/node/table";

/// A connection that speaks RESP3.
fn connect(server: &Real) -> Wire {
    let mut wire = Wire::connect(server.address()).unwrap();
    wire.call(&["HELLO", "3"]).unwrap();
    wire
}

fn ask(wire: &mut Wire, call: &str) -> Frame {
    let words: Vec<&str> = call.split(' ').collect();
    wire.call(&words).unwrap()
}

/// The file says this, or is made to.
fn holds(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("LABRUNNER_RECORD").is_some() {
        fs::write(&path, text).unwrap();
        return;
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    let mut lines = there.lines().zip(text.lines()).zip(1..);
    if let Some(((there, real), at)) = lines.find(|((there, real), _)| there != real) {
        panic!("{file}:{at}: this is not what Redis says\n  file:  {there}\n  Redis: {real}");
    }
    assert!(
        there == text,
        "{file} is longer or shorter than what Redis says"
    );
}

fn text(frame: &Frame) -> &str {
    assert!(
        matches!(frame.kind, b'$' | b'+' | b'='),
        "no text: {frame:?}"
    );
    std::str::from_utf8(&frame.payload).unwrap()
}

fn number(frame: &Frame) -> i64 {
    assert_eq!(frame.kind, b':', "no number: {frame:?}");
    std::str::from_utf8(&frame.payload)
        .unwrap()
        .parse()
        .unwrap()
}

fn items(frame: &Frame) -> &[Frame] {
    assert!(matches!(frame.kind, b'*' | b'~'), "no list: {frame:?}");
    &frame.items
}

fn words(frame: &Frame) -> String {
    let words: Vec<&str> = items(frame).iter().map(text).collect();
    words.join(" ")
}

fn pairs(frame: &Frame) -> impl Iterator<Item = (&str, &Frame)> {
    assert_eq!(frame.kind, b'%', "no map: {frame:?}");
    frame
        .items
        .as_chunks()
        .0
        .iter()
        .map(|[key, value]| (text(key), value))
}

fn field<'a>(map: &'a Frame, name: &str) -> Option<&'a Frame> {
    pairs(map)
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

#[test]
fn the_commands_are_those_of_a_real_server() {
    if !real::is_here("the_commands_are_those_of_a_real_server") {
        return;
    }
    let server = Real::start();
    let mut wire = connect(&server);
    let commands = ask(&mut wire, "COMMAND");
    let documents = ask(&mut wire, "COMMAND DOCS");

    let mut all = Vec::new();
    for command in items(&commands) {
        all.push(command);
        all.extend(items(&items(command)[9]));
    }
    let name = |command: &Frame| text(&items(command)[0]).to_owned();
    all.sort_by_key(|command| name(command));
    let mut described = String::from(
        "# The commands of Redis 7.0, as COMMAND tells of them. Made by the test double_node::table with LABRUNNER_RECORD=1, \
         not by hand.\n# read.rs says what stands where.\n",
    );
    for command in all {
        let document = document(&documents, &name(command));
        describe(command, document, &mut described);
    }
    holds(&format!("{FOLDER}/redis-7.0.commands"), &described);

    let mut explained = String::from(
        "# What COMMAND DOCS of Redis 7.0 says of its commands beyond redis-7.0.commands. Made by the test double_node::table with \
         LABRUNNER_RECORD=1,\n# not by hand. docs.rs says what stands where.\n",
    );
    for (name, document) in sorted(&documents) {
        explain(name, document, &mut explained);
        if let Some(subcommands) = field(document, "subcommands") {
            for (name, document) in sorted(subcommands) {
                explain(name, document, &mut explained);
            }
        }
    }
    holds(&format!("{FOLDER}/redis-7.0.docs"), &explained);
}

/// A map's pairs, by their keys.
fn sorted(map: &Frame) -> Vec<(&str, &Frame)> {
    let mut pairs: Vec<_> = pairs(map).collect();
    pairs.sort_by_key(|(key, _)| *key);
    pairs
}

/// What `COMMAND DOCS` says of a command or subcommand.
fn document<'a>(documents: &'a Frame, name: &str) -> &'a Frame {
    match name.split_once('|') {
        None => field(documents, name).unwrap(),
        Some((command, _)) => {
            let command = field(documents, command).unwrap();
            field(field(command, "subcommands").unwrap(), name).unwrap()
        }
    }
}

/// An entry of the file of commands.
fn describe(command: &Frame, document: &Frame, to: &mut String) {
    let [
        name,
        arity,
        flags,
        first,
        last,
        step,
        categories,
        tips,
        keys,
        _,
    ] = items(command)
    else {
        panic!("not ten fields: {command:?}");
    };
    let about = |name| text(field(document, name).unwrap());
    let _ = writeln!(to, "{}", text(name));
    let _ = writeln!(
        to,
        "  about  {} {} \"{}\"",
        about("group"),
        about("since"),
        about("summary")
    );
    let numbers = [arity, first, last, step].map(|value| number(value).to_string());
    let call = format!("{} {}", numbers.join(" "), words(flags));
    let _ = writeln!(to, "  call   {}", call.trim_end());
    let _ = writeln!(to, "  acl    {}", words(categories).replace('@', ""));
    if !items(tips).is_empty() {
        let _ = writeln!(to, "  tips   {}", words(tips));
    }
    for key in items(keys) {
        let part = |name| {
            let part = field(key, name).unwrap();
            (
                text(field(part, "type").unwrap()),
                field(part, "spec").unwrap(),
            )
        };
        let at = |map, name| number(field(map, name).unwrap());
        let begin = match part("begin_search") {
            ("index", spec) => format!("index {}", at(spec, "index")),
            ("keyword", spec) => format!(
                "keyword {} {}",
                text(field(spec, "keyword").unwrap()),
                at(spec, "startfrom")
            ),
            (other, _) => other.to_owned(),
        };
        let find = match part("find_keys") {
            ("range", spec) => format!(
                "range {} {} {}",
                at(spec, "lastkey"),
                at(spec, "keystep"),
                at(spec, "limit")
            ),
            ("keynum", spec) => format!(
                "number {} {} {}",
                at(spec, "keynumidx"),
                at(spec, "firstkey"),
                at(spec, "keystep")
            ),
            (other, _) => other.to_owned(),
        };
        let flags = words(field(key, "flags").unwrap());
        let _ = writeln!(to, "  key    {begin}, {find}, {flags}");
        if let Some(note) = field(key, "notes") {
            let _ = writeln!(to, "  note   {}", text(note));
        }
    }
}

/// An entry of the file of documents.
fn explain(name: &str, document: &Frame, to: &mut String) {
    let _ = writeln!(to, "{name}");
    for (label, value) in pairs(document) {
        match label {
            // In the other file.
            "summary" | "since" | "group" | "subcommands" => {}
            "complexity" => drop(writeln!(to, "  complexity {}", text(value))),
            "doc_flags" => drop(writeln!(to, "  flags      {}", words(value))),
            "deprecated_since" => drop(writeln!(to, "  deprecated {}", text(value))),
            "replaced_by" => drop(writeln!(to, "  replaced   {}", text(value))),
            "history" => {
                for change in items(value) {
                    let change = items(change);
                    let _ = writeln!(to, "  history    {} {}", text(&change[0]), text(&change[1]));
                }
            }
            "arguments" => arguments(value, 1, to),
            other => panic!("{name}: what is {other}?"),
        }
    }
}

fn arguments(list: &Frame, depth: usize, to: &mut String) {
    for argument in items(list) {
        let mut line = String::from("-");
        for (label, value) in pairs(argument) {
            let _ = match label {
                "name" | "type" => write!(line, " {}", text(value)),
                "key_spec_index" => write!(line, " key={}", number(value)),
                "token" => write!(line, " token={}", text(value)),
                "since" => write!(line, " since={}", text(value)),
                "deprecated_since" => write!(line, " deprecated={}", text(value)),
                "flags" => write!(line, " {}", words(value)),
                "arguments" => Ok(()),
                other => panic!("{line}: what is {other}?"),
            };
        }
        let _ = writeln!(to, "{}{line}", "  ".repeat(depth));
        if let Some(inner) = field(argument, "arguments") {
            arguments(inner, depth + 1, to);
        }
    }
}

#[test]
fn the_keys_are_those_that_a_real_server_finds() {
    if !real::is_here("the_keys_are_those_that_a_real_server_finds") {
        return;
    }
    let server = Real::start();
    let mut wire = connect(&server);
    let file = format!("{FOLDER}/getkeys.txt");
    let there = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file)).unwrap();
    let mut answered = String::new();
    for line in there.lines() {
        let call = line.split(" => ").next().unwrap();
        if call.starts_with('#') {
            let _ = writeln!(answered, "{line}");
            continue;
        }
        let words = call.split(' ').map(|word| word.trim_matches('"'));
        let words: Vec<&str> = ["COMMAND", "GETKEYSANDFLAGS"]
            .into_iter()
            .chain(words)
            .collect();
        let _ = writeln!(answered, "{call} => {}", keys(&wire.call(&words).unwrap()));
    }
    holds(&file, &answered);
}

/// `a:RO,access b:OW,update`, or the error.
fn keys(answer: &Frame) -> String {
    if answer.is_error() {
        return String::from_utf8_lossy(&answer.payload).into_owned();
    }
    let keys = items(answer);
    if keys.is_empty() {
        return "no keys".to_owned();
    }
    let key = |key: &Frame| {
        let [key, flags] = items(key) else {
            panic!("not a key and its flags: {key:?}")
        };
        let name = match text(key) {
            "" => "\"\"",
            name => name,
        };
        format!("{name}:{}", words(flags).replace(' ', ","))
    };
    let keys: Vec<String> = keys.iter().map(key).collect();
    keys.join(" ")
}

/// The flag `may_replicate` is one that no server tells, but which a paused one acts by: such a call waits, others do not.
#[test]
fn what_may_replicate_waits_while_writes_are_paused() {
    if !real::is_here("what_may_replicate_waits_while_writes_are_paused") {
        return;
    }
    let server = Real::start();
    let mut wire = connect(&server);
    ask(&mut wire, "CLIENT PAUSE 60000 WRITE");
    let calls = [
        "EVAL return 0",
        "EVALSHA 0 0",
        "FCALL f 0",
        "PFCOUNT k",
        "PUBLISH c m",
        "SPUBLISH c m",
    ];
    let waiting = calls.map(|call| {
        let mut wire = connect(&server);
        ask(&mut wire, "CLIENT SETNAME waits");
        let words: Vec<&str> = call.split(' ').collect();
        wire.send(&command(&words)).unwrap();
        wire
    });
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let list = ask(&mut wire, "CLIENT LIST");
        let lines = text(&list).lines();
        let blocked =
            lines.filter(|line| line.contains(" name=waits ") && line.contains(" flags=b"));
        let blocked = blocked.count();
        if blocked == calls.len() {
            break;
        }
        assert!(
            Instant::now() < until,
            "only {blocked} wait:\n{}",
            text(&list)
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    ask(&mut wire, "EVAL_RO return(1) 0");
    ask(&mut wire, "CLIENT UNPAUSE");
    drop(waiting);
}
