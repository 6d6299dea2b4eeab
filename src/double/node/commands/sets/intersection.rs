//! What several sets have in common.

use super::algebra::find;
use super::{at_least, store};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::packed::Element;
use crate::double::node::keyspace::set::Set;
use crate::double::node::keyspace::value::typed;
use crate::double::node::server::Server;

pub(super) fn sinter(call: &mut Call<'_>) -> Outcome {
    let keys = &call.args[1..];
    let Some(found) = find_all(call, keys)? else {
        call.out.set(0);
        return Ok(());
    };
    let sets = sets(call.server, call.db, &found)?;
    let out = &mut *call.out;
    let place = out.open();
    let mut count = 0;
    for member in common(&sets) {
        member.write(out);
        count += 1;
    }
    out.close(place, |out| out.set(count));
    Ok(())
}

pub(super) fn sintercard(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let numkeys = at_least(args[1], 1, "ERR numkeys should be greater than 0")?;
    let numkeys = usize::try_from(numkeys).unwrap_or(usize::MAX);
    let Some((keys, options)) = args[2..].split_at_checked(numkeys) else {
        return Err(Failure::text(
            "ERR Number of keys can't be greater than number of args",
        ));
    };
    let mut most = usize::MAX;
    for pair in options.chunks(2) {
        match pair {
            [name, value] if name.eq_ignore_ascii_case(b"LIMIT") => {
                let limit = at_least(value, 0, "ERR LIMIT can't be negative")?;
                most = match limit {
                    0 => usize::MAX,
                    limit => usize::try_from(limit).unwrap_or(usize::MAX),
                };
            }
            _ => return Err(Failure::SYNTAX),
        }
    }
    let count = match find_all(call, keys)? {
        None => 0,
        Some(found) => {
            let sets = sets(call.server, call.db, &found)?;
            common(&sets).take(most).count()
        }
    };
    call.out.int(count as i64);
    Ok(())
}

pub(super) fn sinterstore(call: &mut Call<'_>) -> Outcome {
    let (key, keys) = (call.args[1], &call.args[2..]);
    let integers = call.server.config.set_integers;
    let mut result = Set::default();
    if let Some(found) = find_all(call, keys)? {
        for member in common(&sets(call.server, call.db, &found)?) {
            result.insert_element(member, integers);
        }
    }
    store(call, key, result, "sinterstore");
    Ok(())
}

/// The places of sets in the database. `None`: one of them is not there, so that there is nothing in common.
///
/// # Errors
/// A key holds something else.
fn find_all(call: &mut Call<'_>, keys: &[&[u8]]) -> Result<Option<Vec<usize>>, Failure> {
    Ok(find(call, keys)?.into_iter().collect())
}

/// The sets at these places, the smallest first.
fn sets<'s>(server: &'s Server, db: usize, found: &[usize]) -> Result<Vec<&'s Set>, Failure> {
    let mut sets = Vec::with_capacity(found.len());
    for at in found {
        sets.push(typed::<Set>(&server.dbs[db].at(*at).1.value)?);
    }
    sets.sort_by_key(|set| set.len());
    Ok(sets)
}

/// What is in all of these sets, in the order of the first one.
fn common<'s>(sets: &'s [&'s Set]) -> impl Iterator<Item = Element<'s>> {
    let (first, others) = match sets.split_first() {
        Some((first, others)) => (Some(first), others),
        None => (None, sets),
    };
    first
        .into_iter()
        .flat_map(|set| set.iter())
        .filter(|member| others.iter().all(|set| set.contains_element(*member)))
}
