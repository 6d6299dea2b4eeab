//! Streams and their groups.

use super::{Cases, payload};
use crate::double::node::rdb::Listpack;
use crate::double::node::rdb::payload::{kind, seal};
use crate::double::node::rdb::writer::Writer;

/// A stream of one node and no group: its key, its listpack, and whatever numbers are said to follow.
fn stream(kind: u8, key: &[u8], node: &[&str], numbers: &[u64]) -> Vec<u8> {
    payload(kind, |out| {
        out.count(1);
        out.string(key);
        out.string(Listpack::of(node).unwrap().bytes());
        numbers.iter().for_each(|number| out.length(*number));
    })
}

/// A name, the keys of what is pending, and the consumers with what is pending for them.
type Group<'a> = (&'a [u8], &'a [&'a [u8]], &'a [(&'a [u8], &'a [&'a [u8]])]);

fn write_group(out: &mut Writer, (name, pending, consumers): &Group<'_>) {
    out.string(name);
    [5, 1, 1].iter().for_each(|number| out.length(*number));
    out.count(pending.len());
    for key in *pending {
        out.bytes(key);
        out.time(1_700_000_000_000);
        out.length(3);
    }
    out.count(consumers.len());
    for (name, pending) in *consumers {
        out.string(name);
        out.time(1_700_000_000_000);
        out.count(pending.len());
        pending.iter().for_each(|key| out.bytes(key));
    }
}

