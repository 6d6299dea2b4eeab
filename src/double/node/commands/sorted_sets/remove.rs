//! Members are taken out.

use std::ops::Range;

use super::{between, integer, lex_range, score_range};
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::Outcome;
use crate::double::node::keyspace::sorted_set::SortedSet;

pub(super) fn zrem(call: &mut Call<'_>) -> Outcome {
    let members = &call.args[2..];
    remove(call, "zrem", |set| {
        members
            .iter()
            .filter(|member| set.remove(member).is_some())
            .count()
    })
}

pub(super) fn zremrangebyrank(call: &mut Call<'_>) -> Outcome {
    let (start, end) = (integer(call.args[2])?, integer(call.args[3])?);
    remove_range(call, "zremrangebyrank", |set| {
        let (first, count) = between(set.len(), start, end);
        first..first + count
    })
}

pub(super) fn zremrangebyscore(call: &mut Call<'_>) -> Outcome {
    let range = score_range(call.args[2], call.args[3])?;
    remove_range(call, "zremrangebyscore", |set| set.score_ranks(&range))
}

pub(super) fn zremrangebylex(call: &mut Call<'_>) -> Outcome {
    let range = lex_range(call.args[2], call.args[3])?;
    remove_range(call, "zremrangebylex", |set| set.lex_ranks(&range))
}

fn remove_range(
    call: &mut Call<'_>,
    event: &str,
    ranks: impl FnOnce(&SortedSet) -> Range<usize>,
) -> Outcome {
    remove(call, event, |set| {
        let ranks = ranks(set);
        set.remove_ranks(ranks)
    })
}

/// Has members taken out by `take`, which counts them.
fn remove(call: &mut Call<'_>, event: &str, take: impl FnOnce(&mut SortedSet) -> usize) -> Outcome {
    let key = call.args[1];
    let (mut taken, mut empty) = (0, false);
    if let Some(set) = call.write::<SortedSet>(key)? {
        taken = take(set) as u64;
        empty = set.is_empty();
    }
    if taken > 0 {
        call.changed(key, Class::SORTED, event);
        call.server.dirty += taken - 1;
        if empty {
            call.remove_empty(key);
        }
    }
    call.out.int(taken as i64);
    Ok(())
}
