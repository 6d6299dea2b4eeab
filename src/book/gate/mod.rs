//! The gate: where a book, its labs and their recordings have drifted apart.

mod commands;
mod pages;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mdbook_driver::errors::Result;
use mdbook_preprocessor::book::Book;

use super::directive::{Directive, find};
use super::expand::{self, Expander};
use super::shelf::{Shelf, Shelved};
use super::{BookFault, Guide, Settings, drive, step};

pub use commands::Commands;

/// What a book is held against.
pub struct Gate<'a> {
    /// The days after which a recording is too old.
    pub max_age: u64,
    /// Today, in days since 1970.
    pub today: u64,
    /// Labrunner's own commands.
    pub commands: &'a dyn Commands,
}

/// What was looked at, to be told when nothing is wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// Chapters.
    pub chapters: usize,
    /// Labs.
    pub labs: usize,
    /// Directives.
    pub directives: usize,
    /// Links within the book.
    pub links: usize,
    /// Commands in the prose.
    pub commands: usize,
}

/// Everything that is wrong with the book in `root`, in the order of its files.
///
/// # Errors
/// There is no book, or mdBook can't read it.
pub fn check(root: &Path, guide: &Guide, gate: &Gate<'_>) -> Result<(Vec<BookFault>, Looked)> {
    let config = drive::config(root)?;
    let settings = Settings::of(&config)?;
    let source = root.join(&config.book.src);
    let mut faults = Vec::new();
    let mut looked = Looked::default();
    let shelf = Shelf::open(root, &settings);
    faults.extend(shelf.faults.iter().cloned());
    // mdBook would make a file that the summary names and that is not there.
    missing_chapters(&source, &mut faults);
    let mut config = config;
    config.build.create_missing = false;
    config.set("preprocessor", toml::Table::new())?;
    config.set("output", toml::Table::new())?;
    if faults
        .iter()
        .any(|fault| fault.file.ends_with("SUMMARY.md"))
    {
        return Ok((faults, looked));
    }
    let mut book = mdbook_driver::MDBook::load_with_config(root, config)?.book;
    expand::fill(&mut book, &shelf);
    let pages = expand::pages(&book);
    let expander = Expander {
        shelf: &shelf,
        pages: &pages,
        command_line: &guide.command_line,
        source: &source,
    };
    looked.labs = shelf.labs.len();
    for lab in &shelf.labs {
        if !pages.contains_key(&lab.name) {
            faults.push(BookFault {
                file: lab.path.clone(),
                line: 0,
                what: format!("lab {} has no chapter", lab.name),
                help: format!(
                    "make one with {{{{#lab {}}}}} in it, and name it in SUMMARY.md",
                    lab.name
                ),
            });
        }
        recording(lab, gate, &mut faults);
    }
    for path in &shelf.orphans {
        faults.push(BookFault {
            file: path.clone(),
            line: 0,
            what: "there is no lab for this recording".to_owned(),
            help: "remove it, or bring back its lab".to_owned(),
        });
    }
    let mut expanded = Vec::new();
    let patterns = commands::patterns(&shelf);
    for chapter in book.chapters() {
        let Some(path) = &chapter.source_path else {
            continue;
        };
        looked.chapters += 1;
        looked.directives += find(&chapter.content).len();
        figures(&shelf, &source.join(path), &chapter.content, &mut faults);
        looked.commands += commands::check(
            &patterns,
            gate.commands,
            &source.join(path),
            &chapter.content,
            &mut faults,
        );
        match expander.chapter(path, &chapter.content) {
            Ok(content) => expanded.push((path.clone(), chapter.content.clone(), content)),
            Err(more) => faults.extend(more),
        }
    }
    looked.links = pages::check(&source, &expanded, &mut faults);
    forgotten(&source, &book, &mut faults);
    faults.sort();
    faults.dedup();
    Ok((faults, looked))
}

