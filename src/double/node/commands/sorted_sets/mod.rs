//! Sorted sets.

mod add;
mod algebra;
mod members;
mod pop;
mod random;
mod ranges;
mod remove;
mod scan;

use super::Family;
use super::arguments::{at_least, between, count, integer, sample};
use super::keys::scan::scan_value;
use super::random as chance;
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::Failure;
use crate::double::node::keyspace::sorted_set::{LexRange, Limits, ScoreRange, SortedSet};
use crate::double::node::keyspace::value::Typed;

pub(super) use add::{Mode, add};

pub(super) const COMMANDS: Family = &[
    ("bzmpop", pop::bzmpop),
    ("bzpopmax", pop::bzpopmax),
    ("bzpopmin", pop::bzpopmin),
    ("zadd", add::zadd),
    ("zcard", members::zcard),
    ("zcount", members::zcount),
    ("zdiff", algebra::zdiff),
    ("zdiffstore", algebra::zdiffstore),
    ("zincrby", add::zincrby),
    ("zinter", algebra::zinter),
    ("zintercard", algebra::zintercard),
    ("zinterstore", algebra::zinterstore),
    ("zlexcount", members::zlexcount),
    ("zmpop", pop::zmpop),
    ("zmscore", members::zmscore),
    ("zpopmax", pop::zpopmax),
    ("zpopmin", pop::zpopmin),
    ("zrandmember", random::zrandmember),
    ("zrange", ranges::zrange),
    ("zrangebylex", ranges::zrangebylex),
    ("zrangebyscore", ranges::zrangebyscore),
    ("zrangestore", ranges::zrangestore),
    ("zrank", members::zrank),
    ("zrem", remove::zrem),
    ("zremrangebylex", remove::zremrangebylex),
    ("zremrangebyrank", remove::zremrangebyrank),
    ("zremrangebyscore", remove::zremrangebyscore),
    ("zrevrange", ranges::zrevrange),
    ("zrevrangebylex", ranges::zrevrangebylex),
    ("zrevrangebyscore", ranges::zrevrangebyscore),
    ("zrevrank", members::zrevrank),
    ("zscan", scan::zscan),
    ("zscore", members::zscore),
    ("zunion", algebra::zunion),
    ("zunionstore", algebra::zunionstore),
];

/// Up to where a set is of the listpack kind.
pub(super) fn limits(call: &Call<'_>) -> Limits {
    Limits {
        entries: call.server.config.sorted_entries,
        value: call.server.config.sorted_value,
    }
}

fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, Failure> {
    ScoreRange::parse(min, max).ok_or(Failure::text("ERR min or max is not a float"))
}

fn lex_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, Failure> {
    LexRange::parse(min, max).ok_or(Failure::text("ERR min or max not valid string range item"))
}

/// Puts what a command has made under a key, or takes the key out if that is nothing, and replies with how many members there are.
pub(super) fn store(call: &mut Call<'_>, key: &[u8], set: SortedSet, event: &str) {
    let length = set.len();
    if length > 0 {
        call.put(key, set.into_value());
        call.changed(key, Class::SORTED, event);
    } else if call.remove(key) {
        call.changed(key, Class::GENERIC, "del");
    }
    call.out.int(length as i64);
}
