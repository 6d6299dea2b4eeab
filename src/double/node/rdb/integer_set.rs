//! Sets of integers, as a payload holds them: the width of a number in bytes (4 bytes), how many there are (4 bytes), and the numbers from the
//! lowest to the highest; all little-endian.

/// A set of integers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IntegerSet {
    width: u8,
    values: Vec<i64>,
}

impl IntegerSet {
    /// The set of these numbers. `width` is 2, 4 or 8; the numbers are kept wider if one of them needs it. Redis never makes a set
    /// narrower, whatever is removed: so a set that once held a wide number has that one's width in its payload.
    pub fn new(mut values: Vec<i64>, width: u8) -> Self {
        values.sort_unstable();
        values.dedup();
        // The outermost two are the widest.
        let needed = (values.first().into_iter().chain(values.last()))
            .map(|value| width_of(*value))
            .fold(2, u8::max);
        let given = match width {
            0..=2 => 2,
            3 | 4 => 4,
            5.. => 8,
        };
        IntegerSet {
            width: needed.max(given),
            values,
        }
    }

    /// Reads one. None is empty, out of order, or has a number twice.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (width, rest) = bytes.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        let count = u32::from_le_bytes(*count) as usize;
        let (width, values): (u8, Vec<i64>) = match u32::from_le_bytes(*width) {
            2 => (2, all(rest, |bytes| i16::from_le_bytes(bytes).into())?),
            4 => (4, all(rest, |bytes| i32::from_le_bytes(bytes).into())?),
            8 => (8, all(rest, i64::from_le_bytes)?),
            _ => return None,
        };
        let sound =
            count > 0 && values.len() == count && values.is_sorted_by(|one, next| one < next);
        sound.then_some(IntegerSet { width, values })
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let width = usize::from(self.width);
        let mut bytes = Vec::with_capacity(8 + width * self.values.len());
        bytes.extend_from_slice(&u32::from(self.width).to_le_bytes());
        bytes.extend_from_slice(&(self.values.len() as u32).to_le_bytes());
        for value in &self.values {
            bytes.extend_from_slice(&value.to_le_bytes()[..width]);
        }
        bytes
    }

    /// From the lowest to the highest.
    pub fn values(&self) -> &[i64] {
        &self.values
    }

    /// How many bytes the payload has for a number: 2, 4 or 8.
    pub fn width(&self) -> u8 {
        self.width
    }
}

fn width_of(value: i64) -> u8 {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

fn all<const WIDTH: usize>(bytes: &[u8], number: impl Fn([u8; WIDTH]) -> i64) -> Option<Vec<i64>> {
    let (numbers, rest) = bytes.as_chunks::<WIDTH>();
    rest.is_empty()
        .then(|| numbers.iter().map(|bytes| number(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::IntegerSet;

    #[rstest]
    #[case(&[32767, -32768], 0, 2)]
    #[case(&[32768], 2, 4)]
    #[case(&[-32769], 2, 4)]
    #[case(&[2_147_483_647, -2_147_483_648], 2, 4)]
    #[case(&[2_147_483_648], 4, 8)]
    #[case(&[i64::MIN, 1], 2, 8)]
    #[case::as_it_was(&[1], 8, 8)]
    #[case::in_disorder(&[3, 1, 2, 1], 4, 4)]
    fn there_and_back(#[case] values: &[i64], #[case] width: u8, #[case] kept: u8) {
        let set = IntegerSet::new(values.to_vec(), width);
        assert_eq!(set.width(), kept);
        assert!(set.values().iter().all(|value| values.contains(value)));
        assert_eq!(IntegerSet::read(&set.bytes()), Some(set));
    }

    #[rstest]
    #[case::nothing(b"")]
    #[case::empty(b"\x02\0\0\0\0\0\0\0")]
    #[case::no_such_width(b"\x03\0\0\0\x01\0\0\0\0\0\0")]
    #[case::half_a_number(b"\x02\0\0\0\x01\0\0\0\0")]
    #[case::more_than_said(b"\x02\0\0\0\x01\0\0\0\0\0\x01\0")]
    #[case::fewer_than_said(b"\x02\0\0\0\x02\0\0\0\0\0")]
    #[case::twice(b"\x02\0\0\0\x02\0\0\0\x01\0\x01\0")]
    #[case::in_disorder(b"\x02\0\0\0\x02\0\0\0\x02\0\x01\0")]
    fn refused(#[case] bytes: &[u8]) {
        assert_eq!(IntegerSet::read(bytes), None);
    }
}
