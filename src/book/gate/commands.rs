//! Commands in the prose: each is in a lab, or is one of labrunner's own.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use crate::book::BookFault;
use crate::book::shelf::Shelf;
use crate::lab::line::{Line, Verb};
use crate::lab::model::Step;

/// Labrunner's own commands, which the command line knows.
pub trait Commands {
    /// Whether these words, the program's name first, are a call that it understands.
    ///
    /// # Errors
    /// What is wrong with them, in one sentence.
    fn understand(&self, words: &[String]) -> Result<(), String>;
}

/// Programs whose commands are the labs' business.
const OF_LABS: [&str; 5] = ["redis-cli", "docker", "docker-compose", "psql", "watch"];

/// What labs run, as patterns with anything for their values.
pub(super) fn patterns(shelf: &Shelf) -> Vec<Regex> {
    shelf
        .labs
        .iter()
        .flat_map(|lab| &lab.lab.steps)
        .flat_map(lines)
        .filter_map(|line| pattern(line.typed.as_written()))
        .collect()
}

/// Finds commands in blocks for the shell that nobody runs. Gives back how many were looked at.
pub(super) fn check(
    patterns: &[Regex],
    own: &dyn Commands,
    file: &Path,
    content: &str,
    faults: &mut Vec<BookFault>,
) -> usize {
    let mut looked = 0;
    for (line, text) in typed(content) {
        let words = words(&text);
        let Some(program) = words.first() else {
            continue;
        };
        let trouble = if OF_LABS.contains(&program.as_str()) {
            looked += 1;
            (!patterns.iter().any(|pattern| pattern.is_match(&text))).then(|| {
                (
                    format!("no lab runs `{text}`"),
                    "say it as a lab does, or put it into a lab".to_owned(),
                )
            })
        } else if program == "make" {
            looked += 1;
            target(&text)
        } else if ["labrunner", "./app", "app"].contains(&program.as_str()) {
            looked += 1;
            let mut words = words.clone();
            if program == "./app"
                && let Some(first) = words.first_mut()
            {
                *first = "app".to_owned();
            }
            own.understand(&words).err().map(|why| {
                (
                    format!("`{text}` is not understood: {why}"),
                    format!(
                        "{} --help",
                        words
                            .join(" ")
                            .split(' ')
                            .take(2)
                            .collect::<Vec<_>>()
                            .join(" ")
                    ),
                )
            })
        } else {
            None
        };
        if let Some((what, help)) = trouble {
            faults.push(BookFault {
                file: file.to_owned(),
                line,
                what,
                help,
            });
        }
    }
    looked
}

/// The lines of a step, those of its cleanup too; of a `watch` also the inner one.
fn lines(step: &Step) -> Vec<&Line> {
    let all = step.run.iter().chain(&step.cleanup).map(|line| &line.value);
    all.flat_map(|line| match &line.verb {
        Verb::Watch(watch) => vec![line, &*watch.inner],
        _ => vec![line],
    })
    .collect()
}

static REFERENCE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\$\{[^}]*\}").ok());

/// A line of a lab as a pattern, with anything for its values.
fn pattern(written: &str) -> Option<Regex> {
    let reference = REFERENCE.as_ref()?;
    let written = written.split_whitespace().collect::<Vec<_>>().join(" ");
    let parts: Vec<String> = reference.split(&written).map(regex::escape).collect();
    Regex::new(&format!("^{}$", parts.join(r"\S+"))).ok()
}

/// A make target of the course, or one that the Makefile has beside them.
fn target(text: &str) -> Option<(String, String)> {
    let words = words(text);
    let own = ["up", "down", "status", "help"];
    if words
        .get(1)
        .is_some_and(|target| own.contains(&target.as_str()))
    {
        return None;
    }
    let faults = Line::parse(text).err()?;
    let what = faults.first().map_or("", |fault| fault.what.as_str());
    Some((
        format!("`{text}` is not understood: {what}"),
        "make help".to_owned(),
    ))
}

/// Lines of blocks for the shell, each with its place in the chapter. A line that ends with a backslash goes on in the next.
fn typed(content: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut fence: Option<(String, bool)> = None;
    let mut goes_on = false;
    for (at, line) in content.lines().enumerate() {
        let trimmed = line.trim();
        let ticks: String = trimmed.chars().take_while(|c| *c == '`').collect();
        match &fence {
            None if ticks.len() >= 3 => {
                let info = trimmed.trim_start_matches('`').trim();
                let language = info.split([' ', ',']).next().unwrap_or_default();
                let is_shell = ["sh", "bash", "console", "shell"].contains(&language);
                fence = Some((ticks, is_shell));
                goes_on = false;
            }
            Some((open, _)) if ticks.len() >= open.len() && trimmed == ticks => fence = None,
            Some((_, true)) => {
                let (text, more) = match trimmed.strip_suffix('\\') {
                    Some(text) => (text.trim(), true),
                    None => (trimmed, false),
                };
                let text = text.strip_prefix("$ ").unwrap_or(text);
                match found.last_mut().filter(|_| goes_on) {
                    Some((_, whole)) => {
                        whole.push(' ');
                        whole.push_str(text);
                    }
                    None => found.push((at + 1, text.to_owned())),
                }
                goes_on = more;
            }
            _ => {}
        }
    }
    found
        .into_iter()
        .map(|(line, text)| (line, without_comment(&text).to_owned()))
        .filter(|(_, text)| !text.is_empty())
        .collect()
}

/// What stands before ` # …`.
fn without_comment(text: &str) -> &str {
    let end = if text.starts_with('#') {
        Some(0)
    } else {
        text.find(" #")
    };
    end.map_or(text, |end| text.get(..end).unwrap_or(text))
        .trim()
}

/// Words as a shell would split them, as far as commands in prose need it: blanks, and two kinds of quotes. What stands before the program
/// (`NAME=value`) is none of it, and so is all behind a pipe or a redirection.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut any) = (Vec::new(), String::new(), None, false);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                any = true;
            }
            (None, '|' | '>' | '<' | ';' | '&') => break,
            (None, c) if c.is_whitespace() => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            (None, c) => word.push(c),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    let is_setting = |word: &String| {
        word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
        })
    };
    let settings = words.iter().take_while(|word| is_setting(word)).count();
    words.split_off(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_from_blocks_for_the_shell() {
        let text = "redis-cli X\n\n```sh\n$ redis-cli -p 7001 PING # asks\nA=b labrunner run \\\n  labs/\n```\n```text\nredis-cli Y\n```\n";
        let found = typed(text);
        assert_eq!(
            found,
            [
                (4, "redis-cli -p 7001 PING".to_owned()),
                (5, "A=b labrunner run labs/".to_owned())
            ]
        );
        assert_eq!(words(&found[1].1), ["labrunner", "run", "labs/"]);
        assert_eq!(
            words("app x --name \"A B\" | grep x"),
            ["app", "x", "--name", "A B"]
        );
    }

    #[test]
    fn values_of_a_lab_can_be_anything() {
        let pattern = pattern("./app availability --event ${event}").unwrap();
        assert!(pattern.is_match("./app availability --event k3f9a2bc"));
        assert!(!pattern.is_match("./app availability --evnt k3f9a2bc"));
    }
}
