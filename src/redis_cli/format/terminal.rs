//! Replies for people: every line says of what type it is, the items of a list have numbers.

use super::quote::quoted;
use crate::redis_cli::value::Value;

/// Adds a reply with its line end. `indent` stands before every line but the first, which the caller has begun.
pub(super) fn write(text: &mut Vec<u8>, value: &Value, indent: &str) {
    let mut say = |parts: &[&[u8]]| parts.iter().for_each(|part| text.extend_from_slice(part));
    match value {
        Value::Error(error) => say(&[b"(error) ", error, b"\n"]),
        Value::Status(status) => say(&[status, b"\n"]),
        Value::Integer(number) => say(&[format!("(integer) {number}\n").as_bytes()]),
        Value::Double(number) => say(&[b"(double) ", number, b"\n"]),
        Value::BigNumber(number) => say(&[number, b"\n"]),
        Value::Text(bytes) => {
            quoted(text, bytes);
            text.push(b'\n');
        }
        Value::Verbatim(bytes) => say(&[bytes, b"\n"]),
        Value::Nil => say(&[b"(nil)\n"]),
        Value::Bool(true) => say(&[b"(true)\n"]),
        Value::Bool(false) => say(&[b"(false)\n"]),
        Value::Array(items) => list(text, items, "(empty array)\n", ')', indent),
        Value::Set(items) => list(text, items, "(empty set)\n", '~', indent),
        Value::Push(items) => list(text, items, "(empty push)\n", ')', indent),
        Value::Map(pairs) => map(text, pairs, indent),
    }
}

/// What the lines of an item are indented by: as wide as the largest number, its sign and a blank.
fn deeper(indent: &str, count: usize) -> (usize, String) {
    let width = count.to_string().len();
    (width, format!("{indent}{:1$}", "", width + 2))
}

fn list(text: &mut Vec<u8>, items: &[Value], empty: &str, sign: char, indent: &str) {
    if items.is_empty() {
        text.extend_from_slice(empty.as_bytes());
        return;
    }
    let (width, inner) = deeper(indent, items.len());
    for (at, item) in items.iter().enumerate() {
        let before = if at == 0 { "" } else { indent };
        text.extend_from_slice(format!("{before}{:width$}{sign} ", at + 1).as_bytes());
        write(text, item, &inner);
    }
}

fn map(text: &mut Vec<u8>, pairs: &[(Value, Value)], indent: &str) {
    if pairs.is_empty() {
        text.extend_from_slice(b"(empty hash)\n");
        return;
    }
    let (width, inner) = deeper(indent, pairs.len());
    for (at, (key, value)) in pairs.iter().enumerate() {
        let before = if at == 0 { "" } else { indent };
        text.extend_from_slice(format!("{before}{:width$}# ", at + 1).as_bytes());
        write(text, key, &inner);
        // The value goes on in the key's line; a list of several lines begins below it.
        text.pop();
        text.extend_from_slice(b" => ");
        let mut lines = Vec::new();
        write(&mut lines, value, &inner);
        let is_text = matches!(value, Value::Verbatim(_));
        if !is_text && lines.iter().filter(|byte| **byte == b'\n').count() > 1 {
            text.push(b'\n');
            text.extend_from_slice(inner.as_bytes());
        }
        text.append(&mut lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_lists_are_indented_by_the_width_of_their_numbers() {
        let text = |text: &str| Value::Text(text.into());
        let inner = Value::Array(vec![text("a"), Value::Map(vec![(text("k"), Value::Nil)])]);
        let mut items = vec![inner];
        items.extend((2..=10).map(Value::Integer));
        let mut printed = Vec::new();
        write(&mut printed, &Value::Array(items), "");
        let printed = String::from_utf8(printed).unwrap();
        let expected = " 1) 1) \"a\"\n    2) 1# \"k\" => (nil)\n 2) (integer) 2\n";
        assert!(printed.starts_with(expected), "{printed}");
        assert!(printed.ends_with("10) (integer) 10\n"), "{printed}");
    }
}
