//! Members with their scores come in: ZADD, ZINCRBY, and what GEOADD makes of places.

use smallvec::SmallVec;

use super::limits;
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::sorted_set::{Change, SortedSet};
use crate::double::node::number;

pub(super) fn zadd(call: &mut Call<'_>) -> Outcome {
    read_and_add(call, Mode::default())
}

pub(super) fn zincrby(call: &mut Call<'_>) -> Outcome {
    // Redis takes ZADD's options here, too, though they leave too few words.
    read_and_add(
        call,
        Mode {
            increment: true,
            ..Mode::default()
        },
    )
}

/// What is done with members that are there, and with those that are not.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::double::node::commands) struct Mode {
    /// NX.
    pub only_new: bool,
    /// XX.
    pub only_old: bool,
    /// GT: a score never gets lower.
    pub only_up: bool,
    /// LT: a score never gets higher.
    pub only_down: bool,
    /// CH: the reply counts also the members whose scores have changed.
    pub count_changes: bool,
    /// INCR: the scores are added to those that are there, and the reply is the new one.
    pub increment: bool,
}

impl Mode {
    /// The score that a member gets, if any.
    fn score(&self, old: Option<f64>, given: f64) -> Option<f64> {
        let Some(old) = old else {
            return (!self.only_old).then_some(given);
        };
        let new = match self.increment {
            true => old + given,
            false => given,
        };
        // What is no number passes: it is an error whatever the direction.
        let declined = self.only_new || self.only_up && new <= old || self.only_down && new >= old;
        (!declined).then_some(new)
    }
}

fn read_and_add(call: &mut Call<'_>, mut mode: Mode) -> Outcome {
    let mut words = &call.args[2..];
    while let [word, rest @ ..] = words {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        // A score is none of these, and the commonest case is that there are none.
        match word.first() {
            Some(byte) if byte.is_ascii_alphabetic() => {}
            _ => break,
        }
        if is("NX") {
            mode.only_new = true;
        } else if is("XX") {
            mode.only_old = true;
        } else if is("GT") {
            mode.only_up = true;
        } else if is("LT") {
            mode.only_down = true;
        } else if is("CH") {
            mode.count_changes = true;
        } else if is("INCR") {
            mode.increment = true;
        } else {
            break;
        }
        words = rest;
    }
    let (pairs, []) = words.as_chunks::<2>() else {
        return Err(Failure::SYNTAX);
    };
    if pairs.is_empty() {
        return Err(Failure::SYNTAX);
    }
    if mode.only_new && mode.only_old {
        return Err(Failure::text(
            "ERR XX and NX options at the same time are not compatible",
        ));
    }
    if [mode.only_new, mode.only_up, mode.only_down]
        .iter()
        .filter(|set| **set)
        .count()
        > 1
    {
        return Err(Failure::text(
            "ERR GT, LT, and/or NX options at the same time are not compatible",
        ));
    }
    if mode.increment && pairs.len() > 1 {
        return Err(Failure::text(
            "ERR INCR option supports a single increment-element pair",
        ));
    }
    // Nothing comes in before all scores are known to be numbers.
    let mut scored = SmallVec::<[(f64, &[u8]); 4]>::with_capacity(pairs.len());
    for [score, member] in pairs {
        let score = number::parse_f64(score).ok_or(Failure::NOT_A_FLOAT)?;
        scored.push((score, member));
    }
    add(call, mode, &scored)
}

/// Puts members into the set under the command's first key, and replies. There is at least one; with [`Mode::increment`] there is one.
pub(in crate::double::node::commands) fn add(
    call: &mut Call<'_>,
    mode: Mode,
    scored: &[(f64, &[u8])],
) -> Outcome {
    let key = call.args[1];
    let limits = limits(call);
    let set = match mode.only_old {
        true => call.write::<SortedSet>(key)?,
        false => Some(call.write_or_new(key)?),
    };
    let (mut added, mut updated) = (0, 0);
    let mut last = Change::Declined;
    if let Some(set) = set {
        for (score, member) in scored {
            last = set.upsert(member, limits, |old| mode.score(old, *score));
            match last {
                Change::Added(_) => added += 1,
                Change::Updated(_) => updated += 1,
                Change::Same(_) | Change::Declined => {}
                // Only sums can be none, and there is one member then.
                Change::NotANumber => {
                    return Err(Failure::text("ERR resulting score is not a number (NaN)"));
                }
            }
        }
    }
    if added + updated > 0 {
        let event = if mode.increment { "zincr" } else { "zadd" };
        call.changed(key, Class::SORTED, event);
        call.server.dirty += added + updated - 1;
    }
    match (mode.increment, last) {
        (true, Change::Added(score) | Change::Updated(score) | Change::Same(score)) => {
            call.out.double(score);
        }
        (true, _) => call.out.null(),
        (false, _) if mode.count_changes => call.out.int((added + updated) as i64),
        (false, _) => call.out.int(added as i64),
    }
    Ok(())
}
