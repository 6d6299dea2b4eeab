//! Tables recorded from Redis 7.0.15, and comparisons with it where it is there.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rstest::rstest;

use super::*;
use crate::double::node::reference::Reference;

fn g17(value: f64) -> String {
    let mut out = Vec::new();
    write_g17(&mut out, value);
    String::from_utf8(out).unwrap()
}

fn human(value: LongDouble) -> String {
    let mut out = Vec::new();
    value.write(&mut out);
    String::from_utf8(out).unwrap()
}

#[rstest]
#[case("0", Some(0))]
#[case("7", Some(7))]
#[case("-7", Some(-7))]
#[case("9223372036854775807", Some(i64::MAX))]
#[case("-9223372036854775808", Some(i64::MIN))]
#[case("9223372036854775808", None)]
#[case("-9223372036854775809", None)]
#[case("99999999999999999999", None)]
#[case("", None)]
#[case("-", None)]
#[case("-0", None)]
#[case("+1", None)]
#[case("01", None)]
#[case("00", None)]
#[case(" 1", None)]
#[case("1 ", None)]
#[case("1\0", None)]
#[case("1.0", None)]
#[case("1a", None)]
fn a_whole_number(#[case] text: &str, #[case] value: Option<i64>) {
    assert_eq!(parse_i64(text.as_bytes()), value);
    if let Some(value) = value {
        let mut out = Vec::new();
        write_i64(&mut out, value);
        assert_eq!(out, text.as_bytes());
    }
}

/// What ZADD made of it, asked by ZSCORE of a set of the skiplist kind; what ZCOUNT made of it as a bound, -: an error.
#[rstest]
#[case("1", "1", "1")]
#[case("+1", "1", "1")]
#[case("01", "1", "1")]
#[case("-0", "-0", "-0")]
#[case(".5", "0.5", "0.5")]
#[case("-.5", "-0.5", "-0.5")]
#[case("5.", "5", "5")]
#[case("1E-5", "1.0000000000000001e-05", "1.0000000000000001e-05")]
#[case("1e+5", "100000", "100000")]
#[case("inf", "inf", "inf")]
#[case("-InFiNiTy", "-inf", "-inf")]
#[case("0X1P3", "8", "8")]
#[case("0x.8", "0.5", "0.5")]
#[case("0x1.8p-1", "0.75", "0.75")]
#[case("1e-320", "9.9998886718268301e-321", "9.9998886718268301e-321")]
#[case("4e-324", "4.9406564584124654e-324", "4.9406564584124654e-324")]
#[case("2e-324", "-", "0")]
#[case("1e400", "-", "inf")]
#[case("-1e400", "-", "-inf")]
#[case("1e-400", "-", "0")]
#[case("0x1p1024", "-", "inf")]
#[case("0x1p-1080", "-", "0")]
#[case("0e99999999999999999999", "0", "0")]
#[case("", "-", "0")]
#[case(" 1", "-", "1")]
#[case("\x0b\t1", "-", "1")]
#[case("1 ", "-", "-")]
#[case("1\0", "-", "1")]
#[case("1\0junk", "-", "1")]
#[case("\0", "-", "0")]
#[case(" ", "-", "-")]
#[case(".", "-", "-")]
#[case("e5", "-", "-")]
#[case("1e", "-", "-")]
#[case("1e+", "-", "-")]
#[case("infin", "-", "-")]
#[case("nan", "-", "-")]
#[case("-nan(1)", "-", "-")]
#[case("0x", "-", "-")]
#[case("0x.", "-", "-")]
#[case("0x1p", "-", "-")]
#[case("1_0", "-", "-")]
#[case("1d", "-", "-")]
#[case("--1", "-", "-")]
fn a_score_and_a_bound(#[case] text: &str, #[case] score: &str, #[case] bound: &str) {
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), g17);
    assert_eq!(shown(parse_f64(text.as_bytes())), score);
    assert_eq!(shown(parse_bound(text.as_bytes())), bound);
}

