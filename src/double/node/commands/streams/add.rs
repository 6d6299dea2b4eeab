//! Entries come and go: XADD, XTRIM, XDEL. XSETID.

use smallvec::SmallVec;

use super::options::{self, NewId};
use super::{entries, entry_id, integer, modified, noted, write};
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::stream::{Counts, Id, NodeSize, Stream};

const TOO_LARGE: Failure = Failure::text("ERR Elements are too large to be stored");

pub(super) fn xadd(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let key = args[1];
    let (bytes, node_entries) = (
        call.server.config.stream_bytes,
        call.server.config.stream_entries,
    );
    let options = options::parse(args, true, node_entries)?;
    let words = args.get(options.id_at + 1..).unwrap_or_default();
    if words.is_empty() || words.len() % 2 == 1 {
        return Err(Failure::arity("xadd"));
    }
    if options.id == NewId::Given(Id::MIN) {
        return Err(Failure::text(
            "ERR The ID specified in XADD must be greater than 0-0",
        ));
    }
    let now = call.now();
    let stream = match options.only_if_there {
        false => call.write_or_new::<Stream>(key)?,
        true => match call.write::<Stream>(key)? {
            Some(stream) => stream,
            None => {
                call.out.null();
                return Ok(());
            }
        },
    };
    let id = new_id(&stream.counts, options.id, now)?;
    let fields: SmallVec<[(&[u8], &[u8]); 8]> = words
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect();
    let size = NodeSize {
        bytes,
        entries: i64::try_from(node_entries).unwrap_or(i64::MAX),
    };
    stream
        .append(id, &fields, size)
        .map_err(|_too_big| TOO_LARGE)?;
    let trimmed = options.trim.map_or(0, |trim| stream.trim(trim));
    entries::id(call.out, id);
    call.changed(key, Class::STREAM, "xadd");
    if trimmed > 0 {
        call.server.notify(Class::STREAM, "xtrim", key, call.db);
    }
    Ok(())
}

/// The id of a new entry, if it may be added.
fn new_id(counts: &Counts, id: NewId, now: i64) -> Result<Id, Failure> {
    let last = counts.last_id;
    let Some(next) = last.next() else {
        return Err(Failure::text(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ));
    };
    let id = match id {
        NewId::Next => match u64::try_from(now).unwrap_or(0) {
            now if now > last.ms => Id { ms: now, seq: 0 },
            _ => next,
        },
        NewId::NextOf(ms) if ms == last.ms => match last.seq.checked_add(1) {
            Some(seq) => Id { ms, seq },
            // It would be apt to say that the id is used up. Redis says this.
            None => return Err(TOO_LARGE),
        },
        NewId::NextOf(ms) => Id { ms, seq: 0 },
        NewId::Given(id) => id,
    };
    match id > last {
        true => Ok(id),
        false => Err(Failure::text(
            "ERR The ID specified in XADD is equal or smaller than the target stream top item",
        )),
    }
}

pub(super) fn xtrim(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let key = args[1];
    let options = options::parse(args, false, call.server.config.stream_entries)?;
    let trimmed = match (write(call, key)?, options.trim) {
        (Some(found), Some(trim)) => found.stream.trim(trim),
        _ => 0,
    };
    call.out.int(trimmed as i64);
    if trimmed > 0 {
        modified(call, key, "xtrim", trimmed);
    }
    Ok(())
}

pub(super) fn xdel(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let key = args[1];
    let Some(found) = write(call, key)? else {
        call.out.int(0);
        return Ok(());
    };
    let ids: SmallVec<[Id; 8]> = args[2..]
        .iter()
        .map(|word| entry_id(word))
        .collect::<Result<_, _>>()?;
    let deleted = found.stream.delete(&ids);
    found.out.int(deleted as i64);
    if deleted > 0 {
        modified(call, key, "xdel", deleted);
    }
    Ok(())
}

pub(super) fn xsetid(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let key = args[1];
    let id = entry_id(args[2])?;
    let (mut added, mut deleted) = (None, Id::MIN);
    for pair in args[3..].chunks(2) {
        match pair {
            [option, value] if option.eq_ignore_ascii_case(b"entriesadded") => {
                let number = u64::try_from(integer(value)?);
                let negative = |_| Failure::text("ERR entries_added must be positive");
                added = Some(number.map_err(negative)?);
            }
            [option, value] if option.eq_ignore_ascii_case(b"maxdeletedid") => {
                deleted = entry_id(value)?;
                if id < deleted {
                    return Err(Failure::text(
                        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                    ));
                }
            }
            _ => return Err(Failure::SYNTAX),
        }
    }
    let stream = write(call, key)?.ok_or(Failure::NO_SUCH_KEY)?.stream;
    if stream.counts.length > 0 {
        if stream.nodes.last().is_some_and(|last| id < last) {
            return Err(Failure::text(
                "ERR The ID specified in XSETID is smaller than the target stream top item",
            ));
        }
        if added.is_some_and(|added| added < stream.counts.length) {
            return Err(Failure::text(
                "ERR The entries_added specified in XSETID is smaller than the target stream length",
            ));
        }
    }
    stream.counts.last_id = id;
    if let Some(added) = added {
        stream.counts.entries_added = added;
    }
    if deleted != Id::MIN {
        stream.counts.max_deleted_id = deleted;
    }
    call.out.ok();
    noted(call, key, "xsetid");
    Ok(())
}
