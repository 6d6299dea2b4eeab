//! A line cut into words, as a shell would cut it, and nothing else of a shell.

use std::ops::Range;

use super::{LineFault, PROGRAMS, Value};
use crate::lab::template::Template;

/// One word, quotes removed.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    template: Template,
    /// Where it stands in the line, quotes included; bytes.
    pub range: Range<usize>,
}

impl Word {
    /// Its text, if there is nothing to fill in.
    pub fn literal(&self) -> Option<&str> {
        self.template.literal()
    }

    /// With its places to fill in.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// As written, quotes removed.
    pub fn as_written(&self) -> &str {
        self.template.as_written()
    }

    /// Filled in.
    pub(super) fn fill(&self, value: Value<'_>) -> Result<String, String> {
        self.template.fill(|reference| value(reference))
    }
}

/// Cuts a line at blanks into words and at `|` into stages. A template in a word stays one piece.
pub(super) fn split(line: &str) -> Result<Vec<Vec<Word>>, LineFault> {
    let mut stages = vec![Vec::new()];
    let mut word: Option<(usize, String)> = None;
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let begins_word = word.is_none();
        let mut add = |text: &str| {
            word.get_or_insert_with(|| (at, String::new()))
                .1
                .push_str(text)
        };
        match c {
            ' ' | '\t' | '\n' | '\r' => {
                finish(&mut word, at, &mut stages)?;
                // A long command may go on in the next line. What starts like a command is one of its own.
                let next = line[at + 1..].trim_start();
                let first = next.split_whitespace().next().unwrap_or_default();
                if c == '\n' && PROGRAMS.contains(&first) {
                    let start = line.len() - next.len();
                    return Err(LineFault::new(
                        start..start + first.len(),
                        "one step runs one command, and here a second one begins",
                        "here",
                    )
                    .help("make it a step of its own, or an item of `each`"));
                }
            }
            '#' if begins_word => {
                return Err(LineFault::new(at..at + 1, "there is no shell, so `#` begins no remark here", "here")
                    .help("quote it if it belongs to a word; a remark of the file stands outside of the text"));
            }
            '|' => {
                finish(&mut word, at, &mut stages)?;
                if chars.peek().is_some_and(|(_, next)| *next == '|') {
                    return Err(no_shell(at..at + 2, "`||`"));
                }
                stages.push(Vec::new());
            }
            '\'' | '"' => {
                add("");
                loop {
                    match chars.next() {
                        Some((_, end)) if end == c => break,
                        Some((_, '\\')) if c == '"' => match chars.next() {
                            Some((_, escaped @ ('"' | '\\' | '$' | '`'))) => {
                                add(&escaped.to_string())
                            }
                            Some((_, other)) => add(&format!("\\{other}")),
                            None => {
                                return Err(LineFault::new(
                                    at..line.len(),
                                    "a quote that is not closed",
                                    "opened here",
                                ));
                            }
                        },
                        Some((_, inner)) => add(&inner.to_string()),
                        None => {
                            return Err(LineFault::new(
                                at..line.len(),
                                "a quote that is not closed",
                                "opened here",
                            ));
                        }
                    }
                }
            }
            '\\' => match chars.next() {
                Some((_, '\n')) | None => {}
                Some((_, escaped)) => add(&escaped.to_string()),
            },
            '$' => match chars.peek() {
                Some((_, '{' | '$')) => {
                    // A template is one piece: a blank inside it is the template's fault to report, not a word's end.
                    let end = line[at..]
                        .find('}')
                        .map_or(line.len(), |length| at + length + 1);
                    add(&line[at..end]);
                    while chars.peek().is_some_and(|(next, _)| *next < end) {
                        chars.next();
                    }
                }
                Some((_, '(')) => return Err(no_shell(at..at + 2, "`$(`")),
                Some((_, next)) if next.is_ascii_alphabetic() => {
                    return Err(LineFault::new(
                        at..at + 1,
                        "there is no shell, so there are no `$variables`",
                        "here",
                    )
                    .help("a value that was saved is written `${name}`"));
                }
                _ => add("$"),
            },
            '`' => return Err(no_shell(at..at + 1, "a backquote")),
            ';' | '&' | '>' | '<' => return Err(no_shell(at..at + 1, &format!("`{c}`"))),
            other => add(other.encode_utf8(&mut [0; 4])),
        }
    }
    finish(&mut word, line.len(), &mut stages)?;
    Ok(stages)
}

fn finish(
    word: &mut Option<(usize, String)>,
    end: usize,
    stages: &mut [Vec<Word>],
) -> Result<(), LineFault> {
    if let (Some((start, text)), Some(stage)) = (word.take(), stages.last_mut()) {
        let range = start..end;
        let template = Template::parse(&text)
            .map_err(|fault| LineFault::new(range.clone(), fault.what, "in this word"))?;
        stage.push(Word { template, range });
    }
    Ok(())
}

fn no_shell(range: Range<usize>, what: &str) -> LineFault {
    LineFault::new(
        range,
        format!("there is no shell, so {what} has no meaning here"),
        "here",
    )
    .help("one step runs one command; quote the character if it belongs to a word")
}
