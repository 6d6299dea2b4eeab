//! Entries as replies.

use crate::double::node::keyspace::stream::{Element, Entry, Id};
use crate::double::node::out::Out;

/// An id.
pub(super) fn id(out: &mut Out, id: Id) {
    id.printed(|text| out.bulk(text));
}

/// An entry: its id, then names and values.
pub(super) fn entry(out: &mut Out, entry: &Entry<'_>) {
    out.array(2);
    id(out, entry.id);
    out.array(2 * entry.len);
    for (name, value) in entry.fields() {
        element(out, name);
        element(out, value);
    }
}

fn element(out: &mut Out, element: Element<'_>) {
    match element {
        Element::Integer(number) => out.bulk_int(number),
        Element::Text(text) => out.bulk(text),
    }
}

/// Entries, at most `count`; 0: all.
pub(super) fn entries<'a>(out: &mut Out, entries: impl Iterator<Item = Entry<'a>>, count: u64) {
    list(out, entries, count, |out, it| entry(out, &it));
}

/// A list of what comes, at most `count`; 0: all.
pub(super) fn list<T>(
    out: &mut Out,
    all: impl Iterator<Item = T>,
    count: u64,
    mut one: impl FnMut(&mut Out, T),
) {
    let place = out.open();
    let mut length = 0;
    for it in all.take(limit(count)) {
        one(out, it);
        length += 1;
    }
    out.close(place, |out| out.array(length));
}

/// A count of which 0 means that there is no limit.
pub(super) fn limit(count: u64) -> usize {
    match count {
        0 => usize::MAX,
        count => usize::try_from(count).unwrap_or(usize::MAX),
    }
}
