//! The one key table of the language. The reader of labs, the JSON Schema, the suggestions for misspelt keys and the reference
//! chapter of the guide are all made from it, so that they can't say different things.

mod checks;
mod steps;

use super::quantity::Unit;

pub use checks::{CHECK, CLUSTER, INFO, JSON, LAG, NODE, PROBED, SQL, TEXT, TIMELINE};
pub use steps::{GIVEN, KEYS, LAB, MEANWHILE, POINT, PROBE, STEP};

/// A mapping of the language: which keys it can have.
#[derive(Debug)]
pub struct Table {
    /// What one is called: `step`.
    pub name: &'static str,
    /// What it is, for the reference and for completion in editors.
    pub doc: &'static str,
    /// Its keys, in the order in which the reference lists them.
    pub keys: &'static [Key],
    /// What has to be there besides the required keys.
    pub rule: Rule,
}

/// What has to be in a mapping besides its required keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Nothing.
    Free,
    /// One key or more.
    NotEmpty,
    /// Exactly one of the keys whose `group` is [`Group::Kind`].
    OneKind,
    /// One or more of the keys whose `group` is [`Group::Kind`].
    SomeKind,
}

/// The part that a key plays in its mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Required.
    Required,
    /// Can be left out.
    Optional,
    /// Says what kind of thing the mapping is; see [`Rule`].
    Kind,
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value looks like.
    pub shape: Shape,
    /// Its part in the mapping.
    pub group: Group,
    /// What it means.
    pub doc: &'static str,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Text for people, of one line or many.
    Text,
    /// Text in which `${…}` is filled in.
    Template,
    /// A `run` line.
    Line,
    /// One statement of SQL that only looks, in which `${…}` is filled in.
    Query,
    /// A regular expression.
    Pattern,
    /// An id: small letters, digits and hyphens.
    Id,
    /// `true` or `false`.
    Flag,
    /// A whole number in a range.
    Number {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// A time: `10s`.
    Duration,
    /// A rate: `200/s`.
    Rate,
    /// A number to compare with: `3`, `">= 50"`.
    Compare(Unit),
    /// Ranges of slots: `0-1364 5461`.
    Slots,
    /// What a probe asks: `all`, `moving`, or slots.
    ProbeSlots,
    /// A node's name: `redis-7`.
    Node,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Where a value is saved from: `stdout`, `stderr`, `json PATH`, `match PATTERN`.
    SaveSource,
    /// Which servers: `>= 7.0`.
    Version,
    /// A path into JSON: `.node[0].name`.
    JsonPath,
    /// A list of such.
    List(&'static Shape),
    /// A mapping whose keys the author makes up (or, with [`Shape::Node`], names of nodes).
    Map {
        /// What a key looks like: [`Shape::Id`] or [`Shape::Node`] or a [`Shape::Choice`].
        key: &'static Shape,
        /// What a value looks like.
        value: &'static Shape,
    },
    /// A mapping of the language.
    Table(&'static Table),
}

const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key {
        name,
        shape,
        group: Group::Required,
        doc,
    }
}

const fn optional(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key {
        name,
        shape,
        group: Group::Optional,
        doc,
    }
}

const fn kind(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key {
        name,
        shape,
        group: Group::Kind,
        doc,
    }
}

/// The version of the language that this program reads.
pub const LANGUAGE: u64 = 1;

/// Backends, as `skip_on` names them.
pub const BACKENDS: &[&str] = &["docker", "local", "sim"];

/// All tables, for the reference and for tests.
pub static TABLES: [&Table; 17] = [
    &LAB, &GIVEN, &KEYS, &STEP, &MEANWHILE, &PROBE, &CHECK, &TEXT, &JSON, &CLUSTER, &NODE, &INFO,
    &LAG, &PROBED, &TIMELINE, &SQL, &POINT,
];

impl Table {
    /// The key called `name`.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// One of its kind, for a sentence: `a step`, `an info check`, `` `given` ``.
    pub fn one(&self) -> String {
        match self.name {
            "given" | "given.keys" => format!("`{}`", self.name),
            "meanwhile" => "an item of `meanwhile`".to_owned(),
            name if name.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {name}"),
            name => format!("a {name}"),
        }
    }

    /// The one at hand, for a sentence: `this step`, `` `given` ``.
    pub fn this(&self) -> String {
        match self.name {
            "given" | "given.keys" => format!("`{}`", self.name),
            "meanwhile" => "this item of `meanwhile`".to_owned(),
            name => format!("this {name}"),
        }
    }

    /// The names of all keys.
    pub fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }

    /// The names of the keys of one group.
    pub fn names_of(&self, group: Group) -> Vec<&'static str> {
        self.keys
            .iter()
            .filter(|key| key.group == group)
            .map(|key| key.name)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_listed_and_every_key_is_told_apart() {
        fn collect(shape: &Shape, seen: &mut Vec<&'static str>) {
            match shape {
                Shape::List(inner) => collect(inner, seen),
                Shape::Map { value, .. } => collect(value, seen),
                Shape::Table(table) => {
                    seen.push(table.name);
                    table.keys.iter().for_each(|key| collect(&key.shape, seen));
                }
                _ => {}
            }
        }
        let mut seen = Vec::new();
        collect(&Shape::Table(&LAB), &mut seen);
        for table in TABLES {
            assert!(
                seen.contains(&table.name),
                "{} is not reached from a lab",
                table.name
            );
            let mut names = table.names();
            names.sort_unstable();
            names.dedup();
            assert_eq!(
                names.len(),
                table.keys.len(),
                "{} has a key twice",
                table.name
            );
        }
        for name in seen {
            assert!(
                TABLES.iter().any(|table| table.name == name),
                "{name} is not listed"
            );
        }
    }
}
