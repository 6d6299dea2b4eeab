//! Builds a book with mdBook as a library, so that nothing has to be installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mdbook_driver::MDBook;
use mdbook_driver::builtin_preprocessors::{IndexPreprocessor, LinkPreprocessor};
use mdbook_driver::config::Config;
use mdbook_driver::errors::{Error, Result};

use super::{Guide, NAME, Settings};

/// Builds the book in `root` into `to`, or into the folder that its `book.toml` names. Gives back where it is.
///
/// # Errors
/// Everything that is wrong with the book's directives, with places, and what mdBook complains about.
pub fn build(root: &Path, to: Option<&Path>, guide: &Guide) -> Result<PathBuf> {
    let book = load(root, to, guide)?;
    book.build()?;
    Ok(book.build_dir_for("html"))
}

/// The book with labrunner as its preprocessor, before mdBook's own ones: those take away the backslash of a directive that is to be shown.
fn load(root: &Path, to: Option<&Path>, guide: &Guide) -> Result<MDBook> {
    let mut config = config(root)?;
    if let Some(to) = to {
        config.build.build_dir = std::path::absolute(to)?;
    }
    config.build.use_default_preprocessors = false;
    // What book.toml says of labrunner as a command is for an mdBook that is a command too.
    if let Some(settings) = config.get::<toml::Table>(&format!("preprocessor.{NAME}"))? {
        let kept: toml::Table = settings
            .into_iter()
            .filter(|(key, _)| key == "labs" || key == "recordings")
            .collect();
        config.set("preprocessor", toml::Table::new())?;
        let mut book = MDBook::load_with_config(root, config)?;
        book.config.set(format!("preprocessor.{NAME}"), kept)?;
        return Ok(with_preprocessors(book, guide));
    }
    Ok(with_preprocessors(
        MDBook::load_with_config(root, config)?,
        guide,
    ))
}

fn with_preprocessors(mut book: MDBook, guide: &Guide) -> MDBook {
    book.with_preprocessor(guide.clone())
        .with_preprocessor(LinkPreprocessor::new())
        .with_preprocessor(IndexPreprocessor::new());
    book
}

pub(super) fn config(root: &Path) -> Result<Config> {
    let file = root.join("book.toml");
    if !file.is_file() {
        return Err(Error::msg(format!(
            "{} is not there: a book is a folder with a book.toml",
            file.display()
        )));
    }
    Config::from_disk(file)
}

/// When something that the book in `root` is made of was changed last: a chapter, a lab, a recording.
///
/// # Errors
/// There is no book, or its `book.toml` can't be read.
pub fn changed(root: &Path) -> Result<SystemTime> {
    let config = config(root)?;
    let settings = Settings::of(&config)?;
    let folders = [
        root.join(&config.book.src),
        root.join("theme"),
        root.join(settings.labs),
        root.join(settings.recordings),
    ];
    let newest = folders.iter().filter_map(|folder| newest(folder)).max();
    let own = modified(&root.join("book.toml"));
    Ok(newest
        .into_iter()
        .chain(own)
        .max()
        .unwrap_or(SystemTime::UNIX_EPOCH))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).ok()?;
    entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            if path.is_dir() {
                newest(&path)
            } else {
                modified(&path)
            }
        })
        // A file that was removed has changed its folder.
        .chain(modified(folder))
        .max()
}
