//! Sorted sets: scores of all sorts, around the limits of the small form.

use super::{Case, case, command, noise};
use crate::double::node::rdb::{Saved, pack_scores};

pub fn cases() -> Vec<Case> {
    let members = |name: &str, members: Vec<(Vec<u8>, &str)>| {
        let words = members
            .iter()
            .flat_map(|(member, score)| [score.as_bytes().to_vec(), member.clone()]);
        let commands = vec![command("ZADD k", words)];
        let small = members.len() <= 128 && members.iter().all(|(member, _)| member.len() <= 64);
        let mut scored: Vec<_> = members
            .into_iter()
            .map(|(member, score)| (member, score.parse::<f64>().unwrap()))
            .collect();
        scored
            .sort_by(|(one, low), (other, high)| low.total_cmp(high).then_with(|| one.cmp(other)));
        let built = match small {
            true => Saved::SortedListpack(pack_scores(scored).unwrap()),
            false => Saved::Sorted(scored),
        };
        case(name, commands, built)
    };
    let member = |member: &str, score: &'static str| (member.as_bytes().to_vec(), score);
    let scores = |scores: &[&'static str]| {
        scores
            .iter()
            .map(|score| member(&format!("of {score}"), score))
            .collect::<Vec<_>>()
    };
    let many = |len: usize| {
        let scores = [
            "-inf", "-3", "0", "0.1", "7", "100000", "1e17", "1e300", "inf",
        ];
        (0..len)
            .map(|at| member(&format!("member:{at:05}"), scores[at * scores.len() / len]))
            .collect::<Vec<_>>()
    };
    let all = [
        "-inf",
        "-1.7976931348623157e308",
        "-1e300",
        "-9223372036854775808",
        "-4611686018427387904",
        "-1e17",
        "-5000",
        "-1.5",
        "-1",
        "-0.1",
        "-4.9406564584124654e-324",
        "0",
        "5e-324",
        "2.2250738585072014e-308",
        "1e-7",
        "0.0001",
        "0.1",
        "0.30000000000000004",
        "1",
        "1.5",
        "3.0",
        "127",
        "128",
        "4095",
        "4096",
        "32768",
        "8388608",
        "123456789.125",
        "2147483648",
        "1e15",
        "9007199254740993",
        "1e16",
        "12345678901234567",
        "1e17",
        "1.5e17",
        "4611686018427387904",
        "4611686018427388928",
        "9223372036854775807",
        "1e19",
        "1e21",
        "1e22",
        "1e100",
        "1.7976931348623157e308",
        "inf",
    ];
    let mut large = scores(&all);
    large.push((noise(1, 256, 65), "inf"));
    let set = |words: &str| command(words, []);
    vec![
        members("one", vec![member("a", "1")]),
        members("nothing in it", vec![member("", "0")]),
        members(
            "equal scores",
            vec![member("a", "1"), member("aa", "1"), member("b", "1")],
        ),
        members(
            "integers",
            vec![
                member("-7", "0"),
                member("12", "0"),
                member("70000", "0"),
                member("007", "1"),
            ],
        ),
        members("minus zero", vec![member("a", "-0.0")]),
        members("scores", scores(&all)),
        members("scores, a table", large),
        members("minus zero, a table", vec![(noise(1, 256, 65), "-0.0")]),
        members("member of 64", vec![(noise(1, 4, 64), "1")]),
        members("member of 65", vec![(noise(1, 4, 65), "1.25")]),
        members("127", many(127)),
        members("128", many(128)),
        members("129", many(129)),
        members("600", many(600)),
        case(
            "changed",
            vec![
                set("ZADD k 1 a 2 b 3 c"),
                set("ZADD k 2.5 a"),
                set("ZINCRBY k 1e20 b"),
            ],
            Saved::SortedListpack(pack_scores([("a", 2.5), ("c", 3.0), ("b", 1e20)]).unwrap()),
        ),
        case(
            "removed",
            vec![set("ZADD k 1 a 2 b 3 c"), set("ZREM k b")],
            Saved::SortedListpack(pack_scores([("a", 1.0), ("c", 3.0)]).unwrap()),
        ),
        case(
            "a small table",
            vec![
                command("ZADD k 1 a 2", [noise(1, 4, 65)]),
                command("ZREM k", [noise(1, 4, 65)]),
            ],
            Saved::Sorted(vec![(b"a".to_vec(), 1.0)]),
        ),
        case(
            "a place",
            vec![set(
                "GEOADD k 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
            )],
            Saved::SortedListpack(
                pack_scores([
                    ("Palermo", 3479099956230698.0),
                    ("Catania", 3479447370796909.0),
                ])
                .unwrap(),
            ),
        ),
        case("a counter", vec![set("PFADD k a b c d e f g h")], None),
    ]
}
