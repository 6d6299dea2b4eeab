//! A hash.

use rand::Rng;

use super::dict::Dict;
use super::packed::{Element, Packed};

/// A hash: a row of fields and values in the order of their coming as long as it is small, a table from then on.
#[derive(Debug, Clone)]
pub(in crate::double) enum Hash {
    /// Field, value, field, value …: `listpack`.
    Packed(Packed),
    /// `hashtable`.
    Table(Dict<Box<[u8]>>),
}

impl Default for Hash {
    fn default() -> Self {
        Hash::Packed(Packed::default())
    }
}

/// Up to where a hash is small.
#[derive(Debug, Clone, Copy)]
pub(in crate::double) struct HashLimits {
    /// `hash-max-listpack-entries`.
    pub entries: usize,
    /// `hash-max-listpack-value`, in bytes.
    pub value: usize,
}

impl Hash {
    /// How many fields there are.
    pub fn len(&self) -> usize {
        match self {
            Hash::Packed(packed) => packed.len() / 2,
            Hash::Table(table) => table.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING says.
    pub fn encoding(&self) -> &'static str {
        match self {
            Hash::Packed(_) => "listpack",
            Hash::Table(_) => "hashtable",
        }
    }

    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<Element<'_>> {
        match self {
            Hash::Packed(packed) => {
                let at = packed.find(field, 2)?;
                Some(packed.at(packed.next(at)))
            }
            Hash::Table(table) => table.get(field).map(|value| Element::Text(value)),
        }
    }

    /// Whether a field is there.
    pub fn contains(&self, field: &[u8]) -> bool {
        match self {
            Hash::Packed(packed) => packed.find(field, 2).is_some(),
            Hash::Table(table) => table.contains(field),
        }
    }

    /// Makes it a table if one of these fields and values is too long for a row. A command that sets fields does this first with all it was given.
    pub fn prepare(&mut self, words: &[&[u8]], limits: HashLimits) {
        if matches!(self, Hash::Packed(_)) && words.iter().any(|word| word.len() > limits.value) {
            self.make_table();
        }
    }

