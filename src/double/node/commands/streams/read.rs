//! XREAD and XREADGROUP.

use smallvec::SmallVec;

use super::{Found, consumer, entries, entry_id, integer, read, refuse, write};
use crate::double::node::call::{Call, Origin};
use crate::double::node::client::Otherwise;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::stream::{Id, Pending, Stream};
use crate::double::node::keyspace::value::Kind;
use crate::double::node::number;

/// As many entries as are sent to a client that has waited and has not said how many it wants.
const AFTER_WAITING: u64 = 1000;

/// What a client wants to read.
struct Request<'a> {
    /// No more entries than this of each stream; 0: all.
    count: u64,
    /// It waits if there is nothing, until this time or without end.
    block: Option<Option<i64>>,
    group: Option<Reader<'a>>,
    keys: &'a [&'a [u8]],
    ids: &'a [&'a [u8]],
}

/// A member of a group.
#[derive(Debug, Clone, Copy)]
struct Reader<'a> {
    group: &'a [u8],
    consumer: &'a [u8],
    /// NOACK: what it reads is not pending afterwards.
    forget: bool,
}

/// From where on a stream is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    /// Entries with higher ids than this; for a consumer of a group those of them that are pending.
    After(Id),
    /// What was not delivered to the group yet.
    New,
}

pub(super) fn xread(call: &mut Call<'_>) -> Outcome {
    let request = parse(call)?;
    if call.origin == Origin::Again {
        return woken(call, &request);
    }
    let mut starts: SmallVec<[From; 8]> = SmallVec::new();
    for (key, word) in request.keys.iter().zip(request.ids) {
        let found = read(call, key)?;
        if let Some(reader) = request.group
            && found
                .as_ref()
                .is_none_or(|found| !found.stream.groups.contains_key(reader.group))
        {
            let words = [
                b"NOGROUP No such key '",
                *key,
                b"' or consumer group '",
                reader.group,
                b"' in XREADGROUP with GROUP option",
            ];
            return refuse(call.out, &words);
        }
        let last = found.map_or(Id::MIN, |found| found.stream.counts.last_id);
        starts.push(start(word, request.group.is_some(), last)?);
    }
    let place = call.out.open();
    let mut served = 0;
    for (key, start) in request.keys.iter().zip(&starts) {
        served += usize::from(serve(call, &request, key, *start)?);
    }
    if served > 0 {
        call.out.close(place, |out| match out.resp3 {
            true => out.map(served),
            false => out.array(served),
        });
        return Ok(());
    }
    match request.block {
        Some(until) if call.may_block() => block(call, &request, &starts, until),
        _ => call.out.null_array(),
    }
    Ok(())
}

