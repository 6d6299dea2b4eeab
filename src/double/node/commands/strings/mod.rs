//! Strings.

mod lcs;
mod many;
mod numbers;
mod ranges;
mod set;

use super::Family;
use super::arguments::integer;
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::text::Text;
use crate::double::node::keyspace::value::Value;

pub(super) const COMMANDS: Family = &[
    ("append", ranges::append),
    ("decr", numbers::decr),
    ("decrby", numbers::decrby),
    ("get", set::get),
    ("getdel", set::getdel),
    ("getex", set::getex),
    ("getrange", ranges::getrange),
    ("getset", set::getset),
    ("incr", numbers::incr),
    ("incrby", numbers::incrby),
    ("incrbyfloat", numbers::incrbyfloat),
    ("lcs", lcs::lcs),
    ("mget", many::mget),
    ("mset", many::mset),
    ("msetnx", many::msetnx),
    ("psetex", set::psetex),
    ("set", set::set),
    ("setex", set::setex),
    ("setnx", set::setnx),
    ("setrange", ranges::setrange),
    ("strlen", ranges::strlen),
    ("substr", ranges::getrange),
];

/// Replies with the text of a key, or with nothing. Whether it was there.
fn reply_text(call: &mut Call<'_>, key: &[u8]) -> Result<bool, Failure> {
    let Some(at) = call.server.read(call.db, key) else {
        call.out.null();
        return Ok(false);
    };
    // Not through `call`: the text goes from the keyspace into the output without a copy in between.
    match &call.server.dbs[call.db].at(at).1.value {
        Value::Text(Text::Int(number)) => call.out.bulk_int(*number),
        Value::Text(Text::Embedded(bytes)) => call.out.bulk(bytes),
        Value::Text(Text::Raw(bytes)) => call.out.bulk(bytes),
        _ => return Err(Failure::WRONG_TYPE),
    }
    Ok(true)
}

/// Whether a text of so many bytes is too long; `proto-max-bulk-len` is the limit.
fn fits(call: &Call<'_>, length: usize, more: usize) -> Outcome {
    let limit = usize::try_from(call.server.config.max_bulk).unwrap_or(usize::MAX);
    match length.checked_add(more) {
        Some(total) if total <= limit => Ok(()),
        _ => Err(Failure::TOO_LONG),
    }
}
