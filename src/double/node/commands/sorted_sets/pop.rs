//! Taking the members with the lowest or the highest scores, from the first of several sets that is there, and waiting for one.

use super::super::first_of::FirstOf;
use super::count;
use crate::double::node::blocking::gives_up;
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::sorted_set::SortedSet;
use crate::double::node::keyspace::value::Kind;
use crate::double::node::out::Out;

/// An end of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The lowest score's.
    Min,
    /// The highest score's.
    Max,
}

pub(super) fn zpopmin(call: &mut Call<'_>) -> Outcome {
    pop(call, End::Min)
}

pub(super) fn zpopmax(call: &mut Call<'_>) -> Outcome {
    pop(call, End::Max)
}

fn pop(call: &mut Call<'_>, from: End) -> Outcome {
    let (key, given) = match call.args {
        [_, key] => (*key, None),
        [_, key, word] => (*key, Some(count(word)?)),
        _ => return Err(Failure::SYNTAX),
    };
    let Some((set, out)) = call.write_and_out::<SortedSet>(key)? else {
        call.out.array(0);
        return Ok(());
    };
    let most = given.unwrap_or(1).min(set.len());
    let nested = given.is_some() && out.resp3;
    out.array(if nested { most } else { most * 2 });
    if most > 0 {
        take(set, from, most, nested, out);
        let empty = set.is_empty();
        popped(call, key, from, most, empty);
    }
    Ok(())
}

/// Takes members out and writes them with their scores. There must be so many.
fn take(set: &mut SortedSet, from: End, count: usize, nested: bool, out: &mut Out) {
    let write = |(member, score): (&[u8], f64)| {
        if nested {
            out.array(2);
        }
        out.bulk(member);
        out.double(score);
    };
    let ranks = match from {
        End::Min => 0..count,
        End::Max => set.len() - count..set.len(),
    };
    match from {
        End::Min => set.iter(ranks.clone()).for_each(write),
        End::Max => set.iter(ranks.clone()).rev().for_each(write),
    }
    set.remove_ranks(ranks);
}

/// Tells that members were taken out.
fn popped(call: &mut Call<'_>, key: &[u8], from: End, count: usize, empty: bool) {
    let event = match from {
        End::Min => "zpopmin",
        End::Max => "zpopmax",
    };
    call.changed(key, Class::SORTED, event);
    call.server.dirty += count.saturating_sub(1) as u64;
    if empty {
        call.remove_empty(key);
    }
}

pub(super) fn zmpop(call: &mut Call<'_>) -> Outcome {
    let many = FirstOf::read(&call.args[1..], end)?;
    if !take_from_first(call, &many)? {
        call.out.null_array();
    }
    Ok(())
}

pub(super) fn bzmpop(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let many = FirstOf::read(&args[2..], end)?;
    let until = gives_up(args[1], call.now())?;
    take_or_wait(call, &many, until)
}

pub(super) fn bzpopmin(call: &mut Call<'_>) -> Outcome {
    blocking_pop(call, End::Min)
}

pub(super) fn bzpopmax(call: &mut Call<'_>) -> Outcome {
    blocking_pop(call, End::Max)
}

fn blocking_pop(call: &mut Call<'_>, from: End) -> Outcome {
    let [_, keys @ .., seconds] = call.args else {
        return Err(Failure::SYNTAX);
    };
    let until = gives_up(seconds, call.now())?;
    let many = FirstOf {
        keys,
        from,
        most: None,
    };
    take_or_wait(call, &many, until)
}

fn take_or_wait(call: &mut Call<'_>, many: &FirstOf<'_, End>, until: Option<i64>) -> Outcome {
    match take_from_first(call, many)? {
        true => Ok(()),
        false => many.wait(call, Kind::Sorted, until),
    }
}

/// MIN or MAX.
fn end(word: &[u8]) -> Result<End, Failure> {
    if word.eq_ignore_ascii_case(b"MIN") {
        Ok(End::Min)
    } else if word.eq_ignore_ascii_case(b"MAX") {
        Ok(End::Max)
    } else {
        Err(Failure::SYNTAX)
    }
}

/// Takes members from the first set that is there, and writes its key and them. Whether there was one.
fn take_from_first(call: &mut Call<'_>, many: &FirstOf<'_, End>) -> Result<bool, Failure> {
    for key in many.keys {
        if !call.looks_at(key) {
            continue;
        }
        let Some((set, out)) = call.write_and_out::<SortedSet>(key)? else {
            continue;
        };
        let count = many.most.unwrap_or(1).min(set.len());
        match many.most {
            Some(_) => {
                out.array(2);
                out.bulk(key);
                out.array(count);
            }
            None => {
                out.array(3);
                out.bulk(key);
            }
        }
        take(set, many.from, count, many.most.is_some(), out);
        let empty = set.is_empty();
        popped(call, key, many.from, count, empty);
        let name: &[u8] = match many.from {
            End::Min => b"ZPOPMIN",
            End::Max => b"ZPOPMAX",
        };
        call.replicate_pop(name, key, many.most.map(|_| count));
        return Ok(true);
    }
    Ok(false)
}
