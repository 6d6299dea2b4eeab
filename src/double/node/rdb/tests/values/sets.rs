//! Sets: of integers of each width, and tables.

use super::{Case, case, command, noise};
use crate::double::node::rdb::{IntegerSet, Saved};

pub fn cases() -> Vec<Case> {
    let integers = |name: &str, numbers: Vec<i64>, removed: &[i64]| {
        let text = |number: &i64| number.to_string().into_bytes();
        let mut commands = vec![command("SADD k", numbers.iter().map(text))];
        commands.extend((!removed.is_empty()).then(|| command("SREM k", removed.iter().map(text))));
        let width = IntegerSet::new(numbers.clone(), 2).width();
        let kept = numbers
            .into_iter()
            .filter(|number| !removed.contains(number))
            .collect();
        case(
            name,
            commands,
            Saved::Integers(IntegerSet::new(kept, width)),
        )
    };
    let table = |name: &str, members: Vec<Vec<u8>>| {
        case(
            name,
            vec![command("SADD k", members.clone())],
            Saved::Set(members),
        )
    };
    let text = |at: i64| format!("member:{at}").into_bytes();
    let mut with_text: Vec<_> = (0..20)
        .map(|at: i64| (at * 1_000_003).to_string().into_bytes())
        .collect();
    with_text.push(b"x".to_vec());
    vec![
        integers("one", vec![1], &[]),
        integers("two bytes", vec![32767, -32768, 0, 5], &[]),
        integers("four bytes", vec![32768, 1, 2], &[]),
        integers("four bytes, below zero", vec![-32769, 1, 2], &[]),
        integers(
            "four bytes, the last ones",
            vec![2_147_483_647, -2_147_483_648],
            &[],
        ),
        integers("eight bytes", vec![2_147_483_648, 3], &[]),
        integers("eight bytes, below zero", vec![-2_147_483_649, 3], &[]),
        integers("eight bytes, the last ones", vec![i64::MAX, i64::MIN], &[]),
        integers("still four bytes", vec![1, 2, 100_000], &[100_000]),
        integers(
            "still eight bytes",
            vec![1, 2, 5_000_000_000, -9],
            &[5_000_000_000, -9],
        ),
        integers("511", (0..511).map(|at| at * 7 - 300).collect(), &[]),
        integers("512", (0..512).map(|at| at * 70_000_000).collect(), &[]),
        table(
            "513 integers",
            (0..513)
                .map(|at: i64| at.to_string().into_bytes())
                .collect(),
        ),
        table("a text", vec![b"a".to_vec()]),
        table("nothing in it", vec![vec![]]),
        table("texts", (0..10).map(text).collect()),
        table("integers and a text", with_text),
        table("700 texts", (0..700).map(text).collect()),
        table(
            "no integers",
            ["-0", "007", "+1", "1.0", "9223372036854775808"]
                .map(|text| text.as_bytes().to_vec())
                .to_vec(),
        ),
        table(
            "long and binary ones",
            vec![
                noise(1, 256, 300),
                noise(2, 2, 300),
                vec![0],
                vec![0xff; 25],
            ],
        ),
    ]
}
