//! A set.

mod integers;

use rand::Rng;

use super::dict::Dict;
use super::packed::Element;
use crate::double::node::number;

pub(in crate::double) use integers::Integers;

/// A set: integers in their order as long as it has nothing else and not too many of them, a table from then on.
#[derive(Debug, Clone)]
pub(in crate::double) enum Set {
    /// `intset`.
    Integers(Integers),
    /// `hashtable`.
    Table(Dict<()>),
}

impl Default for Set {
    fn default() -> Self {
        Set::Integers(Integers::default())
    }
}

impl Set {
    /// How many members there are.
    pub fn len(&self) -> usize {
        match self {
            Set::Integers(integers) => integers.len(),
            Set::Table(table) => table.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING says.
    pub fn encoding(&self) -> &'static str {
        match self {
            Set::Integers(_) => "intset",
            Set::Table(_) => "hashtable",
        }
    }

    /// Whether a member is there.
    pub fn contains(&self, member: &[u8]) -> bool {
        match self {
            Set::Integers(integers) => {
                number::parse_i64(member).is_some_and(|number| integers.contains(number))
            }
            Set::Table(table) => table.contains(member),
        }
    }

    /// The same for a member of another set.
    pub fn contains_element(&self, member: Element<'_>) -> bool {
        match (self, member) {
            (Set::Integers(integers), Element::Integer(number)) => integers.contains(number),
            _ => member.with(|member| self.contains(member)),
        }
    }

    /// Adds a member. `integers` is `set-max-intset-entries`. Whether it is new.
    pub fn insert(&mut self, member: &[u8], integers: usize) -> bool {
        match (&mut *self, number::parse_i64(member)) {
            (Set::Integers(_), Some(number)) => self.insert_integer(number, integers),
            (Set::Integers(_), None) => {
                self.make_table();
                self.insert(member, integers)
            }
            (Set::Table(table), _) => insert_into(table, member),
        }
    }

    /// The same with a member of another set.
    pub fn insert_element(&mut self, member: Element<'_>, integers: usize) -> bool {
        match (&mut *self, member) {
            (Set::Integers(_), Element::Integer(number)) => self.insert_integer(number, integers),
            (_, member) => member.with(|member| self.insert(member, integers)),
        }
    }

    fn insert_integer(&mut self, number: i64, most: usize) -> bool {
        let Set::Integers(integers) = self else {
            return false;
        };
        let new = integers.insert(number);
        if new && integers.len() > most {
            self.make_table();
        }
        new
    }

    fn make_table(&mut self) {
        let mut table = Dict::default();
        for member in self.iter() {
            member.with(|member| table.insert_new(member, ()));
        }
        *self = Set::Table(table);
    }

    /// Takes a member out. Whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            Set::Integers(integers) => {
                number::parse_i64(member).is_some_and(|number| integers.remove(number))
            }
            Set::Table(table) => table.remove(member).is_some(),
        }
    }

    /// The same with a member of another set.
    pub fn remove_element(&mut self, member: Element<'_>) -> bool {
        match (&mut *self, member) {
            (Set::Integers(integers), Element::Integer(number)) => integers.remove(number),
            (_, member) => member.with(|member| self.remove(member)),
        }
    }

    /// All members.
    pub fn iter(&self) -> impl Iterator<Item = Element<'_>> {
        let (integers, table) = match self {
            Set::Integers(integers) => (Some(integers.values().iter()), None),
            Set::Table(table) => (None, Some(table.keys())),
        };
        let integers = integers.into_iter().flatten();
        let table = table.into_iter().flatten();
        integers
            .map(|number| Element::Integer(*number))
            .chain(table.map(Element::Text))
    }

    /// A member by its number, less than [`len`](Self::len). Numbers hold until the set is changed.
    pub fn at(&self, index: usize) -> Element<'_> {
        match self {
            Set::Integers(integers) => Element::Integer(integers.values()[index]),
            Set::Table(table) => Element::Text(table.at(index).0),
        }
    }

    /// One of all members, each as likely. `None`: there is none.
    pub fn random(&self, random: &mut impl Rng) -> Option<Element<'_>> {
        match self.len() {
            0 => None,
            len => Some(self.at(random.random_range(0..len))),
        }
    }

    /// Takes out the member of that number, less than [`len`](Self::len).
    pub fn remove_at(&mut self, index: usize) {
        match self {
            Set::Integers(integers) => integers.remove_at(index),
            Set::Table(table) => drop(table.remove_at(index)),
        }
    }

    /// One step of a walk. The cursor for the next step; 0 at the end. A set of integers is seen at once.
    pub fn scan(&self, cursor: u64, mut see: impl FnMut(Element<'_>)) -> u64 {
        match self {
            Set::Integers(_) => {
                self.iter().for_each(see);
                0
            }
            Set::Table(table) => table.scan(cursor, |member, ()| see(Element::Text(member))),
        }
    }
}

fn insert_into(table: &mut Dict<()>, member: &[u8]) -> bool {
    table.insert(member, ()).is_none()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_makes_it_a_table() {
        let mut set = Set::default();
        for number in ["3", "1", "2"] {
            assert!(set.insert(number.as_bytes(), 3));
        }
        assert!(!set.insert(b"2", 3));
        assert_eq!(set.encoding(), "intset");
        let members: Vec<_> = set.iter().collect();
        assert_eq!(members, [1, 2, 3].map(Element::Integer));
        assert!(set.insert(b"4", 3));
        assert_eq!(set.encoding(), "hashtable");
        let mut set = Set::default();
        set.insert(b"1", 3);
        assert!(set.insert(b"01", 3));
        assert_eq!(set.encoding(), "hashtable");
        assert!(set.contains(b"1"));
    }

    fn member() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            6 => (-20..20_i64).prop_map(|number| number.to_string().into_bytes()),
            1 => prop_oneof![Just("70000"), Just("-9223372036854775808"), Just("9223372036854775808"), Just("007"), Just("")]
                .prop_map(|text| text.as_bytes().to_vec()),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((any::<bool>(), member()), 0..60)) {
            let (mut set, mut model) = (Set::default(), BTreeSet::new());
            for (insert, member) in steps {
                match insert {
                    true => prop_assert_eq!(set.insert(&member, 10), model.insert(member.clone())),
                    false => prop_assert_eq!(set.remove(&member), model.remove(&member)),
                }
                prop_assert_eq!(set.len(), model.len());
                prop_assert_eq!(set.contains(&member), insert);
            }
            let all: BTreeSet<_> = set.iter().map(Element::to_vec).collect();
            prop_assert_eq!(&all, &model);
            let numbered: BTreeSet<_> = (0..set.len()).map(|at| set.at(at).to_vec()).collect();
            prop_assert_eq!(&numbered, &model);
            let mut seen = BTreeSet::new();
            let mut cursor = 0;
            loop {
                cursor = set.scan(cursor, |member| {
                    seen.insert(member.to_vec());
                });
                if cursor == 0 {
                    break;
                }
            }
            prop_assert_eq!(&seen, &model);
            while !set.is_empty() {
                let member = set.at(set.len() / 2).to_vec();
                set.remove_at(set.len() / 2);
                prop_assert!(model.remove(&member));
            }
            prop_assert!(model.is_empty());
        }
    }
}