#[rstest]
#[case(3.0, "3")]
#[case(-3.0, "-3")]
#[case(-0.0, "-0")]
#[case(1e16, "10000000000000000")]
#[case(1e17, "1e+17")]
#[case(123_456_789_012_345_678.0, "1.2345678901234568e+17")]
#[case(12_345_678_901_234_567.0, "12345678901234568")]
#[case(0.1, "0.10000000000000001")]
#[case(0.0001, "0.0001")]
#[case(0.00001, "1.0000000000000001e-05")]
// The 18th digit is a 5 and the last: to the even one.
#[case(131_073.0 / 131_072.0, "1.0000076293945312")]
#[case(5e-324, "4.9406564584124654e-324")]
#[case(f64::MAX, "1.7976931348623157e+308")]
#[case(f64::INFINITY, "inf")]
#[case(f64::NEG_INFINITY, "-inf")]
fn a_double_is_printed(#[case] value: f64, #[case] text: &str) {
    assert_eq!(g17(value), text);
}

#[rstest]
#[case(0.1, 14, "0.1")]
#[case(100_000_000_000_000.0, 14, "1e+14")]
#[case(99_999_999_999_999.5, 14, "1e+14")]
#[case(12_345_678_901_234.0, 14, "12345678901234")]
#[case(0.5, 1, "0.5")]
#[case(2.5, 1, "2")]
fn fewer_digits(#[case] value: f64, #[case] precision: u32, #[case] text: &str) {
    let mut out = Vec::new();
    write_g(&mut out, value, precision);
    assert_eq!(String::from_utf8(out).unwrap(), text);
}

#[test]
fn a_distance_has_four_decimals() {
    let mut out = Vec::new();
    write_fixed(&mut out, 166_274.151_56, 4);
    assert_eq!(out, b"166274.1516");
}

/// What INCRBYFLOAT answered to it, as an increment of nothing. -: no number. The long ones are cut here.
#[rstest]
#[case("1", "1")]
#[case("-0", "0")]
#[case("0.1", "0.1")]
#[case("-0.1", "-0.1")]
#[case("1E-5", "0.00001")]
#[case("1e-400", "0")]
#[case("-1e-4940", "0")]
#[case("0x1.8p-1", "0.75")]
#[case("9223372036854775807", "9223372036854775807")]
#[case("1e400", "1000000000000000000028188068394758651458")]
#[case("0x1p1024", "1797693134862315907729305190789024733617")]
#[case("1e4931", "1000000000000000000006018949387963891323")]
#[case("1e-4960", "-")]
#[case("1e4933", "-")]
#[case("0x1p16384", "-")]
#[case("inf", "inf")]
#[case("-infinity", "-inf")]
#[case("nan", "-")]
#[case("", "-")]
#[case(" 1", "-")]
#[case("1 ", "-")]
#[case("1\0", "-")]
#[case("1e", "-")]
fn an_increment(#[case] text: &str, #[case] sum: &str) {
    let nothing = LongDouble::from(0.0);
    let sum_here = LongDouble::parse(text.as_bytes())
        .map_or_else(|| "-".to_owned(), |value| human(nothing.plus(value)));
    assert!(
        sum_here == sum || sum.len() == 40 && sum_here.starts_with(sum),
        "{sum_here}"
    );
}

#[test]
fn a_sum_too_great_is_not_finite() {
    let read = |text: &str| LongDouble::parse(text.as_bytes()).unwrap();
    assert!(!read("1.1e4932").plus(read("1.1e4932")).is_finite());
    assert!(!read("inf").plus(read("-1.1e4932")).is_finite());
    assert!(!read("inf").plus(read("-inf")).is_finite());
    assert!(read("1.1e4932").plus(read("-1.1e4932")).is_finite());
    assert_eq!(human(read("inf").plus(read("-inf"))), "nan");
}

#[test]
fn a_number_of_more_than_5119_bytes_is_none() {
    let of = |length: usize| [vec![b'0'; length - 1], b"1".to_vec()].concat();
    assert!(LongDouble::parse(&of(5_119)).is_some());
    assert!(LongDouble::parse(&of(5_120)).is_none());
    assert_eq!(parse_f64(&of(5_120)), Some(1.0));
}

