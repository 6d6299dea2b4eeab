//! `| grep`, built in: the filter that the course uses.

use regex::{Regex, RegexBuilder};

use super::words::Word;
use super::{LineFault, Value};

/// `grep [-E] [-v] [-c] [-i] [-w] PATTERN`.
#[derive(Debug, Clone, PartialEq)]
pub struct Grep {
    pattern: Word,
    extended: bool,
    invert: bool,
    count: bool,
    ignore_case: bool,
    words: bool,
    filled: Option<String>,
}

/// The options that are built in.
pub(in crate::lab) const OPTIONS: &str = "Evciw";

/// What came out of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filtered {
    /// The lines that passed, or how many there were.
    pub text: String,
    /// 0 when a line passed, 1 when none did, as grep says it.
    pub exit: i32,
}

pub(super) fn parse(words: &[Word]) -> Result<Grep, LineFault> {
    let whole = match (words.first(), words.last()) {
        (Some(first), Some(last)) => first.range.start..last.range.end,
        _ => return Err(LineFault::new(0..0, "there is nothing after `|`", "here")),
    };
    let (program, rest) = words
        .split_first()
        .ok_or_else(|| LineFault::new(whole.clone(), "nothing after `|`", "here"))?;
    if program.literal() != Some("grep") {
        return Err(LineFault::new(
            program.range.clone(),
            "after `|` there can be only `grep`",
            "not built in",
        )
        .help("checks can count and compare: see `stdout:` with `matches`, `lines`, `contains`"));
    }
    let mut options = String::new();
    let mut patterns = Vec::new();
    for word in rest {
        match word.literal() {
            Some(option) if option.starts_with('-') && option.len() > 1 && patterns.is_empty() => {
                if let Some(bad) = option[1..].chars().find(|c| !OPTIONS.contains(*c)) {
                    return Err(LineFault::new(
                        word.range.clone(),
                        format!("grep here has no option `-{bad}`"),
                        "here",
                    )
                    .help("built in are -E, -v, -c, -i and -w"));
                }
                options.push_str(&option[1..]);
            }
            _ => patterns.push(word.clone()),
        }
    }
    let [pattern] = <[Word; 1]>::try_from(patterns).map_err(|patterns| match patterns.get(1) {
        None => LineFault::new(whole.clone(), "grep isn't told what is looked for", "here"),
        Some(second) => LineFault::new(
            second.range.clone(),
            "grep here reads no files; there can be one pattern",
            "one too many",
        ),
    })?;
    let has = |option| options.contains(option);
    let grep = Grep {
        extended: has('E'),
        invert: has('v'),
        count: has('c'),
        ignore_case: has('i'),
        words: has('w'),
        pattern: pattern.clone(),
        filled: None,
    };
    if let Some(text) = pattern.literal() {
        grep.compile(text)
            .map_err(|why| LineFault::new(pattern.range.clone(), why, "here"))?;
    }
    Ok(grep)
}

impl Grep {
    /// The pattern's word.
    pub fn pattern(&self) -> &Word {
        &self.pattern
    }

    pub(super) fn fill(&self, value: Value<'_>) -> Result<Grep, String> {
        let text = self.pattern.fill(value)?;
        self.compile(&text)?;
        Ok(Grep {
            filled: Some(text),
            ..self.clone()
        })
    }

    /// What of `input` passes.
    ///
    /// # Errors
    /// When the pattern is not a regular expression, which filling in has found out before.
    pub fn apply(&self, input: &str) -> Result<Filtered, String> {
        let regex = self.compile(self.filled.as_deref().unwrap_or(self.pattern.as_written()))?;
        let lines: Vec<&str> = input
            .lines()
            .filter(|line| regex.is_match(line) != self.invert)
            .collect();
        let exit = i32::from(lines.is_empty());
        let text = if self.count {
            format!("{}\n", lines.len())
        } else {
            lines.iter().flat_map(|line| [*line, "\n"]).collect()
        };
        Ok(Filtered { text, exit })
    }

    fn compile(&self, pattern: &str) -> Result<Regex, String> {
        let translated = if self.extended {
            pattern.to_owned()
        } else {
            from_basic(pattern)
        };
        // What is found must not go on to either side as a word would.
        let translated = match self.words {
            true => format!(r"(?:^|\W)(?:{translated})(?:\W|$)"),
            false => translated,
        };
        RegexBuilder::new(&translated)
            .case_insensitive(self.ignore_case)
            .size_limit(1 << 20)
            .build()
            .map_err(|_| format!("`{pattern}` is not a regular expression that grep would take"))
    }
}

/// A basic regular expression (POSIX, 9.3) in the syntax of extended ones: there `+ ? | ( ) { }` are ordinary characters, and
/// special behind a backslash.
fn from_basic(pattern: &str) -> String {
    let mut out = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(special @ ('+' | '?' | '|' | '(' | ')' | '{' | '}')) => out.push(special),
                Some(other) => out.extend(['\\', other]),
                None => out.push_str("\\\\"),
            },
            '+' | '?' | '|' | '(' | ')' | '{' | '}' => out.extend(['\\', c]),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::words::split;
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("grep 7007", "a 7007\nb\n", "a 7007\n", 0)]
    #[case("grep 7007", "a\nb\n", "", 1)]
    #[case("grep -v a", "a\nb\n", "b\n", 0)]
    #[case("grep -c a", "a\nab\n", "2\n", 0)]
    #[case("grep -c z", "a\nab\n", "0\n", 1)]
    #[case("grep -i A", "a\nb\n", "a\n", 0)]
    #[case(
        "grep -E '(master|slave)'",
        "x master\ny slave\nz\n",
        "x master\ny slave\n",
        0
    )]
    #[case(
        "grep '(master|slave)'",
        "x master\n(master|slave)\n",
        "(master|slave)\n",
        0
    )]
    #[case("grep 'a\\|b'", "a\nb\nc\n", "a\nb\n", 0)]
    #[case("grep -vi A", "a\nb\n", "b\n", 0)]
    #[case(
        "grep -w 7007",
        "7007\n:7007@17007\nff670078\n70070\n",
        "7007\n:7007@17007\n",
        0
    )]
    #[case("grep -w 'a\\|bc'", "ab bc\nabc\nb-a\n", "ab bc\nb-a\n", 0)]
    #[case("grep -vw 7007", "ff670078\n7007\n", "ff670078\n", 0)]
    fn it_filters_as_grep_does(
        #[case] line: &str,
        #[case] input: &str,
        #[case] text: &str,
        #[case] exit: i32,
    ) {
        let words = split(line).unwrap();
        let grep = parse(&words[0]).unwrap();
        assert_eq!(
            grep.apply(input),
            Ok(Filtered {
                text: text.to_owned(),
                exit
            })
        );
    }
}
