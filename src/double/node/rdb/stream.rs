//! Streams: their nodes of entries, and their groups.

use super::listpack::Listpack;
#[cfg(test)]
use super::listpack::TooBig;
use super::payload::BadPayload;
use super::reader::Reader;
use super::stream_node::StreamNode;
#[cfg(test)]
use super::stream_node::StreamNodeSize;
use super::writer::Writer;

/// The id of an entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StreamId {
    pub ms: u64,
    pub seq: u64,
}

impl StreamId {
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    pub const MAX: StreamId = StreamId {
        ms: u64::MAX,
        seq: u64::MAX,
    };

    /// As a payload holds it where it is a key of something: so that bytes are ordered as ids are.
    fn key(self) -> [u8; 16] {
        let both = u128::from(self.ms) << 64 | u128::from(self.seq);
        both.to_be_bytes()
    }

    fn of_key(key: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(key);
        StreamId {
            ms: (both >> 64) as u64,
            seq: both as u64,
        }
    }
}

/// A stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SavedStream {
    /// In the order of their ids, each of which is there once.
    pub nodes: Vec<StreamNode>,
    /// How many entries there are, as the payload says; Redis does not count them.
    pub length: u64,
    /// The highest id that was ever given out.
    pub last_id: StreamId,
    /// The id of the first entry that is there: 0-0 if none ever was.
    pub first_id: StreamId,
    /// The highest id that was deleted.
    pub max_deleted_id: StreamId,
    /// How many entries were ever added.
    pub entries_added: u64,
    /// In the order of their names, each of which is there once.
    pub groups: Vec<SavedGroup>,
}

/// A group of consumers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SavedGroup {
    pub name: Vec<u8>,
    pub last_id: StreamId,
    /// How many entries it has read; -1 if nobody knows.
    pub entries_read: i64,
    /// All that was delivered and not acknowledged, in the order of ids. Each is pending for one consumer.
    pub pending: Vec<Pending>,
    /// In the order of their names, each of which is there once.
    pub consumers: Vec<SavedConsumer>,
}

/// An entry that was delivered and not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    pub id: StreamId,
    /// When it was delivered last, in milliseconds since 1970.
    pub delivered: i64,
    /// How often it was delivered.
    pub deliveries: u64,
}

/// A consumer of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SavedConsumer {
    pub name: Vec<u8>,
    /// When it was seen last, in milliseconds since 1970.
    pub seen: i64,
    /// The ids of what is pending for it, in order; all of them are among the group's.
    pub pending: Vec<StreamId>,
}

impl SavedStream {
    /// Adds an entry behind all others, as XADD does.
    #[cfg(test)]
    pub fn append<T: AsRef<[u8]>>(
        &mut self,
        id: StreamId,
        fields: &[(T, T)],
        size: StreamNodeSize,
    ) -> Result<(), TooBig> {
        match self.nodes.last_mut() {
            Some(node) if node.has_room(fields, size) => node.append(id, fields)?,
            _ => self.nodes.push(StreamNode::new(id, fields)?),
        }
        if self.length == 0 {
            self.first_id = id;
        }
        self.length += 1;
        self.entries_added += 1;
        self.last_id = id;
        Ok(())
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.count(self.nodes.len());
        for node in &self.nodes {
            out.string(&node.id().key());
            out.string(node.listpack().bytes());
        }
        out.length(self.length);
        for id in [self.last_id, self.first_id, self.max_deleted_id] {
            write_id(out, id);
        }
        out.length(self.entries_added);
        out.count(self.groups.len());
        for group in &self.groups {
            group.write(out);
        }
    }

    /// Reads one, of 7.0 or of older versions. Like Redis it does not ask whether the numbers fit to the entries, but for an empty stream.
    pub(super) fn read(from: &mut Reader<'_>, old: bool) -> Result<Self, BadPayload> {
        let mut stream = SavedStream {
            nodes: all(from.count()?, || read_node(from))?,
            ..SavedStream::default()
        };
        each_once(&mut stream.nodes, StreamNode::id)?;
        stream.length = from.number()?;
        stream.last_id = read_id(from)?;
        if old {
            stream.entries_added = stream.length;
            stream.first_id = stream.first_there();
        } else {
            stream.first_id = read_id(from)?;
            stream.max_deleted_id = read_id(from)?;
            stream.entries_added = from.number()?;
        }
        if stream.length > 0 && stream.nodes.is_empty() {
            return Err(BadPayload::Value);
        }
        let groups = all(from.count()?, || {
            let (name, last_id) = (from.string()?.into_owned(), read_id(from)?);
            let entries_read = match old {
                true => stream.guessed_entries_read(last_id),
                false => from.number()? as i64,
            };
            SavedGroup::read(from, name, last_id, entries_read)
        })?;
        stream.groups = groups;
        each_once(&mut stream.groups, |group| group.name.clone())?;
        Ok(stream)
    }

