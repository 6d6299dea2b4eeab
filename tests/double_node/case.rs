//! The files of fixed cases, `cases/FAMILY.txt`.
//!
//! ```text
//! # a whole-line comment
//! == title of the case
//! SET k "Hello\r\n\x00 World"
//! @unordered SMEMBERS s
//! 2> SUBSCRIBE ch
//! PUBLISH ch hi
//! 2<
//! ```
//!
//! A line is a command in redis-cli's quoting (`quoting.rs`), run on both servers. In front of it, in any order:
//!
//! - the connection: `2>` (1 if there is none), `2>&` to send only, `2<` or `<` in a command's place to read one more reply;
//! - what may vary: `@unordered[:GROUP|:all]`, `@any`, `@shape`, `@within:N`, `@float[:SHARE]`, `@match REGEX`, `@mask REGEX`, `@keep REGEX`
//!   (`compare.rs`), `@scan[:GROUP]`: the whole iteration that the command begins, as a set;
//! - `@save:NAME` keeps the reply for `${NAME}` in later arguments, of each server its own;
//! - `@times:N`: N times, `{i}` in it is the number; `@resp2`, `@resp3`: only in that protocol.
//!
//! Directives: `!raw "bytes"` sends them as they are, `!closed` expects to be hung up on, `!close` hangs up, `!pause MS` waits,
//! `!only resp2|resp3` is about the whole case.

use crate::compare::{Varies, regex};
use crate::quoting::{all, next};

pub struct Case {
    pub title: String,
    /// Where its title stands, from 1.
    pub line: usize,
    pub lines: Vec<Line>,
    /// The one protocol that it is for.
    pub only: Option<u8>,
}

#[derive(Clone, Debug)]
pub struct Line {
    pub number: usize,
    pub text: String,
    pub on: u8,
    pub varies: Vec<Varies>,
    pub save: Option<String>,
    /// How many elements make one, where the command begins an iteration that is to be followed.
    pub scan: Option<usize>,
    pub times: usize,
    pub only: Option<u8>,
    pub step: Step,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sends a command and reads its reply.
    Call(Vec<Vec<u8>>),
    /// Sends a command.
    Send(Vec<Vec<u8>>),
    /// Reads one reply.
    Read,
    /// Sends bytes.
    Raw(Vec<u8>),
    /// The server hangs up.
    Closed,
    /// The client hangs up.
    Close,
    /// Waits so many milliseconds.
    Pause(u64),
}

/// All cases of a file. An error says which line is wrong and why.
pub fn parse(text: &str) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = Vec::new();
    for (index, text) in text.lines().enumerate() {
        let (number, text) = (index + 1, text.trim());
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let wrong = |why: String| format!("line {number}: {why}\n    {text}");
        if let Some(title) = text.strip_prefix("==") {
            let title = title.trim().to_owned();
            if title.is_empty() || cases.iter().any(|case| case.title == title) {
                return Err(wrong("a case needs a title of its own".to_owned()));
            }
            cases.push(Case {
                title,
                line: number,
                lines: Vec::new(),
                only: None,
            });
            continue;
        }
        let Some(case) = cases.last_mut() else {
            return Err(wrong("a case begins with == and a title".to_owned()));
        };
        if let Some(only) = text.strip_prefix("!only ") {
            case.only = Some(protocol(only.trim()).map_err(wrong)?);
            continue;
        }
        case.lines.push(line(number, text).map_err(wrong)?);
    }
    if let Some(empty) = cases.iter().find(|case| case.lines.is_empty()) {
        return Err(format!("line {}: a case without a command", empty.line));
    }
    Ok(cases)
}

fn protocol(name: &str) -> Result<u8, String> {
    match name {
        "resp2" => Ok(2),
        "resp3" => Ok(3),
        other => Err(format!("{other} is no protocol")),
    }
}

