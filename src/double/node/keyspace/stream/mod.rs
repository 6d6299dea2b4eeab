//! What a key of the type `stream` holds: entries in nodes, and groups of consumers that read them.

mod counts;
mod group;
mod id;
mod nodes;
mod saved;
mod trim;

use std::collections::BTreeMap;

pub(in crate::double) use counts::{Counts, UNKNOWN};
pub(in crate::double) use group::{Consumer, Group, Pending};
pub(in crate::double) use id::Missing;
pub(in crate::double) use nodes::Nodes;
pub(in crate::double) use trim::{Keep, Trim};

pub(in crate::double) use crate::double::node::rdb::{
    Element, StreamEntry as Entry, StreamId as Id, StreamNodeSize as NodeSize, TooBig,
};

/// A stream.
#[derive(Debug, Clone, Default)]
pub(in crate::double) struct Stream {
    /// The entries.
    pub nodes: Nodes,
    /// What is known about the entries that are there and those that were.
    pub counts: Counts,
    /// The groups, by their names.
    pub groups: BTreeMap<Box<[u8]>, Group>,
}

impl Stream {
    /// Adds an entry behind all others. Its id must be higher than the last one that was given out.
    ///
    /// # Errors
    /// It is longer than a gigabyte.
    pub fn append<T: AsRef<[u8]>>(
        &mut self,
        id: Id,
        fields: &[(T, T)],
        size: NodeSize,
    ) -> Result<(), TooBig> {
        self.nodes.append(id, fields, size)?;
        self.counts.added(id);
        Ok(())
    }

    /// Takes these entries out. How many of them were there.
    pub fn delete(&mut self, ids: &[Id]) -> u64 {
        let mut deleted = 0;
        let mut first = false;
        for id in ids {
            if self.nodes.delete(*id) {
                first |= *id == self.counts.first_id;
                self.counts.max_deleted_id = self.counts.max_deleted_id.max(*id);
                self.counts.length = self.counts.length.saturating_sub(1);
                deleted += 1;
            }
        }
        if self.counts.length == 0 && deleted > 0 {
            self.counts.first_id = Id::MIN;
        } else if first {
            self.find_first();
        }
        deleted
    }

    /// Notes the id of the first entry that is there.
    fn find_first(&mut self) {
        self.counts.first_id = self.nodes.first().unwrap_or(Id::MAX);
    }
}

#[cfg(test)]
mod tests;
