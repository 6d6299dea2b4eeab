//! The words of a line in a file of cases: as a shell has them, with single quotes and double quotes, and `\n`, `\t`, `\"`, `\\` and `\xHH` in the latter.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Cuts a line into words.
pub fn words(line: &str) -> Vec<OsString> {
    let mut found = Vec::new();
    let mut rest = line.trim().chars().peekable();
    while rest.peek().is_some() {
        let mut word = Vec::new();
        let mut quote = None;
        while let Some(c) = rest.next() {
            match (quote, c) {
                (None, ' ') => break,
                (None, '"' | '\'') => quote = Some(c),
                (Some(open), c) if c == open => quote = None,
                (Some('"'), '\\') => word.push(escape(&mut rest)),
                (_, c) => word.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        assert!(quote.is_none(), "{line}");
        found.push(OsString::from_vec(word));
    }
    found
}

/// A text with the same escapes.
pub fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\\' {
            bytes.push(escape(&mut rest));
        } else {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    bytes
}

fn escape(rest: &mut impl Iterator<Item = char>) -> u8 {
    match rest.next().unwrap() {
        'n' => b'\n',
        't' => b'\t',
        'x' => {
            let digits: String = rest.take(2).collect();
            u8::from_str_radix(&digits, 16).unwrap()
        }
        other => u8::try_from(other).unwrap(),
    }
}
