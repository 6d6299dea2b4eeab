//! DUMP and RESTORE: a value as bytes, and back.

use super::integer;
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::saved;
use crate::double::node::rdb::{self, NodeSize};

pub(super) fn dump(call: &mut Call<'_>) -> Outcome {
    let compress = call.server.config.compress;
    let saved = match call.entry(call.args[1]) {
        Some(entry) => saved::save(&entry.value),
        None => None,
    };
    match saved {
        Some(saved) => call.out.bulk(&rdb::encode(&saved, compress)),
        None => call.out.null(),
    }
    Ok(())
}

/// What RESTORE can be told beside the value.
#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle: Option<i64>,
    frequency: Option<u8>,
}

impl Options {
    fn read(words: &[&[u8]]) -> Result<Options, Failure> {
        let mut options = Options::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let more = !words.as_slice().is_empty();
            if is("REPLACE") {
                options.replace = true;
            } else if is("ABSTTL") {
                options.absolute = true;
            } else if is("IDLETIME") && more && options.frequency.is_none() {
                let idle = integer(words.next().copied().unwrap_or_default())?;
                if idle < 0 {
                    return Err(Failure::text("ERR Invalid IDLETIME value, must be >= 0"));
                }
                options.idle = Some(idle);
            } else if is("FREQ") && more && options.idle.is_none() {
                let frequency = integer(words.next().copied().unwrap_or_default())?;
                let frequency = u8::try_from(frequency).map_err(|_| {
                    Failure::text("ERR Invalid FREQ value, must be >= 0 and <= 255")
                })?;
                options.frequency = Some(frequency);
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        Ok(options)
    }
}

pub(super) fn restore(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (key, end, payload) = (args[1], args[2], args[3]);
    let options = Options::read(&args[4..])?;
    if !options.replace && call.exists(key) {
        return Err(Failure::text("BUSYKEY Target key name already exists."));
    }
    let end = integer(end)?;
    if end < 0 {
        return Err(Failure::text("ERR Invalid TTL value, must be >= 0"));
    }
    let config = &call.server.config;
    let size = NodeSize(i32::try_from(config.list_size).unwrap_or(-2));
    let saved = rdb::decode(payload, size).map_err(|bad| Failure::told(bad.to_string()))?;
    let value = saved::restore(saved, config).ok_or(Failure::text("ERR Bad data format"))?;
    let replaced = options.replace && call.remove(key);
    let now = call.now();
    let end = match (end, options.absolute) {
        (0, _) => None,
        (end, true) => Some(end),
        (end, false) => Some(end.saturating_add(now)),
    };
    if end.is_some_and(|end| end < now) {
        if replaced {
            call.changed(key, Class::GENERIC, "del");
        }
        call.out.ok();
        return Ok(());
    }
    call.put(key, value);
    call.db().expire(key, end);
    if let Some(at) = call.db().find(key) {
        let entry = call.db().at_mut(at);
        if let Some(idle) = options.idle {
            entry.used = now.saturating_sub(idle.saturating_mul(1000));
        }
        if let Some(frequency) = options.frequency {
            entry.frequency = frequency;
        }
    }
    call.changed(key, Class::GENERIC, "restore");
    call.out.ok();
    Ok(())
}
