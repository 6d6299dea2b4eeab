//! Scores and the like: IEEE 754 numbers of 64 bits, as C's `strtod` reads and `printf` prints them.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use super::binary::{Binary, DOUBLE};
use super::literal::{Digits, Kind, Literal};

/// Reads a score, an increment of one, a weight, a coordinate, a radius: the whole of `text`, no space before or after it, no NaN, and nothing
/// that is too great for a double or too small (not even to become a zero). An infinity in so many letters is taken.
pub(in crate::double) fn parse_f64(text: &[u8]) -> Option<f64> {
    if let Some(value) = few_digits(text) {
        return Some(value);
    }
    let literal = Literal::read(text).filter(|literal| literal.length == text.len())?;
    let value = value(text, &literal);
    let in_range = match literal.kind {
        Kind::Infinity => true,
        Kind::Decimal(digits) | Kind::Hexadecimal(digits) => {
            value.is_finite() && (value != 0.0 || digits.significant().next().is_none())
        }
    };
    in_range.then_some(value)
}

/// Reads a bound of a range of scores, without the `(` that excludes it. More is taken than [`parse_f64`] takes: nothing at all is 0, there may
/// be space before it, what is too great is an infinity, what is too small is 0, and anything may follow a byte 0.
pub(in crate::double) fn parse_bound(text: &[u8]) -> Option<f64> {
    if let Some(value) = few_digits(text) {
        return Some(value);
    }
    let end = text
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(text.len());
    if end == 0 {
        return Some(0.0);
    }
    let text = without_space(&text[..end]);
    let literal = Literal::read(text).filter(|literal| literal.length == text.len())?;
    Some(value(text, &literal))
}

/// Reads what SORT sorts by: what [`parse_bound`] takes, but nothing that is out of C's range for a double: what is too great, and what is not zero
/// and has fewer bits than a double has (C takes it if nothing is lost; of decimal numbers there are none that anybody would write).
pub(in crate::double) fn parse_weight(text: &[u8]) -> Option<f64> {
    let value = parse_bound(text)?;
    // A number that is cut off has the same kind and is as great.
    let in_range = match Literal::read(without_space(text)).map(|literal| literal.kind) {
        None | Some(Kind::Infinity) => true,
        Some(Kind::Decimal(digits)) => value.is_normal() || digits.significant().next().is_none(),
        Some(Kind::Hexadecimal(digits)) => {
            value.is_finite() && (value != 0.0 || digits.significant().next().is_none())
        }
    };
    in_range.then_some(value)
}

/// What C calls space is left out at the beginning: a vertical tab is one, which it is not for `trim_ascii_start`.
fn without_space(text: &[u8]) -> &[u8] {
    let space = text
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r'))
        .count();
    &text[space..]
}

/// The common case: a whole number of few digits.
fn few_digits(text: &[u8]) -> Option<f64> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1.0, digits),
        digits => (1.0, digits),
    };
    if digits.is_empty() || digits.len() > 15 {
        return None;
    }
    let mut value = 0_u64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value as f64 * sign)
}

fn value(text: &[u8], literal: &Literal) -> f64 {
    let magnitude = match literal.kind {
        Kind::Infinity => f64::INFINITY,
        Kind::Hexadecimal(digits) => match Binary::from_hexadecimal(&digits).round(DOUBLE) {
            Some((bits, exponent)) => double(bits, exponent),
            None => f64::INFINITY,
        },
        Kind::Decimal(digits) if text.len() > LONG => long_decimal(&digits),
        // The standard library is exact, and reads all that is a decimal literal, with the sign.
        Kind::Decimal(_) => {
            let text = str::from_utf8(text).unwrap_or_default();
            return text.parse().unwrap_or_default();
        }
    };
    if literal.negative {
        -magnitude
    } else {
        magnitude
    }
}

/// The longest text that goes to the standard library: exponents of more than 5 digits are cut short there, which matters if so many digits
/// stand against them.
const LONG: usize = 4_000;

/// A decimal number of any length. 800 digits decide about every rounding; of those after them it matters only whether one is not zero.
fn long_decimal(digits: &Digits) -> f64 {
    let count = digits.significant().count();
    let kept = count.min(800);
    let mut text: Vec<u8> = digits.significant().take(kept).collect();
    let rest = digits.significant().skip(kept).any(|digit| digit != b'0');
    text.push(if rest { b'1' } else { b'0' });
    let exponent = digits.exponent_of_last(1) + (count - kept) as i64 - 1;
    // Farther out than any double, and near enough not to be cut short.
    let exponent = exponent.clamp(-9_999, 9_999);
    let _ = write!(text, "e{exponent}");
    str::from_utf8(&text)
        .unwrap_or_default()
        .parse()
        .unwrap_or_default()
}

/// `bits * 2^exponent`, where this is a double.
fn double(bits: u64, exponent: i32) -> f64 {
    match bits >> 52 {
        0 => f64::from_bits(bits),
        _ => f64::from_bits(((i64::from(exponent) + 1_075) as u64) << 52 | bits & ((1 << 52) - 1)),
    }
}

