//! COMMAND of the node and of a real Redis 7.0: the same of every command that the node has, and the same keys of any call.

use labrunner::double::Node;
use rand::prelude::*;

use crate::frame::Frame;
use crate::real::{self, Real};
use crate::wire::{Wire, command};

/// The node and a real server beside it, and a connection to each.
struct Both {
    _real: Real,
    _node: Node,
    to_real: Wire,
    to_node: Wire,
}

impl Both {
    fn start(test: &str) -> Option<Both> {
        if !real::is_here(test) {
            return None;
        }
        let real = Real::start();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let node = runtime.block_on(Node::start()).unwrap();
        Some(Both {
            to_real: Wire::connect(real.address()).unwrap(),
            to_node: Wire::connect(node.address()).unwrap(),
            _real: real,
            _node: node,
        })
    }

    fn speak(&mut self, protocol: &str) {
        self.ask(&["HELLO", protocol]);
    }

    /// The real server's answer, and the node's.
    fn ask(&mut self, call: &[&str]) -> (Frame, Frame) {
        let real = self.to_real.call(call).unwrap();
        (real, self.to_node.call(call).unwrap())
    }
}

/// The names of the node's commands, subcommands included.
fn names(node: &mut Wire) -> Vec<String> {
    let list = node.call(&["COMMAND", "LIST"]).unwrap();
    let name = |name: &Frame| String::from_utf8(name.payload.clone()).unwrap();
    list.items.iter().map(name).collect()
}

fn has(names: &[String], name: &Frame) -> bool {
    names.iter().any(|one| one.as_bytes() == name.payload)
}

/// Leaves in a description only subcommands that are among `names`, in the order of their names: Redis's comes from a hash table.
fn descriptions(reply: &mut Frame, names: &[String]) {
    for command in &mut reply.items {
        let Some(subcommands) = command.items.get_mut(9) else {
            continue;
        };
        subcommands.items.retain(|one| has(names, &one.items[0]));
        subcommands
            .items
            .sort_by(|a, b| a.items[0].cmp(&b.items[0]));
        subcommands.payload = subcommands.items.len().to_string().into_bytes();
    }
}

/// The same for documents: a map, or in RESP2 an array of keys and values.
fn documents(reply: &mut Frame, names: &[String], top: bool) {
    let mut pairs: Vec<[Frame; 2]> = reply.items.as_chunks().0.to_vec();
    for [_, document] in &mut pairs {
        for [name, value] in document.items.as_chunks_mut().0 {
            if name.payload == b"subcommands" {
                documents(value, names, false);
            }
        }
    }
    if !top {
        pairs.retain(|[name, _]| has(names, name));
        pairs.sort();
        let count = if reply.kind == b'%' {
            pairs.len()
        } else {
            pairs.len() * 2
        };
        reply.payload = count.to_string().into_bytes();
    }
    reply.items = pairs.concat();
}

#[test]
fn every_command_is_described_as_a_real_server_does() {
    let Some(mut both) = Both::start("every_command_is_described_as_a_real_server_does") else {
        return;
    };
    let names = names(&mut both.to_node);
    assert!(names.iter().any(|name| name == "command|docs"), "{names:?}");
    for protocol in ["2", "3"] {
        both.speak(protocol);
        for name in &names {
            let (mut real, mut node) = both.ask(&["COMMAND", "INFO", name]);
            descriptions(&mut real, &names);
            descriptions(&mut node, &names);
            assert_eq!(node, real, "COMMAND INFO {name}");
            let (mut real, mut node) = both.ask(&["COMMAND", "DOCS", name]);
            documents(&mut real, &names, true);
            documents(&mut node, &names, true);
            assert_eq!(node, real, "COMMAND DOCS {name}");
        }
    }
}

#[test]
fn all_commands_are_described_at_once_as_one_by_one() {
    let Some(mut both) = Both::start("all_commands_are_described_at_once_as_one_by_one") else {
        return;
    };
    let names = names(&mut both.to_node);
    let whole: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !name.contains('|'))
        .collect();
    let node = &mut both.to_node;
    let count = node.call(&["COMMAND", "COUNT"]).unwrap();
    assert_eq!(count.payload, whole.len().to_string().as_bytes());
    let each = node
        .call(&[&["COMMAND", "INFO"], &whole[..]].concat())
        .unwrap();
    for call in [&["COMMAND"][..], &["COMMAND", "INFO"]] {
        assert_eq!(node.call(call).unwrap(), each, "{call:?}");
    }
    let each = node
        .call(&[&["COMMAND", "DOCS"], &whole[..]].concat())
        .unwrap();
    assert_eq!(node.call(&["COMMAND", "DOCS"]).unwrap(), each);
}

