//! BITOP.

use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::text::Text;
use crate::double::node::keyspace::value::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
}

pub(super) fn bitop(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let operation = match args[1].to_ascii_lowercase().as_slice() {
        b"and" => Operation::And,
        b"or" => Operation::Or,
        b"xor" => Operation::Xor,
        b"not" => Operation::Not,
        _ => return Err(Failure::SYNTAX),
    };
    let (target, keys) = (args[2], &args[3..]);
    if operation == Operation::Not && keys.len() != 1 {
        return Err(Failure::text(
            "ERR BITOP NOT must be called with a single source key.",
        ));
    }
    let mut result: Option<Vec<u8>> = None;
    for key in keys {
        let text = call.read::<Text>(key)?;
        let bytes = text.map(Text::bytes).unwrap_or_default();
        match &mut result {
            None => result = Some(bytes.into_owned()),
            Some(result) => combine(result, &bytes, operation),
        }
    }
    let mut result = result.unwrap_or_default();
    if operation == Operation::Not {
        result.iter_mut().for_each(|byte| *byte = !*byte);
    }
    let length = result.len();
    if length > 0 {
        call.put(target, Value::Text(Text::Raw(result)));
        call.changed(target, Class::TEXT, "set");
    } else if call.remove(target) {
        call.changed(target, Class::GENERIC, "del");
    }
    call.out.int(length as i64);
    Ok(())
}

/// Does it with one more text. The shorter one of both has zeros behind it.
fn combine(result: &mut Vec<u8>, bytes: &[u8], operation: Operation) {
    if result.len() < bytes.len() {
        result.resize(bytes.len(), 0);
    }
    let (both, rest) = result.split_at_mut(bytes.len());
    let pairs = both.iter_mut().zip(bytes);
    match operation {
        Operation::And => {
            pairs.for_each(|(byte, other)| *byte &= other);
            rest.fill(0);
        }
        Operation::Or => pairs.for_each(|(byte, other)| *byte |= other),
        Operation::Xor => pairs.for_each(|(byte, other)| *byte ^= other),
        // It has one text only.
        Operation::Not => {}
    }
}
