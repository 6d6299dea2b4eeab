//! Bytes as people can read them, and as a case file takes them.

/// How much of a reply is shown.
const WINDOW: usize = 600;

/// Escaped as redis-cli reads it, without quotes around it.
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// A command as a line of a case file.
pub fn line<A: AsRef<[u8]>>(args: &[A]) -> String {
    let words: Vec<String> = args.iter().map(|arg| word(arg.as_ref())).collect();
    let mut shown = Vec::new();
    let mut rest = &words[..];
    while let Some(first) = rest.first() {
        let run = 1 + successors(first, &rest[1..]);
        if run > 3 {
            let (name, number) = numbered(first).unwrap_or_default();
            shown.push(format!("{name}{{{number}..{}}}", number + run as u64 - 1));
            rest = &rest[run..];
        } else {
            shown.push(first.clone());
            rest = &rest[1..];
        }
    }
    shown.join(" ")
}

fn word(arg: &[u8]) -> String {
    let plain = arg.first().is_some_and(|byte| !b"@!#<=".contains(byte))
        && arg
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !b"\"'\\{}$".contains(byte));
    if plain {
        escaped(arg)
    } else {
        // `${` would begin a name.
        format!("\"{}\"", escaped(arg).replace("${", "\\x24{"))
    }
}

/// How many words count on from the first: `m1` `m2` `m3`.
fn successors(first: &str, rest: &[String]) -> usize {
    let Some((name, number)) = numbered(first) else {
        return 0;
    };
    let next = |(index, word): &(usize, &String)| {
        numbered(word) == Some((name, number + *index as u64 + 1))
    };
    rest.iter().enumerate().take_while(next).count()
}

/// A plain word that ends in a number, which is written in its one form.
fn numbered(word: &str) -> Option<(&str, u64)> {
    let name = word.trim_end_matches(|byte: char| byte.is_ascii_digit());
    let number: u64 = word[name.len()..].parse().ok().filter(|n| *n < 1_000_000)?;
    let plain = !name.starts_with('"') && number.to_string() == word[name.len()..];
    plain.then_some((name, number))
}

/// Both replies, around the first byte in which they differ.
pub fn both(real: &[u8], double: &[u8]) -> String {
    let same = real.iter().zip(double).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(WINDOW / 3);
    let part = |bytes: &[u8]| {
        let to = bytes.len().min(from + WINDOW);
        let before = if from > 0 { "…" } else { "" };
        let after = if to < bytes.len() { "…" } else { "" };
        format!(
            "{before}{}{after}",
            escaped(bytes.get(from..to).unwrap_or_default())
        )
    };
    let at = if real == double {
        String::new()
    } else {
        format!(
            "    (first difference at byte {same} of {} and {})\n",
            real.len(),
            double.len()
        )
    };
    format!(
        "    redis:  {}\n    double: {}\n{at}",
        part(real),
        part(double)
    )
}
