//! Texts that are numbers.

use super::integer;
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::text::Text;
use crate::double::node::keyspace::value::Value;
use crate::double::node::number::LongDouble;

pub(super) fn incr(call: &mut Call<'_>) -> Outcome {
    add(call, 1)
}

pub(super) fn decr(call: &mut Call<'_>) -> Outcome {
    add(call, -1)
}

pub(super) fn incrby(call: &mut Call<'_>) -> Outcome {
    let by = integer(call.args[2])?;
    add(call, by)
}

pub(super) fn decrby(call: &mut Call<'_>) -> Outcome {
    let by = integer(call.args[2])?;
    // The smallest number has no opposite.
    let by = by
        .checked_neg()
        .ok_or(Failure::text("ERR decrement would overflow"))?;
    add(call, by)
}

fn add(call: &mut Call<'_>, by: i64) -> Outcome {
    let key = call.args[1];
    let after = match call.write::<Text>(key)? {
        Some(text) => {
            let before = text.integer().ok_or(Failure::NOT_AN_INTEGER)?;
            let after = before.checked_add(by).ok_or(Failure::OVERFLOW)?;
            *text = Text::Int(after);
            after
        }
        None => {
            call.put(key, Value::Text(Text::Int(by)));
            by
        }
    };
    call.changed(key, Class::TEXT, "incrby");
    call.out.int(after);
    Ok(())
}

pub(super) fn incrbyfloat(call: &mut Call<'_>) -> Outcome {
    let (key, by) = (call.args[1], call.args[2]);
    let before = match call.write::<Text>(key)? {
        Some(text) => LongDouble::parse(&text.bytes()).ok_or(Failure::NOT_A_FLOAT)?,
        None => LongDouble::from(0.0),
    };
    let by = LongDouble::parse(by).ok_or(Failure::NOT_A_FLOAT)?;
    let after = before.plus(by);
    if !after.is_finite() {
        return Err(Failure::text("ERR increment would produce NaN or Infinity"));
    }
    let mut text = Vec::new();
    after.write(&mut text);
    // It is kept as a text even if it is an integer.
    call.put_keeping_end(key, Value::Text(Text::plain(&text)));
    call.changed(key, Class::TEXT, "incrbyfloat");
    call.out.bulk(&text);
    Ok(())
}
