//! Arguments as redis-cli reads them (`plain`, `"a\x00\n"`, `'it\'s'`), and what a case file adds: `"x"*70` is repeated, `f{1..3}` is three.

/// One word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pub bytes: Vec<u8>,
    /// Whether any part of it stood in quotes: then it is an argument whatever it looks like.
    pub quoted: bool,
}

/// Takes the next word off `rest`; nothing at its end.
pub fn next(rest: &mut &str) -> Result<Option<Word>, String> {
    *rest = rest.trim_start();
    let text = rest.as_bytes();
    let mut at = 0;
    let mut word = Word {
        bytes: Vec::new(),
        quoted: false,
    };
    if text.is_empty() {
        return Ok(None);
    }
    while at < text.len() && !text[at].is_ascii_whitespace() {
        let quote = text[at];
        at += 1;
        if !matches!(quote, b'"' | b'\'') {
            word.bytes.push(quote);
            continue;
        }
        word.quoted = true;
        let begins = word.bytes.len();
        at = quoted(text, at, quote, &mut word.bytes)?;
        if text.get(at) == Some(&b'*') {
            let digits = text[at + 1..].iter().take_while(|b| b.is_ascii_digit());
            let end = at + 1 + digits.count();
            let times = rest[at + 1..end]
                .parse()
                .map_err(|_| "a number belongs behind the * that follows a quote")?;
            let part = word.bytes.split_off(begins);
            word.bytes.extend(part.repeat(times));
            at = end;
        }
        if text.get(at).is_some_and(|byte| !byte.is_ascii_whitespace()) {
            return Err("something stands right behind a closing quote".to_owned());
        }
    }
    *rest = &rest[at..];
    Ok(Some(word))
}

/// Reads up to the closing `quote`; where the text goes on behind it.
fn quoted(text: &[u8], mut at: usize, quote: u8, into: &mut Vec<u8>) -> Result<usize, String> {
    loop {
        let byte = *text.get(at).ok_or("a quote is not closed")?;
        at += 1;
        if byte == quote {
            return Ok(at);
        }
        if byte != b'\\' {
            into.push(byte);
            continue;
        }
        let escape = *text.get(at).ok_or("a quote is not closed")?;
        if quote == b'\'' {
            // Only the quote itself is escaped between these.
            if escape == b'\'' {
                into.push(escape);
                at += 1;
            } else {
                into.push(byte);
            }
            continue;
        }
        at += 1;
        let hex = text
            .get(at..at + 2)
            .and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        match (escape, hex) {
            (b'x', Some(value)) => {
                into.push(value);
                at += 2;
            }
            (b'n', _) => into.push(b'\n'),
            (b'r', _) => into.push(b'\r'),
            (b't', _) => into.push(b'\t'),
            (b'b', _) => into.push(8),
            (b'a', _) => into.push(7),
            (other, _) => into.push(other),
        }
    }
}

/// All words of `rest`; an unquoted `f{1..3}x` is `f1x f2x f3x`.
pub fn all(mut rest: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Vec::new();
    while let Some(word) = next(&mut rest)? {
        match (!word.quoted).then(|| series(&word.bytes)).flatten() {
            Some(many) => words.extend(many),
            None => words.push(word.bytes),
        }
    }
    Ok(words)
}

fn series(word: &[u8]) -> Option<Vec<Vec<u8>>> {
    let word = std::str::from_utf8(word).ok()?;
    let (before, tail) = word.split_once('{')?;
    let (range, after) = tail.split_once('}')?;
    let (first, last) = range.split_once("..")?;
    let (first, last): (i64, i64) = (first.parse().ok()?, last.parse().ok()?);
    let one = |number| format!("{before}{number}{after}").into_bytes();
    Some((first..=last).map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::all;
    use crate::show::escaped;
    use rstest::rstest;

    /// Each word is shown escaped, with a bar between them.
    #[rstest]
    #[case(r#"SET k v"#, "SET|k|v")]
    #[case(r#"  a   b  "#, "a|b")]
    #[case(
        r#"x "a\x00\xFFb\r\n\t\a\b\"\\" y"#,
        r#"x|a\x00\xffb\r\n\t\x07\x08\"\\|y"#
    )]
    #[case(r#"'it\'s' 'a\nb' ''"#, r"it's|a\\nb|")]
    #[case(r#""\xzz""#, "xzz")]
    #[case(r#""ab"*3 'x'*0"#, "ababab|")]
    #[case(
        r#"f{1..3}x {9..10} "{1..3}" {tag}k"#,
        "f1x|f2x|f3x|9|10|{1..3}|{tag}k"
    )]
    #[case("\"é\" é", r"\xc3\xa9|\xc3\xa9")]
    fn words(#[case] line: &str, #[case] expected: &str) {
        let words = all(line).unwrap();
        let shown: Vec<String> = words.iter().map(|word| escaped(word)).collect();
        assert_eq!(shown.join("|"), expected);
    }

    /// A printed command is read as that command again, whatever its bytes are.
    #[test]
    fn what_is_printed_is_read_back() {
        let every: Vec<u8> = (0..=255).collect();
        let args: [&[u8]; 14] = [
            b"SET", b"m8", b"m9", b"m10", b"m11", b"m12", b"m013", &every, b"", b"{1..3}", b"${x}",
            b"@any", b"it's", b"a\\b",
        ];
        assert_eq!(all(&crate::show::line(&args)).unwrap(), args);
    }

    #[rstest]
    #[case(r#""open"#)]
    #[case(r#"'open"#)]
    #[case(r#""open\"#)]
    #[case(r#""a"b"#)]
    #[case(r#""a"*x"#)]
    fn refused(#[case] line: &str) {
        assert!(all(line).is_err());
    }
}
