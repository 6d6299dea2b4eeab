//! Consumers take over what is pending for others: XCLAIM, XAUTOCLAIM.

use std::ops::Bound;

use super::{Found, entries, entry_id, integer, no_key_or_group, noted, range_start, read, write};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::stream::{Group, Id, Missing, Pending, Stream};
use crate::double::node::number;

/// The options of XCLAIM.
struct Options {
    /// IDLE or TIME: when the entries count as delivered, in milliseconds since 1970.
    delivered: Option<i64>,
    retries: Option<u64>,
    force: bool,
    only_ids: bool,
    last_id: Id,
}

pub(super) fn xclaim(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (key, name) = (args[1], args[2]);
    if !is_there(call, key, name)? {
        return no_key_or_group(call, key, name);
    }
    let idle = least_idle(args[4], "XCLAIM")?;
    let words = &args[5..];
    let ids: Vec<Id> = words
        .iter()
        .map_while(|word| Id::parse_strict(word, Missing::Lowest))
        .collect();
    let options = options(&words[ids.len()..], call.now())?;
    if let Some(mut found) = write(call, key)?
        && let Some(group) = found.group(name)
    {
        group.last_id = group.last_id.max(options.last_id);
    }
    let Some(Found { stream, out, now }) = write(call, key)? else {
        return Ok(());
    };
    let Stream { nodes, groups, .. } = stream;
    let Some(group) = groups.get_mut(name) else {
        return Ok(());
    };
    let delivered = match options.delivered {
        Some(time) if (0..=now).contains(&time) => time,
        _ => now,
    };
    let mut claimant = Claimant::new(args[3]);
    let (place, mut claimed, mut changes) = (out.open(), 0, 0);
    for id in ids {
        let before = group.pending().get(&id).copied();
        let Some(entry) = nodes.get(id) else {
            changes += u64::from(group.acknowledge(id));
            continue;
        };
        let deliveries = match before {
            Some(pending) if idle > 0 && now.saturating_sub(pending.delivered) < idle => continue,
            Some(pending) => pending.deliveries,
            // Redis counts it as delivered once before this.
            None if options.force => 1,
            None => continue,
        };
        let again = deliveries.wrapping_add(u64::from(!options.only_ids));
        let pending = Pending {
            delivered,
            deliveries: options.retries.unwrap_or(again),
            consumer: claimant.number(group, now),
        };
        group.put(id, pending);
        match options.only_ids {
            true => entries::id(out, id),
            false => entries::entry(out, &entry),
        }
        claimed += 1;
        changes += 1;
    }
    out.close(place, |out| out.array(claimed));
    call.server.dirty += changes;
    if claimant.new {
        noted(call, key, "xgroup-createconsumer");
    }
    Ok(())
}

/// The consumer that takes over. It is looked for, and made, as soon as there is something for it.
struct Claimant<'a> {
    name: &'a [u8],
    number: Option<usize>,
    /// It was made.
    new: bool,
}

