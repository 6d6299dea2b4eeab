//! Numbers and times as people read them: `1,214`, `23 checks`, `340 ms`, `2 min 05 s`.

use std::time::Duration;

/// How long something took: `0.4 ms`, `340 ms`, `12.4 s`, `2 min 05 s`, `1 h 02 min`. Times from a second to a minute always have
/// one decimal, so that a column of them is easy to compare.
pub fn took(time: Duration) -> String {
    let micros = time.as_micros();
    if micros == 0 {
        return "0 ms".to_owned();
    }
    // Tenths of a millisecond are rounded first, so that 9.96 ms reads `10 ms` and not `10.0 ms`. The same holds at every border below.
    let tenths_of_ms = (micros + 50) / 100;
    if tenths_of_ms == 0 {
        return "<0.1 ms".to_owned();
    }
    if tenths_of_ms < 100 {
        return tenths(tenths_of_ms, "ms");
    }
    let ms = (micros + 500) / 1000;
    if ms < 1000 {
        return format!("{ms} ms");
    }
    let tenths_of_s = (micros + 50_000) / 100_000;
    if tenths_of_s < 600 {
        return format!("{}.{} s", tenths_of_s / 10, tenths_of_s % 10);
    }
    let seconds = (micros + 500_000) / 1_000_000;
    if seconds < 3600 {
        return format!("{} min {:02} s", seconds / 60, seconds % 60);
    }
    let minutes = (seconds + 30) / 60;
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}

/// A time within a sentence, without a decimal that says nothing: `10 s`, `3.5 s`, `250 ms`, `2 min`.
pub fn span(time: Duration) -> String {
    let text = took(time);
    match text.strip_suffix(".0 s") {
        Some(whole) => format!("{whole} s"),
        None => text
            .strip_suffix(" 00 s")
            .map_or(text.clone(), str::to_owned),
    }
}

/// Milliseconds as a probe counts them, in the words of [`span`]. What is not a time (negative, not finite) reads `?`.
pub fn span_of_ms(ms: f64) -> String {
    Duration::try_from_secs_f64(ms / 1000.0).map_or_else(|_| "?".to_owned(), span)
}

/// A number with its thousands apart: `1,214`.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of a thing: `1 check`, `23 checks`.
pub fn count(n: usize, thing: &str) -> String {
    let ending = if n == 1 { "" } else { "s" };
    format!("{} {thing}{ending}", number(n as u64))
}

/// How often: `once`, `twice`, `41 times`.
pub fn times(n: u32) -> String {
    match n {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{} times", number(u64::from(n))),
    }
}

/// An amount of output: `812 bytes`, `34 kB`, `98 MB` (1 kB is 1000 bytes).
pub fn bytes(n: u64) -> String {
    match n {
        1 => "1 byte".to_owned(),
        0..1000 => format!("{n} bytes"),
        1000..1_000_000 => format!("{} kB", n / 1000),
        _ => format!("{} MB", number(n / 1_000_000)),
    }
}

/// A number of tenths of a unit, without a decimal that says nothing.
fn tenths(n: u128, unit: &str) -> String {
    match n % 10 {
        0 => format!("{} {unit}", n / 10),
        rest => format!("{}.{rest} {unit}", n / 10),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, "0 ms")]
    #[case(20, "<0.1 ms")]
    #[case(400, "0.4 ms")]
    #[case(9_949, "9.9 ms")]
    #[case(9_960, "10 ms")]
    #[case(340_000, "340 ms")]
    #[case(999_499, "999 ms")]
    #[case(999_500, "1.0 s")]
    #[case(1_249_000, "1.2 s")]
    #[case(59_940_000, "59.9 s")]
    #[case(59_960_000, "1 min 00 s")]
    #[case(125_000_000, "2 min 05 s")]
    #[case(3_599_600_000, "1 h 00 min")]
    #[case(3_720_000_000, "1 h 02 min")]
    fn a_time_reads(#[case] micros: u64, #[case] words: &str) {
        assert_eq!(took(Duration::from_micros(micros)), words);
    }

    #[rstest]
    #[case(10_000, "10 s")]
    #[case(3_500, "3.5 s")]
    #[case(250, "250 ms")]
    #[case(120_000, "2 min")]
    #[case(125_000, "2 min 05 s")]
    fn a_time_in_a_sentence_reads(#[case] ms: u64, #[case] words: &str) {
        assert_eq!(span(Duration::from_millis(ms)), words);
    }

    #[test]
    fn what_is_no_time_does_not_panic() {
        assert_eq!(span_of_ms(f64::NAN), "?");
        assert_eq!(span_of_ms(-1.0), "?");
        assert_eq!(span_of_ms(f64::INFINITY), "?");
        assert_eq!(span_of_ms(3.21), "3.2 ms");
    }

    #[test]
    fn numbers_read() {
        assert_eq!(
            [0, 999, 1214, 1_234_567].map(number),
            ["0", "999", "1,214", "1,234,567"]
        );
        assert_eq!(
            [count(0, "check"), count(1, "check"), count(1365, "slot")],
            ["0 checks", "1 check", "1,365 slots"]
        );
        assert_eq!(
            [times(1), times(2), times(41)],
            ["once", "twice", "41 times"]
        );
        assert_eq!(
            [bytes(1), bytes(999), bytes(34_567), bytes(98_000_000)],
            ["1 byte", "999 bytes", "34 kB", "98 MB"]
        );
    }
}
