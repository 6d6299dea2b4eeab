//! `./app …`: the seat-reservation application of the course.

pub(in crate::lab) mod table;
#[cfg(test)]
mod tests;

use std::ops::Range;

use self::table::{AppOption, COMMANDS, Command, GLOBAL, REFUSED};
use super::words::Word;
use super::{LineFault, Parsed, Value};
use crate::lab::action::AppCall;
use crate::lab::fault::{nearest, suggest};
use crate::lab::template::Template;

/// A line of the application that was understood.
#[derive(Debug, Clone)]
pub struct AppLine {
    command: &'static Command,
    /// The words of the command itself.
    pub(super) name: Vec<Word>,
    options: Vec<Given>,
}

/// Each command is there once.
impl PartialEq for AppLine {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.command, other.command)
            && self.name == other.name
            && self.options == other.options
    }
}

/// An option as it stands in a line.
#[derive(Debug, Clone)]
struct Given {
    option: &'static AppOption,
    value: Option<Template>,
}

impl PartialEq for Given {
    fn eq(&self, other: &Self) -> bool {
        self.option.name == other.option.name && self.value == other.value
    }
}

impl AppLine {
    /// The command, as typed: `reserve`, `session login`.
    pub fn command(&self) -> &'static str {
        self.command.name
    }

    /// Whether it changes nothing.
    pub(super) fn only_looks(&self) -> bool {
        self.command.only_looks
    }

    pub(super) fn fill(&self, value: Value<'_>) -> Result<AppCall, String> {
        let mut words: Vec<String> = self.command.name.split(' ').map(str::to_owned).collect();
        for given in &self.options {
            let name = given.option.name;
            let Some(template) = &given.value else {
                words.push(name.to_owned());
                continue;
            };
            let text = template.fill(|reference| value(reference))?;
            if let Some(kind) = given.option.value {
                kind.check(&text)
                    .map_err(|what| format!("{name}: {what}"))?;
            }
            if text.starts_with('-') {
                // Alone it would be an option.
                words.push(format!("{name}={text}"));
            } else {
                words.extend([name.to_owned(), text]);
            }
        }
        Ok(AppCall { words })
    }
}

pub(super) fn parse(program: &Word, rest: &[Word]) -> Parsed<AppLine> {
    let mut reader = Reader::default();
    let mut words = rest.iter().peekable();
    // The command may stand behind options that go with every command.
    let mut command: Option<(&'static Command, Vec<Word>)> = None;
    while let Some(word) = words.next() {
        let text = word.as_written();
        if text.starts_with('-') {
            let known = command.as_ref().map(|(command, _)| *command);
            if !reader.option(known, word, &mut words) {
                break;
            }
        } else if let Some((command, _)) = &command {
            reader.faults.push(
                LineFault::new(
                    word.range.clone(),
                    format!("`./app {}` takes options, and this is none", command.name),
                    "one word too many",
                )
                .help("options begin with `--`; a value with blanks in it needs quotes"),
            );
        } else {
            match find(word, words.peek().copied()) {
                Ok(found) => {
                    let name: Vec<Word> = std::iter::once(word)
                        .chain(words.next_if(|_| found.name.contains(' ')))
                        .cloned()
                        .collect();
                    command = Some((found, name));
                }
                Err(fault) => {
                    // Which options it should have had, nobody can know.
                    reader.faults.push(fault);
                    return Err(reader.faults);
                }
            }
        }
    }
    let Some((command, name)) = command else {
        if reader.faults.is_empty() {
            reader.faults.push(
                LineFault::new(
                    program.range.clone(),
                    "`./app` isn't told what to do",
                    "here",
                )
                .help(format!("one of {}", names().join(", "))),
            );
        }
        return Err(reader.faults);
    };
    if reader.faults.is_empty() {
        let range = match (name.first(), name.last()) {
            (Some(first), Some(last)) => first.range.start..last.range.end,
            _ => program.range.clone(),
        };
        reader.complete(command, range);
    }
    if reader.faults.is_empty() {
        Ok(AppLine {
            command,
            name,
            options: reader.given,
        })
    } else {
        Err(reader.faults)
    }
}

fn names() -> Vec<&'static str> {
    COMMANDS.iter().map(|command| command.name).collect()
}

/// The command that begins with `word`.
fn find(word: &Word, next: Option<&Word>) -> Result<&'static Command, LineFault> {
    let Some(text) = word.literal() else {
        return Err(LineFault::new(
            word.range.clone(),
            "the command of `./app` can't be a value",
            "here",
        )
        .help(format!("write one of {}", names().join(", "))));
    };
    if let Some(command) = COMMANDS.iter().find(|command| command.name == text) {
        return Ok(command);
    }
    let help = format!("the commands are {}", names().join(", "));
    let of_two: Vec<&str> = names()
        .into_iter()
        .filter_map(|name| name.strip_prefix(text)?.strip_prefix(' '))
        .collect();
    if of_two.is_empty() {
        let mut known = names();
        known.push("session");
        let (label, _) = suggest(text, &known);
        let what = format!("`{text}` is not a command of `./app`");
        return Err(LineFault::new(word.range.clone(), what, label).help(help));
    }
    // `session` alone.
    let Some(next) = next.filter(|next| !next.as_written().starts_with('-')) else {
        let what = format!("`./app {text}` isn't told what to do");
        return Err(LineFault::new(word.range.clone(), what, "here")
            .help(format!("one of {}", of_two.join(", "))));
    };
    let full = format!("{text} {}", next.as_written());
    COMMANDS
        .iter()
        .find(|command| command.name == full)
        .ok_or_else(|| {
            let (label, _) = suggest(next.as_written(), &of_two);
            let what = format!("`{full}` is not a command of `./app`");
            LineFault::new(next.range.clone(), what, label)
                .help(format!("there are {}", of_two.join(", ")))
        })
}

