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
    /// Where each byte of its text comes from: the bytes of the line that stand for its character.
    places: Vec<Range<usize>>,
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

    /// Where a part of its text, in bytes, stands in the line. Quotes and backslashes make the two differ. The whole word for a part
    /// that is empty.
    pub(super) fn place(&self, part: Range<usize>) -> Range<usize> {
        match self.places.get(part) {
            Some([first, .., last]) => first.start..last.end,
            Some([only]) => only.clone(),
            _ => self.range.clone(),
        }
    }

    /// A part of it as a word of its own, if that can be one: it is not empty and cuts no `${…}` in two.
    pub(super) fn part(&self, part: Range<usize>) -> Option<Word> {
        let text = self.as_written().get(part.clone())?;
        let places = self.places.get(part.clone())?;
        Some(Word {
            template: Template::parse(text).ok()?,
            range: (!places.is_empty()).then(|| self.place(part))?,
            places: places.to_vec(),
        })
    }

    /// Filled in.
    pub(super) fn fill(&self, value: Value<'_>) -> Result<String, String> {
        self.template.fill(|reference| value(reference))
    }
}

/// A word that is being read.
#[derive(Default)]
struct Open {
    start: usize,
    text: String,
    places: Vec<Range<usize>>,
}

impl Open {
    /// Adds a character for which the bytes `from` of the line stand.
    fn add(&mut self, c: char, from: Range<usize>) {
        self.text.push(c);
        self.places.extend(std::iter::repeat_n(from, c.len_utf8()));
    }
}

/// The word that is being read; a new one begins at `at` if there is none.
fn open(word: &mut Option<Open>, at: usize) -> &mut Open {
    word.get_or_insert_with(|| Open {
        start: at,
        ..Open::default()
    })
}

/// Cuts a line at blanks into words and at `|` into stages. A template in a word stays one piece.
pub(super) fn split(line: &str) -> Result<Vec<Vec<Word>>, LineFault> {
    let mut stages = vec![Vec::new()];
    let mut word: Option<Open> = None;
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let begins_word = word.is_none();
        let to = |from: usize, c: char| from..from + c.len_utf8();
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
                let open = open(&mut word, at);
                let not_closed =
                    || LineFault::new(at..line.len(), "a quote that is not closed", "opened here");
                loop {
                    let (inside, inner) = chars.next().ok_or_else(not_closed)?;
                    match inner {
                        _ if inner == c => break,
                        '\\' if c == '"' => {
                            let (next, escaped) = chars.next().ok_or_else(not_closed)?;
                            let both = inside..next + escaped.len_utf8();
                            if !matches!(escaped, '"' | '\\' | '$' | '`') {
                                open.add('\\', both.clone());
                            }
                            open.add(escaped, both);
                        }
                        _ => open.add(inner, to(inside, inner)),
                    }
                }
            }
            '\\' => match chars.next() {
                Some((_, '\n')) | None => {}
                Some((next, escaped)) => {
                    open(&mut word, at).add(escaped, at..next + escaped.len_utf8())
                }
            },
            '$' => match chars.peek() {
                Some((_, '{' | '$')) => {
                    // A template is one piece: a blank inside it is the template's fault to report, not a word's end.
                    let end = line[at..]
                        .find('}')
                        .map_or(line.len(), |length| at + length + 1);
                    let open = open(&mut word, at);
                    for (inside, inner) in line[at..end].char_indices() {
                        open.add(inner, to(at + inside, inner));
                    }
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
                _ => open(&mut word, at).add('$', to(at, '$')),
            },
            '`' => return Err(no_shell(at..at + 1, "a backquote")),
            ';' | '&' | '>' | '<' => return Err(no_shell(at..at + 1, &format!("`{c}`"))),
            other => open(&mut word, at).add(other, to(at, other)),
        }
    }
    finish(&mut word, line.len(), &mut stages)?;
    Ok(stages)
}

fn finish(word: &mut Option<Open>, end: usize, stages: &mut [Vec<Word>]) -> Result<(), LineFault> {
    if let (Some(open), Some(stage)) = (word.take(), stages.last_mut()) {
        let range = open.start..end;
        let template = Template::parse(&open.text)
            .map_err(|fault| LineFault::new(range.clone(), fault.what, "in this word"))?;
        stage.push(Word {
            template,
            range,
            places: open.places,
        });
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::plain("make NODE=7007", "7007", "7007")]
    #[case::in_quotes("watch 'a bé c'", "bé", "bé")]
    #[case::quotes_in_the_middle("NO'DE=70'07", "7007", "70'07")]
    #[case::escaped(r#"x "a \"b\" c""#, "\"b\"", r#"\"b\""#)]
    #[case::backslash(r"x a\ b", "a b", r"a\ b")]
    #[case::template("x -n${each.n}s", "${each.n}", "${each.n}")]
    fn a_part_of_a_word_is_found_in_its_line(
        #[case] line: &str,
        #[case] part: &str,
        #[case] there: &str,
    ) {
        let stages = split(line).unwrap();
        let word = stages[0].last().unwrap();
        let at = word.as_written().find(part).unwrap();
        assert_eq!(&line[word.place(at..at + part.len())], there);
    }

    proptest::proptest! {
        #[test]
        fn every_sign_of_a_word_stands_in_its_line(line in "([ 'a-cé|=]|\\\\.|\"|\\$\\{x\\}){0,30}") {
            for word in split(&line).into_iter().flatten().flatten() {
                for (at, c) in word.as_written().char_indices() {
                    let place = word.place(at..at + c.len_utf8());
                    proptest::prop_assert!(line[place.clone()].contains(c), "{c} at {place:?}");
                }
            }
        }
    }
}
