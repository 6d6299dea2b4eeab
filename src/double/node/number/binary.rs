//! Rounding to a number of bits: to the nearest, to the even one of two that are as near.

use super::literal::Digits;

/// `bits * 2^exponent`, and something more that is less than the last bit if `more`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Binary {
    pub bits: u128,
    pub exponent: i64,
    pub more: bool,
}

/// What a format of binary numbers can hold: this many bits, and no exponent of the last bit below `lowest` or above `highest`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub bits: u32,
    pub lowest: i64,
    pub highest: i64,
}

/// The 64-bit numbers of IEEE 754.
pub(super) const DOUBLE: Format = Format {
    bits: 53,
    lowest: -1074,
    highest: 971,
};

/// The 80-bit numbers of x87, C's `long double` on x86-64.
pub(super) const EXTENDED: Format = Format {
    bits: 64,
    lowest: -16_445,
    highest: 16_320,
};

/// A number of a format: `Some((bits, exponent))` with as many bits as there is room for, `None` if it is too great.
pub(super) type Rounded = Option<(u64, i32)>;

impl Binary {
    /// The nearest number of the format. A zero has the lowest exponent, and so has a number too small for all bits.
    pub fn round(self, format: Format) -> Rounded {
        let length = i64::from(128 - self.bits.leading_zeros());
        let exponent = (self.exponent + length - i64::from(format.bits)).max(format.lowest);
        if self.bits == 0 {
            return Some((0, format.lowest as i32));
        }
        let shift = exponent - self.exponent;
        let (mut kept, up) = match shift {
            ..=0 => (self.bits << -shift, false),
            1..=127 => {
                let kept = self.bits >> shift;
                let lost = self.bits - (kept << shift);
                let half = 1 << (shift - 1);
                let up = lost > half || lost == half && (self.more || kept & 1 == 1);
                (kept, up)
            }
            // All bits are lost; half of the last kept bit is bit 127 or one above it.
            128 => (
                0,
                self.bits > 1 << 127 || self.bits == 1 << 127 && self.more,
            ),
            _ => (0, false),
        };
        kept += u128::from(up);
        let mut exponent = exponent;
        if kept >> format.bits != 0 {
            kept >>= 1;
            exponent += 1;
        }
        (exponent <= format.highest).then_some((kept as u64, exponent as i32))
    }

    /// A hexadecimal number.
    pub fn from_hexadecimal(digits: &Digits) -> Self {
        let mut bits = 0_u128;
        let mut exponent = digits.exponent_of_last(4);
        let mut more = false;
        for digit in digits.significant() {
            if bits >> 124 != 0 {
                exponent += 4;
                more |= digit != b'0';
            } else {
                let value = char::from(digit).to_digit(16).unwrap_or_default();
                bits = bits << 4 | u128::from(value);
            }
        }
        Binary {
            bits,
            exponent,
            more,
        }
    }
}
