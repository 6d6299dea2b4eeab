//! A stream as a payload has it.

use super::{Counts, Group, Pending, Stream};
use crate::double::node::rdb::{self, SavedConsumer, SavedGroup, SavedStream};

impl Stream {
    /// The stream as a payload has it.
    pub fn to_saved(&self) -> SavedStream {
        SavedStream {
            nodes: self.nodes.0.values().cloned().collect(),
            length: self.counts.length,
            last_id: self.counts.last_id,
            first_id: self.counts.first_id,
            max_deleted_id: self.counts.max_deleted_id,
            entries_added: self.counts.entries_added,
            groups: (self.groups.iter())
                .map(|(name, group)| saved_group(name, group))
                .collect(),
        }
    }

    /// The stream that a payload has. What a consumer has pending that its group does not know of is left out.
    pub fn from_saved(saved: SavedStream) -> Stream {
        let mut stream = Stream {
            counts: Counts {
                length: saved.length,
                last_id: saved.last_id,
                first_id: saved.first_id,
                max_deleted_id: saved.max_deleted_id,
                entries_added: saved.entries_added,
            },
            ..Stream::default()
        };
        for node in saved.nodes {
            stream.nodes.0.insert(node.id(), node);
        }
        for group in saved.groups {
            let (name, group) = restored_group(group);
            stream.groups.insert(name, group);
        }
        stream
    }
}

fn saved_group(name: &[u8], group: &Group) -> SavedGroup {
    SavedGroup {
        name: name.to_vec(),
        last_id: group.last_id,
        entries_read: group.entries_read,
        pending: group
            .pending()
            .iter()
            .map(|(id, pending)| rdb::Pending {
                id: *id,
                delivered: pending.delivered,
                deliveries: pending.deliveries,
            })
            .collect(),
        consumers: group
            .consumers()
            .map(|consumer| SavedConsumer {
                name: consumer.name.to_vec(),
                seen: consumer.seen,
                pending: consumer.pending.iter().copied().collect(),
            })
            .collect(),
    }
}

fn restored_group(saved: SavedGroup) -> (Box<[u8]>, Group) {
    let mut group = Group::new(saved.last_id, saved.entries_read);
    for consumer in saved.consumers {
        let Some(at) = group.add_consumer(&consumer.name, consumer.seen) else {
            continue;
        };
        for id in consumer.pending {
            if let Ok(found) = saved
                .pending
                .binary_search_by_key(&id, |pending| pending.id)
            {
                let pending = &saved.pending[found];
                group.put(
                    id,
                    Pending {
                        delivered: pending.delivered,
                        deliveries: pending.deliveries,
                        consumer: at,
                    },
                );
            }
        }
    }
    (saved.name.into(), group)
}
