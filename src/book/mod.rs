//! The guide: an mdBook whose lab chapters are rendered from the labs themselves and from their recordings, so that text, commands, output and
//! checks are one thing.
//!
//! [`Guide`] is a preprocessor of mdBook: it puts parts of labs in the places of directives like `{{#lab 07-scale-down}}`. [`gate`] finds where
//! a book and its labs have drifted apart. [`build`](drive::build) builds a book with mdBook as a library.

pub mod directive;
pub mod drive;
mod expand;
pub mod gate;
mod html;
mod lab;
mod look;
mod points;
pub mod serve;
pub mod shelf;
mod step;
mod timeline;
mod topology;
mod verified;

use std::fmt;
use std::path::{Component, Path, PathBuf};

use mdbook_preprocessor::book::{Book, BookItem};
use mdbook_preprocessor::config::Config;
use mdbook_preprocessor::errors::{Error, Result};
use mdbook_preprocessor::{Preprocessor, PreprocessorContext};
use serde::Deserialize;

use shelf::Shelf;

/// The preprocessor's name, and its table in `book.toml`: `[preprocessor.labrunner]`.
pub const NAME: &str = "labrunner";

/// Something that is wrong with a book, with its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BookFault {
    /// The file.
    pub file: PathBuf,
    /// From 1; 0 if the fault is the whole file's.
    pub line: usize,
    /// What is wrong, in one sentence.
    pub what: String,
    /// What to do about it.
    pub help: String,
}

/// `book/src/labs.md:12: there is no lab 07-scale-dwn`, and what to do on a second line.
impl fmt::Display for BookFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.what)?;
        if !self.help.is_empty() {
            write!(f, "\n  help: {}", self.help)?;
        }
        Ok(())
    }
}

/// Where a book's labs and recordings are: the table `[preprocessor.labrunner]` of `book.toml`. Paths are relative to the book's folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The folder of the labs.
    pub labs: PathBuf,
    /// The folder of the recordings.
    pub recordings: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            labs: PathBuf::from("../labs"),
            recordings: PathBuf::from("../fixtures/recordings"),
        }
    }
}

impl Settings {
    /// The settings of a book.
    ///
    /// # Errors
    /// A value of another type than a path.
    pub fn of(config: &Config) -> Result<Settings> {
        Ok(config
            .get::<Settings>("preprocessor.labrunner")?
            .unwrap_or_default())
    }
}

/// The preprocessor.
#[derive(Debug, Clone, Default)]
pub struct Guide {
    /// What `{{#cli}}` stands for: the commands and their options, as Markdown. Only the command line knows them.
    pub command_line: String,
}

impl Preprocessor for Guide {
    fn name(&self) -> &str {
        NAME
    }

    /// # Errors
    /// Everything that is wrong, a line each, with places; the build ends with it.
    fn run(&self, ctx: &PreprocessorContext, mut book: Book) -> Result<Book> {
        let shelf = Shelf::open(&ctx.root, &Settings::of(&ctx.config)?);
        let source = ctx.root.join(&ctx.config.book.src);
        let mut faults = shelf.faults.clone();
        expand::fill(&mut book, &shelf);
        let pages = expand::pages(&book);
        let expander = expand::Expander {
            shelf: &shelf,
            pages: &pages,
            command_line: &self.command_line,
            source: &source,
        };
        book.for_each_mut(|item| {
            if let BookItem::Chapter(chapter) = item
                && let Some(path) = chapter.source_path.clone()
            {
                match expander.chapter(&path, &chapter.content) {
                    Ok(content) => chapter.content = content,
                    Err(mut more) => faults.append(&mut more),
                }
            }
        });
        if faults.is_empty() {
            Ok(book)
        } else {
            Err(told(&faults))
        }
    }

    fn supports_renderer(&self, renderer: &str) -> Result<bool> {
        Ok(supports(renderer))
    }
}

/// Whether parts of labs can be rendered for this renderer of mdBook: they are Markdown and HTML.
pub fn supports(renderer: &str) -> bool {
    matches!(renderer, "html" | "markdown")
}

/// A path without `..` behind a folder that it leaves again: `book/../labs` is `labs`.
fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        let leaves = matches!(out.components().next_back(), Some(Component::Normal(_)));
        match part {
            Component::ParentDir if leaves => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

/// All faults as one error.
fn told(faults: &[BookFault]) -> Error {
    let mut faults: Vec<&BookFault> = faults.iter().collect();
    faults.sort();
    faults.dedup();
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Error::msg(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_as_short_as_they_are() {
        let tidied = |path: &str| tidy(Path::new(path)).display().to_string();
        assert_eq!(tidied("book/../labs/a.yaml"), "labs/a.yaml");
        assert_eq!(tidied("../labs"), "../labs");
        assert_eq!(tidied("./../labs"), "../labs");
        assert_eq!(tidied("/x/book/./../labs"), "/x/labs");
    }
}
