//! Hashes.

mod fields;
mod numbers;
mod random;
mod scan;
mod whole;

use super::Family;
use super::arguments::{integer, sample};
use super::keys::scan::scan_value;
use super::random as chance;
use crate::double::node::call::Call;
use crate::double::node::keyspace::hash::HashLimits;

pub(super) const COMMANDS: Family = &[
    ("hdel", fields::hdel),
    ("hexists", fields::hexists),
    ("hget", fields::hget),
    ("hgetall", whole::hgetall),
    ("hincrby", numbers::hincrby),
    ("hincrbyfloat", numbers::hincrbyfloat),
    ("hkeys", whole::hkeys),
    ("hlen", whole::hlen),
    ("hmget", fields::hmget),
    ("hmset", fields::hmset),
    ("hrandfield", random::hrandfield),
    ("hscan", scan::hscan),
    ("hset", fields::hset),
    ("hsetnx", fields::hsetnx),
    ("hstrlen", fields::hstrlen),
    ("hvals", whole::hvals),
];

fn limits(call: &Call<'_>) -> HashLimits {
    HashLimits {
        entries: call.server.config.hash_entries,
        value: call.server.config.hash_value,
    }
}