pub fn line(number: usize, text: &str) -> Result<Line, String> {
    let mut line = Line {
        number,
        text: text.to_owned(),
        on: 1,
        varies: Vec::new(),
        save: None,
        scan: None,
        times: 1,
        only: None,
        step: Step::Read,
    };
    let mut rest = text;
    let mut send_only = false;
    loop {
        let here = rest;
        let word = next(&mut rest)?.ok_or("there is no command")?;
        let name = String::from_utf8_lossy(&word.bytes).into_owned();
        if word.quoted {
            rest = here;
            break;
        }
        if let Some(name) = name.strip_prefix('@') {
            modifier(name, &mut rest, &mut line)?;
        } else if let Some((on, what)) = connection(&name) {
            line.on = on;
            match what {
                ">" => {}
                ">&" => send_only = true,
                _ => {
                    line.step = Step::Read;
                    return end(line, rest);
                }
            }
        } else if let Some(name) = name.strip_prefix('!') {
            line.step = directive(name, &mut rest, &mut line.on)?;
            return end(line, rest);
        } else {
            rest = here;
            break;
        }
    }
    let args = all(rest)?;
    line.step = if send_only {
        Step::Send(args)
    } else {
        Step::Call(args)
    };
    if line.save.is_some() && line.varies.is_empty() {
        line.varies.push(Varies::Value);
    }
    Ok(line)
}

fn end(line: Line, rest: &str) -> Result<Line, String> {
    if rest.trim().is_empty() {
        Ok(line)
    } else {
        Err(format!("what is {:?} for?", rest.trim()))
    }
}

/// `2>`, `2>&` or `2<`; without a number it is connection 1.
fn connection(word: &str) -> Option<(u8, &str)> {
    if matches!(word, ">" | ">&" | "<") {
        return Some((1, word));
    }
    let (digit, what) = word.split_at_checked(1)?;
    let on = digit.parse().ok().filter(|on| *on > 0)?;
    matches!(what, ">" | ">&" | "<").then_some((on, what))
}

fn modifier(word: &str, rest: &mut &str, line: &mut Line) -> Result<(), String> {
    let (name, value) = word
        .split_once(':')
        .map_or((word, None), |(name, value)| (name, Some(value)));
    let number = |default: Option<usize>| match value {
        None => default.ok_or(format!("@{name} needs a number")),
        Some(value) => value.parse().map_err(|_| format!("@{word}: no number")),
    };
    let mut pattern = || {
        let word = next(rest)?.ok_or("a regex is missing")?;
        regex(&word.bytes)
    };
    let varies = match (name, value) {
        ("unordered", Some("all")) => Varies::OrderAll,
        ("unordered", _) => Varies::Order(number(Some(1))?),
        ("any", None) => Varies::Value,
        ("shape", None) => Varies::Values,
        ("within", _) => Varies::Within(number(None)? as i128),
        ("float", None) => Varies::Float(1e-9),
        ("float", Some(share)) => {
            Varies::Float(share.parse().map_err(|_| format!("@{word}: no number"))?)
        }
        ("match", None) => Varies::Match(pattern()?),
        ("mask", None) => Varies::Mask(pattern()?),
        ("keep", None) => Varies::Keep(pattern()?),
        ("scan", _) => {
            line.scan = Some(number(Some(1))?);
            return Ok(());
        }
        ("save", Some(value)) => {
            line.save = Some(value.to_owned());
            return Ok(());
        }
        ("times", _) => {
            line.times = number(None)?;
            return Ok(());
        }
        ("resp2" | "resp3", None) => {
            line.only = Some(protocol(name)?);
            return Ok(());
        }
        _ => return Err(format!("there is no @{word}")),
    };
    line.varies.push(varies);
    Ok(())
}

