//! Streams.

mod add;
mod claim;
mod entries;
mod groups;
mod info;
mod options;
mod pending;
mod range;
mod read;

use super::Family;
use super::arguments::integer;
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::stream::{Group, Id, Missing, Stream};
use crate::double::node::keyspace::value::typed_mut;
use crate::double::node::out::Out;

pub(super) const COMMANDS: Family = &[
    ("xadd", add::xadd),
    ("xtrim", add::xtrim),
    ("xdel", add::xdel),
    ("xsetid", add::xsetid),
    ("xlen", range::xlen),
    ("xrange", range::xrange),
    ("xrevrange", range::xrevrange),
    ("xread", read::xread),
    ("xreadgroup", read::xread),
    ("xgroup|create", groups::create),
    ("xgroup|setid", groups::setid),
    ("xgroup|destroy", groups::destroy),
    ("xgroup|createconsumer", groups::createconsumer),
    ("xgroup|delconsumer", groups::delconsumer),
    ("xgroup|help", groups::help),
    ("xack", pending::xack),
    ("xpending", pending::xpending),
    ("xclaim", claim::xclaim),
    ("xautoclaim", claim::xautoclaim),
    ("xinfo|stream", info::stream),
    ("xinfo|groups", info::groups),
    ("xinfo|consumers", info::consumers),
    ("xinfo|help", info::help),
];

const BAD_ID: Failure = Failure::text("ERR Invalid stream ID specified as stream command argument");
const NO_START: Failure = Failure::text("ERR invalid start ID for the interval");
const NO_END: Failure = Failure::text("ERR invalid end ID for the interval");

/// A stream, and where the reply goes.
struct Found<'c> {
    stream: &'c mut Stream,
    out: &'c mut Out,
    /// The time, in milliseconds since 1970.
    now: i64,
}

/// The stream of a key, counted as a read.
fn read<'c>(call: &'c mut Call<'_>, key: &[u8]) -> Result<Option<Found<'c>>, Failure> {
    let at = call.server.read(call.db, key);
    found(call, at)
}

/// The stream of a key, not counted as a read.
fn write<'c>(call: &'c mut Call<'_>, key: &[u8]) -> Result<Option<Found<'c>>, Failure> {
    let at = call.server.live(call.db, key);
    if let Some(at) = at {
        call.server.touch(call.db, at);
    }
    found(call, at)
}

fn found<'c>(call: &'c mut Call<'_>, at: Option<usize>) -> Result<Option<Found<'c>>, Failure> {
    let Some(at) = at else {
        return Ok(None);
    };
    let now = call.server.now;
    Ok(Some(Found {
        stream: typed_mut(&mut call.server.dbs[call.db].at_mut(at).value)?,
        out: call.out,
        now,
    }))
}

impl Found<'_> {
    fn group(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.stream.groups.get_mut(name)
    }
}

/// Tells everybody whom it concerns that entries were taken out of a stream, or something else that nobody waits for.
fn modified(call: &mut Call<'_>, key: &[u8], event: &str, changes: u64) {
    call.server.modified(call.db, key, Some(call.client));
    call.server.dirty += changes;
    call.server.notify(Class::STREAM, event, key, call.db);
}

/// Counts and tells a change of what is around the entries: groups and ids. For those who watch the key it is none.
fn noted(call: &mut Call<'_>, key: &[u8], event: &str) {
    call.server.dirty += 1;
    call.server.notify(Class::STREAM, event, key, call.db);
}

/// The number of a consumer that has come to read, and is made if it is new. The group must be there; otherwise `None`.
fn consumer(
    call: &mut Call<'_>,
    key: &[u8],
    group: &[u8],
    name: &[u8],
) -> Result<Option<usize>, Failure> {
    let Some(mut found) = write(call, key)? else {
        return Ok(None);
    };
    let now = found.now;
    let Some(group) = found.group(group) else {
        return Ok(None);
    };
    let (at, new) = group.see_or_add(name, now);
    if new {
        noted(call, key, "xgroup-createconsumer");
    }
    Ok(Some(at))
}

/// Replies with an error that quotes what a client sent, which may be any bytes. Redis quotes it as a C string, which ends with the first zero.
fn refuse(out: &mut Out, words: &[&[u8]]) -> Outcome {
    let quoted: Vec<u8> = words
        .iter()
        .flat_map(|word| word.iter().take_while(|byte| **byte != 0))
        .copied()
        .collect();
    out.error_bytes(&quoted);
    Ok(())
}

/// The error of the commands that need a key and a group in it.
fn no_key_or_group(call: &mut Call<'_>, key: &[u8], group: &[u8]) -> Outcome {
    let words = [
        b"NOGROUP No such key '",
        key,
        b"' or consumer group '",
        group,
        b"'",
    ];
    refuse(call.out, &words)
}

/// The error of the commands that need a group in a key that is there.
fn no_group(call: &mut Call<'_>, key: &[u8], group: &[u8]) -> Outcome {
    let words = [
        b"NOGROUP No such consumer group '",
        group,
        b"' for key name '",
        key,
        b"'",
    ];
    refuse(call.out, &words)
}

/// An entry's id.
fn entry_id(word: &[u8]) -> Result<Id, Failure> {
    Id::parse_strict(word, Missing::Lowest).ok_or(BAD_ID)
}

/// The lowest id of a range: `5`, `(5-1`, `-`.
fn range_start(word: &[u8]) -> Result<Id, Failure> {
    match word {
        [b'(', rest @ ..] if !rest.is_empty() => entry_id(rest)?.next().ok_or(NO_START),
        _ => Id::parse(word, Missing::Lowest).ok_or(BAD_ID),
    }
}

/// The highest id of a range.
fn range_end(word: &[u8]) -> Result<Id, Failure> {
    match word {
        [b'(', rest @ ..] if !rest.is_empty() => {
            let id = Id::parse_strict(rest, Missing::Highest).ok_or(BAD_ID)?;
            id.previous().ok_or(NO_END)
        }
        _ => Id::parse(word, Missing::Highest).ok_or(BAD_ID),
    }
}
