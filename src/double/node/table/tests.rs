use std::collections::HashSet;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

const FILE: &str = include_str!("redis-7.0.commands");

/// An entry of the file again, made from what was read.
fn entry(spec: &Spec, to: &mut String) {
    let words = |words: Vec<&str>| words.join(" ");
    let Spec {
        name,
        group,
        since,
        summary,
        ..
    } = spec;
    let _ = writeln!(to, "{name}\n  about  {group} {since} \"{summary}\"");
    let numbers = [spec.arity, spec.first, spec.last, spec.step].map(|number| number.to_string());
    let flags = words(spec.told_flags().words().collect());
    let call = format!("{} {flags}", numbers.join(" "));
    let _ = writeln!(to, "  call   {}", call.trim_end());
    let _ = writeln!(to, "  acl    {}", words(spec.categories.words().collect()));
    if !spec.tips.is_empty() {
        let _ = writeln!(to, "  tips   {}", words(spec.tips.clone()));
    }
    for key in &spec.keys {
        let begin = match key.begin {
            Begin::Index(at) => format!("index {at}"),
            Begin::Keyword(word, from) => format!("keyword {word} {from}"),
            Begin::Unknown => "unknown".to_owned(),
        };
        let find = match key.find {
            Find::Range { last, step, limit } => format!("range {last} {step} {limit}"),
            Find::Number { at, first, step } => format!("number {at} {first} {step}"),
            Find::Unknown => "unknown".to_owned(),
        };
        let flags = words(key.flags.words().collect());
        let _ = writeln!(to, "  key    {begin}, {find}, {flags}");
        if let Some(note) = key.note {
            let _ = writeln!(to, "  note   {note}");
        }
    }
}

#[test]
fn all_of_the_file_is_read_and_words_come_in_the_order_of_redis() {
    let (specs, faults) = read::read(FILE);
    assert_eq!(faults, [""; 0]);
    let mut again = String::new();
    for spec in &specs {
        entry(spec, &mut again);
    }
    let entries: String = FILE
        .split_inclusive('\n')
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert_eq!(again, entries);
    let commands = specs.iter().filter(|spec| spec.parent.is_none()).count();
    assert_eq!((commands, specs.len()), (240, 366));
}

#[test]
fn a_line_that_says_nothing_is_told() {
    let wrong = "  about x\nget\n  call x\n  acl nosuch\n  key index 1, range 0, RO\n  note none\n  what 1\nno|parent\n";
    let (specs, faults) = read::read(wrong);
    assert_eq!(specs.len(), 1);
    assert_eq!(faults.len(), 7, "{faults:?}");
}

fn argument(argument: &docs::Argument, depth: usize, to: &mut String) {
    let docs::Argument { name, kind, .. } = argument;
    let _ = write!(to, "{}- {name} {kind}", "  ".repeat(depth));
    let properties = [
        ("key", argument.key.map(|key| key.to_string())),
        ("token", argument.token.map(str::to_owned)),
        ("since", argument.since.map(str::to_owned)),
        ("deprecated", argument.deprecated_since.map(str::to_owned)),
    ];
    for (property, value) in properties {
        if let Some(value) = value {
            let _ = write!(to, " {property}={value}");
        }
    }
    for flag in &argument.flags {
        let _ = write!(to, " {flag}");
    }
    to.push('\n');
    for part in &argument.parts {
        self::argument(part, depth + 1, to);
    }
}

#[test]
fn all_of_the_documents_is_read() {
    let table = Table::redis_7_0();
    let file = include_str!("redis-7.0.docs");
    let (documents, faults) = docs::read(table, file);
    assert_eq!(faults, [""; 0]);
    let mut again = String::new();
    for (id, document) in table.all().zip(&documents) {
        let _ = writeln!(again, "{}", table.spec(id).name);
        if let Some(complexity) = document.complexity {
            let _ = writeln!(again, "  complexity {complexity}");
        }
        if !document.flags.is_empty() {
            let _ = writeln!(again, "  flags      {}", document.flags.join(" "));
        }
        if let Some(version) = document.deprecated_since {
            let _ = writeln!(again, "  deprecated {version}");
        }
        if let Some(other) = document.replaced_by {
            let _ = writeln!(again, "  replaced   {other}");
        }
        for (version, change) in &document.history {
            let _ = writeln!(again, "  history    {version} {change}");
        }
        for argument in &document.arguments {
            self::argument(argument, 1, &mut again);
        }
    }
    let lines = file.split_inclusive('\n');
    let entries: String = lines.filter(|line| !line.starts_with('#')).collect();
    assert_eq!(again, entries);
    let wrong =
        "nosuch\n  complexity 1\nget\n  what 1\n    - too deep\n  - a key key=x\n  - a b c=d\n";
    assert_eq!(docs::read(table, wrong).1.len(), 6);
}