fn directive(name: &str, rest: &mut &str, on: &mut u8) -> Result<Step, String> {
    let words = all(rest)?;
    *rest = "";
    let number = || {
        let word = words.first().ok_or(format!("!{name} needs a number"))?;
        let text = String::from_utf8_lossy(word);
        text.parse::<u64>()
            .map_err(|_| format!("{text} is no number"))
    };
    match name {
        "raw" => Ok(Step::Raw(words.concat())),
        "pause" => Ok(Step::Pause(number()?)),
        "closed" | "close" => {
            if !words.is_empty() {
                *on = u8::try_from(number()?).map_err(|_| "no connection has this number")?;
            }
            Ok(if name == "close" {
                Step::Close
            } else {
                Step::Closed
            })
        }
        _ => Err(format!("there is no !{name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn one(text: &str) -> Line {
        let mut cases = parse(&format!("== t\n{text}")).unwrap();
        cases.remove(0).lines.remove(0)
    }

    fn args(words: &[&str]) -> Vec<Vec<u8>> {
        words.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    #[rstest]
    #[case("GET k", 1, Step::Call(args(&["GET", "k"])))]
    #[case("2> GET k", 2, Step::Call(args(&["GET", "k"])))]
    #[case("2>& BLPOP k 0", 2, Step::Send(args(&["BLPOP", "k", "0"])))]
    #[case("@any 2>& BLPOP k 0", 2, Step::Send(args(&["BLPOP", "k", "0"])))]
    #[case("2> @any GET k", 2, Step::Call(args(&["GET", "k"])))]
    #[case("\"@any\" x", 1, Step::Call(args(&["@any", "x"])))]
    #[case(">& PING", 1, Step::Send(args(&["PING"])))]
    #[case("3<", 3, Step::Read)]
    #[case("@shape <", 1, Step::Read)]
    #[case(r#"!raw "PING\r\n" x"#, 1, Step::Raw(b"PING\r\nx".to_vec()))]
    #[case(r#"2> !raw "x""#, 2, Step::Raw(b"x".to_vec()))]
    #[case("!closed", 1, Step::Closed)]
    #[case("!close 2", 2, Step::Close)]
    #[case("!pause 20", 1, Step::Pause(20))]
    fn lines(#[case] text: &str, #[case] on: u8, #[case] step: Step) {
        let line = one(text);
        assert_eq!((line.on, line.step), (on, step));
    }

    #[test]
    fn modifiers() {
        let line = one("@unordered:2 @times:3 @save:x @resp3 HGETALL h{i}");
        assert!(matches!(line.varies[..], [Varies::Order(2)]));
        assert_eq!((line.times, line.only), (3, Some(3)));
        assert_eq!(line.save.as_deref(), Some("x"));
        let line = one(r"@match '^\d+$' @mask 'a b' GET k");
        assert!(matches!(
            &line.varies[..],
            [Varies::Match(first), Varies::Mask(second)]
                if first.as_str() == r"^\d+$" && second.as_str() == "a b"
        ));
        assert_eq!(one("@scan:2 HSCAN h 0").scan, Some(2));
        assert!(matches!(one("@save:x TIME").varies[..], [Varies::Value]));
    }

    #[test]
    fn cases_know_where_they_stand() {
        let cases = parse("# c\n\n== a\nPING\n\n== b \n!only resp3\n# x\nPING\nGET #").unwrap();
        let told: Vec<_> = cases
            .iter()
            .map(|case| (case.title.as_str(), case.line, case.only, case.lines.len()))
            .collect();
        assert_eq!(told, [("a", 3, None, 1), ("b", 6, Some(3), 2)]);
        assert_eq!(cases[1].lines[0].number, 9);
    }

    #[rstest]
    #[case("PING")]
    #[case("== a\nPING\n== a\nPING")]
    #[case("== a")]
    #[case("==\nPING")]
    #[case("== a\n@what PING")]
    #[case("== a\n@within PING")]
    #[case("== a\n@any")]
    #[case("== a\n!what")]
    #[case("== a\n2< PING")]
    #[case("== a\n!only resp4")]
    #[case("== a\nGET \"k")]
    #[case("== a\n@match ( GET k")]
    fn refused(#[case] text: &str) {
        assert!(parse(text).is_err());
    }
}
