//! Lists, sets, hashes and sorted sets.

use super::{Cases, payload};
use crate::double::node::rdb::Listpack;
use crate::double::node::rdb::payload::kind;

pub fn add(cases: &mut Cases) {
    let strings = |kind: u8, strings: &[&str], count: u64| {
        payload(kind, |out| {
            out.length(count);
            strings.iter().for_each(|text| out.string(text.as_bytes()));
        })
    };
    let packed = |kind: u8, texts: &[&str]| {
        payload(kind, |out| out.string(Listpack::of(texts).unwrap().bytes()))
    };
    let blob = |kind: u8, bytes: &[u8]| payload(kind, |out| out.string(bytes));
    let scored = |scores: &[(&str, f64)]| {
        payload(kind::SORTED, |out| {
            out.count(scores.len());
            for (member, score) in scores {
                out.string(member.as_bytes());
                out.double(*score);
            }
        })
    };
    let nodes = |nodes: &[(u64, &[u8])]| {
        payload(kind::LIST_OF_LISTPACKS, |out| {
            out.count(nodes.len());
            for (mark, node) in nodes {
                out.length(*mark);
                out.string(node);
            }
        })
    };
    let (one, none) = (Listpack::of(["a"]).unwrap(), Listpack::new());
    let (one, none) = (one.bytes(), none.bytes());
    cases.extend([
        ("set", strings(kind::SET, &["a", "1", ""], 3)),
        (
            "set of integers",
            strings(kind::SET, &["70000", "-1", "5"], 3),
        ),
        ("set, a member twice", strings(kind::SET, &["a", "a"], 2)),
        ("set, an integer twice", strings(kind::SET, &["1", "1"], 2)),
        ("set, empty", strings(kind::SET, &[], 0)),
        ("set, far too few", strings(kind::SET, &["a"], 1 << 40)),
        ("hash", strings(kind::HASH, &["a", "1", "", ""], 2)),
        (
            "hash, a name twice",
            strings(kind::HASH, &["a", "1", "a", "2"], 2),
        ),
        ("hash, empty", strings(kind::HASH, &[], 0)),
        (
            "hash, the highest count",
            strings(kind::HASH, &["a", "1"], u64::MAX),
        ),
        ("hash, odd", strings(kind::HASH, &["a", "1", "b"], 2)),
        (
            "hash packed, an odd one",
            packed(kind::HASH_LISTPACK, &["a", "1", "b"]),
        ),
        (
            "hash packed, a name twice",
            packed(kind::HASH_LISTPACK, &["a", "1", "a", "2"]),
        ),
        (
            "hash packed, a name twice in two forms",
            blob(
                kind::HASH_LISTPACK,
                b"\x10\0\0\0\x04\0\x811\x02\x05\x01\x01\x01\x05\x01\xff",
            ),
        ),
        (
            "hash packed, a text that is a number",
            blob(
                kind::HASH_LISTPACK,
                b"\x0c\0\0\0\x02\0\x811\x02\x05\x01\xff",
            ),
        ),
        (
            "hash packed, a wide number",
            blob(
                kind::HASH_LISTPACK,
                b"\x0d\0\0\0\x02\0\xf1\x01\0\x03\x05\x01\xff",
            ),
        ),
        ("hash packed, empty", packed(kind::HASH_LISTPACK, &[])),
        (
            "hash packed, long ones",
            packed(kind::HASH_LISTPACK, &["a", &"long".repeat(50)]),
        ),
        (
            "integers",
            blob(kind::INTEGER_SET, b"\x08\0\0\0\x01\0\0\0\x05\0\0\0\0\0\0\0"),
        ),
        (
            "integers, empty",
            blob(kind::INTEGER_SET, b"\x02\0\0\0\0\0\0\0"),
        ),
        (
            "integers, in disorder",
            blob(kind::INTEGER_SET, b"\x02\0\0\0\x02\0\0\0\x02\0\x01\0"),
        ),
        (
            "integers, one twice",
            blob(kind::INTEGER_SET, b"\x02\0\0\0\x02\0\0\0\x02\0\x02\0"),
        ),
        (
            "integers, of no such width",
            blob(kind::INTEGER_SET, b"\x01\0\0\0\x01\0\0\0\x02"),
        ),
        ("sorted set", scored(&[("b", 2.0), ("a", 1.0)])),
        (
            "sorted set, in disorder",
            scored(&[("a", 1.0), ("c", 3.0), ("b", 2.0)]),
        ),
        (
            "sorted set, endless",
            scored(&[("b", f64::INFINITY), ("a", f64::NEG_INFINITY)]),
        ),
        ("sorted set, no number", scored(&[("a", f64::NAN)])),
        (
            "sorted set, a member twice",
            scored(&[("a", 1.0), ("a", 2.0)]),
        ),
        ("sorted set, empty", scored(&[])),
        (
            "sorted set packed, an odd one",
            packed(kind::SORTED_LISTPACK, &["a", "1", "b"]),
        ),
        (
            "sorted set packed, a member twice",
            packed(kind::SORTED_LISTPACK, &["a", "1", "a", "2"]),
        ),
        (
            "sorted set packed, empty",
            packed(kind::SORTED_LISTPACK, &[]),
        ),
        ("list", nodes(&[(2, one), (1, b"text"), (2, one)])),
        ("list, an empty node", nodes(&[(2, one), (2, none)])),
        ("list, empty nodes only", nodes(&[(2, none), (2, none)])),
        ("list, no nodes", nodes(&[])),
        ("list, an empty plain node", nodes(&[(1, b"")])),
        ("list, a plain number", nodes(&[(1, b"12")])),
        ("list, a node of no such kind", nodes(&[(3, one)])),
        ("list, a node of kind 0", nodes(&[(0, one)])),
    ]);
}