#[test]
fn every_command_is_found_by_its_name_in_any_case() {
    let table = Table::redis_7_0();
    assert_eq!(table.all().count(), table.len());
    for id in table.all() {
        let spec = table.spec(id);
        let find = |name: &str| match spec.parent {
            None => table.find(name.as_bytes()),
            Some(parent) => table.subcommand(parent, name.as_bytes()),
        };
        let own = spec.name.split('|').next_back().unwrap();
        let mixed = own[..1].to_uppercase() + &own[1..];
        for name in [own, &own.to_uppercase(), &mixed] {
            assert_eq!(find(name), Some(id), "{name}");
        }
        let longer = format!("{own}\0");
        let spaced = format!(" {own}");
        let long = own.repeat(40);
        for name in [&longer, &spaced, &long, spec.name] {
            let found = find(name).map(|id| table.spec(id).name);
            assert!(
                spec.parent.is_none() && name == own || found.is_none(),
                "{name:?}: {found:?}"
            );
        }
        if let Some(parent) = spec.parent {
            assert!(table.spec(parent).subcommands.contains(&id));
            assert_eq!(table.subcommand(id, own.as_bytes()), None);
        }
    }
    assert_eq!(table.find(b""), None);
}

#[test]
fn a_call_is_for_a_subcommand_where_there_are_some() {
    let table = Table::redis_7_0();
    let name = |call: &[&[u8]]| table.of_call(call).map(|id| table.spec(id).name);
    assert_eq!(name(&[b"CONFIG", b"Get", b"x"]), Some("config|get"));
    assert_eq!(name(&[b"config"]), Some("config"));
    assert_eq!(name(&[b"config", b"nosuch"]), None);
    assert_eq!(name(&[b"config|get"]), None);
    assert_eq!(name(&[b"get", b"get"]), Some("get"));
    assert_eq!(name(&[]), None);
}

#[test]
fn flags_are_sets() {
    let table = Table::redis_7_0();
    let flags = |name: &[u8]| table.spec(table.find(name).unwrap()).flags;
    let get = flags(b"get");
    assert!(get.has(Flags::READONLY) && get.has(Flags::READONLY.with(Flags::FAST)));
    assert!(!get.has(Flags::READONLY.with(Flags::WRITE)));
    assert!(!get.without(Flags::READONLY).has(Flags::READONLY));
    assert!(
        flags(b"eval").has(Flags::MAY_REPLICATE) && !flags(b"eval_ro").has(Flags::MAY_REPLICATE)
    );
    assert_eq!(Flags::of("fast"), Some(Flags::FAST));
    assert_eq!(Flags::of("slow"), None);
}

/// A call of `getkeys.txt`, and the answer, which the test `double_node::table` has from a real server.
fn calls() -> impl Iterator<Item = (Vec<&'static [u8]>, &'static str)> {
    let lines = include_str!("getkeys.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let (call, answer) = line.split_once(" => ").unwrap();
        let words = call
            .split(' ')
            .map(|word| word.trim_matches('"').as_bytes());
        (words.collect(), answer)
    })
}

