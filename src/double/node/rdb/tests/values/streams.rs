//! Streams: names that are the same and not, around the size of a node, deleted entries, groups.

use super::{Case, case, command, noise};
use crate::double::node::rdb::{Saved, SavedStream, StreamId, StreamNode, StreamNodeSize};

pub fn cases() -> Vec<Case> {
    type Entry = ((u64, u64), Vec<(Vec<u8>, Vec<u8>)>);
    let added = |name: &str, entries: Vec<Entry>| {
        let mut stream = SavedStream::default();
        let mut commands = vec![];
        for ((ms, seq), fields) in entries {
            stream
                .append(StreamId { ms, seq }, &fields, StreamNodeSize::default())
                .unwrap();
            let words = fields.into_iter().flat_map(|(name, value)| [name, value]);
            commands.push(command(&format!("XADD k {ms}-{seq}"), words));
        }
        case(name, commands, Saved::Stream(stream))
    };
    let fields = |fields: &[(&str, &str)]| {
        let bytes = |text: &str| text.as_bytes().to_vec();
        fields
            .iter()
            .map(|(name, value)| (bytes(name), bytes(value)))
            .collect::<Vec<_>>()
    };
    let many = |len: u64| {
        (0..len)
            .map(|at| {
                (
                    (1000 + at * at, at % 3),
                    fields(&[("seat", &at.to_string()), ("user", "anna")]),
                )
            })
            .collect::<Vec<_>>()
    };
    let with = |len: u64, more: &[&str]| {
        let mut commands: Vec<_> = (1..=len)
            .map(|at| command(&format!("XADD k {at}-1 f {at}"), []))
            .collect();
        commands.extend(more.iter().map(|words| command(words, [])));
        commands
    };
    let without = |len: u64, deleted: &[u64]| {
        let mut stream = SavedStream::default();
        for at in 1..=len {
            let fields = [("f".to_owned(), at.to_string())];
            stream
                .append(
                    StreamId { ms: at, seq: 1 },
                    &fields,
                    StreamNodeSize::default(),
                )
                .unwrap();
        }
        for ms in deleted {
            let id = StreamId { ms: *ms, seq: 1 };
            assert!(stream.nodes.iter_mut().any(|node| node.delete(id)), "{ms}");
            assert!(
                !stream.nodes.iter_mut().any(|node| node.delete(id)),
                "{ms} twice"
            );
            stream.length -= 1;
            stream.max_deleted_id = stream.max_deleted_id.max(id);
        }
        let first = stream
            .nodes
            .iter()
            .flat_map(StreamNode::entries)
            .find(|entry| !entry.deleted);
        stream.first_id = first.unwrap().id;
        Saved::Stream(stream)
    };
    vec![
        added("one", vec![((5, 1), fields(&[("a", "1")]))]),
        added("at zero", vec![((0, 1), fields(&[("", "")]))]),
        added(
            "the last id",
            vec![((u64::MAX, u64::MAX), fields(&[("a", "b")]))],
        ),
        added(
            "far apart",
            vec![
                ((1, u64::MAX), fields(&[("a", "b")])),
                ((u64::MAX, 0), fields(&[("a", "b")])),
            ],
        ),
        added("same names", many(10)),
        added(
            "other names",
            vec![
                ((1, 0), fields(&[("a", "1"), ("7", "2")])),
                ((1, 1), fields(&[("a", "3"), ("b", "4")])),
                ((1, 2), fields(&[("a", "5"), ("7", "6")])),
                ((1, 3), fields(&[("a", "5")])),
                ((2, 0), fields(&[("a", "5"), ("7", "6"), ("c", "")])),
                ((2, 1), fields(&[("7", "5"), ("a", "6")])),
            ],
        ),
        added("99", many(99)),
        added("100", many(100)),
        added("101", many(101)),
        added("350", many(350)),
        added(
            "long ones",
            (1..20)
                .map(|at| ((at, 0), vec![(b"text".to_vec(), noise(at, 3, 900))]))
                .collect(),
        ),
        added(
            "longer than a node",
            (1..4)
                .map(|at| ((at, 0), vec![(b"text".to_vec(), noise(at, 3, 5000))]))
                .collect(),
        ),
        added(
            "many names",
            (1..4)
                .map(|at| {
                    (
                        (at, 0),
                        (0..200)
                            .map(|name| (format!("n{name}").into_bytes(), vec![b'v']))
                            .collect(),
                    )
                })
                .collect(),
        ),
        case(
            "nothing but a group",
            vec![command("XGROUP CREATE k g $ MKSTREAM", [])],
            None,
        ),
        case(
            "deleted",
            with(10, &["XDEL k 3-1 7-1", "XDEL k 1-1"]),
            without(10, &[3, 7, 1]),
        ),
        case(
            "deleted in many",
            with(150, &["XDEL k 3-1 7-1 120-1 149-1"]),
            without(150, &[3, 7, 120, 149]),
        ),
        case("all deleted", with(3, &["XDEL k 1-1 2-1 3-1"]), None),
        case("trimmed", with(250, &["XTRIM k MAXLEN 120"]), None),
        case("trimmed about", with(250, &["XTRIM k MAXLEN ~ 120"]), None),
        case(
            "set id",
            with(3, &["XSETID k 9-9 ENTRIESADDED 77 MAXDELETEDID 8-8"]),
            None,
        ),
        case(
            "groups",
            with(
                10,
                &[
                    "XGROUP CREATE k g 0",
                    "XGROUP CREATE k other 5-1 ENTRIESREAD 5",
                    "XGROUP CREATE k last $",
                    "XGROUP CREATECONSUMER k g idle",
                    "XREADGROUP GROUP g anna COUNT 4 STREAMS k >",
                    "XREADGROUP GROUP g bert COUNT 3 STREAMS k >",
                    "XACK k g 2-1 5-1",
                    "XREADGROUP GROUP other anna STREAMS k >",
                ],
            ),
            None,
        ),
        case(
            "claimed",
            with(
                6,
                &[
                    "XGROUP CREATE k g 0",
                    "XREADGROUP GROUP g anna STREAMS k >",
                    "XCLAIM k g bert 0 1-1 2-1 TIME 1700000000000 RETRYCOUNT 300",
                    "XDEL k 3-1",
                ],
            ),
            None,
        ),
        case(
            "many pending",
            with(
                300,
                &[
                    "XGROUP CREATE k g 0",
                    "XREADGROUP GROUP g anna COUNT 290 STREAMS k >",
                ],
            ),
            None,
        ),
        case(
            "a group without number",
            with(
                10,
                &[
                    "XGROUP CREATE k g 4-1",
                    "XDEL k 5-1",
                    "XREADGROUP GROUP g anna COUNT 1 STREAMS k >",
                ],
            ),
            None,
        ),
    ]
}
