//! What older versions wrote in the place of listpacks.

use super::super::values::noise;
use super::{Cases, payload};
use crate::double::node::rdb::payload::kind;

/// A ziplist of these texts, each in the way that Redis 6.2 chose for it.
fn ziplist(texts: &[&[u8]]) -> Vec<u8> {
    let mut elements = vec![];
    let mut before = 0_usize;
    let mut last = 10;
    for text in texts {
        last = 10 + elements.len();
        match u8::try_from(before) {
            Ok(short @ 0..=253) => elements.push(short),
            _ => {
                elements.push(254);
                elements.extend_from_slice(&(before as u32).to_le_bytes());
            }
        }
        let number = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse::<i64>().ok());
        let bytes = number.unwrap_or(0).to_le_bytes();
        let (head, body): (Vec<u8>, &[u8]) = match (number, text.len()) {
            (Some(number @ 0..=12), _) => (vec![0xf1 + number as u8], b""),
            (Some(-0x80..=0x7f), _) => (vec![0xfe], &bytes[..1]),
            (Some(-0x8000..=0x7fff), _) => (vec![0xc0], &bytes[..2]),
            (Some(-0x80_0000..=0x7f_ffff), _) => (vec![0xf0], &bytes[..3]),
            (Some(-0x8000_0000..=0x7fff_ffff), _) => (vec![0xd0], &bytes[..4]),
            (Some(_), _) => (vec![0xe0], &bytes[..]),
            (None, len @ 0..0x40) => (vec![len as u8], text),
            (None, len @ 0..0x4000) => (vec![0x40 | (len >> 8) as u8, len as u8], text),
            (None, len) => ([&[0x80][..], &(len as u32).to_be_bytes()].concat(), text),
        };
        elements.extend_from_slice(&head);
        elements.extend_from_slice(body);
        before = 10 + elements.len() - last;
    }
    let len = 11 + elements.len();
    let (len, last, count) = (
        (len as u32).to_le_bytes(),
        (last as u32).to_le_bytes(),
        (texts.len() as u16).to_le_bytes(),
    );
    [&len[..], &last, &count, &elements, &[0xff]].concat()
}

/// A zipmap of these fields, with `unused` bytes behind each value.
fn zipmap(count: u8, unused: u8, fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let length = |bytes: &[u8]| match u8::try_from(bytes.len()) {
        Ok(short @ 0..=253) => vec![short],
        _ => [&[254][..], &(bytes.len() as u32).to_le_bytes()].concat(),
    };
    let mut bytes = vec![count];
    for (name, value) in fields {
        bytes.extend([&length(name)[..], name, &length(value), &[unused], value].concat());
        bytes.resize(bytes.len() + usize::from(unused), b'?');
    }
    bytes.push(0xff);
    bytes
}