#[test]
fn lists_are_filtered_as_a_real_server_does() {
    let Some(mut both) = Both::start("lists_are_filtered_as_a_real_server_does") else {
        return;
    };
    let names = names(&mut both.to_node);
    let categories = both.to_real.call(&["ACL", "CAT"]).unwrap();
    let categories = categories
        .items
        .iter()
        .map(|one| String::from_utf8(one.payload.clone()).unwrap());
    let mut filters: Vec<[String; 2]> = categories.map(|one| ["ACLCAT".to_owned(), one]).collect();
    assert_eq!(filters.len(), 21);
    for (kind, what) in [
        ("aclcat", "READ"),
        ("ACLCAT", "@read"),
        ("ACLCAT", "read\0x"),
        ("ACLCAT", "nosuch"),
        ("MODULE", "nosuch"),
        ("PATTERN", "*"),
        ("pattern", "*E*"),
        ("PATTERN", "command|*"),
        ("PATTERN", "[a-g]e?"),
        ("PATTERN", ""),
    ] {
        filters.push([kind.to_owned(), what.to_owned()]);
    }
    for protocol in ["2", "3"] {
        both.speak(protocol);
        for [kind, what] in &filters {
            let (mut real, mut node) = both.ask(&["COMMAND", "LIST", "FILTERBY", kind, what]);
            for list in [&mut real, &mut node] {
                list.items.retain(|name| has(&names, name));
                list.items.sort();
                list.payload = list.items.len().to_string().into_bytes();
            }
            assert_eq!(node, real, "{kind} {what:?}");
        }
    }
}

/// Words that mean something to some command, and such as are nearly numbers.
const WORDS: [&str; 50] = [
    "0",
    "1",
    "1",
    "2",
    "2",
    "3",
    "5",
    "-1",
    "4294967297",
    "4294967298",
    "-4294967294",
    "02",
    "+2",
    " 2",
    "2x",
    "",
    "9223372036854775807",
    "99999999999999999999",
    "-99999999999999999999",
    "18446744073709551618",
    "k",
    "a",
    "b",
    "STORE",
    "STORE",
    "store",
    "StoreDist",
    "KEYS",
    "keys",
    "AUTH",
    "AUTH2",
    "COPY",
    "STREAMS",
    "streams",
    "BLOCK",
    "COUNT",
    "GROUP",
    "NOACK",
    "GET",
    "get",
    "get\0x",
    "SET",
    "INCRBY",
    "OVERFLOW",
    "BY",
    "LIMIT",
    "store\0",
    "streams\0a",
    "keys\0",
    "ä",
];

/// As many calls as are sent at once.
const BATCH: usize = 500;
const BATCHES: usize = 40;

#[test]
fn the_keys_of_random_calls_are_those_that_a_real_server_finds() {
    let Some(mut both) = Both::start("the_keys_of_random_calls_are_those_that_a_real_server_finds")
    else {
        return;
    };
    let list = both.to_real.call(&["COMMAND", "LIST"]).unwrap();
    let mut names: Vec<Vec<u8>> = list.items.into_iter().map(|name| name.payload).collect();
    names.sort();
    // The same calls every time.
    let mut random = StdRng::seed_from_u64(7);
    let (mut with_keys, mut refused) = (0, 0);
    for _ in 0..BATCHES {
        let calls: Vec<Vec<&[u8]>> = (0..BATCH)
            .map(|_| {
                let name = names.choose(&mut random).unwrap();
                let mut call: Vec<&[u8]> = vec![b"COMMAND", b"GETKEYSANDFLAGS"];
                call.extend(name.split(|byte| *byte == b'|'));
                // Whether Redis takes `get\0x` for the subcommand `get` depends on where its hash table, whose seed is random, puts it.
                let second = WORDS.choose(&mut random).unwrap().split('\0').next();
                call.extend(second.map(str::as_bytes));
                let more = random.random_range(0..13);
                call.extend((0..more).map(|_| WORDS.choose(&mut random).unwrap().as_bytes()));
                call
            })
            .collect();
        let bytes: Vec<u8> = calls.iter().flat_map(|call| command(call)).collect();
        both.to_real.send(&bytes).unwrap();
        both.to_node.send(&bytes).unwrap();
        for call in calls {
            let real = both.to_real.read().unwrap();
            let node = both.to_node.read().unwrap();
            assert_eq!(node, real, "{}", call.join(&b' ').escape_ascii());
            match real.is_error() {
                true => refused += 1,
                false => with_keys += 1,
            }
        }
    }
    assert!(
        with_keys > 1_000 && refused > 1_000,
        "{with_keys} with keys, {refused} refused"
    );
}