    /// Sets a field. Whether it is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: HashLimits) -> bool {
        self.prepare(&[field, value], limits);
        match self {
            Hash::Packed(packed) => {
                let found = packed.find(field, 2);
                match found {
                    Some(at) => packed.replace(packed.next(at), value),
                    None => {
                        packed.push(field);
                        packed.push(value);
                    }
                }
                // Also if it has no more fields than before: the limit may be another.
                if packed.len() / 2 > limits.entries {
                    self.make_table();
                }
                found.is_none()
            }
            Hash::Table(table) => match table.get_mut(field) {
                Some(old) => {
                    *old = value.into();
                    false
                }
                None => {
                    table.insert_new(field, value.into());
                    true
                }
            },
        }
    }

    fn make_table(&mut self) {
        let mut table = Dict::default();
        for (field, value) in self.iter() {
            let value = value.with(|value| value.into());
            field.with(|field| table.insert(field, value));
        }
        *self = Hash::Table(table);
    }

    /// Takes a field out. Whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match self {
            Hash::Packed(packed) => {
                let at = packed.find(field, 2);
                if let Some(at) = at {
                    packed.remove(at, 2);
                }
                at.is_some()
            }
            Hash::Table(table) => table.remove(field).is_some(),
        }
    }

    /// All fields and their values.
    pub fn iter(&self) -> impl Iterator<Item = (Element<'_>, Element<'_>)> {
        let (row, table) = match self {
            Hash::Packed(packed) => (Some(packed.iter()), None),
            Hash::Table(table) => (None, Some(table.iter())),
        };
        let mut row = row.into_iter().flatten();
        let pairs = std::iter::from_fn(move || Some((row.next()?, row.next()?)));
        let entries = table.into_iter().flatten();
        pairs.chain(entries.map(|(field, value)| (Element::Text(field), Element::Text(value))))
    }

    /// A field by its number, less than [`len`](Self::len), and its value. Numbers hold until the hash is changed.
    pub fn at(&self, index: usize) -> (Element<'_>, Element<'_>) {
        match self {
            Hash::Packed(packed) => {
                let at = packed.place(index * 2);
                (packed.at(at), packed.at(packed.next(at)))
            }
            Hash::Table(table) => {
                let (field, value) = table.at(index);
                (Element::Text(field), Element::Text(value))
            }
        }
    }

    /// One of all fields, each as likely. `None`: there is none.
    pub fn random(&self, random: &mut impl Rng) -> Option<(Element<'_>, Element<'_>)> {
        match self.len() {
            0 => None,
            len => Some(self.at(random.random_range(0..len))),
        }
    }

    /// One step of a walk. The cursor for the next step; 0 at the end. A small hash is seen at once.
    pub fn scan(&self, cursor: u64, mut see: impl FnMut(Element<'_>, Element<'_>)) -> u64 {
        match self {
            Hash::Packed(_) => {
                self.iter().for_each(|(field, value)| see(field, value));
                0
            }
            Hash::Table(table) => table.scan(cursor, |field, value| {
                see(Element::Text(field), Element::Text(value));
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const LIMITS: HashLimits = HashLimits {
        entries: 8,
        value: 12,
    };

    #[test]
    fn a_long_value_makes_it_a_table_for_ever() {
        let mut hash = Hash::default();
        assert!(hash.set(b"f", &[b'x'; 12], LIMITS));
        assert_eq!(hash.encoding(), "listpack");
        assert!(!hash.set(b"f", &[b'x'; 13], LIMITS));
        assert_eq!(hash.encoding(), "hashtable");
        assert!(!hash.set(b"f", b"short", LIMITS));
        assert_eq!(hash.encoding(), "hashtable");
    }

    #[test]
    fn a_row_keeps_the_order_of_coming() {
        let mut hash = Hash::default();
        for field in ["b", "1", "a"] {
            hash.set(field.as_bytes(), b"v", LIMITS);
        }
        hash.set(b"b", b"-7", LIMITS);
        let fields: Vec<_> = hash.iter().map(|(field, _)| field.to_vec()).collect();
        assert_eq!(fields, [b"b", b"1", b"a"]);
        assert_eq!(hash.get(b"b"), Some(Element::Integer(-7)));
        assert_eq!(hash.get(b"v"), None, "a value is no field");
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0..12_u8, prop::option::of("[a-z0-9]{0,13}")), 0..60)) {
            let (mut hash, mut model) = (Hash::default(), BTreeMap::new());
            for (field, value) in steps {
                let field = field.to_string().into_bytes();
                match value {
                    Some(value) => {
                        let new = model.insert(field.clone(), value.clone().into_bytes()).is_none();
                        prop_assert_eq!(hash.set(&field, value.as_bytes(), LIMITS), new);
                    }
                    None => prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some()),
                }
                prop_assert_eq!(hash.len(), model.len());
                prop_assert!(hash.encoding() == "hashtable" || hash.len() <= LIMITS.entries);
            }
            for field in 0..12_u8 {
                let field = field.to_string().into_bytes();
                prop_assert_eq!(hash.get(&field).map(Element::to_vec), model.get(&field).cloned());
                prop_assert_eq!(hash.contains(&field), model.contains_key(&field));
            }
            let mut seen = BTreeMap::new();
            let mut cursor = 0;
            loop {
                cursor = hash.scan(cursor, |field, value| drop(seen.insert(field.to_vec(), value.to_vec())));
                if cursor == 0 {
                    break;
                }
            }
            prop_assert_eq!(&seen, &model);
            let numbered: BTreeMap<_, _> = (0..hash.len()).map(|at| hash.at(at)).map(|(field, value)| (field.to_vec(), value.to_vec())).collect();
            prop_assert_eq!(&numbered, &model);
        }
    }
}
