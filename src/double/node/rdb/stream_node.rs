//! A node of a stream: up to a hundred entries in one listpack.
//!
//! In front stand how many entries are there and how many are deleted, the names of the first entry's fields with their number, and a zero. An
//! entry is its flags, how far its id is from the node's (milliseconds and sequence), the number of its fields, name and value of each, and how
//! many elements all that was. An entry with the same names as the first one has the values only, without number and names.

use std::ops::Range;

use super::listpack::{Element, Listpack, Places, TooBig};
use super::stream::StreamId;

const DELETED: i64 = 1;
const SAME_NAMES: i64 = 2;
/// How many elements an entry with the first one's names has beside its values.
const BESIDE_VALUES: usize = 3;
/// How many elements another one has beside its names and values.
const BESIDE_FIELDS: usize = 4;
/// No node is longer than this.
const LONGEST: usize = 1 << 30;

/// How long a node gets: the configurations `stream-node-max-bytes` and `stream-node-max-entries`. 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamNodeSize {
    pub bytes: usize,
    pub entries: i64,
}

impl Default for StreamNodeSize {
    fn default() -> Self {
        StreamNodeSize {
            bytes: 4096,
            entries: 100,
        }
    }
}

/// A node of a stream, sound in all its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamNode {
    id: StreamId,
    listpack: Listpack,
}

/// An entry of a node.
#[derive(Debug, Clone)]
pub(crate) struct StreamEntry<'a> {
    pub id: StreamId,
    /// It is only kept until the whole node goes.
    pub deleted: bool,
    /// The node's first entry has the same names, so that this one is kept without them.
    pub same_names: bool,
    /// How many fields it has.
    pub len: usize,
    /// From its first name, or from its first value where the names are kept elsewhere.
    fields: Places<'a>,
    names: Places<'a>,
    flags: (Range<usize>, i64),
}

impl<'a> StreamEntry<'a> {
    /// Names and values.
    pub fn fields(&self) -> impl Iterator<Item = (Element<'a>, Element<'a>)> + use<'a> {
        let mut fields = self.fields.clone();
        let mut names = self.same_names.then(|| self.names.clone());
        let field = move |_| {
            let (_, name) = names.as_mut().unwrap_or(&mut fields).next()?;
            let (_, value) = fields.next()?;
            Some((name, value))
        };
        (0..self.len).map_while(field)
    }
}

impl StreamNode {
    /// A node of one entry.
    pub fn new<T: AsRef<[u8]>>(id: StreamId, fields: &[(T, T)]) -> Result<Self, TooBig> {
        let mut front = vec![1, 0, fields.len() as i64]
            .into_iter()
            .map(Element::Integer)
            .collect::<Vec<_>>();
        front.extend(fields.iter().map(|(name, _)| Element::of(name.as_ref())));
        front.push(Element::Integer(0));
        let mut listpack = Listpack::new();
        listpack.extend(front)?;
        let mut node = StreamNode { id, listpack };
        node.push(id, fields, true)?;
        Ok(node)
    }

    /// Takes a listpack for a node if it is one. Redis does not ask whether the entries' ids and flags are what they should be.
    pub(super) fn read(id: StreamId, listpack: Listpack) -> Option<Self> {
        let mut places = listpack.places();
        let front = Front::read(&mut places)?;
        let count = u64::try_from(front.there.checked_add(front.deleted)?).ok()?;
        for _ in 0..count {
            read_entry(&mut places, &front, id)?;
        }
        let all_read = places.next().is_none();
        all_read.then_some(StreamNode { id, listpack })
    }

    /// The id of its first entry when it was made.
    pub fn id(&self) -> StreamId {
        self.id
    }

    pub fn listpack(&self) -> &Listpack {
        &self.listpack
    }

