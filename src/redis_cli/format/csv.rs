//! Replies as one line of CSV.

use super::quote::quoted;
use crate::redis_cli::value::Value;

/// Adds a reply, without a line end.
pub(super) fn write(text: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Error(error) => {
            text.extend_from_slice(b"ERROR,");
            quoted(text, error);
        }
        Value::Status(bytes) | Value::Text(bytes) | Value::Verbatim(bytes) => quoted(text, bytes),
        Value::Integer(number) => text.extend_from_slice(number.to_string().as_bytes()),
        Value::Double(number) | Value::BigNumber(number) => text.extend_from_slice(number),
        Value::Nil => text.extend_from_slice(b"NULL"),
        Value::Bool(true) => text.extend_from_slice(b"true"),
        Value::Bool(false) => text.extend_from_slice(b"false"),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => row(text, items.iter()),
        Value::Map(pairs) => row(text, pairs.iter().flat_map(|(key, value)| [key, value])),
    }
}

fn row<'a>(text: &mut Vec<u8>, cells: impl Iterator<Item = &'a Value>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            text.push(b',');
        }
        write(text, cell);
    }
}