impl<'a> Claimant<'a> {
    fn new(name: &'a [u8]) -> Claimant<'a> {
        Claimant {
            name,
            number: None,
            new: false,
        }
    }

    fn number(&mut self, group: &mut Group, now: i64) -> usize {
        *self.number.get_or_insert_with(|| {
            let (number, new) = group.see_or_add(self.name, now);
            self.new = new;
            number
        })
    }
}

/// Whether there is such a group. Counted as a read.
fn is_there(call: &mut Call<'_>, key: &[u8], group: &[u8]) -> Result<bool, Failure> {
    let found = read(call, key)?;
    Ok(found.is_some_and(|found| found.stream.groups.contains_key(group)))
}

/// For how long an entry must have been pending, in milliseconds.
fn least_idle(word: &[u8], command: &str) -> Result<i64, Failure> {
    let bad = || Failure::told(format!("ERR Invalid min-idle-time argument for {command}"));
    Ok(number::parse_i64(word).ok_or_else(bad)?.max(0))
}

fn options(words: &[&[u8]], now: i64) -> Result<Options, Failure> {
    let mut options = Options {
        delivered: None,
        retries: None,
        force: false,
        only_ids: false,
        last_id: Id::MIN,
    };
    let number = |word: &[u8], option: &str| {
        let bad = || Failure::told(format!("ERR Invalid {option} option argument for XCLAIM"));
        number::parse_i64(word).ok_or_else(bad)
    };
    let mut rest = words;
    while let Some((word, values)) = rest.split_first() {
        let is = |option: &str| word.eq_ignore_ascii_case(option.as_bytes());
        rest = values;
        if is("force") {
            options.force = true;
            continue;
        }
        if is("justid") {
            options.only_ids = true;
            continue;
        }
        let Some((value, values)) = values.split_first() else {
            return Err(unknown(word));
        };
        rest = values;
        if is("idle") {
            // -1 stands for nothing in Redis, here and below.
            let time = now.wrapping_sub(number(value, "IDLE")?);
            options.delivered = Some(time).filter(|time| *time != -1);
        } else if is("time") {
            let time = number(value, "TIME")?;
            options.delivered = Some(time).filter(|time| *time != -1);
        } else if is("retrycount") {
            options.retries = u64::try_from(number(value, "RETRYCOUNT")?).ok();
        } else if is("lastid") {
            options.last_id = entry_id(value)?;
        } else {
            return Err(unknown(word));
        }
    }
    Ok(options)
}

fn unknown(word: &[u8]) -> Failure {
    let word = word.split(|byte| *byte == 0).next().unwrap_or_default();
    let word = String::from_utf8_lossy(word);
    Failure::told(format!("ERR Unrecognized XCLAIM option '{word}'"))
}

/// XAUTOCLAIM looks at so many times more entries than it is to claim.
const ATTEMPTS: u64 = 10;
/// The highest COUNT of XAUTOCLAIM.
const HIGHEST: i64 = i64::MAX / 16;
/// From this COUNT on Redis finds no memory for the ids of entries that are gone. (Here they take memory only if there are any.)
const NO_MEMORY: u64 = (1 << 47) / 16;

pub(super) fn xautoclaim(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (key, name) = (args[1], args[2]);
    // The key is looked up first, and asked for its type last.
    call.entry(key);
    let idle = least_idle(args[4], "XAUTOCLAIM")?;
    let start = range_start(args[5])?;
    let (mut left, mut only_ids) = (100, false);
    let mut words = args[6..].iter();
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case(b"justid") {
            only_ids = true;
            continue;
        }
        let value = match words.next() {
            Some(value) if word.eq_ignore_ascii_case(b"count") => value,
            _ => return Err(Failure::SYNTAX),
        };
        left = match integer(value) {
            Ok(count @ 1..=HIGHEST) => count as u64,
            _ => return Err(Failure::text("ERR COUNT must be > 0")),
        };
    }
    let there = write(call, key)?.is_some_and(|found| found.stream.groups.contains_key(name));
    if !there {
        return no_key_or_group(call, key, name);
    }
    if left > NO_MEMORY {
        return Err(Failure::text(
            "ERR Insufficient memory, failed allocating transient memory, COUNT too high.",
        ));
    }
    let Some(Found { stream, out, now }) = write(call, key)? else {
        return Ok(());
    };
    let Stream { nodes, groups, .. } = stream;
    let Some(group) = groups.get_mut(name) else {
        return Ok(());
    };
    let mut attempts = left.saturating_mul(ATTEMPTS);
    let mut from = Bound::Included(start);
    let mut claimant = Claimant::new(args[3]);
    let (place, mut claimed, mut gone, mut changes) = (out.open(), 0, Vec::new(), 0);
    let next = loop {
        let next = group.pending().range((from, Bound::Unbounded)).next();
        let Some((id, mut pending)) = next.map(|(id, pending)| (*id, *pending)) else {
            break Id::MIN;
        };
        if attempts == 0 || left == 0 {
            break id;
        }
        attempts -= 1;
        from = Bound::Excluded(id);
        let Some(entry) = nodes.get(id) else {
            group.acknowledge(id);
            gone.push(id);
            left -= 1;
            changes += 1;
            continue;
        };
        if idle > 0 && now.saturating_sub(pending.delivered) < idle {
            continue;
        }
        pending.consumer = claimant.number(group, now);
        pending.delivered = now;
        pending.deliveries = pending.deliveries.wrapping_add(u64::from(!only_ids));
        group.put(id, pending);
        match only_ids {
            true => entries::id(out, id),
            false => entries::entry(out, &entry),
        }
        claimed += 1;
        left -= 1;
        changes += 1;
    };
    out.close(place, |out| {
        out.array(3);
        entries::id(out, next);
        out.array(claimed);
    });
    entries::list(out, gone.into_iter(), 0, entries::id);
    call.server.dirty += changes;
    if claimant.new {
        noted(call, key, "xgroup-createconsumer");
    }
    Ok(())
}