    /// The id of the first entry that is not deleted.
    fn first_there(&self) -> StreamId {
        let mut entries = self.nodes.iter().flat_map(StreamNode::entries);
        (entries.find(|entry| !entry.deleted)).map_or(StreamId::MAX, |entry| entry.id)
    }

    /// How many entries a group has read whose last id is known, in a stream that was saved before groups counted; -1 if nobody can tell.
    fn guessed_entries_read(&self, last_id: StreamId) -> i64 {
        let added = self.entries_added;
        let read = if added == 0 {
            Some(0)
        } else if last_id == self.last_id || self.length == 0 && last_id < self.last_id {
            Some(added)
        } else if last_id > self.last_id {
            None
        } else {
            // Nothing is known to be deleted in the middle.
            match last_id.cmp(&self.first_id) {
                std::cmp::Ordering::Less => Some(added.wrapping_sub(self.length)),
                std::cmp::Ordering::Equal => Some(added.wrapping_sub(self.length).wrapping_add(1)),
                std::cmp::Ordering::Greater => None,
            }
        };
        read.map_or(-1, |read| read as i64)
    }
}

impl SavedGroup {
    fn write(&self, out: &mut Writer) {
        out.string(&self.name);
        write_id(out, self.last_id);
        out.length(self.entries_read as u64);
        out.count(self.pending.len());
        for pending in &self.pending {
            out.bytes(&pending.id.key());
            out.time(pending.delivered);
            out.length(pending.deliveries);
        }
        out.count(self.consumers.len());
        for consumer in &self.consumers {
            out.string(&consumer.name);
            out.time(consumer.seen);
            out.count(consumer.pending.len());
            for id in &consumer.pending {
                out.bytes(&id.key());
            }
        }
    }

    fn read(
        from: &mut Reader<'_>,
        name: Vec<u8>,
        last_id: StreamId,
        entries_read: i64,
    ) -> Result<Self, BadPayload> {
        let mut pending = all(from.count()?, || {
            Ok(Pending {
                id: StreamId::of_key(from.array()?),
                delivered: from.time()?,
                deliveries: from.number()?,
            })
        })?;
        each_once(&mut pending, |pending| pending.id)?;
        let mut consumers = all(from.count()?, || {
            Ok(SavedConsumer {
                name: from.string()?.into_owned(),
                seen: from.time()?,
                pending: all(from.count()?, || Ok(StreamId::of_key(from.array()?)))?,
            })
        })?;
        each_once(&mut consumers, |consumer| consumer.name.clone())?;
        for consumer in &mut consumers {
            consumer.pending.sort_unstable();
        }
        // What is pending in the group is pending for one of its consumers. (Redis would take two for one entry as well, and never has that.)
        let mut owned: Vec<StreamId> = (consumers.iter())
            .flat_map(|consumer| consumer.pending.iter().copied())
            .collect();
        owned.sort_unstable();
        if !owned
            .into_iter()
            .eq(pending.iter().map(|pending| pending.id))
        {
            return Err(BadPayload::Value);
        }
        Ok(SavedGroup {
            name,
            last_id,
            entries_read,
            pending,
            consumers,
        })
    }
}

/// Reads so many things. What is allocated grows with what was read: the number itself is not trusted.
fn all<T>(
    count: u64,
    mut read: impl FnMut() -> Result<T, BadPayload>,
) -> Result<Vec<T>, BadPayload> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(read()?);
    }
    Ok(all)
}

/// Puts things in order, and refuses two with the same key.
fn each_once<T, K: Ord>(things: &mut [T], key: impl Fn(&T) -> K) -> Result<(), BadPayload> {
    things.sort_by_cached_key(&key);
    let once = things.is_sorted_by(|one, next| key(one) < key(next));
    once.then_some(()).ok_or(BadPayload::Value)
}

fn read_node(from: &mut Reader<'_>) -> Result<StreamNode, BadPayload> {
    let key = from.string()?;
    let key = <[u8; 16]>::try_from(&key[..]).map_err(|_| BadPayload::Value)?;
    let (listpack, _) = Listpack::read_uncounted(from.string()?).ok_or(BadPayload::Value)?;
    StreamNode::read(StreamId::of_key(key), listpack).ok_or(BadPayload::Value)
}

fn read_id(from: &mut Reader<'_>) -> Result<StreamId, BadPayload> {
    Ok(StreamId {
        ms: from.number()?,
        seq: from.number()?,
    })
}

fn write_id(out: &mut Writer, id: StreamId) {
    out.length(id.ms);
    out.length(id.seq);
}
