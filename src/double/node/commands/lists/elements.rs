//! Elements by their number or their text.

use super::{between, integer};
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::list::{End, List};

pub(super) fn llen(call: &mut Call<'_>) -> Outcome {
    let length = call.read::<List>(call.args[1])?.map_or(0, List::len);
    call.out.int(length as i64);
    Ok(())
}

/// The number of an element, counted from the end if it is negative. It may be one that no element has.
fn numbered(list: &List, index: i64) -> usize {
    let index = match index < 0 {
        true => index.saturating_add(list.len() as i64),
        false => index,
    };
    usize::try_from(index).unwrap_or(usize::MAX)
}

pub(super) fn lindex(call: &mut Call<'_>) -> Outcome {
    let (key, index) = (call.args[1], call.args[2]);
    let Some((list, out)) = call.read_and_out::<List>(key)? else {
        call.out.null();
        return Ok(());
    };
    match list.get(numbered(list, integer(index)?)) {
        Some(element) => element.write(out),
        None => out.null(),
    }
    Ok(())
}

pub(super) fn lrange(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (key, start, stop) = (args[1], integer(args[2])?, integer(args[3])?);
    let Some((list, out)) = call.read_and_out::<List>(key)? else {
        call.out.array(0);
        return Ok(());
    };
    let (first, count) = between(list.len(), start, stop);
    out.array(count);
    list.iter_from(first)
        .take(count)
        .for_each(|element| element.write(out));
    Ok(())
}

pub(super) fn ltrim(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (key, start, stop) = (args[1], integer(args[2])?, integer(args[3])?);
    let Some(list) = call.write::<List>(key)? else {
        call.out.ok();
        return Ok(());
    };
    let (first, count) = between(list.len(), start, stop);
    let removed = list.len() - count;
    list.remove_range(first + count, usize::MAX);
    list.remove_range(0, first);
    let empty = list.is_empty();
    call.changed(key, Class::LIST, "ltrim");
    if empty {
        call.remove_empty(key);
    }
    // As Redis counts: not the command, but what it has taken out.
    call.server.dirty = call.server.dirty + removed as u64 - 1;
    call.out.ok();
    Ok(())
}

pub(super) fn lset(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (key, index, text) = (args[1], args[2], args[3]);
    let list = call.write::<List>(key)?.ok_or(Failure::NO_SUCH_KEY)?;
    let index = numbered(list, integer(index)?);
    if !list.set(index, text) {
        return Err(Failure::OUT_OF_RANGE);
    }
    call.changed(key, Class::LIST, "lset");
    call.out.ok();
    Ok(())
}

pub(super) fn linsert(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (key, side, pivot, text) = (args[1], args[2], args[3], args[4]);
    let before = side.eq_ignore_ascii_case(b"BEFORE");
    if !before && !side.eq_ignore_ascii_case(b"AFTER") {
        return Err(Failure::SYNTAX);
    }
    let Some(list) = call.write::<List>(key)? else {
        call.out.int(0);
        return Ok(());
    };
    if !list.insert(pivot, before, text) {
        call.out.int(-1);
        return Ok(());
    }
    let length = list.len();
    call.changed(key, Class::LIST, "linsert");
    call.out.int(length as i64);
    Ok(())
}

pub(super) fn lrem(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (key, count, text) = (args[1], integer(args[2])?, args[3]);
    let Some(list) = call.write::<List>(key)? else {
        call.out.int(0);
        return Ok(());
    };
    let from = if count < 0 { End::Right } else { End::Left };
    let most = match count.unsigned_abs() {
        0 => usize::MAX,
        most => usize::try_from(most).unwrap_or(usize::MAX),
    };
    let removed = list.remove_all(text, from, most);
    let empty = list.is_empty();
    if removed > 0 {
        call.changed(key, Class::LIST, "lrem");
        call.server.dirty += removed as u64 - 1;
    }
    if empty {
        call.remove_empty(key);
    }
    call.out.int(removed as i64);
    Ok(())
}
