//! Integers of any width, anywhere in a row of bits.

/// How an integer is kept: `i5`, `u63`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Width {
    pub signed: bool,
    /// 1 to 64; without a sign to 63.
    pub bits: u32,
}

/// What happens to a number that is too large or too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overflow {
    /// The highest bits are cut off.
    Wrap,
    /// It becomes the largest or the smallest.
    Saturate,
    /// It is not written.
    Fail,
}

impl Width {
    /// Reads `i5`.
    pub fn parse(word: &[u8]) -> Option<Width> {
        let (signed, bits, most) = match word {
            [b'i', bits @ ..] => (true, bits, 64),
            [b'u', bits @ ..] => (false, bits, 63),
            _ => return None,
        };
        let bits = crate::double::node::number::parse_i64(bits)?;
        (1..=most).contains(&bits).then_some(Width {
            signed,
            bits: bits as u32,
        })
    }

    /// The number that stands at a bit. What is beyond the end is zeros.
    pub fn read(self, bytes: &[u8], offset: usize) -> i64 {
        let value = (window(bytes, offset) << (56 + offset % 8)) >> (128 - self.bits);
        self.cut(value as i128)
    }

    /// Writes a number to where a bit is, and so many behind it; they must be there.
    pub fn write(self, bytes: &mut [u8], offset: usize, value: i64) {
        let (first, last) = (offset / 8, (offset + self.bits as usize - 1) / 8);
        let shift = 72 - offset % 8 - self.bits as usize;
        let mask = ((1_u128 << self.bits) - 1) << shift;
        let new = window(bytes, offset) & !mask | ((value as u128) << shift) & mask;
        let written = (new << 56).to_be_bytes();
        if let Some(place) = bytes.get_mut(first..=last) {
            let length = place.len();
            place.copy_from_slice(&written[..length]);
        }
    }

    /// The number as this many bits hold it, the higher ones cut off.
    fn cut(self, value: i128) -> i64 {
        let shift = 128 - self.bits;
        match self.signed {
            true => (value << shift >> shift) as i64,
            false => ((value as u128) << shift >> shift) as i64,
        }
    }

    /// The number as it can be kept. `None`: it does not fit, and must not be written then.
    pub fn fit(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (least, most) = match self.signed {
            true => (-1_i128 << (self.bits - 1), (1_i128 << (self.bits - 1)) - 1),
            false => (0, (1_i128 << self.bits) - 1),
        };
        match overflow {
            _ if (least..=most).contains(&value) => Some(value as i64),
            Overflow::Wrap => Some(self.cut(value)),
            Overflow::Saturate => Some(value.clamp(least, most) as i64),
            Overflow::Fail => None,
        }
    }
}

/// The nine bytes from the one with this bit on, in which every field has room.
fn window(bytes: &[u8], offset: usize) -> u128 {
    let mut window = [0; 16];
    let from = bytes.get(offset / 8..).unwrap_or_default();
    let length = from.len().min(9);
    window[7..7 + length].copy_from_slice(&from[..length]);
    u128::from_be_bytes(window)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn limits() {
        let width = |word: &str| Width::parse(word.as_bytes());
        assert_eq!(width("i64").map(|it| it.bits), Some(64));
        for bad in ["u64", "i65", "i0", "u", "x8", "", "i08", "i-1"] {
            assert_eq!(width(bad), None, "{bad}");
        }
        let five = Width {
            signed: true,
            bits: 5,
        };
        assert_eq!(five.fit(16, Overflow::Wrap), Some(-16));
        assert_eq!(five.fit(16, Overflow::Saturate), Some(15));
        assert_eq!(five.fit(-17, Overflow::Saturate), Some(-16));
        assert_eq!(five.fit(-17, Overflow::Fail), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_else_is_changed(
            bytes in prop::collection::vec(any::<u8>(), 24),
            offset in 0_usize..128,
            bits in 1_u32..=64,
            signed: bool,
            value: i64,
        ) {
            let width = Width { signed, bits: if signed { bits } else { bits.min(63) } };
            let value = width.cut(value.into());
            let mut written = bytes.clone();
            width.write(&mut written, offset, value);
            prop_assert_eq!(width.read(&written, offset), value);
            let bit = |bytes: &[u8], at: usize| bytes[at / 8] & (0x80 >> (at % 8)) != 0;
            for at in (0..192).filter(|at| !(offset..offset + width.bits as usize).contains(at)) {
                prop_assert_eq!(bit(&bytes, at), bit(&written, at));
            }
            for at in 0..width.bits {
                let expected = value >> (width.bits - 1 - at) & 1 != 0;
                prop_assert_eq!(bit(&written, offset + at as usize), expected);
            }
        }
    }
}
