//! Turns what older versions had in the place of listpacks into what 7.0 has.

use super::list::{List, NodeSize};
use super::listpack::Listpack;
use super::payload::BadPayload;
use super::saved::Fields;
use super::{ziplist, zipmap as zipmaps};

/// The listpack of a ziplist's elements.
pub(super) fn ziplist(bytes: &[u8]) -> Result<Listpack, BadPayload> {
    let mut made = Listpack::new();
    ziplist::read(bytes, |element| made.push(&element.text()).ok()).ok_or(BadPayload::Value)?;
    Ok(made)
}

/// A list that was one ziplist.
pub(super) fn list(bytes: &[u8], size: NodeSize) -> Result<List, BadPayload> {
    let mut list = List::default();
    let read = ziplist::read(bytes, |element| {
        list.push_back(&element.text(), size);
        Some(())
    });
    (read.filter(|()| !list.nodes.is_empty()).map(|()| list)).ok_or(BadPayload::Value)
}

/// The names and values of a zipmap.
pub(super) fn zipmap(bytes: &[u8]) -> Result<Fields, BadPayload> {
    let mut fields = Vec::new();
    zipmaps::read(bytes, |name, value| {
        fields.push((name.to_vec(), value.to_vec()));
        Some(())
    })
    .ok_or(BadPayload::Value)?;
    Ok(fields)
}
