//! Unions and differences of sets.

use super::{reply, store};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::set::Set;
use crate::double::node::keyspace::value::typed;

pub(super) fn sunion(call: &mut Call<'_>) -> Outcome {
    let result = union(call, &call.args[1..])?;
    reply(call, &result);
    Ok(())
}

pub(super) fn sdiff(call: &mut Call<'_>) -> Outcome {
    let result = difference(call, &call.args[1..])?;
    reply(call, &result);
    Ok(())
}

pub(super) fn sunionstore(call: &mut Call<'_>) -> Outcome {
    let result = union(call, &call.args[2..])?;
    store(call, call.args[1], result, "sunionstore");
    Ok(())
}

pub(super) fn sdiffstore(call: &mut Call<'_>) -> Outcome {
    let result = difference(call, &call.args[2..])?;
    store(call, call.args[1], result, "sdiffstore");
    Ok(())
}

/// The places of sets in the database; `None` for one that is not there. Each counts as a hit or a miss, also for a command that stores
/// what comes out.
///
/// # Errors
/// A key holds something else.
pub(super) fn find(call: &mut Call<'_>, keys: &[&[u8]]) -> Result<Vec<Option<usize>>, Failure> {
    // First of all what is over is taken out, since that moves others.
    for key in keys {
        call.exists(key);
    }
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let at = call.server.read(call.db, key);
        if let Some(at) = at {
            typed::<Set>(&call.server.dbs[call.db].at(at).1.value)?;
        }
        found.push(at);
    }
    Ok(found)
}

fn union(call: &mut Call<'_>, keys: &[&[u8]]) -> Result<Set, Failure> {
    let found = find(call, keys)?;
    let integers = call.server.config.set_integers;
    let mut result = Set::default();
    for at in found.into_iter().flatten() {
        let set = typed::<Set>(&call.server.dbs[call.db].at(at).1.value)?;
        for member in set.iter() {
            result.insert_element(member, integers);
        }
    }
    Ok(result)
}

/// What is in the first set and in no other one.
fn difference(call: &mut Call<'_>, keys: &[&[u8]]) -> Result<Set, Failure> {
    let found = find(call, keys)?;
    let integers = call.server.config.set_integers;
    let mut result = Set::default();
    let Some((Some(first), others)) = found.split_first() else {
        return Ok(result);
    };
    let set = |at: usize| typed::<Set>(&call.server.dbs[call.db].at(at).1.value);
    let first = set(*first)?;
    let mut without = Vec::with_capacity(others.len());
    for at in others.iter().flatten() {
        without.push(set(*at)?);
    }
    if without.iter().any(|other| std::ptr::eq(*other, first)) {
        return Ok(result);
    }
    // There are two ways, and Redis takes the shorter one. The encoding of what comes out tells which it was.
    let looks = first.len() * (1 + without.len()) / 2;
    let removals = first.len() + without.iter().map(|set| set.len()).sum::<usize>();
    if looks <= removals {
        // The greatest are the likeliest to have a member.
        without.sort_by_key(|set| std::cmp::Reverse(set.len()));
        for member in first.iter() {
            if !without.iter().any(|set| set.contains_element(member)) {
                result.insert_element(member, integers);
            }
        }
        return Ok(result);
    }
    for member in first.iter() {
        result.insert_element(member, integers);
    }
    for member in without.iter().flat_map(|set| set.iter()) {
        result.remove_element(member);
        if result.is_empty() {
            break;
        }
    }
    Ok(result)
}
