//! What the places of forms are filled with: few keys, few fields, and values of every kind that is treated in a way of its own. The simplest
//! stands first: a failing sequence is shrunk towards it.

use crate::generated::form::Choices;

const KEYS: [&str; 5] = ["k0", "k1", "k2", "k3", "k4"];

const FIELDS: [&str; 9] = ["f", "g", "h", "1", "2", "", "a b", "f\0\r\n", "longer"];

const VALUES: [&str; 24] = [
    "a",
    "1",
    "0",
    "-1",
    "",
    "b",
    "10",
    "3.5",
    "hello world",
    "-7",
    "1e3",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "3.0",
    " 1",
    "01",
    "+1",
    "inf",
    "nan",
    "0x10",
    "\0\r\n",
    "127",
    "32768",
];

const INTS: [&str; 14] = [
    "1",
    "0",
    "-1",
    "2",
    "10",
    "-10",
    "100",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "a",
    "",
    "1.5",
    "01",
];

const FLOATS: [&str; 20] = [
    "1", "0", "-1", "0.5", "1.5", "-2.25", "0.1", "3e3", "1e-5", "5e20", "10", "1e17", "0x10",
    "1e400", "inf", "-inf", "nan", "a", "", " 1",
];

const INDEXES: [&str; 12] = [
    "0",
    "-1",
    "1",
    "2",
    "-2",
    "3",
    "5",
    "-5",
    "100",
    "-100",
    "9223372036854775807",
    "a",
];

const COUNTS: [&str; 10] = ["1", "2", "0", "3", "10", "-1", "-3", "1000", "a", "1.5"];

const SCORES: [&str; 20] = [
    "1",
    "2",
    "0",
    "3",
    "-1",
    "1.5",
    "10",
    "-2.5",
    "1e3",
    "inf",
    "-inf",
    "0.1",
    "1e20",
    "1e-7",
    "-0",
    "17179869184",
    "nan",
    "a",
    "",
    "(1",
];

const SCORE_BOUNDS: [&str; 14] = [
    "-inf", "+inf", "1", "(1", "0", "(2", "2", "1.5", "(-inf", "(+inf", "10", "a", "", "nan",
];

const LEX_BOUNDS: [&str; 12] = [
    "-", "+", "[a", "(a", "[b", "(b", "[1", "[", "(", "[zz", "a", "",
];

const STREAM_IDS: [&str; 12] = [
    "1-1",
    "1-2",
    "2-1",
    "2",
    "3-3",
    "5-5",
    "0-1",
    "0-0",
    "0",
    "a",
    "7-18446744073709551615",
    "-1",
];

const RANGE_IDS: [&str; 14] = [
    "-",
    "+",
    "0",
    "1",
    "1-1",
    "(1-1",
    "2",
    "3-0",
    "(2",
    "5",
    "10",
    "(-",
    "a",
    "18446744073709551615-18446744073709551615",
];

const TTLS: [&str; 6] = ["0", "-1", "a", "9223372036854775807", "", "1.5"];

/// Moments far away, and long gone.
const SECONDS: [&str; 6] = ["33177117420", "99999999999", "33177117421", "1", "0", "a"];
const MILLISECONDS: [&str; 5] = [
    "33177117420000",
    "99999999999999",
    "33177117420001",
    "1",
    "a",
];

const BITS: [&str; 4] = ["1", "0", "2", "a"];
const OFFSETS: [&str; 14] = [
    "0",
    "1",
    "7",
    "8",
    "3",
    "15",
    "63",
    "64",
    "100",
    "1000",
    "-1",
    "4294967296",
    "a",
    "",
];
const FIELD_OFFSETS: [&str; 10] = ["0", "#0", "#1", "3", "8", "#2", "100", "#10", "-1", "a"];
const FIELD_TYPES: [&str; 12] = [
    "u8", "i8", "u1", "i5", "u16", "i64", "u63", "i1", "u64", "i65", "u0", "x8",
];

const PATTERNS: [&str; 10] = [
    "*", "k*", "k[12]", "?1", "[^k]*", "k0", "a*", "", "\\k1", "*[*",
];
const SORT_PATTERNS: [&str; 8] = ["k*", "nosort", "*", "k*->f", "*->f", "#", "k1", "k*->"];
const GROUPS: [&str; 3] = ["g", "h", ""];
const CONSUMERS: [&str; 3] = ["c", "d", "e"];
const LONGITUDES: [&str; 6] = ["13.361389", "15.087269", "0", "-122.4", "181", "a"];
const LATITUDES: [&str; 6] = ["38.115556", "37.502669", "0", "37.8", "86", "a"];
const RADII: [&str; 6] = ["200", "1", "0", "20000", "-1", "a"];

/// How many `<many-…>` are: also past each limit of a small encoding.
const MANY: [usize; 6] = [3, 20, 127, 130, 200, 520];