pub fn add(cases: &mut Cases) {
    let key = &[0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1][..];
    let node = &["1", "0", "1", "name", "0", "2", "0", "0", "value", "4"][..];
    // Length, last id, first id, highest deleted id, entries added, groups.
    let numbers = &[1, 5, 1, 5, 1, 0, 0, 1, 0][..];
    let new = |node: &[&str]| stream(kind::STREAM, key, node, numbers);
    let grouped = |groups: &[Group<'_>]| {
        payload(kind::STREAM, |out| {
            out.count(1);
            out.string(key);
            out.string(Listpack::of(node).unwrap().bytes());
            numbers[..8].iter().for_each(|number| out.length(*number));
            out.count(groups.len());
            groups.iter().for_each(|group| write_group(out, group));
        })
    };
    let other = &[0xff; 16][..];
    let two_nodes = |keys: [&[u8]; 2]| {
        payload(kind::STREAM, |out| {
            out.count(2);
            for key in keys {
                out.string(key);
                out.string(Listpack::of(node).unwrap().bytes());
            }
            [2, 9, 9, 5, 1, 0, 0, 2, 0]
                .iter()
                .for_each(|number| out.length(*number));
        })
    };
    let old = |node: &[&str], length: u64, last: [u64; 2], group: Option<[u64; 2]>| {
        let group = group.map_or(vec![0], |[ms, seq]| vec![1, 1, ms, seq, 0, 0]);
        let mut payload = stream(
            kind::STREAM_OLD,
            key,
            node,
            &[&[length, last[0], last[1]], &group[..]].concat(),
        );
        // A group's name is a string: of one byte it begins as the number 1 does.
        payload.truncate(payload.len() - 10);
        if group.len() > 1 {
            let at = payload.len() - group.len() + 2;
            payload.insert(at, b'g');
        }
        seal(payload)
    };
    let two = &[
        "2", "0", "1", "name", "0", "2", "0", "0", "a", "4", "2", "1", "0", "b", "4",
    ][..];
    let one_gone = &[
        "1", "1", "1", "name", "0", "3", "0", "0", "a", "4", "2", "1", "0", "b", "4",
    ][..];
    let all_gone = &["0", "1", "1", "name", "0", "3", "0", "0", "a", "4"][..];
    cases.extend([
        ("stream", new(node)),
        ("stream, two entries", new(two)),
        (
            "stream, another length",
            stream(kind::STREAM, key, node, &[700, 5, 1, 5, 1, 0, 0, 1, 0]),
        ),
        (
            "stream, the highest numbers",
            stream(
                kind::STREAM,
                key,
                node,
                &[
                    u64::MAX,
                    u64::MAX,
                    u64::MAX,
                    u64::MAX,
                    u64::MAX,
                    u64::MAX,
                    u64::MAX,
                    u64::MAX,
                    0,
                ],
            ),
        ),
        (
            "stream, the highest count of groups",
            stream(kind::STREAM, key, node, &[1, 5, 1, 5, 1, 0, 0, 1, u64::MAX]),
        ),
        (
            "stream, a short key",
            stream(kind::STREAM, &key[1..], node, numbers),
        ),
        (
            "stream, a long key",
            stream(kind::STREAM, &[key, key].concat(), node, numbers),
        ),
        (
            "stream, fewer entries than said",
            new(&["2", "0", "1", "name", "0", "2", "0", "0", "value", "4"]),
        ),
        (
            "stream, more entries than said",
            new(&["0", "0", "1", "name", "0", "2", "0", "0", "value", "4"]),
        ),
        ("stream, no entries", new(&["0", "0", "1", "name", "0"])),
        (
            "stream, entries deleted more often than they are there",
            new(&["-1", "2", "1", "name", "0", "2", "0", "0", "value", "4"]),
        ),
        (
            "stream, not ended in front",
            new(&["1", "0", "1", "name", "1", "2", "0", "0", "value", "4"]),
        ),
        (
            "stream, more names than there are",
            new(&["1", "0", "9", "name", "0", "2", "0", "0", "value", "4"]),
        ),
        (
            "stream, very many names",
            new(&[
                "1",
                "0",
                "9000000000000000000",
                "name",
                "0",
                "2",
                "0",
                "0",
                "value",
                "4",
            ]),
        ),
        (
            "stream, another count behind",
            new(&["1", "0", "1", "name", "0", "2", "0", "0", "value", "5"]),
        ),
        (
            "stream, names of its own",
            new(&[
                "1", "0", "1", "name", "0", "0", "0", "0", "1", "a", "b", "6",
            ]),
        ),
        (
            "stream, very many names of its own",
            new(&[
                "1",
                "0",
                "1",
                "name",
                "0",
                "0",
                "0",
                "0",
                "4611686018427387904",
                "a",
                "b",
                "6",
            ]),
        ),
        (
            "stream, no fields",
            new(&["1", "0", "0", "0", "2", "0", "0", "3"]),
        ),
        (
            "stream, flags that are text",
            new(&["1", "0", "1", "name", "0", "x", "0", "0", "value", "4"]),
        ),
        (
            "stream, other flags",
            new(&["1", "0", "1", "name", "0", "1026", "0", "0", "value", "4"]),
        ),
        (
            "stream, a distance below zero",
            new(&["1", "0", "1", "name", "0", "2", "-1", "-1", "value", "4"]),
        ),
        ("stream, an empty node", new(&[])),
        ("stream, nodes in disorder", two_nodes([other, key])),
        ("stream, a node twice", two_nodes([key, key])),
        (
            "stream, no node",
            payload(kind::STREAM, |out| {
                [0, 0, 7, 0, 0, 0, 0, 0, 9, 0]
                    .iter()
                    .for_each(|number| out.length(*number))
            }),
        ),
        (
            "stream, no node for one entry",
            payload(kind::STREAM, |out| {
                [0, 1, 7, 0, 0, 0, 0, 0, 9, 0]
                    .iter()
                    .for_each(|number| out.length(*number))
            }),
        ),
        (
            "groups",
            grouped(&[
                (b"b", &[key], &[(b"anna", &[key])]),
                (b"a", &[], &[(b"z", &[]), (b"y", &[])]),
            ]),
        ),
        (
            "groups, one twice",
            grouped(&[(b"a", &[], &[]), (b"a", &[], &[])]),
        ),
        (
            "groups, one without name",
            grouped(&[(b"", &[], &[(b"", &[])])]),
        ),
        (
            "groups, a consumer twice",
            grouped(&[(b"a", &[], &[(b"x", &[]), (b"x", &[])])]),
        ),
        (
            "groups, pending for nobody",
            grouped(&[(b"a", &[key], &[])]),
        ),
        (
            "groups, pending for a consumer only",
            grouped(&[(b"a", &[], &[(b"x", &[key])])]),
        ),
        (
            "groups, pending twice",
            grouped(&[(b"a", &[key, key], &[(b"x", &[key])])]),
        ),
        (
            "groups, pending twice for a consumer",
            grouped(&[(b"a", &[key], &[(b"x", &[key, key])])]),
        ),
        (
            "groups, pending in disorder",
            grouped(&[(b"a", &[other, key], &[(b"x", &[other]), (b"w", &[key])])]),
        ),
        ("stream of old", old(two, 2, [6, 1], None)),
        ("stream of old, one deleted", old(one_gone, 1, [6, 1], None)),
        ("stream of old, all deleted", old(all_gone, 0, [6, 1], None)),
        (
            "stream of old, read to the end",
            old(two, 2, [6, 1], Some([6, 1])),
        ),
        (
            "stream of old, read beyond the end",
            old(two, 2, [6, 1], Some([7, 0])),
        ),
        (
            "stream of old, read the first",
            old(two, 2, [6, 1], Some([5, 1])),
        ),
        (
            "stream of old, read none",
            old(two, 2, [6, 1], Some([0, 0])),
        ),
        (
            "stream of old, read up to the middle",
            old(two, 2, [7, 1], Some([6, 1])),
        ),
        (
            "stream of old, empty and read",
            old(all_gone, 0, [6, 1], Some([3, 0])),
        ),
    ]);
}
