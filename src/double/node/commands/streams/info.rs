//! XINFO.

use super::groups::unknown_options;
use super::{Found, entries, integer, no_group, read};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::stream::{Consumer, Group, Id, Stream, UNKNOWN};
use crate::double::node::out::Out;

/// As many entries and pending entries as FULL shows if nothing else is said.
const SHOWN: u64 = 10;

pub(super) fn stream(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let Found { stream, out, .. } = read(call, args[2])?.ok_or(Failure::NO_SUCH_KEY)?;
    let is = |at: usize, option: &str| {
        let word: Option<&&[u8]> = args.get(at);
        word.is_some_and(|word| word.eq_ignore_ascii_case(option.as_bytes()))
    };
    let shown = match args.len() {
        3 => None,
        4 if is(3, "full") => Some(SHOWN),
        6 if is(3, "full") && is(4, "count") => {
            Some(u64::try_from(integer(args[5])?).unwrap_or(SHOWN))
        }
        _ => return Err(unknown_options(args, "XINFO")),
    };
    out.map(if shown.is_some() { 9 } else { 10 });
    let counts = &stream.counts;
    let numbers = [
        ("length", counts.length),
        ("radix-tree-keys", stream.nodes.len() as u64),
        ("radix-tree-nodes", stream.nodes.radix_nodes() as u64),
    ];
    for (name, number) in numbers {
        out.bulk(name.as_bytes());
        out.int(number as i64);
    }
    named_id(out, "last-generated-id", counts.last_id);
    named_id(out, "max-deleted-entry-id", counts.max_deleted_id);
    out.bulk(b"entries-added");
    out.int(counts.entries_added as i64);
    named_id(out, "recorded-first-entry-id", counts.first_id);
    match shown {
        None => short(out, stream),
        Some(shown) => full(out, stream, shown),
    }
    Ok(())
}

fn named_id(out: &mut Out, name: &str, id: Id) {
    out.bulk(name.as_bytes());
    entries::id(out, id);
}

fn short(out: &mut Out, stream: &Stream) {
    out.bulk(b"groups");
    out.int(stream.groups.len() as i64);
    let nodes = &stream.nodes;
    let first = nodes.range(Id::MIN..=Id::MAX).next();
    let last = nodes.range_back(Id::MIN..=Id::MAX).next();
    for (name, entry) in [("first-entry", first), ("last-entry", last)] {
        out.bulk(name.as_bytes());
        match entry {
            Some(entry) => entries::entry(out, &entry),
            None => out.null(),
        }
    }
}

fn full(out: &mut Out, stream: &Stream, shown: u64) {
    out.bulk(b"entries");
    entries::entries(out, stream.nodes.range(Id::MIN..=Id::MAX), shown);
    out.bulk(b"groups");
    out.array(stream.groups.len());
    for (name, group) in &stream.groups {
        out.map(7);
        out.bulk(b"name");
        out.bulk(name);
        progress(out, group, stream);
        out.bulk(b"pel-count");
        out.int(group.pending().len() as i64);
        out.bulk(b"pending");
        entries::list(out, group.pending().iter(), shown, |out, (id, pending)| {
            out.array(4);
            entries::id(out, *id);
            let owner = group.consumer(pending.consumer);
            out.bulk(owner.map_or(b"", |owner| &owner.name));
            out.int(pending.delivered);
            out.int(pending.deliveries as i64);
        });
        out.bulk(b"consumers");
        out.array(group.consumers().len());
        for consumer in group.consumers() {
            full_consumer(out, group, consumer, shown);
        }
    }
}

fn full_consumer(out: &mut Out, group: &Group, consumer: &Consumer, shown: u64) {
    out.map(4);
    out.bulk(b"name");
    out.bulk(&consumer.name);
    out.bulk(b"seen-time");
    out.int(consumer.seen);
    out.bulk(b"pel-count");
    out.int(consumer.pending.len() as i64);
    out.bulk(b"pending");
    let pending = consumer
        .pending
        .iter()
        .filter_map(|id| Some((*id, group.pending().get(id)?)));
    entries::list(out, pending, shown, |out, (id, pending)| {
        out.array(3);
        entries::id(out, id);
        out.int(pending.delivered);
        out.int(pending.deliveries as i64);
    });
}

/// How far a group has got.
fn progress(out: &mut Out, group: &Group, stream: &Stream) {
    named_id(out, "last-delivered-id", group.last_id);
    out.bulk(b"entries-read");
    match group.entries_read {
        UNKNOWN => out.null(),
        read => out.int(read),
    }
    out.bulk(b"lag");
    match group.lag(&stream.counts) {
        Some(lag) => out.int(lag),
        None => out.null(),
    }
}

pub(super) fn groups(call: &mut Call<'_>) -> Outcome {
    let Found { stream, out, .. } = read(call, call.args[2])?.ok_or(Failure::NO_SUCH_KEY)?;
    out.array(stream.groups.len());
    for (name, group) in &stream.groups {
        out.map(6);
        out.bulk(b"name");
        out.bulk(name);
        out.bulk(b"consumers");
        out.int(group.consumers().len() as i64);
        out.bulk(b"pending");
        out.int(group.pending().len() as i64);
        progress(out, group, stream);
    }
    Ok(())
}

pub(super) fn consumers(call: &mut Call<'_>) -> Outcome {
    let (key, name) = (call.args[2], call.args[3]);
    let Found { stream, out, now } = read(call, key)?.ok_or(Failure::NO_SUCH_KEY)?;
    let Some(group) = stream.groups.get(name) else {
        return no_group(call, key, name);
    };
    out.array(group.consumers().len());
    for consumer in group.consumers() {
        out.map(3);
        out.bulk(b"name");
        out.bulk(&consumer.name);
        out.bulk(b"pending");
        out.int(consumer.pending.len() as i64);
        out.bulk(b"idle");
        out.int(now.saturating_sub(consumer.seen).max(0));
    }
    Ok(())
}

pub(super) fn help(call: &mut Call<'_>) -> Outcome {
    call.help(
        "XINFO",
        &[
            "CONSUMERS <key> <groupname>",
            "    Show consumers of <groupname>.",
            "GROUPS <key>",
            "    Show the stream consumer groups.",
            "STREAM <key> [FULL [COUNT <count>]",
            "    Show information about the stream.",
        ],
    );
    Ok(())
}
