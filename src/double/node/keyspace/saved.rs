//! From a value to what a payload of DUMP has of it, and back.

use super::hash::{Hash, HashLimits};
use super::list::{List, Part};
use super::packed::Packed;
use super::set::{Integers, Set};
use super::sorted_set::{Limits, SortedSet};
use super::stream::Stream;
use super::text::Text;
use super::value::{Typed, Value};
use crate::double::node::config::Config;
use crate::double::node::rdb::{
    IntegerSet, List as SavedList, ListNode, Listpack, Saved, pack_scores, scores,
};

/// What DUMP has of a value. `None`: it has a part that is too big for the format, which no value that a client can make has.
pub(in crate::double) fn save(value: &Value) -> Option<Saved> {
    Some(match value {
        Value::Text(text) => Saved::String(text.bytes().into_owned()),
        Value::List(list) => {
            let mut nodes = SavedList::default();
            for part in list.parts() {
                nodes.nodes.push_back(match part {
                    Part::Packed(packed) => ListNode::Packed(listpack(packed)?),
                    Part::Plain(text) => ListNode::Plain(text.to_vec()),
                });
            }
            Saved::List(nodes)
        }
        Value::Hash(hash) => match &**hash {
            Hash::Packed(packed) => Saved::HashListpack(listpack(packed)?),
            Hash::Table(table) => Saved::Hash(
                table
                    .iter()
                    .map(|(field, value)| (field.to_vec(), value.to_vec()))
                    .collect(),
            ),
        },
        Value::Set(set) => match &**set {
            Set::Integers(integers) => Saved::Integers(IntegerSet::new(
                integers.values().to_vec(),
                integers.width(),
            )),
            Set::Table(table) => Saved::Set(table.keys().map(<[u8]>::to_vec).collect()),
        },
        Value::Sorted(sorted) => {
            let members = sorted.iter(0..sorted.len());
            match sorted.encoding() {
                "listpack" => Saved::SortedListpack(pack_scores(members).ok()?),
                _ => Saved::Sorted(
                    members
                        .map(|(member, score)| (member.to_vec(), score))
                        .collect(),
                ),
            }
        }
        Value::Stream(stream) => Saved::Stream(stream.to_saved()),
    })
}

fn listpack(packed: &Packed) -> Option<Listpack> {
    Listpack::read(packed.to_listpack())
}

/// The value that a payload has, in the form that the server's limits ask for. `None`: what is in it fits nowhere.
pub(in crate::double) fn restore(saved: Saved, config: &Config) -> Option<Value> {
    Some(match saved {
        Saved::String(text) => Value::Text(Text::new(&text)),
        Saved::List(nodes) => {
            let mut list = List::new(config.list_size);
            for node in nodes.nodes {
                match node {
                    ListNode::Packed(node) => list.add_packed(Packed::from_listpack(node.bytes())?),
                    ListNode::Plain(text) => list.add_plain(&text),
                }
            }
            list.into_value()
        }
        Saved::HashListpack(fields) => {
            let packed = Packed::from_listpack(fields.bytes())?;
            if packed.len() / 2 <= config.hash_entries {
                return Some(Hash::Packed(packed).into_value());
            }
            let fields = fields.pairs();
            hash(
                fields.map(|(field, value)| (field.text(), value.text())),
                config,
            )
        }
        Saved::Hash(fields) => hash(fields.into_iter(), config),
        Saved::Integers(integers) => {
            let (values, width) = (integers.values(), integers.width());
            if values.len() <= config.set_integers {
                return Some(
                    Set::Integers(Integers::new(values.iter().copied(), width)).into_value(),
                );
            }
            set(
                values.iter().map(|value| value.to_string().into_bytes()),
                config,
            )
        }
        Saved::Set(members) => set(members.into_iter(), config),
        Saved::SortedListpack(members) => {
            // How long a member is is not looked at, as in Redis.
            let limits = Limits {
                entries: config.sorted_entries,
                value: usize::MAX,
            };
            let mut sorted = SortedSet::new();
            for (member, score) in scores(&members) {
                sorted.insert(&member.text(), score, limits);
            }
            sorted.into_value()
        }
        Saved::Sorted(members) => {
            let limits = Limits {
                entries: config.sorted_entries,
                value: config.sorted_value,
            };
            let mut sorted = SortedSet::new();
            for (member, score) in members {
                sorted.insert(&member, score, limits);
            }
            sorted.into_value()
        }
        Saved::Stream(stream) => Stream::from_saved(stream).into_value(),
    })
}

fn hash<T: AsRef<[u8]>>(fields: impl Iterator<Item = (T, T)>, config: &Config) -> Value {
    let limits = HashLimits {
        entries: config.hash_entries,
        value: config.hash_value,
    };
    let mut hash = Hash::default();
    for (field, value) in fields {
        hash.set(field.as_ref(), value.as_ref(), limits);
    }
    hash.into_value()
}

fn set(members: impl Iterator<Item = Vec<u8>>, config: &Config) -> Value {
    let mut set = Set::default();
    for member in members {
        set.insert(&member, config.set_integers);
    }
    set.into_value()
}
