//! Hashes, around the limits of the small form.

use super::{Case, case, command, noise};
use crate::double::node::rdb::{Listpack, Saved};

pub fn cases() -> Vec<Case> {
    let fields = |name: &str, fields: Vec<(Vec<u8>, Vec<u8>)>| {
        let words = fields
            .iter()
            .flat_map(|(name, value)| [name.clone(), value.clone()]);
        let commands = vec![command("HSET k", words.clone())];
        let small = fields.len() <= 512
            && fields
                .iter()
                .all(|(name, value)| name.len() <= 64 && value.len() <= 64);
        let built = match small {
            true => Saved::HashListpack(Listpack::of(words).unwrap()),
            false => Saved::Hash(fields),
        };
        case(name, commands, built)
    };
    let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let many = |len: i64| {
        (0..len)
            .map(|at| field(&format!("field:{at}"), &(at * at).to_string()))
            .collect::<Vec<_>>()
    };
    let set = |words: &str| command(words, []);
    vec![
        fields("one", vec![field("name", "value")]),
        fields("nothing in it", vec![field("", "")]),
        fields(
            "integers",
            vec![
                field("1", "2"),
                field("-1", "70000"),
                field("a", "12345678901"),
                field("5000", "-5000"),
            ],
        ),
        fields(
            "no integers",
            vec![field("007", "1.50"), field("-0", "+1"), field(" 1", "0x1")],
        ),
        fields(
            "bytes",
            vec![
                (vec![0, 255], vec![13, 10, 0]),
                (vec![0x80], vec![0xff; 40]),
            ],
        ),
        fields("value of 64", vec![(b"a".to_vec(), noise(1, 4, 64))]),
        fields(
            "value of 65",
            vec![(b"a".to_vec(), noise(1, 4, 65)), field("b", "5")],
        ),
        fields("name of 64", vec![(noise(1, 4, 64), b"a".to_vec())]),
        fields("name of 65", vec![(noise(1, 4, 65), b"a".to_vec())]),
        fields("100", many(100)),
        fields("511", many(511)),
        fields("512", many(512)),
        fields("513", many(513)),
        fields(
            "long ones",
            (0..5)
                .map(|at| (noise(at, 256, 30), noise(at, 3, 2000)))
                .collect(),
        ),
        case(
            "changed",
            vec![
                set("HSET k a 1 b 2 c 3"),
                set("HSET k b longer-than-before"),
                set("HSET k a 100000"),
            ],
            None,
        ),
        case(
            "one removed",
            vec![set("HSET k a 1 b 2 c 3"), set("HDEL k b")],
            None,
        ),
        case(
            "counted",
            vec![
                set("HINCRBY k a 127"),
                set("HINCRBY k a 1"),
                set("HINCRBYFLOAT k b 0.1"),
            ],
            None,
        ),
        case(
            "a small table",
            vec![command("HSET k a 1 b", [noise(1, 4, 65)]), set("HDEL k b")],
            Saved::Hash(vec![field("a", "1")]),
        ),
    ]
}