/// Reads the words of the command.
fn parse<'a>(call: &mut Call<'a>) -> Result<Request<'a>, Failure> {
    let args = call.args;
    let grouped = args[0].eq_ignore_ascii_case(b"xreadgroup");
    let (mut count, mut block, mut group, mut forget) = (0, None, None, false);
    let mut streams: Option<&'a [&'a [u8]]> = None;
    let mut at = 1;
    while let Some(word) = args.get(at) {
        let more = args.len() - 1 - at;
        let is = |option: &str| word.eq_ignore_ascii_case(option.as_bytes());
        if is("block") && more > 0 {
            if call.origin == Origin::Script {
                let name = String::from_utf8_lossy(args[0]);
                return Err(Failure::told(format!(
                    "ERR {name} command is not allowed with BLOCK option from scripts"
                )));
            }
            at += 1;
            block = Some(until(args[at], call.now())?);
        } else if is("count") && more > 0 {
            at += 1;
            count = u64::try_from(integer(args[at])?).unwrap_or(0);
        } else if is("streams") && more > 0 {
            if more % 2 == 1 {
                return Err(Failure::text(
                    "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
                ));
            }
            streams = Some(&args[at + 1..]);
            break;
        } else if is("group") && more >= 2 {
            if !grouped {
                return Err(Failure::text(
                    "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                ));
            }
            group = Some((args[at + 1], args[at + 2]));
            at += 2;
        } else if is("noack") {
            if !grouped {
                return Err(Failure::text(
                    "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                ));
            }
            forget = true;
        } else {
            return Err(Failure::SYNTAX);
        }
        at += 1;
    }
    let streams = streams.ok_or(Failure::SYNTAX)?;
    if grouped && group.is_none() {
        return Err(Failure::text("ERR Missing GROUP option for XREADGROUP"));
    }
    let (keys, ids) = streams.split_at(streams.len() / 2);
    Ok(Request {
        count,
        block,
        group: group.map(|(group, consumer)| Reader {
            group,
            consumer,
            forget,
        }),
        keys,
        ids,
    })
}

/// Until when a client waits; `None`: without end.
fn until(word: &[u8], now: i64) -> Result<Option<i64>, Failure> {
    let bad = Failure::text("ERR timeout is not an integer or out of range");
    match number::parse_i64(word).ok_or(bad)? {
        ..0 => Err(Failure::text("ERR timeout is negative")),
        0 => Ok(None),
        // Redis takes one that is too far as well, and then never looks at it.
        wait => Ok(now.checked_add(wait)),
    }
}

/// From where on a stream is read whose last id is this one.
fn start(word: &[u8], grouped: bool, last: Id) -> Result<From, Failure> {
    match (word, grouped) {
        (b"$", false) => Ok(From::After(last)),
        (b"$", true) => Err(Failure::text(
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
        )),
        (b">", true) => Ok(From::New),
        (b">", false) => Err(Failure::text(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        )),
        _ => match entry_id(word)? {
            // To Redis the highest id is another way to say `>`.
            Id::MAX if grouped => Ok(From::New),
            id => Ok(From::After(id)),
        },
    }
}

/// Replies with what a stream has now, if it has anything that was asked for.
fn serve(
    call: &mut Call<'_>,
    request: &Request<'_>,
    key: &[u8],
    from: From,
) -> Result<bool, Failure> {
    let Some(mut found) = read(call, key)? else {
        return Ok(false);
    };
    let nodes = &found.stream.nodes;
    let entries_after = |id: Id| {
        id.next()
            .is_some_and(|next| nodes.range(next..=Id::MAX).next().is_some())
    };
    let Some(reader) = request.group else {
        let From::After(id) = from else {
            return Ok(false);
        };
        if !entries_after(id) {
            return Ok(false);
        }
        head(&mut found, key);
        entries::entries(
            found.out,
            found.stream.nodes.range(id.next().unwrap_or(id)..=Id::MAX),
            request.count,
        );
        return Ok(true);
    };
    let Some(group) = found.stream.groups.get(reader.group) else {
        return Ok(false);
    };
    let last = group.last_id;
    if from == From::New && !entries_after(last) {
        return Ok(false);
    }
    let member = consumer(call, key, reader.group, reader.consumer)?;
    let (Some(member), Some(mut found)) = (member, write(call, key)?) else {
        return Ok(false);
    };
    head(&mut found, key);
    match from {
        From::After(id) => history(&mut found, reader, member, id, request.count),
        From::New => deliver(&mut found, reader, member, last, request.count),
    }
    call.server.dirty += 1;
    Ok(true)
}

/// What stands in front of a stream's entries.
fn head(found: &mut Found<'_>, key: &[u8]) {
    if !found.out.resp3 {
        found.out.array(2);
    }
    found.out.bulk(key);
}

/// Replies with entries that the group has not seen, and notes that they are delivered.
fn deliver(found: &mut Found<'_>, reader: Reader<'_>, member: usize, after: Id, count: u64) {
    let now = found.now;
    let Stream {
        nodes,
        counts,
        groups,
    } = &mut *found.stream;
    let (Some(group), Some(next)) = (groups.get_mut(reader.group), after.next()) else {
        found.out.array(0);
        return;
    };
    let new = nodes.range(next..=Id::MAX);
    entries::list(found.out, new, count, |out, entry| {
        group.advance(entry.id, counts);
        entries::entry(out, &entry);
        if !reader.forget {
            group.deliver(entry.id, member, now);
        }
    });
}

/// Replies with entries that are pending for a consumer. That is another delivery.
fn history(found: &mut Found<'_>, reader: Reader<'_>, member: usize, after: Id, count: u64) {
    let now = found.now;
    let Stream { nodes, groups, .. } = &mut *found.stream;
    let (Some(group), Some(next)) = (groups.get_mut(reader.group), after.next()) else {
        found.out.array(0);
        return;
    };
    let own = group.consumer(member).map(|member| &member.pending);
    let ids: Vec<Id> = own
        .into_iter()
        .flat_map(|own| own.range(next..))
        .take(entries::limit(count))
        .copied()
        .collect();
    entries::list(found.out, ids.into_iter(), 0, |out, id| {
        let Some(entry) = nodes.get(id) else {
            // It was deleted since.
            out.array(2);
            entries::id(out, id);
            out.null_array();
            return;
        };
        entries::entry(out, &entry);
        if let Some(pending) = group.pending().get(&id) {
            let again = Pending {
                delivered: now,
                deliveries: pending.deliveries.wrapping_add(1),
                consumer: member,
            };
            group.put(id, again);
        }
    });
}

/// Lets the client wait. What the command means is settled now: `$` is the last id of this moment.
fn block(call: &mut Call<'_>, request: &Request<'_>, starts: &[From], until: Option<i64>) {
    let count = match request.count {
        0 => AFTER_WAITING,
        count => count,
    };
    let count = count.to_string();
    let mut words: Vec<&[u8]> = vec![call.args[0]];
    if let Some(reader) = request.group {
        words.extend([b"GROUP", reader.group, reader.consumer]);
        if reader.forget {
            words.push(b"NOACK");
        }
    }
    words.extend([b"COUNT", count.as_bytes(), b"STREAMS"]);
    words.extend(request.keys);
    let ids: Vec<Vec<u8>> = starts
        .iter()
        .map(|start| match start {
            From::After(id) => id.printed(<[u8]>::to_vec),
            From::New => b">".to_vec(),
        })
        .collect();
    words.extend(ids.iter().map(Vec::as_slice));
    // Who reads for a group is told when the stream is gone.
    let kind = request.group.is_none().then_some(Kind::Stream);
    call.block_as(&words, request.keys, kind, until, Otherwise::NullArray);
}

/// A client has waited, and one of its streams has changed. What is served is that stream only.
fn woken(call: &mut Call<'_>, request: &Request<'_>) -> Outcome {
    let Some(key) = call.server.ready_key.clone() else {
        return Ok(());
    };
    let at = request.keys.iter().position(|own| **own == *key);
    let Some(word) = at.and_then(|at| request.ids.get(at)) else {
        return Ok(());
    };
    let from = start(word, request.group.is_some(), Id::MIN)?;
    let found = match write(call, &key) {
        Ok(Some(found)) => found,
        Ok(None) | Err(_) if request.group.is_some() => {
            return Err(Failure::text("UNBLOCKED the stream key no longer exists"));
        }
        _ => return Ok(()),
    };
    let last = found.stream.counts.last_id;
    let after = match (request.group, from) {
        (Some(reader), _) => match found.stream.groups.get(reader.group) {
            Some(group) => group.last_id,
            None => {
                return Err(Failure::text(
                    "NOGROUP the consumer group this client was blocked on no longer exists",
                ));
            }
        },
        (None, From::After(id)) => id,
        (None, From::New) => return Ok(()),
    };
    // The last id, not the last entry: what has come may be gone again, and then the reply is an empty list.
    let Some(next) = after.next().filter(|_| after < last) else {
        return Ok(());
    };
    let member = match request.group {
        Some(reader) => consumer(call, &key, reader.group, reader.consumer)?,
        None => None,
    };
    let Some(mut found) = write(call, &key)? else {
        return Ok(());
    };
    match found.out.resp3 {
        true => found.out.map(1),
        false => found.out.array(1),
    }
    head(&mut found, &key);
    match (request.group, member) {
        (Some(reader), Some(member)) => {
            deliver(&mut found, reader, member, after, request.count);
            call.server.dirty += 1;
        }
        _ => entries::entries(
            found.out,
            found.stream.nodes.range(next..=Id::MAX),
            request.count,
        ),
    }
    Ok(())
}
