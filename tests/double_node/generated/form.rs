//! The forms of commands, one a line in `forms/FAMILY.txt`, and commands made from them.
//!
//! ```text
//! SET <key> <value> [NX|XX] [EX <ttl>|PX <pttl>|KEEPTTL]
//! @unordered SMEMBERS <key>
//! ZPOP(MIN|MAX) is not possible: alternatives are whole words, (ZPOPMIN|ZPOPMAX)
//! ```
//!
//! `<name>` is filled by `pool.rs`, `[a|b]` is one of these or nothing, `(a|b)` one of these. Words are quoted as in a case file, and what
//! may vary in the reply is declared as there.

use std::fmt;

use crate::case;
use crate::compare::Varies;
use crate::generated::pool;
use crate::quoting;
use crate::show;

pub struct Form {
    declared: Declared,
    parts: Vec<Part>,
}

/// What may vary in a reply: as it is written, and what it means.
#[derive(Clone)]
pub struct Declared {
    text: String,
    pub varies: Vec<Varies>,
}

enum Part {
    Word(Vec<u8>),
    Place(String),
    /// One of these.
    One(Vec<Vec<Part>>),
    /// One of these, or nothing.
    Optional(Vec<Vec<Part>>),
}

/// A command as it is sent, and what may vary in its reply.
#[derive(Clone)]
pub struct Command {
    pub args: Vec<Vec<u8>>,
    pub declared: Declared,
}

/// Numbers that decide, one by one, what a form becomes. All 0 is the simplest that it can be.
pub struct Choices<'a> {
    /// Which key is mostly taken.
    pub home: usize,
    numbers: std::slice::Iter<'a, u16>,
}

impl<'a> Choices<'a> {
    fn new(home: usize, numbers: &'a [u16]) -> Choices<'a> {
        Choices {
            home,
            numbers: numbers.iter(),
        }
    }

    pub fn next(&mut self) -> usize {
        self.numbers.next().map_or(0, |number| usize::from(*number))
    }
}

impl Declared {
    pub fn new(text: &str) -> Declared {
        let line = case::line(0, &format!("{text} PING")).unwrap();
        Declared {
            text: text.trim().to_owned(),
            varies: line.varies,
        }
    }
}

impl Form {
    /// All forms of a file.
    pub fn all(text: &str) -> Vec<Form> {
        let lines = text.lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(Form::new)
            .collect()
    }

    fn new(line: &str) -> Form {
        let begins = line
            .char_indices()
            .scan(true, |start, (at, byte)| {
                let word = *start && byte != '@';
                *start = byte == ' ';
                Some((at, word))
            })
            .find_map(|(at, word)| word.then_some(at))
            .unwrap();
        let (declared, rest) = line.split_at(begins);
        let mut rest = rest;
        let mut alternatives = sequences(&mut rest);
        assert!(
            rest.is_empty() && alternatives.len() == 1,
            "not a form: {line}"
        );
        Form {
            declared: Declared::new(declared),
            parts: alternatives.remove(0),
        }
    }

    /// The command that these numbers make of it.
    pub fn command(&self, home: usize, numbers: &[u16]) -> Command {
        let mut choices = Choices::new(home, numbers);
        // First, so that it does not move with the number of places.
        let damage = choices.next();
        let mut args = Vec::new();
        expand(&self.parts, &mut choices, &mut args);
        spoil(damage, &mut args);
        Command {
            args,
            declared: self.declared.clone(),
        }
    }
}

/// Now and then a command comes with one argument too many or too few, or in small letters.
fn spoil(damage: usize, args: &mut Vec<Vec<u8>>) {
    // With an argument less these would answer at random.
    let random: [&[u8]; 5] = [
        b"SPOP",
        b"SRANDMEMBER",
        b"HRANDFIELD",
        b"ZRANDMEMBER",
        b"XADD",
    ];
    match damage % 100 {
        97 if !random.contains(&&args[0][..]) => {
            args.pop();
        }
        98 => args.push(b"x".to_vec()),
        99 => args[0].make_ascii_lowercase(),
        _ => {}
    }
    if args.is_empty() {
        args.push(b"PING".to_vec());
    }
}

fn expand(parts: &[Part], choices: &mut Choices, args: &mut Vec<Vec<u8>>) {
    for part in parts {
        match part {
            Part::Word(word) => args.push(word.clone()),
            Part::Place(name) => pool::fill(name, choices, args),
            Part::One(forms) => expand(&forms[choices.next() % forms.len()], choices, args),
            Part::Optional(forms) => {
                let chosen = choices.next() % (2 * forms.len());
                if let Some(form) = chosen.checked_sub(forms.len()).and_then(|at| forms.get(at)) {
                    expand(form, choices, args);
                }
            }
        }
    }
}

/// Alternatives, up to the bracket that closes them.
fn sequences(rest: &mut &str) -> Vec<Vec<Part>> {
    let mut all = vec![Vec::new()];
    loop {
        *rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return all;
        };
        let part = match first {
            ']' | ')' => {
                *rest = &rest[1..];
                return all;
            }
            '|' => {
                *rest = &rest[1..];
                all.push(Vec::new());
                continue;
            }
            '[' => {
                *rest = &rest[1..];
                Part::Optional(sequences(rest))
            }
            '(' => {
                *rest = &rest[1..];
                Part::One(sequences(rest))
            }
            '"' | '\'' => Part::Word(quoting::next(rest).unwrap().unwrap().bytes),
            _ => {
                let end = rest
                    .find(|byte: char| byte.is_whitespace() || "[]()|".contains(byte))
                    .unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                *rest = after;
                match word
                    .strip_prefix('<')
                    .and_then(|word| word.strip_suffix('>'))
                {
                    Some(name) => Part::Place(name.to_owned()),
                    None => Part::Word(word.as_bytes().to_vec()),
                }
            }
        };
        all.last_mut().unwrap().push(part);
    }
}

impl Command {
    pub fn new(declared: &str, args: &[&str]) -> Command {
        Command {
            args: args.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
            declared: Declared::new(declared),
        }
    }

    pub fn is(&self, name: &str) -> bool {
        self.args[0].eq_ignore_ascii_case(name.as_bytes())
    }
}

/// As a line of a case file.
impl fmt::Debug for Command {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        if !self.declared.text.is_empty() {
            write!(out, "{} ", self.declared.text)?;
        }
        out.write_str(&show::line(&self.args))
    }
}

#[cfg(test)]
mod tests {
    use super::Form;
    use rstest::rstest;

    #[rstest]
    #[case("SET <key> <value> [NX|XX GET]", &[], "SET k2 a")]
    #[case("SET <key> <value> [NX|XX GET]", &[0, 5, 0, 2], "SET k1 a NX")]
    #[case("SET <key> <value> [NX|XX GET]", &[0, 5, 0, 3], "SET k1 a XX GET")]
    #[case("@unordered:2 (A|B [c]) d", &[0, 1, 1], "@unordered:2 B c d")]
    #[case("@unordered @any A", &[], "@unordered @any A")]
    #[case(r#"EVAL "f(x)[1] | y" 1 <key>"#, &[], r#"EVAL "f(x)[1] | y" 1 k2"#)]
    #[case("GET <key>", &[97], "GET")]
    #[case("GET <key>", &[98], "GET k2 x")]
    #[case("GET <key>", &[99], "get k2")]
    fn forms(#[case] form: &str, #[case] numbers: &[u16], #[case] expected: &str) {
        let command = Form::new(form).command(2, numbers);
        assert_eq!(format!("{command:?}"), expected);
    }
}