#[rstest]
#[case("0", 0)]
#[case("1", 1_000)]
#[case("0.001", 1)]
#[case("0.0000001", 1)]
#[case("1.0001", 1_001)]
#[case("-1", -1_000)]
#[case("-0.0001", 0)]
#[case("-1e-4000", 0)]
#[case("9223372036854775.807", i64::MAX)]
#[case("9223372036854775.808", i64::MIN)]
#[case("1e30", i64::MIN)]
#[case("inf", i64::MIN)]
#[case("-inf", i64::MIN)]
fn seconds(#[case] text: &str, #[case] millis: i64) {
    let seconds = LongDouble::parse(text.as_bytes()).unwrap();
    assert_eq!(seconds.seconds_to_millis(), millis);
}

/// Digits by the thousand decide: a tie of two doubles, and something far behind it.
#[rstest]
#[case(0, "9007199254740992")]
#[case(1, "9007199254740994")]
fn far_digits_count(#[case] last: usize, #[case] value: &str) {
    let text = format!("9007199254740993.{}{last}", "0".repeat(100_000));
    assert_eq!(g17(parse_f64(text.as_bytes()).unwrap()), value);
    let text = format!("0.{}1e1000001", "0".repeat(1_000_000));
    assert_eq!(parse_f64(text.as_bytes()), Some(1.0));
}

/// Numbers of all kinds as a client may write them.
fn some_number(random: &mut StdRng) -> String {
    let digits = |random: &mut StdRng, most: usize| -> String {
        let count = random.random_range(1..=most);
        (0..count)
            .map(|_| char::from(random.random_range(b'0'..=b'9')))
            .collect()
    };
    let sign = ["", "-", "+"][random.random_range(0..3)];
    let number = match random.random_range(0..9) {
        0 => digits(random, 6),
        1 => digits(random, 25),
        2 => format!("{}.{}", digits(random, 4), digits(random, 3)),
        3 => format!("{}.{}", digits(random, 22), digits(random, 30)),
        4 => format!(
            "{}.{}e{}",
            digits(random, 2),
            digits(random, 20),
            random.random_range(-40..40)
        ),
        5 => format!("{}e{}", digits(random, 18), random.random_range(-340..310)),
        6 => format!("{:e}", f64::from_bits(random.random::<u64>() >> 1)),
        // Few bits: sums and prints of these end in ties.
        7 => {
            let bits = f64::from(random.random::<u32>() | 1);
            format!("{}", bits * 2_f64.powi(random.random_range(-60..40)))
        }
        _ => {
            let first: u64 = random.random();
            format!(
                "0x{:x}.{:x}p{}",
                first >> random.random_range(0..63),
                first,
                random.random_range(-1100..1040)
            )
        }
    };
    format!("{sign}{number}")
}

#[test]
fn random_scores_are_read_and_printed_as_a_real_server_does() {
    let test = "random_scores_are_read_and_printed_as_a_real_server_does";
    let Some(mut server) = Reference::start(test) else {
        return;
    };
    let mut random = StdRng::seed_from_u64(1);
    let numbers: Vec<_> = (0..6_000).map(|_| some_number(&mut random)).collect();
    // A set of the listpack kind does not keep the sign of a zero.
    let long = "m".repeat(65);
    let mut commands = Vec::new();
    for number in &numbers {
        let [long, number] = [long.as_str(), number.as_str()];
        commands.push(vec!["DEL", "z"]);
        commands.push(vec!["ZADD", "z", number, long]);
        commands.push(vec!["ZSCORE", "z", long]);
        commands.push(vec!["ZINCRBY", "z", "0.3", long]);
    }
    let replies = server.ask_all(&commands);
    let mut refused = 0;
    for (number, replies) in numbers.iter().zip(replies.chunks(4)) {
        let theirs = &replies[2..];
        let ours = match parse_f64(number.as_bytes()) {
            Some(value) => [g17(value), g17(value + 0.3)],
            None => {
                refused += 1;
                assert_eq!(replies[1], b"-ERR value is not a valid float", "{number}");
                ["$-1".to_owned(), g17(0.3)]
            }
        };
        let theirs: Vec<_> = theirs
            .iter()
            .map(|reply| String::from_utf8_lossy(reply))
            .collect();
        assert_eq!(ours.as_slice(), theirs, "{number}");
    }
    assert!((10..3_000).contains(&refused), "{refused} refused");
}

