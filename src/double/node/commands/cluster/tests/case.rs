//! Cases as text.
//!
//! ```text
//! # a remark
//! == title
//! SET k v                  said by client 1, and the answers are the same
//! 2> GET k                 said by client 2
//! 2>& BLPOP k 0            said, and no answer is waited for
//! 2<                       one more answer
//! !other SET k v           executed by the other node, whose replica this one is
//! !state ok                waits until cluster_state is this
//! @mask REGEX@ COMMAND     what the group of the expression finds is not compared
//! ```
//!
//! A word in quotes may have blanks in it, or nothing. `<me>`, `<other>` and `<port>` are ids, and the other's port.

pub struct Case {
    pub title: String,
    pub lines: Vec<Line>,
}

pub struct Line {
    pub number: usize,
    pub text: String,
    pub on: u8,
    pub masks: Vec<String>,
    pub step: Step,
}

pub enum Step {
    Call(Vec<String>),
    Send(Vec<String>),
    Read,
    Other(Vec<String>),
    State(String),
}

pub fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix("== ") {
            cases.push(Case {
                title: title.to_owned(),
                lines: Vec::new(),
            });
            continue;
        }
        let case = cases.last_mut().expect("a title comes first");
        case.lines.push(read(at + 1, line));
    }
    cases
}

fn read(number: usize, text: &str) -> Line {
    let mut rest = text;
    let mut masks = Vec::new();
    while let Some(mask) = rest.strip_prefix("@mask ") {
        let (mask, after) = mask.split_once("@ ").expect("a mask ends with @");
        masks.push(mask.to_owned());
        rest = after;
    }
    let mut on = 1;
    let mut sent = false;
    let digit = rest.as_bytes()[0].wrapping_sub(b'0');
    if digit < 10 && matches!(rest.as_bytes().get(1), Some(b'<' | b'>')) {
        on = digit;
        rest = &rest[1..];
    }
    if let Some(after) = rest.strip_prefix(">&") {
        sent = true;
        rest = after;
    } else {
        rest = rest.strip_prefix('>').unwrap_or(rest);
    }
    let step = if rest == "<" {
        Step::Read
    } else if let Some(words) = rest.strip_prefix("!other ") {
        Step::Other(split(words))
    } else if let Some(state) = rest.strip_prefix("!state ") {
        Step::State(format!("cluster_state:{state}"))
    } else if sent {
        Step::Send(split(rest))
    } else {
        Step::Call(split(rest))
    };
    Line {
        number,
        text: text.to_owned(),
        on,
        masks,
        step,
    }
}

fn split(text: &str) -> Vec<String> {
    let words = crate::resp::typed_words(text.as_bytes()).expect("quotes are closed");
    words
        .into_iter()
        .map(|word| String::from_utf8(word).expect("text"))
        .collect()
}
