//! A set of integers.

/// Integers, from the lowest to the highest.
#[derive(Debug, Clone)]
pub(in crate::double) struct Integers {
    values: Vec<i64>,
    /// In how many bytes Redis keeps each of them: 2, 4 or 8. It never gets less, whatever is taken out, and DUMP shows it.
    width: u8,
}

impl Default for Integers {
    fn default() -> Self {
        Integers {
            values: Vec::new(),
            width: 2,
        }
    }
}

impl Integers {
    /// Integers that are kept in at least so many bytes each.
    pub fn new(values: impl IntoIterator<Item = i64>, width: u8) -> Integers {
        let mut made = Integers {
            width: width.clamp(2, 8).next_power_of_two(),
            ..Integers::default()
        };
        for value in values {
            made.insert(value);
        }
        made
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// From the lowest to the highest.
    pub fn values(&self) -> &[i64] {
        &self.values
    }

    /// In how many bytes Redis keeps each: 2, 4 or 8.
    pub fn width(&self) -> u8 {
        self.width
    }

    /// Whether it is there.
    pub fn contains(&self, value: i64) -> bool {
        self.values.binary_search(&value).is_ok()
    }

    /// Adds one. Whether it is new.
    pub fn insert(&mut self, value: i64) -> bool {
        // Most come in their order.
        let place = match self.values.last() {
            Some(last) if *last >= value => self.values.binary_search(&value),
            _ => Err(self.values.len()),
        };
        if let Err(at) = place {
            self.width = self.width.max(width_of(value));
            self.values.insert(at, value);
        }
        place.is_err()
    }

    /// Takes one out. Whether it was there.
    pub fn remove(&mut self, value: i64) -> bool {
        let place = self.values.binary_search(&value);
        if let Ok(at) = place {
            self.values.remove(at);
        }
        place.is_ok()
    }

    /// Takes out the one of that number, less than [`len`](Self::len).
    pub fn remove_at(&mut self, index: usize) {
        self.values.remove(index);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_gets_narrower() {
        let mut integers = Integers::default();
        for (value, width) in [(32_767, 2), (-32_768, 2), (32_768, 4), (1 << 40, 8)] {
            assert!(integers.insert(value));
            assert!(!integers.insert(value));
            assert_eq!(integers.width(), width, "{value}");
        }
        assert!(integers.remove(1 << 40) && integers.remove(32_768));
        assert_eq!(integers.width(), 8);
        assert_eq!(integers.values(), [-32_768, 32_767]);
    }
}
