//! Which words of a call are keys, and what the command does with them: by the command's key specifications, or in a way of its own
//! where they do not tell (`special`). A server answers `COMMAND GETKEYS` by this, and a cluster's node knows by it whose slot a call is for.

use smallvec::SmallVec;

use super::spec::{Begin, CommandId, Find, KeySpec, Spec};
use super::words::{Flags, KeyFlags};
use super::{Table, special};

/// A word of a call that is a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double::node) struct KeyPlace {
    /// Its place among the words; the name is at 0.
    pub(in crate::double::node) at: usize,
    pub(in crate::double::node) flags: KeyFlags,
}

/// Why a call's keys can't be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double::node) enum NoKeys {
    /// No call of this command has keys.
    Never,
    /// The call is too short or too long.
    WrongNumber,
    /// Its words don't fit together.
    Invalid,
}

impl NoKeys {
    /// As `COMMAND GETKEYS` answers it.
    pub(in crate::double::node) fn message(self) -> &'static str {
        match self {
            NoKeys::Never => "ERR The command has no key arguments",
            NoKeys::WrongNumber => "ERR Invalid number of arguments specified for command",
            NoKeys::Invalid => "ERR Invalid arguments specified for command",
        }
    }
}

/// The keys of a call, whose first word is the command's name, in the order of the key specifications. None at all for a call of a
/// command that can do without, as `EVAL … 0`.
///
/// # Errors
/// A call that the command would refuse as well, or a command without keys.
pub(in crate::double::node) fn keys(
    table: &Table,
    id: CommandId,
    args: &[&[u8]],
) -> Result<Vec<KeyPlace>, NoKeys> {
    let spec = table.spec(id);
    if !spec.has_keys() {
        return Err(NoKeys::Never);
    }
    if !spec.takes(args.len()) {
        return Err(NoKeys::WrongNumber);
    }
    let varies = spec
        .keys
        .iter()
        .any(|key| key.flags.has(KeyFlags::VARIABLE_FLAGS));
    let mut found = (!varies).then(|| by_specs(spec, args)).flatten();
    if found.is_none() {
        found = spec.special.map(|special| special::keys(special, args));
    }
    match found {
        Some(keys) if !keys.is_empty() => Ok(keys),
        _ if spec.flags.has(Flags::NO_MANDATORY_KEYS) => Ok(Vec::new()),
        _ => Err(NoKeys::Invalid),
    }
}

/// The words by which a node of a cluster tells whose slot a call is for: its keys, and also channels of shards. None for a call that does not fit together: the
/// command itself tells what is wrong with it.
pub(in crate::double::node) fn routing_words<'a>(
    spec: &Spec,
    args: &[&'a [u8]],
) -> SmallVec<[&'a [u8]; 4]> {
    if let Some(special) = spec.special {
        let places = special::keys(special, args);
        let words = places.iter().filter_map(|place| args.get(place.at));
        return words.copied().collect();
    }
    let Some(first) = usize::try_from(spec.first).ok().filter(|first| *first > 0) else {
        return SmallVec::new();
    };
    let last = match usize::try_from(spec.last) {
        Ok(last) => Some(last),
        Err(_) => args.len().checked_sub(spec.last.unsigned_abs() as usize),
    };
    // A call that is too short for it has none.
    let Some(range) = last.and_then(|last| args.get(first..=last)) else {
        return SmallVec::new();
    };
    let step = usize::try_from(spec.step).unwrap_or(1).max(1);
    range.iter().step_by(step).copied().collect()
}

/// `None`: a specification that is incomplete, or that the call does not fit.
fn by_specs(spec: &Spec, args: &[&[u8]]) -> Option<Vec<KeyPlace>> {
    let mut keys = Vec::new();
    let specs = spec.keys.iter();
    for key in specs.filter(|key| !key.flags.has(KeyFlags::NOT_KEY)) {
        let Some(begin) = begin(key.begin, args)? else {
            continue;
        };
        let (first, last, step) = range(key, begin, args)?;
        let count = args.len();
        if last < first || first >= count || last >= count {
            return None;
        }
        keys.extend((first..=last).step_by(step).map(|at| KeyPlace {
            at,
            flags: key.flags,
        }));
        if key.flags.has(KeyFlags::INCOMPLETE) {
            return None;
        }
    }
    Some(keys)
}

/// Where keys begin; `Some(None)` where the keyword is not there, and so no key.
fn begin(begin: Begin, args: &[&[u8]]) -> Option<Option<usize>> {
    match begin {
        Begin::Index(at) => Some(Some(usize::try_from(at).ok()?)),
        Begin::Keyword(keyword, from) => {
            let is_it = |at: &usize| special::is(args[*at], keyword);
            let found = if from < 0 {
                // Backwards, down to the word after the name.
                let from = args.len().saturating_sub(from.unsigned_abs() as usize);
                (2..=from).rev().find(is_it)
            } else {
                // Without the last word: nothing could follow it.
                (from.unsigned_abs() as usize..args.len().saturating_sub(1)).find(is_it)
            };
            Some(found.map(|at| at + 1))
        }
        Begin::Unknown => None,
    }
}

/// First and last key, both included, and the step.
fn range(key: &KeySpec, begin: usize, args: &[&[u8]]) -> Option<(usize, usize, usize)> {
    match key.find {
        Find::Range { last, step, limit } => {
            let last = match usize::try_from(last) {
                Ok(last) => begin.checked_add(last)?,
                Err(_) => {
                    let back = last.unsigned_abs() as usize;
                    if limit > 1 {
                        let part = args.len().checked_sub(begin)? / limit.unsigned_abs() as usize;
                        (begin + part).checked_sub(back)?
                    } else {
                        args.len().checked_sub(back)?
                    }
                }
            };
            Some((begin, last, usize::try_from(step).ok()?.max(1)))
        }
        Find::Number { at, first, step } => {
            let number = args.get(begin.checked_add(usize::try_from(at).ok()?)?)?;
            let number = special::whole(number).filter(|number| *number >= 0)?;
            // Its lower 32 bits count, in Redis.
            let number = usize::try_from(number as i32).ok()?;
            let first = begin.checked_add(usize::try_from(first).ok()?)?;
            let last = first.checked_add(number)?.checked_sub(1)?;
            Some((first, last, usize::try_from(step).ok()?.max(1)))
        }
        Find::Unknown => None,
    }
}
