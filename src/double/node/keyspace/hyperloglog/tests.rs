//! HyperLogLogs against a real server, to the byte.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rstest::rstest;

use super::*;
use crate::double::node::reference::Reference;

const MOST: usize = 3_000;

/// Recorded from Redis 7.0.15.
#[test]
fn three_elements() {
    let mut text = empty();
    assert_eq!(text, b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
    for element in ["a", "b", "c"] {
        assert_eq!(add(&mut text, element.as_bytes(), MOST), Ok(true));
    }
    let runs = b"`\xf3\x80P\xb1\x84K\xfb\x80BZ";
    let outdated = [b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80".as_slice(), runs].concat();
    assert_eq!(text, outdated);
    assert_eq!((kept(&text), estimate(&text)), (None, Ok(3)));
    keep(&mut text, 3);
    assert_eq!(
        text,
        [b"HYLL\x01\0\0\0\x03\0\0\0\0\0\0\0".as_slice(), runs].concat()
    );
    assert_eq!(add(&mut text, b"a", MOST), Ok(false));
    assert_eq!(kept(&text), Some(3));
}

#[rstest]
#[case(b"", Err(Fault::NotOne))]
#[case(b"HYLL\x01", Err(Fault::NotOne))]
#[case(b"HYLL\x01___________", Ok(Kind::Sparse))]
#[case(b"HYLl\x01___________", Err(Fault::NotOne))]
#[case(b"HYLL\x02___________", Err(Fault::NotOne))]
#[case(b"HYLL\x00___________", Err(Fault::NotOne))]
fn a_head(#[case] text: &[u8], #[case] wanted: Result<Kind, Fault>) {
    assert_eq!(kind(text), wanted);
}

fn words(parts: &[&str], more: &[String]) -> Vec<Vec<u8>> {
    let parts = parts.iter().map(|part| part.as_bytes().to_vec());
    parts
        .chain(more.iter().map(|part| part.clone().into_bytes()))
        .collect()
}

#[test]
fn strings_and_estimates_are_a_real_servers() {
    let Some(mut server) = Reference::start("strings_and_estimates_are_a_real_servers") else {
        return;
    };
    let mut random = StdRng::seed_from_u64(10);
    let mut made: Vec<Vec<u8>> = Vec::new();
    for (round, (most, elements)) in [
        (3_000, 300),
        (3_000, 900),
        (3_000, 4_000),
        (3_000, 300_000),
        (100, 200),
        (0, 10),
        (16_000, 9_000),
    ]
    .into_iter()
    .enumerate()
    {
        server.ask(&["CONFIG", "SET", "hll-sparse-max-bytes", &most.to_string()]);
        let key = format!("h{round}");
        let mut text = empty();
        let mut left = elements;
        while left > 0 {
            // Few at first, so that each step is seen; then many.
            let count = if elements - left < 600 {
                3
            } else {
                left.min(elements / 20 + 1)
            };
            let range = random.random_range(1..1_000_000_000_u64);
            let batch: Vec<String> = (0..count)
                .map(|_| random.random_range(0..range).to_string())
                .collect();
            let mut changed = false;
            for element in &batch {
                changed |= add(&mut text, element.as_bytes(), most).unwrap();
            }
            let reply = server.ask(&words(&["PFADD", &key], &batch));
            assert_eq!(reply, format!(":{}", u8::from(changed)).as_bytes());
            assert!(text == server.ask(&["GET", &key]), "{key}, {left} left");
            let counted = estimate(&text).unwrap();
            if changed {
                keep(&mut text, counted);
            }
            assert_eq!(kept(&text), Some(counted));
            assert_eq!(
                server.ask(&["PFCOUNT", &key]),
                format!(":{counted}").as_bytes()
            );
            assert!(
                text == server.ask(&["GET", &key]),
                "{key}, {left} left, counted"
            );
            left -= count;
        }
        made.push(text);
    }
    assert_eq!(
        made.iter()
            .filter(|text| kind(text) == Ok(Kind::Dense))
            .count(),
        4
    );
    // Unions, into one that is there and into a new one.
    server.ask(&["CONFIG", "SET", "hll-sparse-max-bytes", "3000"]);
    for _ in 0..40 {
        let [a, b] = [0, 0].map(|_| random.random_range(0..made.len()));
        let mut union = Union::new();
        union.add(&made[a]).unwrap();
        union.add(&made[b]).unwrap();
        let keys = [a, b].map(|number| format!("h{number}"));
        let counted = format!(":{}", union.estimate());
        assert_eq!(server.ask(&words(&["PFCOUNT"], &keys)), counted.as_bytes());
        let mut merged = empty();
        union.write(&mut merged, MOST).unwrap();
        server.ask(&["DEL", "new"]);
        server.ask(&words(&["PFMERGE", "new"], &keys));
        assert!(merged == server.ask(&["GET", "new"]), "{keys:?}");
        let mut merged = made[a].clone();
        union.write(&mut merged, MOST).unwrap();
        server.ask(&["COPY", &keys[0], "there", "REPLACE"]);
        server.ask(&["PFMERGE", "there", &keys[1]]);
        assert!(merged == server.ask(&["GET", "there"]), "{keys:?}");
    }
}

/// What PFADD and PFCOUNT say to strings that are cut short, or too long, or that have too many registers.
#[test]
fn faults_are_a_real_servers() {
    let Some(mut server) = Reference::start("faults_are_a_real_servers") else {
        return;
    };
    let mut good = empty();
    for element in 0..50 {
        add(&mut good, &[element], MOST).unwrap();
    }
    let head = good[..HEAD].to_vec();
    let mut texts = vec![
        head.clone(),
        [&head[..], b"\x7f\xff\0"].concat(),
        [&head[..], b"\x7f\xfe"].concat(),
    ];
    texts.push(good[..good.len() - 1].to_vec());
    texts.push([&good[..], b"\x80"].concat());
    for value in [0_u32, 1, 49, 50, 51, 63] {
        let four = value | value << 6 | value << 12 | value << 18;
        let registers = four.to_le_bytes()[..3].repeat(REGISTERS / 4);
        let mut text = [b"HYLL".as_slice(), &[0; 12], &registers].concat();
        outdate(&mut text);
        texts.push(text);
    }
    for text in texts {
        server.ask(&[b"SET".as_slice(), b"h", &text]);
        let counted = estimate(&text).map_or(
            "-INVALIDOBJ Corrupted HLL object detected".to_owned(),
            |count| format!(":{count}"),
        );
        assert_eq!(
            counted,
            String::from_utf8_lossy(&server.ask(&["PFCOUNT", "h"])),
            "{}",
            text.escape_ascii()
        );
    }
}

proptest! {
    /// Whatever stands in the string.
    #[test]
    fn no_string_does_harm(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        mut kind in 0_u8..3,
        elements in proptest::collection::vec(any::<u64>(), 0..20),
        most in 0_usize..400,
    ) {
        let mut text = [b"HYLL".as_slice(), &[kind], &[0; 11], &body].concat();
        if kind == 0 {
            text.resize(HEAD + dense::LENGTH, 0xff);
        }
        kind = text[KIND];
        for element in elements {
            let _ = add(&mut text, &element.to_le_bytes(), most);
            let _ = estimate(&text);
        }
        let mut union = Union::new();
        if union.add(&text).is_ok() {
            union.estimate();
            prop_assert_eq!(union.write(&mut text, most), Ok(()));
            prop_assert_eq!(registers(&text), Ok(union.values));
        }
        prop_assert!(kind < 3);
    }
}