/// The sign, the bits and the exponent of a finite double: `bits * 2^exponent`.
pub(super) fn parts(value: f64) -> (bool, u64, i32) {
    let all = value.to_bits();
    let fraction = all & ((1 << 52) - 1);
    match (all >> 52 & 0x7ff) as i32 {
        0 => (value.is_sign_negative(), fraction, -1_074),
        biased => (value.is_sign_negative(), fraction | 1 << 52, biased - 1_075),
    }
}

/// Prints a double as Redis's replies have it, with `%.17g`: `3`, `0.10000000000000001`, `1e+17`, `inf`.
pub(in crate::double) fn write_g17(out: &mut Vec<u8>, value: f64) {
    write_g(out, value, 17);
}

/// Prints a double as C's `%.*g` does. `precision` is at least 1 and at most 17. (Lua's own printing has 14, cjson's too.)
pub(in crate::double) fn write_g(out: &mut Vec<u8>, value: f64, precision: u32) {
    let precision = precision.clamp(1, 17);
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let value = value.abs();
    if value.is_nan() {
        out.extend_from_slice(b"nan");
    } else if value.is_infinite() {
        out.extend_from_slice(b"inf");
    } else if value < 10_u64.pow(precision) as f64 && value.trunc() == value {
        out.extend_from_slice(itoa::Buffer::new().format(value as u64).as_bytes());
    } else if let Some((digits, exponent)) = decimal(value, precision) {
        let mut buffer = itoa::Buffer::new();
        write_digits(out, buffer.format(digits).as_bytes(), exponent, precision);
    } else {
        let mut text = Short::default();
        // "d.ddde-ddd", rounded exactly.
        let _ = write!(text, "{value:.*e}", precision as usize - 1);
        let text = text.text();
        let mark = text
            .iter()
            .position(|byte| *byte == b'e')
            .unwrap_or(text.len());
        let exponent = str::from_utf8(text.get(mark + 1..).unwrap_or_default());
        let exponent = exponent.unwrap_or_default().parse().unwrap_or_default();
        let mut digits = [0; 17];
        let mut count = 0;
        for (place, digit) in digits
            .iter_mut()
            .zip(text[..mark].iter().filter(|byte| **byte != b'.'))
        {
            *place = *digit;
            count += 1;
        }
        write_digits(out, &digits[..count], exponent, precision);
    }
}

/// The `precision` first decimal digits of a positive number, rightly rounded, and the exponent of ten of the first, for numbers from about
/// 10^-5 to 10^17: those for which 128 bits are enough to be exact.
fn decimal(value: f64, precision: u32) -> Option<(u64, i32)> {
    let (_, bits, exponent) = parts(value);
    let top = exponent + 63 - bits.leading_zeros() as i32;
    // The logarithm of two is 1233/4096 and a bit: this is the right exponent, or the one below it.
    let mut first = (top * 1_233) >> 12;
    loop {
        let power = precision as i32 - 1 - first;
        // 2^53 * 10^22 is less than 2^127.
        if !(0..=22).contains(&power) || !(-126..=0).contains(&exponent) {
            return None;
        }
        let scaled = u128::from(bits) * 10_u128.pow(power as u32);
        let digits = shift_right(scaled, exponent.unsigned_abs()) as u64;
        if digits < 10_u64.pow(precision) {
            return Some((digits, first));
        }
        first += 1;
    }
}

/// Divides by a power of two below 2^128 and rounds to the nearest, or to the even one of two that are as near.
pub(super) fn shift_right(value: u128, by: u32) -> u128 {
    if by == 0 {
        return value;
    }
    let kept = value >> by;
    let lost = value - (kept << by);
    let half = 1 << (by - 1);
    kept + u128::from(lost > half || lost == half && kept & 1 == 1)
}

/// Writes digits as `%g` does: the zeros at the end left out, an exponent only where it is below -4 or there are not digits enough.
fn write_digits(out: &mut Vec<u8>, digits: &[u8], exponent: i32, precision: u32) {
    let zeros = digits
        .iter()
        .rev()
        .take_while(|digit| **digit == b'0')
        .count();
    let digits = &digits[..digits.len() - zeros];
    match exponent {
        -4..=-1 => {
            out.extend_from_slice(&b"0.0000"[..1 + exponent.unsigned_abs() as usize]);
            out.extend_from_slice(digits);
        }
        0.. if exponent < precision as i32 => {
            let whole = exponent as usize + 1;
            let (before, after) = digits.split_at(whole.min(digits.len()));
            out.extend_from_slice(before);
            out.resize(out.len() + whole - before.len(), b'0');
            if !after.is_empty() {
                out.push(b'.');
                out.extend_from_slice(after);
            }
        }
        _ => {
            let (first, after) = digits.split_at(digits.len().min(1));
            out.extend_from_slice(first);
            if !after.is_empty() {
                out.push(b'.');
                out.extend_from_slice(after);
            }
            let _ = write!(out, "e{exponent:+03}");
        }
    }
}

/// Prints a double as C's `%.*f` does: GEODIST has 4 decimals.
pub(in crate::double) fn write_fixed(out: &mut Vec<u8>, value: f64, decimals: usize) {
    match value {
        _ if value.is_finite() => {
            let _ = write!(out, "{value:.decimals$}");
        }
        _ => write_g17(out, value),
    }
}

/// A text of one number that needs no memory of its own.
#[derive(Default)]
struct Short {
    bytes: [u8; 32],
    length: usize,
}

impl Short {
    fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let place = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