#[test]
fn keys_are_found_as_redis_finds_them() {
    let table = Table::redis_7_0();
    let mut seen = HashSet::new();
    let mut count = 0;
    for (call, real) in calls() {
        let found = table.of_call(&call).map(|id| {
            seen.insert(id);
            keys(table, id, &call)
        });
        let ours = match &found {
            None => "ERR Invalid command specified".to_owned(),
            Some(Err(error)) => error.message().to_owned(),
            Some(Ok(keys)) if keys.is_empty() => "no keys".to_owned(),
            Some(Ok(keys)) => {
                let key = |key: &KeyPlace| {
                    let name = match std::str::from_utf8(call[key.at]).unwrap() {
                        "" => "\"\"",
                        name => name,
                    };
                    let flags: Vec<&str> = key.flags.words().collect();
                    format!("{name}:{}", flags.join(","))
                };
                keys.iter().map(key).collect::<Vec<_>>().join(" ")
            }
        };
        assert_eq!(ours, real, "{}", call.join(&b' ').escape_ascii());
        count += 1;
    }
    assert!(count >= 120, "only {count} calls");
    for id in table.all().filter(|id| table.spec(*id).has_keys()) {
        assert!(seen.contains(&id), "no call of {}", table.spec(id).name);
    }
}

#[test]
fn the_only_key_is_found_at_once() {
    let table = Table::redis_7_0();
    let mut at_once = 0;
    for (call, _) in calls() {
        let Some(id) = table.of_call(&call) else {
            continue;
        };
        if let Some(key) = table.first_key(id, &call) {
            at_once += 1;
            if let Ok(places) = keys(table, id, &call) {
                let found: Vec<_> = places.iter().map(|place| call[place.at]).collect();
                assert_eq!(found, [key], "{}", table.spec(id).name);
            }
        }
    }
    assert!(at_once > 100, "{at_once}");
    let get = table.find(b"get").unwrap();
    assert_eq!(table.first_key(get, &[b"get", b"k"]), Some(&b"k"[..]));
    assert_eq!(table.first_key(get, &[b"get"]), None);
    for name in [
        &b"ping"[..],
        b"mget",
        b"eval",
        b"ssubscribe",
        b"rename",
        b"sort",
    ] {
        let id = table.find(name).unwrap();
        assert_eq!(table.first_key(id, &[name, b"a", b"b", b"c"]), None);
    }
}

fn word() -> impl Strategy<Value = Vec<u8>> {
    static KNOWN: [&str; 18] = [
        "",
        "0",
        "1",
        "2",
        "3",
        "-1",
        "9223372036854775807",
        "4294967295",
        "k",
        "STORE",
        "KEYS",
        "AUTH2",
        "STREAMS",
        "GET",
        "SET",
        "OVERFLOW",
        "LIMIT",
        "GROUP",
    ];
    prop_oneof![
        prop::sample::select(&KNOWN[..]).prop_map(|word| word.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..40),
    ]
}

/// One bit off is another name: no byte of a name is left out of the comparison, and only letters have two cases.
#[test]
fn a_name_that_is_nearly_right_is_not_found() {
    let table = Table::redis_7_0();
    let own = table.all().filter(|id| table.spec(*id).parent.is_none());
    let names: Vec<&str> = own.map(|id| table.spec(id).name).collect();
    for name in &names {
        for at in 0..name.len() {
            for bit in 0..8 {
                let mut near = name.as_bytes().to_vec();
                near[at] ^= 1 << bit;
                let lower = near.to_ascii_lowercase();
                let there = names.iter().any(|name| name.as_bytes() == lower);
                assert_eq!(
                    table.find(&near).is_some(),
                    there,
                    "{}",
                    near.escape_ascii()
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn no_call_is_a_reason_to_panic(at in 0..366_u16, words in prop::collection::vec(word(), 0..12)) {
        let table = Table::redis_7_0();
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let _ = table.of_call(&words);
        if let Ok(places) = keys(table, CommandId(at), &words) {
            prop_assert!(places.len() < words.len());
            prop_assert!(places.iter().all(|place| (1..words.len()).contains(&place.at)));
        }
        let _ = table.first_key(CommandId(at), &words);
    }

    #[test]
    fn a_name_is_found_exactly_if_it_is_one(name in prop::collection::vec(any::<u8>(), 0..40)) {
        let table = Table::redis_7_0();
        let lower = name.to_ascii_lowercase();
        let one = table.all().find(|id| table.spec(*id).name.as_bytes() == lower && table.spec(*id).parent.is_none());
        prop_assert_eq!(table.find(&name), one);
    }
}
