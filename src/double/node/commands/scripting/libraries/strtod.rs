//! Numbers as C reads them: `strtod`.

/// The number at the start of `text`, and how many bytes it is. 0: there is none.
pub(super) fn strtod(text: &[u8]) -> (f64, usize) {
    let (negative, signed) = match text.first() {
        Some(b'-') => (true, 1),
        Some(b'+') => (false, 1),
        _ => (false, 0),
    };
    let rest = &text[signed..];
    let (value, length) = if begins(rest, b"infinity") {
        (f64::INFINITY, 8)
    } else if begins(rest, b"inf") {
        (f64::INFINITY, 3)
    } else if begins(rest, b"nan") {
        (f64::NAN, 3 + in_brackets(&rest[3..]))
    } else if begins(rest, b"0x") {
        hexadecimal(&rest[2..]).map_or((0.0, 1), |(value, length)| (value, length + 2))
    } else {
        decimal(rest)
    };
    match length {
        0 => (0.0, 0),
        _ if negative => (-value, signed + length),
        _ => (value, signed + length),
    }
}

fn begins(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// `nan(…)`.
fn in_brackets(text: &[u8]) -> usize {
    if text.first() != Some(&b'(') {
        return 0;
    }
    let inside = text[1..]
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .count();
    match text.get(inside + 1) {
        Some(b')') => inside + 2,
        _ => 0,
    }
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// An exponent behind its letter.
fn exponent(text: &[u8]) -> usize {
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    match digits(&text[sign..]) {
        0 => 0,
        count => sign + count,
    }
}

fn decimal(text: &[u8]) -> (f64, usize) {
    let whole = digits(text);
    // Most numbers are whole and short.
    if (1..=15).contains(&whole) && !matches!(text.get(whole), Some(b'.' | b'e' | b'E')) {
        let value = text[..whole]
            .iter()
            .fold(0_u64, |value, digit| value * 10 + u64::from(digit - b'0'));
        return (value as f64, whole);
    }
    let mut length = whole;
    if text.get(whole) == Some(&b'.') {
        let places = digits(&text[whole + 1..]);
        if whole + places > 0 {
            length += 1 + places;
        }
    }
    if length == 0 {
        return (0.0, 0);
    }
    if matches!(text.get(length), Some(b'e' | b'E')) {
        match exponent(&text[length + 1..]) {
            0 => {}
            more => length += 1 + more,
        }
    }
    let value = std::str::from_utf8(&text[..length])
        .ok()
        .and_then(|text| text.parse().ok());
    (value.unwrap_or(0.0), length)
}

/// Digits with a point, and an exponent of two. Rounded to the nearest, or to the even one of two.
fn hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    let (mut bits, mut power, mut at) = (0_u64, 0_i64, 0);
    let (mut seen, mut point) = (false, false);
    while let Some(byte) = text.get(at) {
        let digit = match byte {
            b'.' if !point => {
                point = true;
                at += 1;
                continue;
            }
            _ => match (*byte as char).to_digit(16) {
                Some(digit) => u64::from(digit),
                None => break,
            },
        };
        seen = true;
        if bits >> 60 == 0 {
            bits = bits << 4 | digit;
            power -= if point { 4 } else { 0 };
        } else {
            // What no longer fits is at least not nothing.
            bits |= u64::from(digit != 0);
            power += if point { 0 } else { 4 };
        }
        at += 1;
    }
    if !seen {
        return None;
    }
    if matches!(text.get(at), Some(b'p' | b'P')) {
        let more = exponent(&text[at + 1..]);
        if more > 0 {
            let written = std::str::from_utf8(&text[at + 1..at + 1 + more]).ok()?;
            let given: i64 = written.parse().unwrap_or(match written.starts_with('-') {
                true => -1_000_000,
                false => 1_000_000,
            });
            power = power.saturating_add(given);
            at += 1 + more;
        }
    }
    Some((scaled(bits, power.clamp(-3000, 3000) as i32), at))
}

/// `bits * 2^power`.
fn scaled(bits: u64, power: i32) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    // To the 53 bits of a double, or fewer where it gets very small, before anything is rounded.
    let top = 64 - bits.leading_zeros() as i32;
    let kept = (top + power + 1074).clamp(0, 53);
    let drop = top - kept;
    let (mut kept_bits, mut power) = (bits, power);
    if drop > 0 {
        let drop = drop.min(64) as u32;
        let wide = u128::from(bits);
        let (quotient, rest) = (wide >> drop, wide & ((1 << drop) - 1));
        let half = 1_u128 << (drop - 1);
        let up = rest > half || (rest == half && quotient & 1 == 1);
        kept_bits = quotient as u64 + u64::from(up);
        power += drop as i32;
    }
    let mut value = kept_bits as f64;
    while power > 0 && value.is_finite() {
        let step = power.min(1000);
        value *= 2_f64.powi(step);
        power -= step;
    }
    while power < 0 && value != 0.0 {
        let step = power.max(-1000);
        value *= 2_f64.powi(step);
        power -= step;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_c_reads_them() {
        for (text, value, length) in [
            ("12", 12.0, 2),
            ("12.5e2,", 1250.0, 6),
            ("1e", 1.0, 1),
            ("1e+", 1.0, 1),
            (".5", 0.5, 2),
            ("5.", 5.0, 2),
            (".", 0.0, 0),
            ("-", 0.0, 0),
            ("-7x", -7.0, 2),
            ("0x10", 16.0, 4),
            ("0x1.8p1", 3.0, 7),
            ("0xg", 0.0, 1),
            ("0x.1", 0.0625, 4),
            ("0x1p-1074", 5e-324, 9),
            ("0x1p-1075", 0.0, 9),
            ("0x1.8p-1074", 1e-323, 11),
            ("0x20000000000001", 9007199254740992.0, 16),
            ("0x20000000000003", 9007199254740996.0, 16),
            ("1e999", f64::INFINITY, 5),
            ("infinite", f64::INFINITY, 3),
            ("Infinity", f64::INFINITY, 8),
            ("123456789012345678901234567890", 1.2345678901234568e29, 30),
        ] {
            assert_eq!(strtod(text.as_bytes()), (value, length), "{text}");
        }
        let (value, length) = strtod(b"nan(a1)x");
        assert!(value.is_nan());
        assert_eq!(length, 7);
    }
}
