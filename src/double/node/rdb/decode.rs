//! Reads payloads.

use std::collections::HashSet;

use super::encode::{PACKED, PLAIN};
use super::integer_set::IntegerSet;
use super::list::{List, ListNode, NodeSize};
use super::listpack::Listpack;
use super::old_types;
use super::payload::{BadPayload, check, kind};
use super::reader::Reader;
use super::saved::{Fields, Saved};
use super::sorted::beginning;
use super::stream::SavedStream;

/// The value that RESTORE takes from a payload. `size` says how the lists of versions before 3.2, which had no nodes, are cut into them.
pub(crate) fn decode(payload: &[u8], size: NodeSize) -> Result<Saved, BadPayload> {
    check(payload)?;
    let mut from = Reader::new(payload);
    let value = match from.byte()? {
        kind::STRING => Saved::String(from.string()?.into_owned()),
        kind::LIST => Saved::List(list(&mut from, size)?),
        kind::SET => Saved::Set(set(&mut from)?),
        kind::SORTED_OLD => Saved::Sorted(sorted(&mut from, old_score)?),
        kind::HASH => Saved::Hash(hash(&mut from)?),
        kind::SORTED => Saved::Sorted(sorted(&mut from, Reader::double)?),
        kind::HASH_ZIPMAP => Saved::Hash(fields_once(old_types::zipmap(&from.string()?)?)?),
        kind::LIST_ZIPLIST => Saved::List(old_types::list(&from.string()?, size)?),
        kind::INTEGER_SET => {
            Saved::Integers(IntegerSet::read(&from.string()?).ok_or(BadPayload::Value)?)
        }
        kind::SORTED_ZIPLIST => {
            Saved::SortedListpack(sound_map(old_types::ziplist(&from.string()?)?)?)
        }
        kind::HASH_ZIPLIST => Saved::HashListpack(sound_map(old_types::ziplist(&from.string()?)?)?),
        kind::LIST_OF_ZIPLISTS => Saved::List(nodes(&mut from, |from| {
            old_types::ziplist(&from.string()?).map(ListNode::Packed)
        })?),
        kind::STREAM_OLD => Saved::Stream(SavedStream::read(&mut from, true)?),
        kind::HASH_LISTPACK => Saved::HashListpack(sound_map(listpack(&mut from)?)?),
        kind::SORTED_LISTPACK => Saved::SortedListpack(sound_map(listpack(&mut from)?)?),
        kind::LIST_OF_LISTPACKS => Saved::List(nodes(&mut from, node)?),
        kind::STREAM => Saved::Stream(SavedStream::read(&mut from, false)?),
        // Modules' values among them: there is no module to read them.
        _ => return Err(BadPayload::Value),
    };
    Ok(value)
}

fn list(from: &mut Reader<'_>, size: NodeSize) -> Result<List, BadPayload> {
    let mut list = List::default();
    for _ in 0..from.count_of_some()? {
        list.push_back(&from.string()?, size);
    }
    Ok(list)
}

fn nodes<'a>(
    from: &mut Reader<'a>,
    node: impl Fn(&mut Reader<'a>) -> Result<ListNode, BadPayload>,
) -> Result<List, BadPayload> {
    let mut list = List::default();
    for _ in 0..from.count_of_some()? {
        let node = node(from)?;
        // An empty node is no error, but a list of such nodes is.
        if !matches!(&node, ListNode::Packed(listpack) if listpack.is_empty()) {
            list.nodes.push_back(node);
        }
    }
    if list.nodes.is_empty() {
        return Err(BadPayload::Value);
    }
    Ok(list)
}

fn node(from: &mut Reader<'_>) -> Result<ListNode, BadPayload> {
    match from.number()? {
        PLAIN => {
            let text = from.string()?.into_owned();
            let some = !text.is_empty();
            some.then_some(ListNode::Plain(text))
                .ok_or(BadPayload::Value)
        }
        PACKED => listpack(from).map(ListNode::Packed),
        _ => Err(BadPayload::Value),
    }
}

fn listpack(from: &mut Reader<'_>) -> Result<Listpack, BadPayload> {
    Listpack::read(from.string()?).ok_or(BadPayload::Value)
}

fn set(from: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, BadPayload> {
    let mut members = Vec::new();
    for _ in 0..from.count_of_some()? {
        members.push(from.string()?.into_owned());
    }
    each_once(&members, |member| member)?;
    Ok(members)
}

fn hash(from: &mut Reader<'_>) -> Result<Fields, BadPayload> {
    let mut fields = Vec::new();
    for _ in 0..from.count_of_some()? {
        fields.push((from.string()?.into_owned(), from.string()?.into_owned()));
    }
    fields_once(fields)
}

fn fields_once(fields: Fields) -> Result<Fields, BadPayload> {
    each_once(&fields, |(name, _)| name)?;
    Ok(fields)
}

fn sorted<'a>(
    from: &mut Reader<'a>,
    score: impl Fn(&mut Reader<'a>) -> Result<f64, BadPayload>,
) -> Result<Vec<(Vec<u8>, f64)>, BadPayload> {
    let mut members = Vec::new();
    for _ in 0..from.count_of_some()? {
        let (member, score) = (from.string()?.into_owned(), score(from)?);
        if score.is_nan() {
            return Err(BadPayload::Value);
        }
        members.push((member, score));
    }
    each_once(&members, |(member, _)| member)?;
    // A payload has them from the highest to the lowest.
    members.reverse();
    Ok(members)
}

/// A score as versions before 4.0 wrote it: a text behind its length, or a length that stands for infinity.
fn old_score(from: &mut Reader<'_>) -> Result<f64, BadPayload> {
    match from.byte()? {
        255 => Ok(f64::NEG_INFINITY),
        254 => Ok(f64::INFINITY),
        253 => Err(BadPayload::Value),
        len => beginning(from.bytes(len.into())?).ok_or(BadPayload::Value),
    }
}

fn each_once<'a, T>(
    things: &'a [T],
    name: impl Fn(&'a T) -> &'a Vec<u8>,
) -> Result<(), BadPayload> {
    let mut seen = HashSet::new();
    let once = things.iter().all(|thing| seen.insert(name(thing)));
    once.then_some(()).ok_or(BadPayload::Value)
}

fn sound_map(listpack: Listpack) -> Result<Listpack, BadPayload> {
    let sound = !listpack.is_empty() && listpack.is_map();
    sound.then_some(listpack).ok_or(BadPayload::Value)
}
