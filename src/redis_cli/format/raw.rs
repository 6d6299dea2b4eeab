//! Replies for pipes: the bare bytes.

use crate::redis_cli::value::Value;

/// The bytes of a reply; those of a list with `between` between them.
pub(in super::super) fn raw(value: &Value, between: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    write(&mut text, value, between);
    text
}

fn write(text: &mut Vec<u8>, value: &Value, between: &[u8]) {
    match value {
        Value::Nil => {}
        Value::Error(error) => {
            text.extend_from_slice(error);
            text.push(b'\n');
        }
        Value::Status(bytes)
        | Value::Text(bytes)
        | Value::Verbatim(bytes)
        | Value::Double(bytes)
        | Value::BigNumber(bytes) => text.extend_from_slice(bytes),
        Value::Bool(true) => text.extend_from_slice(b"(true)"),
        Value::Bool(false) => text.extend_from_slice(b"(false)"),
        Value::Integer(number) => text.extend_from_slice(number.to_string().as_bytes()),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.extend_from_slice(between);
                }
                write(text, item, between);
            }
        }
        Value::Map(pairs) => {
            for (at, (key, value)) in pairs.iter().enumerate() {
                if at > 0 {
                    text.extend_from_slice(between);
                }
                write(text, key, between);
                text.push(b' ');
                write(text, value, between);
            }
        }
    }
}
