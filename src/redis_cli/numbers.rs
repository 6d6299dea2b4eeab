//! Numbers as C reads them from the start of a text, which is how redis-cli reads its options: `12abc` is 12, `abc` is 0.

/// The whole number at the start of a text, after white space and with a sign; 0 where there is none. What is too large becomes the
/// largest.
pub(super) fn leading_integer(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let size = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0i64, |number, byte| {
            number
                .saturating_mul(10)
                .saturating_add(i64::from(byte - b'0'))
        });
    if negative { -size } else { size }
}

/// The decimal number at the start of a text; 0 where there is none.
pub(super) fn leading_float(text: &[u8]) -> f64 {
    let text = text.trim_ascii_start();
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let length = text.iter().take_while(|byte| is_part(byte)).count();
    (0..=length)
        .rev()
        .filter_map(|end| text.get(..end))
        .find_map(|start| std::str::from_utf8(start).ok()?.parse().ok())
        .unwrap_or(0.0)
}

/// The text is a whole number and nothing else, as `strtol` with a look at the end has it.
pub(super) fn is_integer(text: &[u8]) -> bool {
    let digits = match text.split_first() {
        Some((b'-' | b'+', rest)) => rest,
        _ => text,
    };
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_number_is_passed_over() {
        assert_eq!(leading_integer(b"12abc"), 12);
        assert_eq!(leading_integer(b" -7"), -7);
        assert_eq!(leading_integer(b"abc"), 0);
        assert_eq!(leading_integer(b"99999999999999999999"), i64::MAX);
        assert_eq!(leading_float(b"0.5s"), 0.5);
        assert_eq!(leading_float(b"1e"), 1.0);
        assert_eq!(leading_float(b"1.5e2,"), 150.0);
        assert_eq!(leading_float(b"x"), 0.0);
        assert!(is_integer(b"-12") && !is_integer(b"12a") && !is_integer(b"-"));
    }
}
