//! Lists: pushed from both ends, around the size of a node; and changed in the middle.

use super::{Case, case, command, noise};
use crate::double::node::rdb::{List, NodeSize, Saved};

pub fn cases() -> Vec<Case> {
    let pushed = |name: &str, ends: &[bool], texts: Vec<Vec<u8>>| {
        let mut list = List::default();
        let mut commands = vec![];
        for (at, text) in texts.into_iter().enumerate() {
            if ends[at % ends.len()] {
                list.push_back(&text, NodeSize::default());
                commands.push(command("RPUSH k", [text]));
            } else {
                list.push_front(&text, NodeSize::default());
                commands.push(command("LPUSH k", [text]));
            }
        }
        case(name, commands, Saved::List(list))
    };
    let texts = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .collect::<Vec<_>>()
    };
    let (right, left, both) = (&[true][..], &[false][..], &[true, false, false, true][..]);
    let edges = [
        0,
        127,
        128,
        4095,
        4096,
        32767,
        32768,
        8_388_607,
        8_388_608,
        2_147_483_647,
        2_147_483_648,
        i64::MAX,
        -1,
        -4096,
        -4097,
        -32768,
        -32769,
        -8_388_608,
        -8_388_609,
        -2_147_483_648,
        -2_147_483_649,
        i64::MIN,
    ];
    let edges: Vec<_> = edges
        .iter()
        .map(|number: &i64| number.to_string().into_bytes())
        .collect();
    let numbers = |len: i64| {
        (0..len)
            .map(|at| (at * at * at - 1000).to_string().into_bytes())
            .collect::<Vec<_>>()
    };
    let mut cases = vec![
        pushed("one", right, texts(&["a"])),
        pushed("an empty one", right, texts(&[""])),
        pushed("right", right, texts(&["a", "b", "c", "12", "", "-7"])),
        pushed("left", left, texts(&["a", "b", "c", "12", "", "-7"])),
        pushed("integers, right", right, edges.clone()),
        pushed("integers, left", left, edges),
        pushed(
            "no integers",
            right,
            texts(&["-0", "007", "+1", "1.0", "9223372036854775808"]),
        ),
        pushed("1600 numbers, right", right, numbers(1600)),
        pushed("1600 numbers, left", left, numbers(1600)),
        pushed("1600 numbers, both", both, numbers(1600)),
        pushed(
            "lengths of texts",
            both,
            [63, 64, 126, 127, 4095, 4096]
                .map(|len| noise(9, 4, len))
                .to_vec(),
        ),
        pushed(
            "two of 5000",
            right,
            vec![noise(1, 2, 5000), noise(2, 2, 5000)],
        ),
        pushed(
            "small beside long",
            both,
            vec![
                noise(1, 2, 9000),
                b"a".to_vec(),
                b"b".to_vec(),
                noise(3, 2, 9000),
                b"c".to_vec(),
            ],
        ),
    ];
    // Where the length behind an element gets a byte longer.
    for len in [16376, 16377, 16378, 16379] {
        cases.push(pushed(
            &format!("one of {len}"),
            right,
            vec![vec![b'x'; len], b"y".to_vec()],
        ));
    }
    // Where a node is just full: the last one goes into it, or not.
    for last in [8100, 8101, 8102, 8103, 8104, 8105, 8106] {
        let texts = vec![vec![b'a'; 70], vec![b'b'; last], b"c".to_vec()];
        cases.push(pushed(
            &format!("70 and {last}, right"),
            right,
            texts.clone(),
        ));
        cases.push(pushed(&format!("70 and {last}, left"), left, texts));
    }
    let many = || (0..300).map(|at| format!("element {at}").into_bytes());
    let plain = "DEBUG QUICKLIST-PACKED-THRESHOLD";
    cases.extend([
        case(
            "inserted",
            vec![
                command("RPUSH k", many()),
                command("LINSERT k BEFORE", texts(&["element 150", "x"])),
            ],
            None,
        ),
        case(
            "inserted into full nodes",
            vec![
                command("RPUSH k", (0..40).map(|at| noise(at, 2, 900))),
                command("LINSERT k AFTER", [noise(12, 2, 900), noise(77, 2, 900)]),
                command("LINSERT k BEFORE", [noise(30, 2, 900), noise(78, 2, 900)]),
            ],
            None,
        ),
        case(
            "removed",
            vec![
                command("RPUSH k", many()),
                command("LREM k 1", [b"element 7".to_vec()]),
                command("LTRIM k 3 -20", []),
            ],
            None,
        ),
        case(
            "set",
            vec![
                command("RPUSH k", many()),
                command("LSET k 5", [noise(1, 2, 8000)]),
                command("LSET k 200 7", []),
            ],
            None,
        ),
        case(
            "popped",
            vec![
                command("RPUSH k", numbers(1600)),
                command("LPOP k 700", []),
                command("RPOP k 500", []),
            ],
            None,
        ),
        case(
            "plain nodes",
            vec![
                command(plain, [b"100b".to_vec()]),
                command(
                    "RPUSH k a",
                    [
                        noise(1, 256, 200),
                        b"b".to_vec(),
                        vec![b'x'; 300],
                        b"c".to_vec(),
                    ],
                ),
                command(plain, [b"0".to_vec()]),
            ],
            None,
        ),
        case(
            "plain integers",
            vec![
                command(plain, [b"1b".to_vec()]),
                command("RPUSH k 1 -300 70000 12345678901", []),
                command(plain, [b"0".to_vec()]),
            ],
            None,
        ),
        case(
            "nodes of three",
            vec![
                command("CONFIG SET list-max-listpack-size 3", []),
                command("RPUSH k 1 2 3 4 5 6 7", []),
                command("CONFIG SET list-max-listpack-size -2", []),
            ],
            None,
        ),
    ]);
    cases
}
