//! The entries of a stream, in nodes of about a hundred.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeInclusive};

use super::{Entry, Id, NodeSize, TooBig};
use crate::double::node::rdb::StreamNode;

/// Nodes by the id that their first entry had.
#[derive(Debug, Clone, Default)]
pub(in crate::double) struct Nodes(pub(super) BTreeMap<Id, StreamNode>);

impl Nodes {
    /// How many nodes there are: the keys of Redis's radix tree.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds an entry behind all others.
    pub(super) fn append<T: AsRef<[u8]>>(
        &mut self,
        id: Id,
        fields: &[(T, T)],
        size: NodeSize,
    ) -> Result<(), TooBig> {
        if let Some(mut last) = self.0.last_entry()
            && last.get().has_room(fields, size)
        {
            return last.get_mut().append(id, fields);
        }
        self.0.insert(id, StreamNode::new(id, fields)?);
        Ok(())
    }

    /// Takes an entry out. Whether it was there. A node goes with its last entry.
    pub(super) fn delete(&mut self, id: Id) -> bool {
        let Some((key, node)) = self.0.range_mut(..=id).next_back() else {
            return false;
        };
        let key = *key;
        if node.there() > 1 {
            return node.delete(id);
        }
        let found = node.entries().any(|entry| !entry.deleted && entry.id == id);
        if found {
            self.0.remove(&key);
        }
        found
    }

    /// The entries of a range of ids, from the lowest.
    pub fn range(&self, ids: RangeInclusive<Id>) -> impl Iterator<Item = Entry<'_>> {
        let (start, end) = ids.into_inner();
        // The node with the first id may begin before it.
        let first = self
            .0
            .range(..=start)
            .next_back()
            .map_or(Bound::Unbounded, |(key, _)| Bound::Included(*key));
        self.0
            .range((first, Bound::Unbounded))
            .flat_map(|(_, node)| node.entries())
            .take_while(move |entry| entry.id <= end)
            .filter(move |entry| !entry.deleted && entry.id >= start)
    }

    /// The entries of a range of ids, from the highest.
    pub fn range_back(&self, ids: RangeInclusive<Id>) -> impl Iterator<Item = Entry<'_>> {
        let (start, end) = ids.into_inner();
        self.0
            .range(..=end)
            .rev()
            .flat_map(|(_, node)| node.entries().collect::<Vec<_>>().into_iter().rev())
            .take_while(move |entry| entry.id >= start)
            .filter(move |entry| !entry.deleted && entry.id <= end)
    }

    /// An entry that is there.
    pub fn get(&self, id: Id) -> Option<Entry<'_>> {
        self.0
            .range(..=id)
            .next_back()?
            .1
            .entries()
            .find(|entry| entry.id == id && !entry.deleted)
    }

    /// The id of the first entry.
    pub fn first(&self) -> Option<Id> {
        self.range(Id::MIN..=Id::MAX).next().map(|entry| entry.id)
    }

    /// The id of the last entry.
    pub fn last(&self) -> Option<Id> {
        let of_node = |node: &StreamNode| {
            let there = node.entries().filter(|entry| !entry.deleted);
            there.last().map(|entry| entry.id)
        };
        self.0.values().rev().find_map(of_node)
    }

    /// Of how many nodes the radix tree consists in which Redis keeps these nodes by the 16 bytes of their ids. Where ways part there is a node, and one for
    /// each piece of a way where they don't; one at the end of each way.
    pub fn radix_nodes(&self) -> usize {
        let keys: Vec<[u8; 16]> = self
            .0
            .keys()
            .map(|id| (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes())
            .collect();
        match keys.is_empty() {
            true => 1,
            false => radix_nodes(&keys, 0),
        }
    }
}

/// The same for some keys in order, which have their first `depth` bytes in common.
fn radix_nodes(keys: &[[u8; 16]], depth: usize) -> usize {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else {
        return 0;
    };
    let common = first.iter().zip(last).take_while(|(a, b)| a == b).count();
    let piece = usize::from(common > depth);
    if common == first.len() {
        return piece + 1;
    }
    let ways = keys.chunk_by(|a, b| a[common] == b[common]);
    piece + 1 + ways.map(|way| radix_nodes(way, common + 1)).sum::<usize>()
}
