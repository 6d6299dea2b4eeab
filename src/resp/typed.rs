//! Cutting a typed line into words, as redis-cli does, and Redis of a line that is no array.

/// The words of a line: separated by white space; in double quotes with the escapes `\n \r \t \a \b \xHH \\ \"`, in single quotes with `\'`. A quote
/// must be followed by white space or the end.
///
/// `None` for a line whose quotes don't close.
pub fn typed_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    // It is a text of C: a zero byte ends it.
    let mut rest = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut found = Vec::new();
    loop {
        let start = rest.iter().position(|byte| !is_space(*byte));
        let Some(start) = start else {
            return Some(found);
        };
        let (word, after) = word(rest.get(start..).unwrap_or_default())?;
        found.push(word);
        rest = after;
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// The word at the start of `text`, which doesn't start with white space, and what follows it.
fn word(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b'"' | b'\'' => {
                rest = quoted(after, byte, &mut word)?;
                // Two words that touch are no line, rather than a guess.
                if rest.first().is_some_and(|byte| !is_space(*byte)) {
                    return None;
                }
                return Some((word, rest));
            }
            // Of the blanks that may stand between words, two do not end one.
            b' ' | b'\t' | b'\n' | b'\r' => return Some((word, rest)),
            byte => {
                word.push(byte);
                rest = after;
            }
        }
    }
    Some((word, rest))
}

/// Reads to the closing quote and gives what follows it.
fn quoted<'a>(text: &'a [u8], quote: u8, word: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = text;
    loop {
        rest = match rest {
            [b'\\', b'x', high, low, after @ ..]
                if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default();
                word.push(u8::try_from(digit(*high) * 16 + digit(*low)).unwrap_or_default());
                after
            }
            [b'\\', escaped, after @ ..] if quote == b'"' => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                after
            }
            [b'\\', b'\'', after @ ..] if quote == b'\'' => {
                word.push(b'\'');
                after
            }
            [byte, after @ ..] if *byte == quote => return Some(after),
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
            [] => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Option<Vec<String>> {
        let words = typed_words(line.as_bytes())?;
        Some(
            words
                .iter()
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect(),
        )
    }

    #[test]
    fn quotes_and_escapes() {
        assert_eq!(
            texts("  set a\tb "),
            Some(vec!["set".into(), "a".into(), "b".into()])
        );
        assert_eq!(
            texts(r#"a "b c" 'd "e'"#),
            Some(vec!["a".into(), "b c".into(), "d \"e".into()])
        );
        assert_eq!(
            texts(r#""\x41\n\q" '\'\n'"#),
            Some(vec!["A\nq".into(), "'\\n".into()])
        );
        assert_eq!(texts(r#""""#), Some(vec![String::new()]));
        assert_eq!(texts(r#"a"b"#), None);
        assert_eq!(texts(r#""a"b"#), None);
        assert_eq!(texts("'a"), None);
        assert_eq!(texts(""), Some(vec![]));
        assert_eq!(
            texts("\x0bGET\x0ba\x0c b"),
            Some(vec!["GET\x0ba\x0c".into(), "b".into()])
        );
        assert_eq!(texts("a \0b"), Some(vec!["a".into()]));
        assert_eq!(texts("'a\0'"), None);
    }
}