/// The options of a line, read one by one.
#[derive(Default)]
struct Reader {
    given: Vec<Given>,
    faults: Vec<LineFault>,
}

impl Reader {
    /// Reads an option and its value. `false` when what follows can't be told apart any more.
    fn option<'w>(
        &mut self,
        command: Option<&'static Command>,
        word: &Word,
        words: &mut std::iter::Peekable<impl Iterator<Item = &'w Word>>,
    ) -> bool {
        let text = word.as_written();
        let (name, attached) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let place = word.place(0..name.len());
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            if attached.is_none() {
                words.next_if(|next| !next.as_written().starts_with("--"));
            }
            self.faults.push(
                LineFault::new(place, format!("a lab can't use `{name}`: {why}"), "here")
                    .help("leave it out"),
            );
            return true;
        }
        let own = command.map_or(&[][..], |command| command.options);
        let Some(option) = own.iter().chain(GLOBAL).find(|option| option.name == name) else {
            self.faults.push(unknown(command, name, place));
            // Whether what stands behind it is its value, nobody knows.
            words.next_if(|next| attached.is_none() && !next.as_written().starts_with("--"));
            return true;
        };
        if self.given.iter().any(|given| given.option.name == name) {
            self.faults.push(
                LineFault::new(place, format!("`{name}` is there twice"), "the second one")
                    .help("a command takes it once"),
            );
            if option.value.is_some() && attached.is_none() {
                words.next();
            }
            return true;
        }
        let Some(kind) = option.value else {
            if attached.is_some() {
                self.faults.push(
                    LineFault::new(
                        word.range.clone(),
                        format!("`{name}` takes no value"),
                        "here",
                    )
                    .help(format!("write `{name}` alone")),
                );
            }
            self.given.push(Given {
                option,
                value: None,
            });
            return true;
        };
        let (template, at) = match attached {
            Some(value) => {
                let at = word.place(name.len() + 1..text.len());
                // The whole word was read as a template before, so that a part of it outside of all places is one too.
                match Template::parse(value) {
                    Ok(template) => (template, at),
                    Err(fault) => {
                        self.faults.push(LineFault::new(at, fault.what, "here"));
                        return false;
                    }
                }
            }
            None => match words.next_if(|next| !next.as_written().starts_with("--")) {
                Some(value) => (value.template().clone(), value.range.clone()),
                None => {
                    self.faults.push(
                        LineFault::new(place, format!("`{name}` needs a value"), "here")
                            .help(format!("{name} takes {}", kind.in_words())),
                    );
                    return true;
                }
            },
        };
        // What a value brings is checked when it is there.
        if let Some(Err(what)) = template.literal().map(|text| kind.check(text)) {
            self.faults.push(
                LineFault::new(at, what, "here").help(format!("{name} takes {}", kind.in_words())),
            );
        }
        self.given.push(Given {
            option,
            value: Some(template),
        });
        true
    }

    /// Whether all is there that the command can't do without.
    fn complete(&mut self, command: &'static Command, at: Range<usize>) {
        let typed = command.name;
        let there = |name: &str| self.given.iter().any(|given| given.option.name == name);
        let missing: Vec<String> = command
            .options
            .iter()
            .filter(|option| option.required && !there(option.name))
            .map(|option| format!("`{}`", option.name))
            .collect();
        if !missing.is_empty() {
            let kinds: Vec<String> = command
                .options
                .iter()
                .filter(|option| option.required && !there(option.name))
                .filter_map(|option| {
                    Some(format!(
                        "{} takes {}",
                        option.name,
                        option.value?.in_words()
                    ))
                })
                .collect();
            let mut help = kinds.join("; ");
            if typed == "watch" && missing.iter().any(|name| name == "`--for`") {
                help.push_str("; without it the command would never end");
            }
            let what = format!("`./app {typed}` needs {}", missing.join(" and "));
            self.faults
                .push(LineFault::new(at, what, "here").help(help));
            return;
        }
        let chosen = command.one_of.iter().filter(|name| there(name)).count();
        if !command.one_of.is_empty() && chosen != 1 {
            let all: Vec<String> = command
                .one_of
                .iter()
                .map(|name| format!("`{name}`"))
                .collect();
            let what = match chosen {
                0 => format!("`./app {typed}` needs {}", all.join(" or ")),
                _ => format!("`./app {typed}` takes either {}", all.join(" or ")),
            };
            self.faults.push(LineFault::new(at, what, "here").help(
                "`--seats 2` takes any two that are free; `--seat A1,A2` takes these and no others",
            ));
        }
    }
}

fn unknown(command: Option<&'static Command>, name: &str, place: Range<usize>) -> LineFault {
    let own = command.map_or(&[][..], |command| command.options);
    let known: Vec<&str> = own.iter().chain(GLOBAL).map(|option| option.name).collect();
    let label = nearest(name, known.iter().copied())
        .map_or("here".to_owned(), |near| format!("did you mean `{near}`?"));
    match command {
        Some(command) => LineFault::new(
            place,
            format!("`{name}` is not an option of `./app {}`", command.name),
            label,
        )
        .help(format!("it takes {}", known.join(", "))),
        None => LineFault::new(
            place,
            format!("`{name}` is not an option that goes with every command of `./app`"),
            label,
        )
        .help("write the command first, then its options"),
    }
}