#[test]
fn random_sums_are_a_real_servers() {
    let Some(mut server) = Reference::start("random_sums_are_a_real_servers") else {
        return;
    };
    let mut random = StdRng::seed_from_u64(2);
    let pairs: Vec<_> = (0..6_000)
        .map(|_| (some_number(&mut random), some_number(&mut random)))
        .collect();
    let mut commands = Vec::new();
    for (a, b) in &pairs {
        commands.push(vec!["SET", "s", a.as_str()]);
        commands.push(vec!["INCRBYFLOAT", "s", b.as_str()]);
        // What it printed, read again.
        commands.push(vec!["INCRBYFLOAT", "s", a.as_str()]);
    }
    let replies = server.ask_all(&commands);
    let sum = |a: &[u8], b: &[u8]| match (LongDouble::parse(a), LongDouble::parse(b)) {
        (Some(a), Some(b)) => match a.plus(b) {
            sum if sum.is_finite() => human(sum),
            _ => "-ERR increment would produce NaN or Infinity".to_owned(),
        },
        _ => "-ERR value is not a valid float".to_owned(),
    };
    for ((a, b), replies) in pairs.iter().zip(replies.chunks(3)) {
        let first = sum(a.as_bytes(), b.as_bytes());
        assert_eq!(first, String::from_utf8_lossy(&replies[1]), "{a} + {b}");
        let kept = if first.starts_with("-ERR") { a } else { &first };
        let second = sum(kept.as_bytes(), a.as_bytes());
        assert_eq!(second, String::from_utf8_lossy(&replies[2]), "{kept} + {a}");
    }
}

#[test]
fn numbers_of_80_bits_at_the_ends_of_their_range_are_a_real_servers() {
    let test = "numbers_of_80_bits_at_the_ends_of_their_range_are_a_real_servers";
    let Some(mut server) = Reference::start(test) else {
        return;
    };
    let mut random = StdRng::seed_from_u64(3);
    let mut numbers: Vec<String> = Vec::new();
    for _ in 0..400 {
        let digits: u64 = random.random();
        let (much, little) = (
            random.random_range(4_900..4_920),
            random.random_range(-4_980..-4_930),
        );
        numbers.push(format!("{digits}e{much}"));
        numbers.push(format!("{digits}e{little}"));
        numbers.push(format!(
            "0x{digits:x}p{}",
            random.random_range(16_310..16_330)
        ));
        numbers.push(format!(
            "0x{digits:x}p{}",
            -random.random_range(16_440..16_520)
        ));
    }
    let commands: Vec<_> = numbers
        .iter()
        .flat_map(|number| [vec!["DEL", "s"], vec!["INCRBYFLOAT", "s", number]])
        .collect();
    let replies = server.ask_all(&commands);
    let mut refused = 0;
    for (number, replies) in numbers.iter().zip(replies.chunks(2)) {
        let ours = LongDouble::parse(number.as_bytes()).map_or_else(
            || {
                refused += 1;
                "-ERR value is not a valid float".to_owned()
            },
            human,
        );
        assert_eq!(ours, String::from_utf8_lossy(&replies[1]), "{number}");
    }
    assert!((100..1_500).contains(&refused), "{refused} refused");
}

#[test]
fn timeouts_below_zero_are_a_real_servers() {
    let Some(mut server) = Reference::start("timeouts_below_zero_are_a_real_servers") else {
        return;
    };
    for text in [
        "9223372036854775.808",
        "9223372036854775.807",
        "-0.001",
        "-0.0010001",
        "-0.0005",
        "-0.002",
        "0.0001",
        "inf",
        "-inf",
        "1e4000",
    ] {
        let millis = LongDouble::parse(text.as_bytes())
            .unwrap()
            .seconds_to_millis();
        // In a transaction it does not wait.
        server.ask(&["MULTI"]);
        server.ask(&["BLPOP", "nothing", text]);
        let reply = server.ask(&["EXEC"]);
        let refused = reply.ends_with(b"-ERR timeout is negative");
        assert_eq!(millis < 0, refused, "{text}");
    }
}
