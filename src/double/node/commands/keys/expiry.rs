//! When keys are over.

use super::integer;
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};

pub(super) fn expire(call: &mut Call<'_>) -> Outcome {
    set_end(call, "expire", true, true)
}

pub(super) fn pexpire(call: &mut Call<'_>) -> Outcome {
    set_end(call, "pexpire", false, true)
}

pub(super) fn expireat(call: &mut Call<'_>) -> Outcome {
    set_end(call, "expireat", true, false)
}

pub(super) fn pexpireat(call: &mut Call<'_>) -> Outcome {
    set_end(call, "pexpireat", false, false)
}

/// Under which circumstances the end is set.
#[derive(Default)]
struct Only {
    if_none: bool,
    if_some: bool,
    if_later: bool,
    if_sooner: bool,
}

impl Only {
    fn read(words: &[&[u8]]) -> Result<Only, Failure> {
        let mut only = Only::default();
        for word in words {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is("NX") {
                only.if_none = true;
            } else if is("XX") {
                only.if_some = true;
            } else if is("GT") {
                only.if_later = true;
            } else if is("LT") {
                only.if_sooner = true;
            } else {
                let word = String::from_utf8_lossy(word);
                return Err(Failure::told(format!("ERR Unsupported option {word}")));
            }
        }
        if only.if_none && (only.if_some || only.if_later || only.if_sooner) {
            return Err(Failure::text(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if only.if_later && only.if_sooner {
            return Err(Failure::text(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(only)
    }

    /// A key without an end is over later than any other.
    fn allows(&self, before: Option<i64>, after: i64) -> bool {
        let wrong = self.if_none && before.is_some()
            || self.if_some && before.is_none()
            || self.if_later && before.is_none_or(|before| after <= before)
            || self.if_sooner && before.is_some_and(|before| after >= before);
        !wrong
    }
}

fn set_end(call: &mut Call<'_>, command: &str, seconds: bool, relative: bool) -> Outcome {
    let args = call.args;
    let (key, number) = (args[1], args[2]);
    let only = Only::read(&args[3..])?;
    let number = integer(number)?;
    let invalid = || Failure::told(format!("ERR invalid expire time in '{command}' command"));
    let ms = match seconds {
        true => number.checked_mul(1000).ok_or_else(invalid)?,
        false => number,
    };
    let when = match relative {
        true => ms.checked_add(call.now()).ok_or_else(invalid)?,
        false => ms,
    };
    let Some(entry) = call.entry_mut(key) else {
        call.out.int(0);
        return Ok(());
    };
    if !only.allows(entry.expires(), when) {
        call.out.int(0);
        return Ok(());
    }
    if when <= call.now() {
        call.remove(key);
        call.changed(key, Class::GENERIC, "del");
        call.replicate_as(&[b"DEL", key]);
    } else {
        call.db().expire(key, Some(when));
        call.changed(key, Class::GENERIC, "expire");
        call.replicate_end(key, when);
    }
    call.out.int(1);
    Ok(())
}

pub(super) fn persist(call: &mut Call<'_>) -> Outcome {
    let key = call.args[1];
    let ended = call
        .entry_mut(key)
        .is_some_and(|entry| entry.expires().is_some());
    if ended {
        call.db().expire(key, None);
        call.changed(key, Class::GENERIC, "persist");
    }
    call.out.int(i64::from(ended));
    Ok(())
}

pub(super) fn ttl(call: &mut Call<'_>) -> Outcome {
    let now = call.now();
    // Half a second and more counts as one.
    tell(call, |end| (end - now).max(0).saturating_add(500) / 1000)
}

pub(super) fn pttl(call: &mut Call<'_>) -> Outcome {
    let now = call.now();
    tell(call, |end| (end - now).max(0))
}

pub(super) fn expiretime(call: &mut Call<'_>) -> Outcome {
    tell(call, |end| end.saturating_add(500) / 1000)
}

pub(super) fn pexpiretime(call: &mut Call<'_>) -> Outcome {
    tell(call, |end| end)
}

/// -2: no such key; -1: it has no end.
fn tell(call: &mut Call<'_>, of: impl Fn(i64) -> i64) -> Outcome {
    let number = match call.read_untouched(call.args[1]) {
        None => -2,
        Some(entry) => entry.expires().map_or(-1, of),
    };
    call.out.int(number);
    Ok(())
}
