//! Texts as rows of bits. The first bit is the highest one of the first byte.

mod bits;
mod count;
mod field;
mod integer;
mod operation;

use super::Family;
use super::arguments::integer as number;
use crate::double::node::call::Call;
use crate::double::node::failure::Failure;
use crate::double::node::keyspace::text::Text;
use crate::double::node::keyspace::value::Value;
use crate::double::node::number::parse_i64;

pub(super) const COMMANDS: Family = &[
    ("bitcount", count::bitcount),
    ("bitfield", field::bitfield),
    ("bitfield_ro", field::bitfield_ro),
    ("bitop", operation::bitop),
    ("bitpos", count::bitpos),
    ("getbit", bits::getbit),
    ("setbit", bits::setbit),
];

/// The place of a bit. `width`: how many bits a field has of which the place may also be given as `#3`, the fourth one.
fn offset(call: &Call<'_>, word: &[u8], width: Option<u32>) -> Result<usize, Failure> {
    const BAD: Failure = Failure::text("ERR bit offset is not an integer or out of range");
    let offset = match (word, width) {
        ([b'#', rest @ ..], Some(width)) => {
            // Redis lets it overflow, too.
            parse_i64(rest).map(|number| number.wrapping_mul(width.into()))
        }
        _ => parse_i64(word),
    };
    offset
        .filter(|offset| *offset >= 0 && offset >> 3 < call.server.config.max_bulk)
        .and_then(|offset| usize::try_from(offset).ok())
        .ok_or(BAD)
}

/// The bytes of a key, made long enough for this bit, and whether they had to be.
fn with_room<'c>(
    call: &'c mut Call<'_>,
    key: &[u8],
    bit: usize,
) -> Result<(&'c mut Vec<u8>, bool), Failure> {
    let length = bit / 8 + 1;
    let new = call.write::<Text>(key)?.is_none();
    if new {
        // Fresh zeros cost nothing until they are touched.
        call.put(key, Value::Text(Text::Raw(vec![0; length])));
    }
    // It has just been put there if it was not there before.
    let text = call.write::<Text>(key)?.ok_or(Failure::NO_SUCH_KEY)?;
    let bytes = text.raw();
    let grows = bytes.len() < length;
    if grows {
        bytes.resize(length, 0);
    }
    Ok((bytes, new || grows))
}