/// Appends what the place called `name` stands for.
pub fn fill(name: &str, choices: &mut Choices, args: &mut Vec<Vec<u8>>) {
    match name {
        "keys" => some(3, "key", choices, args),
        "values" => some(4, "value", choices, args),
        "members" => some(4, "member", choices, args),
        "fields" => some(3, "field", choices, args),
        "ids" => some(3, "entry", choices, args),
        "pairs" => {
            for _ in 0..=choices.next() % 3 {
                fill("field", choices, args);
                fill("value", choices, args);
            }
        }
        "scored" => {
            for _ in 0..=choices.next() % 3 {
                fill("score", choices, args);
                fill("member", choices, args);
            }
        }
        "numbered-keys" => {
            let mut keys = Vec::new();
            some(3, "key", choices, &mut keys);
            // Now and then the number is wrong.
            let wrong = usize::from(choices.next() % 30 == 29);
            args.push((keys.len() + wrong).to_string().into_bytes());
            args.append(&mut keys);
        }
        "many-ints" => many(choices, args, |number| vec![number.to_string()]),
        "many-members" => many(choices, args, |number| vec![format!("m{number}")]),
        "many-pairs" => many(choices, args, |number| {
            vec![format!("f{number}"), number.to_string()]
        }),
        "many-zeros" => many(choices, args, |number| {
            vec!["0".to_owned(), format!("m{number}")]
        }),
        "many-scored" => many(choices, args, |number| {
            vec![(number % 7).to_string(), format!("m{number}")]
        }),
        // Mostly the family's own key, so that its values grow; often enough any, so that types clash.
        "key" => {
            let at = choices.next() % 9;
            let at = at.checked_sub(4).unwrap_or(choices.home);
            args.push(KEYS[at % KEYS.len()].as_bytes().to_vec());
        }
        _ => {
            let number = choices.next();
            args.push(one(name, number));
        }
    }
}

fn some(most: usize, name: &str, choices: &mut Choices, args: &mut Vec<Vec<u8>>) {
    for _ in 0..=choices.next() % most {
        fill(name, choices, args);
    }
}

fn many(choices: &mut Choices, args: &mut Vec<Vec<u8>>, one: fn(usize) -> Vec<String>) {
    let count = MANY[choices.next() % MANY.len()];
    let words = (1..=count).flat_map(one);
    args.extend(words.map(String::into_bytes));
}

fn one(name: &str, number: usize) -> Vec<u8> {
    let list = |pool: &[&str]| pool[number % pool.len()].as_bytes().to_vec();
    // The first of the pool for most numbers, so that commands mostly do something.
    let mostly = |pool: &[&str], sound: usize| {
        let at = number % (sound * 4 + pool.len() - sound);
        let at = if at < sound * 4 {
            at % sound
        } else {
            at - sound * 3
        };
        pool[at].as_bytes().to_vec()
    };
    match name {
        "field" => match number % 40 {
            38 => b"f".repeat(64),
            39 => b"f".repeat(65),
            _ => list(&FIELDS),
        },
        "value" => match number % 4 {
            3 => odd(number / 4),
            _ => list(&VALUES),
        },
        "member" => match number % 4 {
            0 => [b'a' + (number / 4 % 6) as u8].to_vec(),
            1 | 2 => (number / 4 % 12).to_string().into_bytes(),
            _ => odd(number / 4),
        },
        "int" => match number % 3 {
            2 => (number as i64 - 32768).to_string().into_bytes(),
            _ => mostly(&INTS, 7),
        },
        "float" => mostly(&FLOATS, 11),
        "index" => mostly(&INDEXES, 8),
        "count" => mostly(&COUNTS, 5),
        "score" => match number % 5 {
            4 => (number as f64 / 64.0 - 512.0).to_string().into_bytes(),
            _ => mostly(&SCORES, 12),
        },
        "score-bound" => mostly(&SCORE_BOUNDS, 8),
        "lex-key" => ["z0", "z1"][number % 2].into(),
        "lex-bound" => mostly(&LEX_BOUNDS, 8),
        "new-id" => match number % 3 {
            0 | 1 => format!("{}-*", 1 + number / 3 % 6).into_bytes(),
            _ => list(&STREAM_IDS),
        },
        "entry" => match number % 3 {
            0 | 1 => format!("{}-{}", 1 + number / 3 % 6, number / 18 % 3).into_bytes(),
            _ => list(&STREAM_IDS),
        },
        "range-id" => mostly(&RANGE_IDS, 9),
        "group" => mostly(&GROUPS, 2),
        "consumer" => list(&CONSUMERS),
        // Long enough that nothing expires under the test, and seldom twice the same.
        "ttl" => match number % 12 {
            11 => list(&TTLS),
            _ => (100 + number).to_string().into_bytes(),
        },
        "pttl" => match number % 12 {
            11 => list(&TTLS),
            _ => (100_000 + number * 10).to_string().into_bytes(),
        },
        // SET takes a moment that is gone by, and Redis counts the key (DBSIZE) until it happens to look at it.
        "later" => list(&SECONDS[..3]),
        "later-ms" => list(&MILLISECONDS[..3]),
        "at" => mostly(&SECONDS, 3),
        "pat" => mostly(&MILLISECONDS, 3),
        "bit" => mostly(&BITS, 2),
        "offset" => mostly(&OFFSETS, 9),
        "field-offset" => mostly(&FIELD_OFFSETS, 6),
        "field-type" => mostly(&FIELD_TYPES, 8),
        "pattern" => list(&PATTERNS),
        "sort-pattern" => list(&SORT_PATTERNS),
        "longitude" => mostly(&LONGITUDES, 4),
        "latitude" => mostly(&LATITUDES, 4),
        "radius" => mostly(&RADII, 3),
        other => panic!("no form may have a <{other}>"),
    }
}

/// Longer, binary, around the lengths at which an encoding changes (44, 64), and plain ones of which there are many.
fn odd(number: usize) -> Vec<u8> {
    match number % 8 {
        0 => format!("v{}", number / 8 % 40).into_bytes(),
        1 => (number / 8).to_string().into_bytes(),
        2 => b"x".repeat(43 + number / 8 % 3),
        3 => b"y".repeat(63 + number / 8 % 3),
        4 => b"z".repeat(number / 8 % 300),
        5 => vec![(number / 8 % 256) as u8; 1 + number / 8 % 5],
        6 => format!("-{}.{}", number / 8 % 100, number / 8 % 7).into_bytes(),
        _ => format!("{}", i64::MAX - (number / 8) as i64).into_bytes(),
    }
}
