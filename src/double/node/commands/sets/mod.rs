//! Sets.

mod algebra;
mod intersection;
mod members;
mod random;
mod scan;

use super::Family;
use super::arguments::{at_least, count, sample};
use super::keys::scan::scan_value;
use super::random as chance;
use crate::double::node::call::{Call, Class};
use crate::double::node::keyspace::set::Set;
use crate::double::node::keyspace::value::Typed;

pub(super) const COMMANDS: Family = &[
    ("sadd", members::sadd),
    ("scard", members::scard),
    ("sdiff", algebra::sdiff),
    ("sdiffstore", algebra::sdiffstore),
    ("sinter", intersection::sinter),
    ("sintercard", intersection::sintercard),
    ("sinterstore", intersection::sinterstore),
    ("sismember", members::sismember),
    ("smembers", members::smembers),
    ("smismember", members::smismember),
    ("smove", members::smove),
    ("spop", random::spop),
    ("srandmember", random::srandmember),
    ("srem", members::srem),
    ("sscan", scan::sscan),
    ("sunion", algebra::sunion),
    ("sunionstore", algebra::sunionstore),
];

/// Replies with all members.
fn reply(call: &mut Call<'_>, set: &Set) {
    call.out.set(set.len());
    set.iter().for_each(|member| member.write(call.out));
}

/// Puts what a command has made under a key, or takes the key out if that is nothing, and replies with how many members there are.
fn store(call: &mut Call<'_>, key: &[u8], set: Set, event: &str) {
    let length = set.len();
    if length > 0 {
        call.put(key, set.into_value());
        call.changed(key, Class::SET, event);
    } else if call.remove(key) {
        call.changed(key, Class::GENERIC, "del");
    }
    call.out.int(length as i64);
}