    /// The entries in their order, those that are deleted as well.
    pub fn entries(&self) -> impl Iterator<Item = StreamEntry<'_>> {
        let mut places = self.listpack.places();
        let front = Front::read(&mut places);
        std::iter::from_fn(move || read_entry(&mut places, front.as_ref()?, self.id))
    }

    /// Whether an entry can be added; otherwise a new node begins.
    pub fn has_room<T: AsRef<[u8]>>(&self, fields: &[(T, T)], size: StreamNodeSize) -> bool {
        let added: usize = (fields.iter())
            .map(|(name, value)| name.as_ref().len() + value.as_ref().len())
            .sum();
        let most = match size.bytes {
            0 => LONGEST,
            bytes => bytes.min(LONGEST),
        };
        let entries = || {
            let mut places = self.listpack.places();
            integer(&mut places)
                .zip(integer(&mut places))
                .map_or(0, |(there, deleted)| there.saturating_add(deleted))
        };
        self.listpack.bytes().len().saturating_add(added) < most
            && (size.entries == 0 || entries() < size.entries)
    }

    /// Adds an entry behind the others.
    pub fn append<T: AsRef<[u8]>>(
        &mut self,
        id: StreamId,
        fields: &[(T, T)],
    ) -> Result<(), TooBig> {
        let same_names = Front::read(&mut self.listpack.places()).is_some_and(|front| {
            let names = fields.iter().map(|(name, _)| Element::of(name.as_ref()));
            let own = front.each_name.take(front.names).map(|(_, name)| name);
            front.names == fields.len() && own.eq(names)
        });
        self.push(id, fields, same_names)?;
        self.add_to_count(0, 1);
        Ok(())
    }

    fn push<T: AsRef<[u8]>>(
        &mut self,
        id: StreamId,
        fields: &[(T, T)],
        same_names: bool,
    ) -> Result<(), TooBig> {
        let number = |number: usize| Element::Integer(number as i64);
        let mut entry = Vec::with_capacity(2 * fields.len() + BESIDE_FIELDS + 1);
        entry.push(Element::Integer(if same_names { SAME_NAMES } else { 0 }));
        entry.push(Element::Integer(id.ms.wrapping_sub(self.id.ms) as i64));
        entry.push(Element::Integer(id.seq.wrapping_sub(self.id.seq) as i64));
        if same_names {
            entry.extend(fields.iter().map(|(_, value)| Element::of(value.as_ref())));
            entry.push(number(fields.len() + BESIDE_VALUES));
        } else {
            entry.push(number(fields.len()));
            entry.extend(fields.iter().flat_map(|(name, value)| {
                [Element::of(name.as_ref()), Element::of(value.as_ref())]
            }));
            entry.push(number(2 * fields.len() + BESIDE_FIELDS));
        }
        self.listpack.extend(entry)
    }

    /// Marks an entry as deleted, and says whether it was there. A node whose last entry went is removed by Redis: see [`StreamNode::there`].
    pub fn delete(&mut self, id: StreamId) -> bool {
        let found = self
            .entries()
            .find(|entry| entry.id == id && !entry.deleted)
            .map(|entry| entry.flags);
        let Some((place, flags)) = found else {
            return false;
        };
        self.listpack.replace_with_integer(place, flags | DELETED);
        self.add_to_count(0, -1);
        self.add_to_count(1, 1);
        true
    }

    /// How many entries are there, without those that are deleted, as the node itself says it.
    pub fn there(&self) -> i64 {
        integer(&mut self.listpack.places()).unwrap_or(0)
    }

    /// Changes the first number of the listpack, the entries that are there, or the second one, those that are deleted.
    fn add_to_count(&mut self, which: usize, by: i64) {
        let found = self.listpack.places().nth(which);
        if let Some((place, count)) =
            found.and_then(|(place, element)| Some((place, element.integer()?)))
        {
            self.listpack
                .replace_with_integer(place, count.saturating_add(by));
        }
    }
}

/// What stands in front of the entries.
struct Front<'a> {
    there: i64,
    deleted: i64,
    names: usize,
    /// From the first name on.
    each_name: Places<'a>,
}

impl<'a> Front<'a> {
    fn read(places: &mut Places<'a>) -> Option<Self> {
        let (there, deleted) = (integer(places)?, integer(places)?);
        let names = usize::try_from(integer(places)?).ok()?;
        let each_name = places.clone();
        pass(places, names)?;
        (integer(places)? == 0).then_some(Front {
            there,
            deleted,
            names,
            each_name,
        })
    }
}

/// The entry that begins here, if it is sound.
fn read_entry<'a>(
    places: &mut Places<'a>,
    front: &Front<'a>,
    node: StreamId,
) -> Option<StreamEntry<'a>> {
    let (place, flags) = places.next()?;
    let flags = flags.integer()?;
    let (ms, seq) = (integer(places)?, integer(places)?);
    let same_names = flags & SAME_NAMES != 0;
    let len = match same_names {
        true => front.names,
        false => usize::try_from(integer(places)?).ok()?,
    };
    let fields = places.clone();
    let (elements, beside) = match same_names {
        true => (len, BESIDE_VALUES),
        false => (len.checked_mul(2)?, BESIDE_FIELDS),
    };
    pass(places, elements)?;
    let said = usize::try_from(integer(places)?).ok()?;
    (said == elements.checked_add(beside)?).then_some(StreamEntry {
        id: StreamId {
            ms: node.ms.wrapping_add(ms as u64),
            seq: node.seq.wrapping_add(seq as u64),
        },
        deleted: flags & DELETED != 0,
        same_names,
        len,
        fields,
        names: front.each_name.clone(),
        flags: (place, flags),
    })
}

fn integer(places: &mut Places<'_>) -> Option<i64> {
    places.next()?.1.integer()
}

/// Goes over so many elements, if they are there.
fn pass(places: &mut Places<'_>, count: usize) -> Option<()> {
    match count {
        0 => Some(()),
        _ => places.nth(count - 1).map(|_| ()),
    }
}
