//! What was delivered and not acknowledged: XACK, XPENDING.

use smallvec::SmallVec;

use super::{Found, entries, entry_id, integer, no_key_or_group, range_end, range_start, read};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::stream::{Group, Id, Pending};
use crate::double::node::out::Out;

pub(super) fn xack(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let mut found = read(call, args[1])?;
    let Some(group) = found.as_mut().and_then(|found| found.group(args[2])) else {
        call.out.int(0);
        return Ok(());
    };
    let ids: SmallVec<[Id; 8]> = args[3..]
        .iter()
        .map(|word| entry_id(word))
        .collect::<Result<_, _>>()?;
    let acknowledged = ids.iter().filter(|id| group.acknowledge(**id)).count();
    call.out.int(acknowledged as i64);
    call.server.dirty += acknowledged as u64;
    Ok(())
}

/// What XPENDING is asked for, beside the summary.
struct Wanted<'a> {
    /// No entry whose last delivery is younger than this, in milliseconds.
    idle: i64,
    start: Id,
    end: Id,
    count: u64,
    consumer: Option<&'a [u8]>,
}

pub(super) fn xpending(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let wanted = match args.len() {
        3 => None,
        6..=9 => Some(wanted(args)?),
        _ => return Err(Failure::SYNTAX),
    };
    let Some(Found { stream, out, now }) = read(call, args[1])? else {
        return no_key_or_group(call, args[1], args[2]);
    };
    let Some(group) = stream.groups.get(args[2]) else {
        return no_key_or_group(call, args[1], args[2]);
    };
    match wanted {
        None => summary(out, group),
        Some(wanted) => detail(out, group, &wanted, now),
    }
    Ok(())
}

fn wanted<'a>(args: &[&'a [u8]]) -> Result<Wanted<'a>, Failure> {
    let mut idle = 0;
    let mut words = &args[3..];
    if words[0].eq_ignore_ascii_case(b"idle") {
        idle = integer(words[1])?;
        words = &words[2..];
    }
    let &[start, end, count, ref rest @ ..] = words else {
        return Err(Failure::SYNTAX);
    };
    let count = u64::try_from(integer(count)?).unwrap_or(0);
    Ok(Wanted {
        idle,
        start: range_start(start)?,
        end: range_end(end)?,
        count,
        consumer: rest.first().copied(),
    })
}

fn summary(out: &mut Out, group: &Group) {
    let pending = group.pending();
    out.array(4);
    out.int(pending.len() as i64);
    let (Some((first, _)), Some((last, _))) = (pending.first_key_value(), pending.last_key_value())
    else {
        out.null();
        out.null();
        out.null_array();
        return;
    };
    entries::id(out, *first);
    entries::id(out, *last);
    let busy = group
        .consumers()
        .filter(|consumer| !consumer.pending.is_empty());
    entries::list(out, busy, 0, |out, consumer| {
        out.array(2);
        out.bulk(&consumer.name);
        out.bulk_int(consumer.pending.len() as i64);
    });
}

fn detail(out: &mut Out, group: &Group, wanted: &Wanted<'_>, now: i64) {
    if wanted.count == 0 || wanted.start > wanted.end {
        out.array(0);
        return;
    }
    let ids = wanted.start..=wanted.end;
    let one = |out: &mut Out, (id, pending): (Id, &Pending)| {
        out.array(4);
        entries::id(out, id);
        let owner = group.consumer(pending.consumer);
        out.bulk(owner.map_or(b"", |owner| &owner.name));
        out.int(now.saturating_sub(pending.delivered).max(0));
        out.int(pending.deliveries as i64);
    };
    let old_enough = |pending: &Pending| {
        wanted.idle == 0 || now.saturating_sub(pending.delivered) >= wanted.idle
    };
    match wanted.consumer {
        None => {
            let pending = group.pending().range(ids).map(|(id, it)| (*id, it));
            let pending = pending.filter(|(_, it)| old_enough(it));
            entries::list(out, pending, wanted.count, one);
        }
        Some(name) => {
            let consumer = group.find(name).and_then(|at| group.consumer(at));
            let own = consumer
                .into_iter()
                .flat_map(|it| it.pending.range(ids.clone()));
            let pending = own
                .filter_map(|id| Some((*id, group.pending().get(id)?)))
                .filter(|(_, it)| old_enough(it));
            entries::list(out, pending, wanted.count, one);
        }
    }
}
