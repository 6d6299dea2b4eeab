//! C's `long double` as x86-64 has it: the 80-bit numbers that INCRBYFLOAT and HINCRBYFLOAT reckon with.

use num_bigint::BigUint;

use super::binary::{Binary, EXTENDED, Rounded};
use super::double::{parts, shift_right};
use super::literal::{Digits, Kind, Literal};

/// A number of 80 bits: a sign, 64 bits, and an exponent of two from -16,445 to 16,320 for the last of them.
#[derive(Debug, Clone, Copy)]
pub(in crate::double) struct LongDouble {
    negative: bool,
    magnitude: Magnitude,
}

#[derive(Debug, Clone, Copy)]
enum Magnitude {
    /// `bits * 2^exponent`.
    Finite {
        bits: u64,
        exponent: i32,
    },
    Infinite,
    NotANumber,
}

/// As many bytes and more are no number.
const TOO_LONG: usize = 5 * 1024;

impl LongDouble {
    /// Reads what INCRBYFLOAT takes for a number: the whole of `text`, at most 5,119 bytes, no space before or after it, no NaN, nothing too great
    /// and nothing so small that it would be 0. `inf` is read, so that it is the sum that Redis complains of; HINCRBYFLOAT looks at its
    /// increment first ([`Self::is_finite`]).
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= TOO_LONG {
            return None;
        }
        let literal = Literal::read(text).filter(|literal| literal.length == text.len())?;
        let (digits, rounded) = match literal.kind {
            Kind::Infinity => {
                return Some(LongDouble {
                    negative: literal.negative,
                    magnitude: Magnitude::Infinite,
                });
            }
            Kind::Hexadecimal(digits) => {
                let binary = Binary::from_hexadecimal(&digits);
                (digits, binary.round(EXTENDED))
            }
            Kind::Decimal(digits) => (digits, decimal(&digits)),
        };
        // None is too great.
        let (bits, exponent) = rounded?;
        let lost = bits == 0 && digits.significant().next().is_some();
        (!lost).then_some(LongDouble {
            negative: literal.negative,
            magnitude: Magnitude::Finite { bits, exponent },
        })
    }

    /// Neither an infinity nor a NaN.
    pub fn is_finite(self) -> bool {
        matches!(self.magnitude, Magnitude::Finite { .. })
    }

    /// The sum, rounded as the processor rounds it. An infinity where it is too great, and where one of the two is one; of two unlike ones a NaN.
    pub fn plus(self, other: Self) -> Self {
        let with = |negative, magnitude| LongDouble {
            negative,
            magnitude,
        };
        let (Magnitude::Finite { .. }, Magnitude::Finite { .. }) =
            (self.magnitude, other.magnitude)
        else {
            return match (self.magnitude, other.magnitude) {
                (Magnitude::Infinite, Magnitude::Finite { .. }) => self,
                (Magnitude::Finite { .. }, Magnitude::Infinite) => other,
                (Magnitude::Infinite, Magnitude::Infinite) if self.negative == other.negative => {
                    self
                }
                _ => with(false, Magnitude::NotANumber),
            };
        };
        // All bits at the top of 126, so that a sum has room and a difference of far apart ones has bits to round by.
        let (a, b) = (self.spread(), other.spread());
        let (great, great_negative, small, small_negative) =
            match (a.exponent, a.bits) >= (b.exponent, b.bits) {
                true => (a, self.negative, b, other.negative),
                false => (b, other.negative, a, self.negative),
            };
        let apart = great.exponent - small.exponent;
        let kept = if apart < 128 { small.bits >> apart } else { 0 };
        let more = apart >= 128 && small.bits != 0 || apart < 128 && kept << apart != small.bits;
        let bits = match great_negative == small_negative {
            true => great.bits + kept,
            // What is lost of the small one makes the difference smaller by less than one bit: one less, and something more.
            false => great.bits - kept - u128::from(more),
        };
        let sum = Binary {
            bits,
            exponent: great.exponent,
            more,
        };
        let negative = great_negative && (bits != 0 || more || small_negative);
        with(negative, finite(sum.round(EXTENDED)))
    }

    /// The bits of a finite number, the first of them bit 125. A zero is below all others.
    fn spread(self) -> Binary {
        let (bits, exponent) = match self.magnitude {
            Magnitude::Finite { bits, exponent } if bits != 0 => (bits, exponent),
            _ => (0, -100_000),
        };
        let shift = (u128::from(bits).leading_zeros() - 2).min(125);
        Binary {
            bits: u128::from(bits) << shift,
            exponent: i64::from(exponent) - i64::from(shift),
            more: false,
        }
    }

    /// A number of seconds in milliseconds, the next whole one upwards, as the timeouts of BLPOP and the like are taken. What an `i64` cannot
    /// hold is `i64::MIN`, be it too great or too small: it is what the processor makes of it, and why Redis calls such a timeout negative.
    pub fn seconds_to_millis(self) -> i64 {
        let Magnitude::Finite { bits, exponent } = self.magnitude else {
            return i64::MIN;
        };
        let product = Binary {
            bits: u128::from(bits) * 1_000,
            exponent: i64::from(exponent),
            more: false,
        };
        let Some((bits, exponent)) = product.round(EXTENDED) else {
            return i64::MIN;
        };
        let bits = u128::from(bits);
        let whole = match exponent {
            64.. => return if bits == 0 { 0 } else { i64::MIN },
            0..64 => bits << exponent,
            -63..0 => {
                let whole = bits >> -exponent;
                // Upwards: away from zero above it.
                whole + u128::from(!self.negative && whole << -exponent != bits)
            }
            _ => u128::from(!self.negative && bits != 0),
        };
        let whole = i128::try_from(whole).unwrap_or(i128::MAX);
        i64::try_from(if self.negative { -whole } else { whole }).unwrap_or(i64::MIN)
    }

    /// Prints it for people, as Redis keeps it: 17 decimals, but for the zeros at their end. Never an exponent. A zero has no sign.
    pub fn write(self, out: &mut Vec<u8>) {
        let start = out.len();
        if self.negative {
            out.push(b'-');
        }
        match self.magnitude {
            Magnitude::Infinite => out.extend_from_slice(b"inf"),
            Magnitude::NotANumber => out.extend_from_slice(b"nan"),
            Magnitude::Finite { bits, exponent } if exponent > 0 => {
                let whole = BigUint::from(bits) << exponent.unsigned_abs();
                out.extend_from_slice(whole.to_string().as_bytes());
            }
            Magnitude::Finite { bits, exponent } => {
                // 2^64 * 10^17 is less than 2^121, so that all is lost of what goes 128 bits down.
                let scaled = u128::from(bits) * TEN_17;
                let scaled = match exponent.unsigned_abs() {
                    down @ ..128 => shift_right(scaled, down),
                    _ => 0,
                };
                write_scaled(out, scaled);
            }
        }
        if out.get(start..) == Some(b"-0") {
            out.remove(start);
        }
    }
}