fn recording(lab: &Shelved, gate: &Gate<'_>, faults: &mut Vec<BookFault>) {
    let help = format!("labrunner run --backend docker --record {}", lab.typed);
    let mut add = |file: &Path, what: String| {
        faults.push(BookFault {
            file: file.to_owned(),
            line: 0,
            what,
            help: help.clone(),
        });
    };
    let Some(recording) = &lab.recording else {
        // One that can't be read was told of already.
        if !lab.recording_path.exists() {
            add(&lab.path, format!("lab {} has no recording", lab.name));
        }
        return;
    };
    if !lab.is_current() {
        add(
            &lab.recording_path,
            format!(
                "the recording is of another version of {}: of {}, and the lab is {}",
                lab.name, recording.fingerprint, lab.fingerprint
            ),
        );
    } else if let Some(what) = step::missing(lab, recording) {
        add(
            &lab.recording_path,
            format!("the recording is not of the whole lab: {what}"),
        );
    }
    match days(&recording.verified.date) {
        None => add(
            &lab.recording_path,
            format!("`{}` is not a day", recording.verified.date),
        ),
        Some(day) if gate.today.saturating_sub(day) > gate.max_age => add(
            &lab.recording_path,
            format!(
                "the recording of {} is {} days old, and {} are allowed",
                lab.name,
                gate.today - day,
                gate.max_age
            ),
        ),
        Some(_) => {}
    }
}

/// Days from 1970 to a day like `2026-11-27`.
fn days(date: &str) -> Option<u64> {
    let mut parts = date.split('-').map(str::parse::<u64>);
    let (year, month, day) = (
        parts.next()?.ok()?,
        parts.next()?.ok()?,
        parts.next()?.ok()?,
    );
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March, so that a leap day is the last of its year.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    days.checked_sub(719_468)
}

/// `{{#figure … = VALUE}}` whose value is not the measured one.
fn figures(shelf: &Shelf, file: &Path, content: &str, faults: &mut Vec<BookFault>) {
    for found in find(content) {
        let Ok(Directive::Figure(lab, name, Some(said))) = &found.directive else {
            continue;
        };
        // That there is none is told where it is put in.
        let Ok(measured) = shelf
            .lab(lab)
            .and_then(|lab| lab.figure(name))
            .map(|figure| figure.to_string())
        else {
            continue;
        };
        if measured != *said {
            faults.push(BookFault {
                file: file.to_owned(),
                line: found.line,
                what: format!(
                    "{name} of {lab} is said to be {said}, and was measured as {measured}"
                ),
                help: "read what the prose makes of it, and say the measured value".to_owned(),
            });
        }
    }
}

/// Chapters that the summary names and that are not there.
fn missing_chapters(source: &Path, faults: &mut Vec<BookFault>) {
    let summary = source.join("SUMMARY.md");
    let text = match fs::read_to_string(&summary) {
        Ok(text) => text,
        Err(error) => {
            faults.push(BookFault {
                file: summary,
                line: 0,
                what: format!("it can't be read: {error}"),
                help: "a book has its chapters listed there".to_owned(),
            });
            return;
        }
    };
    for (at, line) in text.lines().enumerate() {
        let target = line
            .split_once("](")
            .and_then(|(_, rest)| rest.split_once(')'))
            .map(|(target, _)| target);
        if let Some(target) = target.filter(|target| !target.is_empty())
            && !source.join(target).is_file()
        {
            faults.push(BookFault {
                file: summary.clone(),
                line: at + 1,
                what: format!("there is no chapter {target}"),
                help: "write it, or take the line out; for a lab, `labrunner book build` makes it"
                    .to_owned(),
            });
        }
    }
}

/// Markdown below the chapters' folder that no line of the summary names: nobody would see it.
fn forgotten(source: &Path, book: &Book, faults: &mut Vec<BookFault>) {
    let known: BTreeSet<PathBuf> = book
        .chapters()
        .filter_map(|chapter| chapter.source_path.clone())
        .collect();
    for path in pages::markdown_below(source) {
        let is_known = path
            .strip_prefix(source)
            .is_ok_and(|path| known.contains(path) || path == Path::new("SUMMARY.md"));
        if !is_known {
            faults.push(BookFault {
                file: path,
                line: 0,
                what: "the chapter is not in SUMMARY.md".to_owned(),
                help: "give it a line there, or remove it".to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted() {
        assert_eq!(days("1970-01-01"), Some(0));
        assert_eq!(days("2000-03-01"), Some(11_017));
        assert_eq!(days("2026-11-27"), Some(1_795_770_354 / 86_400));
        assert_eq!(days("2026-13-01"), None);
        assert_eq!(days("soon"), None);
    }
}
