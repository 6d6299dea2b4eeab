//! Keys, whatever they hold.

mod copy;
mod dump;
mod expiry;
mod migrate;
mod migrate_target;
#[cfg(test)]
mod migrate_tests;
mod object;
pub(in crate::double::node) mod scan;
mod space;

use super::Family;
use super::arguments::integer;
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::Outcome;

pub(super) const COMMANDS: Family = &[
    ("copy", copy::copy),
    ("dbsize", space::dbsize),
    ("del", del),
    ("dump", dump::dump),
    ("exists", exists),
    ("expire", expiry::expire),
    ("expireat", expiry::expireat),
    ("expiretime", expiry::expiretime),
    ("flushall", space::flushall),
    ("flushdb", space::flushdb),
    ("keys", scan::keys),
    ("migrate", migrate::migrate),
    ("move", copy::move_to),
    ("object|encoding", object::encoding),
    ("object|freq", object::freq),
    ("object|help", object::help),
    ("object|idletime", object::idletime),
    ("object|refcount", object::refcount),
    ("persist", expiry::persist),
    ("pexpire", expiry::pexpire),
    ("pexpireat", expiry::pexpireat),
    ("pexpiretime", expiry::pexpiretime),
    ("pttl", expiry::pttl),
    ("randomkey", space::randomkey),
    ("rename", copy::rename),
    ("renamenx", copy::renamenx),
    ("restore", dump::restore),
    ("restore-asking", dump::restore),
    ("scan", scan::scan),
    ("swapdb", space::swapdb),
    ("touch", touch),
    ("ttl", expiry::ttl),
    ("type", kind),
    ("unlink", del),
];

fn del(call: &mut Call<'_>) -> Outcome {
    let mut removed = 0;
    for key in &call.args[1..] {
        if call.remove(key) {
            call.changed(key, Class::GENERIC, "del");
            removed += 1;
        }
    }
    call.out.int(removed);
    Ok(())
}

fn exists(call: &mut Call<'_>) -> Outcome {
    let mut count = 0;
    for key in &call.args[1..] {
        count += i64::from(call.read_untouched(key).is_some());
    }
    call.out.int(count);
    Ok(())
}

fn touch(call: &mut Call<'_>) -> Outcome {
    let mut count = 0;
    for key in &call.args[1..] {
        count += i64::from(call.entry(key).is_some());
    }
    call.out.int(count);
    Ok(())
}

fn kind(call: &mut Call<'_>) -> Outcome {
    let name = match call.read_untouched(call.args[1]) {
        Some(entry) => entry.value.kind().name(),
        None => "none",
    };
    call.out.status(name);
    Ok(())
}