impl From<f64> for LongDouble {
    fn from(value: f64) -> Self {
        let (negative, bits, exponent) = parts(value);
        let magnitude = match value {
            _ if value.is_nan() => Magnitude::NotANumber,
            _ if value.is_infinite() => Magnitude::Infinite,
            _ => Magnitude::Finite { bits, exponent },
        };
        LongDouble {
            negative,
            magnitude,
        }
    }
}

const TEN_17: u128 = 100_000_000_000_000_000;

fn finite(rounded: Rounded) -> Magnitude {
    match rounded {
        Some((bits, exponent)) => Magnitude::Finite { bits, exponent },
        None => Magnitude::Infinite,
    }
}

/// Writes `value / 10^17`.
fn write_scaled(out: &mut Vec<u8>, value: u128) {
    let (whole, mut fraction) = (value / TEN_17, value % TEN_17);
    out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    if fraction != 0 {
        out.push(b'.');
        let mut unit = TEN_17 / 10;
        while fraction != 0 {
            out.push(b'0' + (fraction / unit) as u8);
            fraction %= unit;
            unit /= 10;
        }
    }
}

/// A decimal number, exactly rounded.
fn decimal(digits: &Digits) -> Rounded {
    let count = digits.significant().count() as i64;
    let exponent = digits.exponent_of_last(1);
    let zero = Some((0, EXTENDED.lowest as i32));
    if count == 0 {
        return zero;
    }
    // The greatest number is about 10^4932, the smallest 10^-4951.
    match count + exponent {
        5_000.. => return None,
        ..=-5_000 => return zero,
        _ => {}
    }
    let text: Vec<u8> = digits.significant().collect();
    let value = BigUint::parse_bytes(&text, 10).unwrap_or_default();
    let power = BigUint::from(10_u32).pow(exponent.unsigned_abs() as u32);
    let binary = match exponent {
        0.. => top(&(value * power), 0, false),
        _ => {
            // So that the quotient has bits enough to be rounded.
            let shift = (power.bits() + 130).saturating_sub(value.bits());
            let value = value << shift;
            let quotient = &value / &power;
            let exact = &quotient * &power == value;
            top(&quotient, -(shift as i64), !exact)
        }
    };
    binary.round(EXTENDED)
}

/// The first 128 bits of `value * 2^exponent`.
fn top(value: &BigUint, exponent: i64, more: bool) -> Binary {
    let down = value.bits().saturating_sub(128);
    let more = more || value.trailing_zeros().is_some_and(|zeros| zeros < down);
    let digits = (value >> down).to_u64_digits();
    let bits = digits
        .iter()
        .rev()
        .fold(0_u128, |bits, digit| bits << 64 | u128::from(*digit));
    Binary {
        bits,
        exponent: exponent + down as i64,
        more,
    }
}