pub fn add(cases: &mut Cases) {
    let strings = |kind: u8, strings: &[&[u8]], count: usize| {
        payload(kind, |out| {
            out.count(count);
            strings.iter().for_each(|text| out.string(text));
        })
    };
    let blob = |kind: u8, bytes: &[u8]| payload(kind, |out| out.string(bytes));
    let scored = |members: &[(&[u8], &[u8])]| {
        payload(kind::SORTED_OLD, |out| {
            out.count(members.len());
            for (member, score) in members {
                out.string(member);
                out.bytes(score);
            }
        })
    };
    let long = [
        &noise(1, 3, 70)[..],
        &noise(2, 3, 300),
        &noise(3, 3, 17_000),
    ]
    .map(<[u8]>::to_vec);
    let long: Vec<&[u8]> = long.iter().map(Vec::as_slice).collect();
    let numbers: Vec<Vec<u8>> = (0..64)
        .flat_map(|bits| {
            [
                1_i64 << bits,
                (1_i64 << bits).wrapping_sub(1),
                (1_i64 << bits).wrapping_neg(),
            ]
        })
        .map(|number| number.to_string().into_bytes())
        .collect();
    let numbers: Vec<&[u8]> = numbers.iter().map(Vec::as_slice).collect();
    let many: Vec<Vec<u8>> = (0..900)
        .map(|at| format!("element:{at}").into_bytes())
        .collect();
    let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
    let nodes = |nodes: &[Vec<u8>]| {
        payload(kind::LIST_OF_ZIPLISTS, |out| {
            out.count(nodes.len());
            nodes.iter().for_each(|node| out.string(node));
        })
    };
    let pairs: Vec<&[u8]> = vec![b"a", b"1", b"b", b"2.5", b"c", b"1e17"];
    let mut wrong_tail = ziplist(&[b"a", b"b"]);
    wrong_tail[4] -= 1;
    let mut wrong_count = ziplist(&[b"a", b"b"]);
    wrong_count[8] = 3;
    let mut uncounted = ziplist(&[b"a", b"b"]);
    uncounted[8..10].copy_from_slice(&[0xff, 0xff]);
    let mut wrong_before = ziplist(&[b"a", b"b"]);
    wrong_before[13] = 4;
    let mut empty_with_tail = ziplist(&[]);
    empty_with_tail[4] = 0;
    cases.extend([
        (
            "list of old",
            strings(kind::LIST, &[b"a", b"12", b"", b"-70000", b"text"], 5),
        ),
        ("list of old, long ones", strings(kind::LIST, &long, 3)),
        ("list of old, many", strings(kind::LIST, &many, many.len())),
        ("list of old, empty", strings(kind::LIST, &[], 0)),
        ("list of old, too few", strings(kind::LIST, &[b"a"], 20)),
        (
            "list, a ziplist",
            blob(
                kind::LIST_ZIPLIST,
                &ziplist(&[b"a", b"12", b"", b"-70000", b"text"]),
            ),
        ),
        (
            "list, a ziplist of long ones",
            blob(kind::LIST_ZIPLIST, &ziplist(&long)),
        ),
        (
            "list, a ziplist of many",
            blob(kind::LIST_ZIPLIST, &ziplist(&many)),
        ),
        (
            "list, a ziplist of numbers",
            blob(kind::LIST_ZIPLIST, &ziplist(&numbers)),
        ),
        (
            "list, an empty ziplist",
            blob(kind::LIST_ZIPLIST, &ziplist(&[])),
        ),
        (
            "list, a ziplist with another end",
            blob(kind::LIST_ZIPLIST, &wrong_tail),
        ),
        (
            "list, a ziplist with another count",
            blob(kind::LIST_ZIPLIST, &wrong_count),
        ),
        (
            "list, an uncounted ziplist",
            blob(kind::LIST_ZIPLIST, &uncounted),
        ),
        (
            "list, a ziplist with another length behind",
            blob(kind::LIST_ZIPLIST, &wrong_before),
        ),
        (
            "list, an empty ziplist without end",
            blob(kind::LIST_ZIPLIST, &empty_with_tail),
        ),
        (
            "list of ziplists",
            nodes(&[ziplist(&numbers), ziplist(&[b"x"]), ziplist(&long)]),
        ),
        (
            "list of ziplists, an empty one",
            nodes(&[ziplist(&[b"a"]), ziplist(&[]), ziplist(&[b"b"])]),
        ),
        (
            "list of ziplists, empty ones only",
            nodes(&[ziplist(&[]), ziplist(&[])]),
        ),
        ("list of no ziplists", nodes(&[])),
        (
            "hash, a ziplist",
            blob(kind::HASH_ZIPLIST, &ziplist(&pairs)),
        ),
        (
            "hash, a ziplist of texts that are numbers",
            blob(
                kind::HASH_ZIPLIST,
                b"\x10\0\0\0\x0d\0\0\0\x02\0\0\x017\x03\x018\xff",
            ),
        ),
        (
            "hash, an odd ziplist",
            blob(kind::HASH_ZIPLIST, &ziplist(&pairs[..5])),
        ),
        (
            "hash, a ziplist with a name twice",
            blob(kind::HASH_ZIPLIST, &ziplist(&[b"a", b"1", b"a", b"2"])),
        ),
        (
            "hash, an empty ziplist",
            blob(kind::HASH_ZIPLIST, &ziplist(&[])),
        ),
        (
            "hash, a zipmap",
            blob(
                kind::HASH_ZIPMAP,
                &zipmap(2, 0, &[(b"a", b"1"), (b"b", b"text")]),
            ),
        ),
        (
            "hash, a zipmap with unused bytes",
            blob(
                kind::HASH_ZIPMAP,
                &zipmap(2, 5, &[(b"a", b"1"), (b"", b"")]),
            ),
        ),
        (
            "hash, a zipmap of long ones",
            blob(
                kind::HASH_ZIPMAP,
                &zipmap(2, 0, &[(b"a", long[1]), (long[0], b"")]),
            ),
        ),
        (
            "hash, an uncounted zipmap",
            blob(kind::HASH_ZIPMAP, &zipmap(254, 0, &[(b"a", b"1")])),
        ),
        (
            "hash, a zipmap with another count",
            blob(kind::HASH_ZIPMAP, &zipmap(3, 0, &[(b"a", b"1")])),
        ),
        (
            "hash, a zipmap with a name twice",
            blob(
                kind::HASH_ZIPMAP,
                &zipmap(2, 0, &[(b"a", b"1"), (b"a", b"1")]),
            ),
        ),
        (
            "hash, an empty zipmap",
            blob(kind::HASH_ZIPMAP, &zipmap(0, 0, &[])),
        ),
        (
            "hash, a zipmap with something behind",
            blob(kind::HASH_ZIPMAP, b"\x01\x01a\x01\x00b\xff\x03xyz\xff"),
        ),
        (
            "sorted set, a ziplist",
            blob(kind::SORTED_ZIPLIST, &ziplist(&pairs)),
        ),
        (
            "sorted set, a ziplist with a member twice",
            blob(kind::SORTED_ZIPLIST, &ziplist(&[b"a", b"1", b"a", b"2"])),
        ),
        (
            "sorted set, an empty ziplist",
            blob(kind::SORTED_ZIPLIST, &ziplist(&[])),
        ),
        (
            "sorted set of old",
            scored(&[(b"a", b"\x012"), (b"b", b"\x031.5"), (b"c", b"\x04-1e3")]),
        ),
        (
            "sorted set of old, endless",
            scored(&[(b"a", b"\xfe"), (b"b", b"\xff")]),
        ),
        ("sorted set of old, no number", scored(&[(b"a", b"\xfd")])),
        ("sorted set of old, text", scored(&[(b"a", b"\x03abc")])),
        ("sorted set of old, nothing", scored(&[(b"a", b"\x00")])),
        (
            "sorted set of old, a member twice",
            scored(&[(b"a", b"\x012"), (b"a", b"\x013")]),
        ),
    ]);
}
