//! Fields by their names.

use super::limits;
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::hash::Hash;
use crate::double::node::keyspace::packed::Element;

pub(super) fn hset(call: &mut Call<'_>) -> Outcome {
    let new = set_all(call, "hset")?;
    call.out.int(new);
    Ok(())
}

pub(super) fn hmset(call: &mut Call<'_>) -> Outcome {
    set_all(call, "hmset")?;
    call.out.ok();
    Ok(())
}

/// Sets the fields that the command names. How many of them are new.
fn set_all(call: &mut Call<'_>, name: &str) -> Result<i64, Failure> {
    let (key, pairs) = (call.args[1], &call.args[2..]);
    if !pairs.len().is_multiple_of(2) {
        return Err(Failure::arity(name));
    }
    let limits = limits(call);
    let hash = call.write_or_new::<Hash>(key)?;
    hash.prepare(pairs, limits);
    let mut new = 0;
    for pair in pairs.chunks_exact(2) {
        new += i64::from(hash.set(pair[0], pair[1], limits));
    }
    call.changed(key, Class::HASH, "hset");
    call.server.dirty += pairs.len() as u64 / 2 - 1;
    Ok(new)
}

pub(super) fn hsetnx(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (key, field, value) = (args[1], args[2], args[3]);
    let limits = limits(call);
    let hash = call.write_or_new::<Hash>(key)?;
    if hash.contains(field) {
        call.out.int(0);
        return Ok(());
    }
    hash.set(field, value, limits);
    call.changed(key, Class::HASH, "hset");
    call.out.int(1);
    Ok(())
}

pub(super) fn hget(call: &mut Call<'_>) -> Outcome {
    let (key, field) = (call.args[1], call.args[2]);
    match call.read_and_out::<Hash>(key)? {
        None => call.out.null(),
        Some((hash, out)) => match hash.get(field) {
            Some(value) => value.write(out),
            None => out.null(),
        },
    }
    Ok(())
}

pub(super) fn hmget(call: &mut Call<'_>) -> Outcome {
    let (key, fields) = (call.args[1], &call.args[2..]);
    let found = call.read_and_out::<Hash>(key)?;
    let Some((hash, out)) = found else {
        call.out.array(fields.len());
        fields.iter().for_each(|_| call.out.null());
        return Ok(());
    };
    out.array(fields.len());
    for field in fields {
        match hash.get(field) {
            Some(value) => value.write(out),
            None => out.null(),
        }
    }
    Ok(())
}

pub(super) fn hexists(call: &mut Call<'_>) -> Outcome {
    let (key, field) = (call.args[1], call.args[2]);
    let hash = call.read::<Hash>(key)?;
    let there = hash.is_some_and(|hash| hash.contains(field));
    call.out.int(i64::from(there));
    Ok(())
}

pub(super) fn hstrlen(call: &mut Call<'_>) -> Outcome {
    let (key, field) = (call.args[1], call.args[2]);
    let hash = call.read::<Hash>(key)?;
    let length = hash
        .and_then(|hash| hash.get(field))
        .map_or(0, Element::len);
    call.out.int(length as i64);
    Ok(())
}

pub(super) fn hdel(call: &mut Call<'_>) -> Outcome {
    let (key, fields) = (call.args[1], &call.args[2..]);
    let mut removed = 0_u64;
    let mut empty = false;
    if let Some(hash) = call.write::<Hash>(key)? {
        for field in fields {
            removed += u64::from(hash.remove(field));
        }
        empty = hash.is_empty();
    }
    if removed > 0 {
        call.changed(key, Class::HASH, "hdel");
        call.server.dirty += removed - 1;
        if empty {
            call.remove_empty(key);
        }
    }
    call.out.int(removed as i64);
    Ok(())
}
