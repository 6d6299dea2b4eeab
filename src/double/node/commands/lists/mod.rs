//! Lists.

mod elements;
mod moves;
mod pop;
mod positions;
mod push;

use super::Family;
use super::arguments::{at_least, between, count, integer};
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::Failure;
use crate::double::node::keyspace::list::End;

pub(super) const COMMANDS: Family = &[
    ("blmove", moves::blmove),
    ("blmpop", pop::blmpop),
    ("blpop", pop::blpop),
    ("brpop", pop::brpop),
    ("brpoplpush", moves::brpoplpush),
    ("lindex", elements::lindex),
    ("linsert", elements::linsert),
    ("llen", elements::llen),
    ("lmove", moves::lmove),
    ("lmpop", pop::lmpop),
    ("lpop", pop::lpop),
    ("lpos", positions::lpos),
    ("lpush", push::lpush),
    ("lpushx", push::lpushx),
    ("lrange", elements::lrange),
    ("lrem", elements::lrem),
    ("lset", elements::lset),
    ("ltrim", elements::ltrim),
    ("rpop", pop::rpop),
    ("rpoplpush", moves::rpoplpush),
    ("rpush", push::rpush),
    ("rpushx", push::rpushx),
];

/// LEFT or RIGHT.
fn end(word: &[u8]) -> Result<End, Failure> {
    if word.eq_ignore_ascii_case(b"LEFT") {
        Ok(End::Left)
    } else if word.eq_ignore_ascii_case(b"RIGHT") {
        Ok(End::Right)
    } else {
        Err(Failure::SYNTAX)
    }
}

/// Tells that so many elements were taken from an end of a list; `empty`: they were all.
fn popped(call: &mut Call<'_>, key: &[u8], from: End, count: usize, empty: bool) {
    let event = match from {
        End::Left => "lpop",
        End::Right => "rpop",
    };
    call.changed(key, Class::LIST, event);
    call.server.dirty += count.saturating_sub(1) as u64;
    if empty {
        call.remove_empty(key);
    }
}
