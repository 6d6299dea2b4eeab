//! Setting and getting one text, with all that SET and GETEX can be told.

use super::{integer, reply_text};
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::text::Text;
use crate::double::node::keyspace::value::Value;

/// When a key shall be over, as a command was told.
#[derive(Clone, Copy)]
struct End<'a> {
    number: &'a [u8],
    /// Seconds, and not milliseconds.
    seconds: bool,
    /// From now, and not from 1970.
    relative: bool,
}

impl End<'_> {
    /// The moment, in milliseconds since 1970.
    fn moment(self, call: &Call<'_>, command: &str) -> Result<i64, Failure> {
        let number = integer(self.number)?;
        let invalid = || Failure::told(format!("ERR invalid expire time in '{command}' command"));
        if number <= 0 {
            return Err(invalid());
        }
        let ms = match self.seconds {
            true => number.checked_mul(1000).ok_or_else(invalid)?,
            false => number,
        };
        match self.relative {
            true => ms.checked_add(call.now()).ok_or_else(invalid),
            false => Ok(ms),
        }
    }
}

/// The options of SET and GETEX.
#[derive(Default)]
struct Options<'a> {
    if_absent: bool,
    if_present: bool,
    get: bool,
    keep: bool,
    persist: bool,
    end: Option<End<'a>>,
}

impl<'a> Options<'a> {
    /// Reads them; SET and GETEX have some in common, and each has some of its own.
    fn read(words: &[&'a [u8]], set: bool) -> Result<Self, Failure> {
        let mut options = Options::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let no_end = options.end.is_none() && !options.keep && !options.persist;
            if set && is("NX") && !options.if_present {
                options.if_absent = true;
            } else if set && is("XX") && !options.if_absent {
                options.if_present = true;
            } else if set && is("GET") {
                options.get = true;
            } else if set && is("KEEPTTL") && options.end.is_none() {
                options.keep = true;
            } else if !set && is("PERSIST") && options.end.is_none() {
                options.persist = true;
            } else if (is("EX") || is("PX") || is("EXAT") || is("PXAT")) && no_end {
                options.end = Some(End {
                    number: words.next().ok_or(Failure::SYNTAX)?,
                    seconds: is("EX") || is("EXAT"),
                    relative: is("EX") || is("PX"),
                });
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        Ok(options)
    }
}

pub(super) fn get(call: &mut Call<'_>) -> Outcome {
    let key = call.args[1];
    reply_text(call, key).map(drop)
}

pub(super) fn set(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    if let [_, key, text] = args {
        store(call, key, text, false);
        call.out.ok();
        return Ok(());
    }
    let options = Options::read(&args[3..], true)?;
    let (key, text) = (args[1], args[2]);
    let end = match options.end {
        Some(end) => Some(end.moment(call, "set")?),
        None => None,
    };
    if options.get {
        reply_text(call, key)?;
    }
    if (options.if_absent || options.if_present) && call.exists(key) != options.if_present {
        if !options.get {
            call.out.null();
        }
        return Ok(());
    }
    store(call, key, text, options.keep);
    if let Some(moment) = end {
        expire(call, key, end);
        replicate(call, key, text, moment);
    }
    if !options.get {
        call.out.ok();
    }
    Ok(())
}

/// Sets a text, and tells so.
fn store(call: &mut Call<'_>, key: &[u8], text: &[u8], keep: bool) {
    let value = Value::Text(Text::new(text));
    match keep {
        true => call.put_keeping_end(key, value),
        false => call.put(key, value),
    }
    call.changed(key, Class::TEXT, "set");
}

/// Sets the end of a key that was just changed.
fn expire(call: &mut Call<'_>, key: &[u8], end: Option<i64>) {
    call.db().expire(key, end);
    let db = call.db;
    call.server.notify(Class::GENERIC, "expire", key, db);
}

/// Replicas are told the moment at which the key is over, however it was said.
fn replicate(call: &mut Call<'_>, key: &[u8], text: &[u8], end: i64) {
    if !call.server.replication.feeds() {
        return;
    }
    let end = end.to_string();
    call.replicate_as(&[b"SET", key, text, b"PXAT", end.as_bytes()]);
}

pub(super) fn setnx(call: &mut Call<'_>) -> Outcome {
    let (key, text) = (call.args[1], call.args[2]);
    let absent = !call.exists(key);
    if absent {
        store(call, key, text, false);
    }
    call.out.int(i64::from(absent));
    Ok(())
}

pub(super) fn setex(call: &mut Call<'_>) -> Outcome {
    set_with_end(call, true, "setex")
}

pub(super) fn psetex(call: &mut Call<'_>) -> Outcome {
    set_with_end(call, false, "psetex")
}

fn set_with_end(call: &mut Call<'_>, seconds: bool, command: &str) -> Outcome {
    let (key, number, text) = (call.args[1], call.args[2], call.args[3]);
    let end = End {
        number,
        seconds,
        relative: true,
    };
    let end = end.moment(call, command)?;
    store(call, key, text, false);
    expire(call, key, Some(end));
    replicate(call, key, text, end);
    call.out.ok();
    Ok(())
}

pub(super) fn getset(call: &mut Call<'_>) -> Outcome {
    let (key, text) = (call.args[1], call.args[2]);
    reply_text(call, key)?;
    store(call, key, text, false);
    Ok(())
}

pub(super) fn getdel(call: &mut Call<'_>) -> Outcome {
    let key = call.args[1];
    if reply_text(call, key)? {
        call.remove(key);
        call.changed(key, Class::GENERIC, "del");
    }
    Ok(())
}

pub(super) fn getex(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let key = args[1];
    let options = Options::read(&args[2..], false)?;
    // A key that is not there, or is no text, is told before a time that is none.
    if !reply_text(call, key)? {
        return Ok(());
    }
    if let Some(end) = options.end {
        let end = end.moment(call, "getex")?;
        if end <= call.now() {
            call.remove(key);
            call.changed(key, Class::GENERIC, "del");
        } else {
            call.db().expire(key, Some(end));
            call.changed(key, Class::GENERIC, "expire");
            call.replicate_end(key, end);
        }
    } else if options.persist
        && call
            .entry_mut(key)
            .is_some_and(|entry| entry.expires().is_some())
    {
        call.db().expire(key, None);
        call.changed(key, Class::GENERIC, "persist");
    }
    Ok(())
}
