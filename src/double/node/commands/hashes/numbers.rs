//! Values that are numbers.

use super::{integer, limits};
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::hash::Hash;
use crate::double::node::keyspace::packed::Element;
use crate::double::node::number::{self, LongDouble};

pub(super) fn hincrby(call: &mut Call<'_>) -> Outcome {
    const NO_INTEGER: Failure = Failure::text("ERR hash value is not an integer");
    let args = call.args;
    let (key, field, by) = (args[1], args[2], integer(args[3])?);
    let hash = call.write::<Hash>(key)?;
    let before = match hash.and_then(|hash| hash.get(field)) {
        None => 0,
        Some(Element::Integer(number)) => number,
        Some(Element::Text(text)) => number::parse_i64(text).ok_or(NO_INTEGER)?,
    };
    let after = before.checked_add(by).ok_or(Failure::OVERFLOW)?;
    let text = itoa::Buffer::new().format(after).to_owned();
    set(call, key, field, text.as_bytes(), "hincrby")?;
    call.out.int(after);
    Ok(())
}

pub(super) fn hincrbyfloat(call: &mut Call<'_>) -> Outcome {
    const NO_FLOAT: Failure = Failure::text("ERR hash value is not a float");
    let args = call.args;
    let (key, field) = (args[1], args[2]);
    let by = LongDouble::parse(args[3]).ok_or(Failure::NOT_A_FLOAT)?;
    if !by.is_finite() {
        return Err(Failure::text("ERR value is NaN or Infinity"));
    }
    let hash = call.write::<Hash>(key)?;
    let before = match hash.and_then(|hash| hash.get(field)) {
        None => LongDouble::from(0.0),
        Some(value) => value.with(LongDouble::parse).ok_or(NO_FLOAT)?,
    };
    let after = before.plus(by);
    if !after.is_finite() {
        return Err(Failure::text("ERR increment would produce NaN or Infinity"));
    }
    let mut text = Vec::new();
    after.write(&mut text);
    set(call, key, field, &text, "hincrbyfloat")?;
    call.out.bulk(&text);
    Ok(())
}

fn set(call: &mut Call<'_>, key: &[u8], field: &[u8], value: &[u8], event: &str) -> Outcome {
    let limits = limits(call);
    call.write_or_new::<Hash>(key)?.set(field, value, limits);
    call.changed(key, Class::HASH, event);
    Ok(())
}
