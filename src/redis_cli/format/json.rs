//! Replies as one line of JSON.

use super::quote::quoted;
use crate::redis_cli::value::Value;

/// Adds a reply, without a line end. With `ascii`, strings are in plain ASCII.
pub(super) fn write(text: &mut Vec<u8>, value: &Value, ascii: bool) {
    match value {
        Value::Error(error) => {
            text.extend_from_slice(b"error:");
            string(text, error, ascii);
        }
        Value::Status(bytes) | Value::Text(bytes) | Value::Verbatim(bytes) => {
            string(text, bytes, ascii);
        }
        Value::Integer(number) => text.extend_from_slice(number.to_string().as_bytes()),
        Value::Double(number) | Value::BigNumber(number) => text.extend_from_slice(number),
        Value::Nil => text.extend_from_slice(b"null"),
        Value::Bool(true) => text.extend_from_slice(b"true"),
        Value::Bool(false) => text.extend_from_slice(b"false"),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            text.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(b',');
                }
                write(text, item, ascii);
            }
            text.push(b']');
        }
        Value::Map(pairs) => {
            text.push(b'{');
            for (at, (key, value)) in pairs.iter().enumerate() {
                if at > 0 {
                    text.push(b',');
                }
                name(text, key, ascii);
                text.push(b':');
                write(text, value, ascii);
            }
            text.push(b'}');
        }
    }
}

/// The name of an object's field is a string, whatever the key of the map is.
fn name(text: &mut Vec<u8>, key: &Value, ascii: bool) {
    let mut inner = Vec::new();
    write(&mut inner, key, ascii);
    if inner.first() == Some(&b'"') {
        text.extend_from_slice(&inner);
    } else {
        text.push(b'"');
        text.extend_from_slice(&inner);
        text.push(b'"');
    }
}

fn string(text: &mut Vec<u8>, bytes: &[u8], ascii: bool) {
    if ascii {
        let mut inner = Vec::new();
        quoted(&mut inner, bytes);
        for byte in inner {
            if byte == b'\\' {
                text.push(b'\\');
            }
            text.push(byte);
        }
        return;
    }
    text.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => text.extend_from_slice(&[b'\\', byte]),
            b'\n' => text.extend_from_slice(b"\\n"),
            0x0c => text.extend_from_slice(b"\\f"),
            b'\r' => text.extend_from_slice(b"\\r"),
            b'\t' => text.extend_from_slice(b"\\t"),
            0x08 => text.extend_from_slice(b"\\b"),
            0..=0x1f => text.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => text.push(byte),
        }
    }
    text.push(b'"');
}
