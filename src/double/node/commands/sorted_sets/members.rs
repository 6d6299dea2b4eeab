//! What is asked of a set, its members and their ranks.

use super::{lex_range, score_range};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::sorted_set::SortedSet;

pub(super) fn zcard(call: &mut Call<'_>) -> Outcome {
    count(call, SortedSet::len)
}

pub(super) fn zcount(call: &mut Call<'_>) -> Outcome {
    let range = score_range(call.args[2], call.args[3])?;
    count(call, |set| set.score_ranks(&range).len())
}

pub(super) fn zlexcount(call: &mut Call<'_>) -> Outcome {
    let range = lex_range(call.args[2], call.args[3])?;
    count(call, |set| set.lex_ranks(&range).len())
}

/// Replies with what is counted in the set; 0 if there is none.
fn count(call: &mut Call<'_>, of: impl FnOnce(&SortedSet) -> usize) -> Outcome {
    let count = call.read::<SortedSet>(call.args[1])?.map_or(0, of);
    call.out.int(count as i64);
    Ok(())
}

pub(super) fn zscore(call: &mut Call<'_>) -> Outcome {
    let member = call.args[2];
    let score = read(call)?.and_then(|set| set.score(member));
    match score {
        Some(score) => call.out.double(score),
        None => call.out.null(),
    }
    Ok(())
}

pub(super) fn zmscore(call: &mut Call<'_>) -> Outcome {
    let (key, members) = (call.args[1], &call.args[2..]);
    let Some((set, out)) = call.read_and_out::<SortedSet>(key)? else {
        call.out.array(members.len());
        members.iter().for_each(|_| call.out.null());
        return Ok(());
    };
    out.array(members.len());
    for member in members {
        match set.score(member) {
            Some(score) => out.double(score),
            None => out.null(),
        }
    }
    Ok(())
}

pub(super) fn zrank(call: &mut Call<'_>) -> Outcome {
    let member = call.args[2];
    let rank = read(call)?.and_then(|set| set.rank(member));
    reply_rank(call, rank);
    Ok(())
}

pub(super) fn zrevrank(call: &mut Call<'_>) -> Outcome {
    let member = call.args[2];
    let rank = read(call)?.and_then(|set| Some(set.len() - 1 - set.rank(member)?));
    reply_rank(call, rank);
    Ok(())
}

fn reply_rank(call: &mut Call<'_>, rank: Option<usize>) {
    match rank {
        Some(rank) => call.out.int(rank as i64),
        None => call.out.null(),
    }
}

fn read<'a>(call: &'a mut Call<'_>) -> Result<Option<&'a SortedSet>, Failure> {
    call.read(call.args[1])
}
