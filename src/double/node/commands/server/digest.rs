//! DEBUG DIGEST and DEBUG DIGEST-VALUE: what two servers are compared by that ought to hold the same.

use crate::double::node::keyspace::db::{Db, Entry};
use crate::double::node::keyspace::stream::Id;
use crate::double::node::keyspace::value::Value;
use crate::double::node::number;

/// A sum of 20 bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Digest([u8; 20]);

impl Digest {
    /// Something is in it; in which order it comes does not matter.
    fn add(&mut self, bytes: &[u8]) {
        let other = sha1_smol::Sha1::from(bytes).digest().bytes();
        for (mine, other) in self.0.iter_mut().zip(other) {
            *mine ^= other;
        }
    }

    /// Something comes next in it.
    fn mix(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.0 = sha1_smol::Sha1::from(&self.0[..]).digest().bytes();
    }

    /// Parts that belong together are in it.
    fn add_together(&mut self, parts: &[&[u8]]) {
        let mut own = Digest::default();
        parts.iter().for_each(|part| own.mix(part));
        self.add(&own.0);
    }

    /// A value, and whether it has an end.
    fn mix_entry(&mut self, entry: &Entry) {
        let kind: u32 = match entry.value {
            Value::Text(_) => 0,
            Value::List(_) => 1,
            Value::Set(_) => 2,
            Value::Sorted(_) => 3,
            Value::Hash(_) => 4,
            Value::Stream(_) => 6,
        };
        self.mix(&kind.to_be_bytes());
        match &entry.value {
            Value::Text(text) => self.mix(&text.bytes()),
            Value::List(list) => list.iter().for_each(|it| it.with(|it| self.mix(it))),
            Value::Set(set) => set.iter().for_each(|it| it.with(|it| self.add(it))),
            Value::Sorted(sorted) => {
                for (member, score) in sorted.iter(0..sorted.len()) {
                    let mut printed = Vec::new();
                    number::write_g17(&mut printed, score);
                    self.add_together(&[member, &printed]);
                }
            }
            Value::Hash(hash) => {
                for (field, value) in hash.iter() {
                    self.add_together(&[&field.to_vec(), &value.to_vec()]);
                }
            }
            Value::Stream(stream) => {
                for found in stream.nodes.range(Id::MIN..=Id::MAX) {
                    self.mix(format!("{}.{}", found.id.ms, found.id.seq).as_bytes());
                    for (name, value) in found.fields() {
                        self.mix(&name.text());
                        self.mix(&value.text());
                    }
                }
            }
        }
        if entry.expires().is_some() {
            self.add(b"!!expire!!");
        }
    }

    /// Of one value.
    pub(super) fn of_entry(entry: &Entry) -> Digest {
        let mut digest = Digest::default();
        digest.mix_entry(entry);
        digest
    }

    /// Of all keys of all databases.
    pub(super) fn of_all(dbs: &[Db]) -> Digest {
        let mut digest = Digest::default();
        for (number, db) in (0_u32..).zip(dbs).filter(|(_, db)| db.len() > 0) {
            digest.mix(&number.to_be_bytes());
            for (key, entry) in db.keys().iter() {
                let mut own = Digest::default();
                own.mix(key);
                own.mix_entry(entry);
                digest.add(&own.0);
            }
        }
        digest
    }

    /// As 40 hexadecimal digits.
    pub(super) fn hexadecimal(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
