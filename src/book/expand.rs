//! Puts parts of labs in the places of directives.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mdbook_preprocessor::book::Book;

use super::directive::{Directive, find};
use super::shelf::{Shelf, Shelved};
use super::{BookFault, html, lab, look, points, step};
use crate::lab::reference;

/// All that directives can stand for.
pub(super) struct Expander<'a> {
    pub shelf: &'a Shelf,
    /// The chapter of each lab.
    pub pages: &'a BTreeMap<String, PathBuf>,
    pub command_line: &'a str,
    /// The folder of the chapters, for places.
    pub source: &'a Path,
}

/// A chapter that has nothing but its title, as mdBook makes one for a new line of the summary, shows the lab whose name its file has.
pub(super) fn fill(book: &mut Book, shelf: &Shelf) {
    book.for_each_chapter_mut(|chapter| {
        let path = chapter.source_path.as_deref();
        let name = path
            .and_then(Path::file_stem)
            .and_then(|name| name.to_str());
        let lines = || chapter.content.lines().map(str::trim);
        let is_blank = lines().all(|line| line.is_empty() || line.starts_with("# "));
        if let Some(name) = name.filter(|name| is_blank && shelf.lab(name).is_ok()) {
            chapter.content = format!("{}\n\n{{{{#lab {name}}}}}\n", chapter.content.trim_end());
        }
    });
}

/// Which chapter shows which lab as a whole. Of several the first counts.
pub(super) fn pages(book: &Book) -> BTreeMap<String, PathBuf> {
    let mut pages = BTreeMap::new();
    for chapter in book.chapters() {
        let Some(path) = &chapter.source_path else {
            continue;
        };
        for found in find(&chapter.content) {
            if let Ok(Directive::Lab(lab)) = found.directive {
                pages.entry(lab).or_insert_with(|| path.clone());
            }
        }
    }
    pages
}

type Fault = (String, String);

impl Expander<'_> {
    /// A chapter with all its directives carried out.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn chapter(&self, path: &Path, content: &str) -> Result<String, Vec<BookFault>> {
        let (mut out, mut faults) = (String::with_capacity(content.len()), Vec::new());
        let (mut at, mut has_parts) = (0, false);
        for found in find(content) {
            out.push_str(&content[at..found.range.start]);
            at = found.range.end;
            let expanded = match &found.directive {
                Ok(directive) => {
                    has_parts |= !matches!(
                        directive,
                        Directive::Figure(..) | Directive::Reference | Directive::CommandLine
                    );
                    self.directive(path, directive)
                }
                Err(wrong) => Err((wrong.what.clone(), wrong.help.clone())),
            };
            match expanded {
                Ok(text) => out.push_str(&text),
                Err((what, help)) => faults.push(BookFault {
                    file: self.source.join(path),
                    line: found.line,
                    what,
                    help,
                }),
            }
        }
        out.push_str(&content[at..]);
        if !faults.is_empty() {
            return Err(faults);
        }
        // Behind everything: the first heading of a chapter has to stand at its beginning.
        if has_parts {
            out.push_str("\n\n");
            out.push_str(look::STYLE);
        }
        Ok(out)
    }

    fn directive(&self, path: &Path, directive: &Directive) -> Result<String, Fault> {
        match directive {
            Directive::Lab(name) => Ok(lab::whole(self.shelf.lab(name)?)),
            Directive::Step(name, id) => {
                let shelved = self.shelf.lab(name)?;
                Ok(step::whole(shelved, step::find(shelved, id)?, None))
            }
            Directive::Recorded(name, id) => {
                let shelved = self.shelf.lab(name)?;
                Ok(step::recorded(shelved, step::find(shelved, id)?))
            }
            Directive::Figure(name, figure, _) => {
                let figure = self.shelf.lab(name)?.figure(figure)?;
                // What belongs together stays in one line.
                Ok(html::escaped(&figure.to_string()).replace(' ', "&nbsp;"))
            }
            Directive::Point(name, number) => {
                let shelved = self.shelf.lab(name)?;
                let link = self.link(path, shelved);
                points::one(shelved, number, link.as_deref())
            }
            Directive::Reference => Ok(without_title(&reference::markdown())),
            Directive::CommandLine => Ok(self.command_line.to_owned()),
        }
    }

    /// The way from a chapter to the one that shows a lab; `None` if no chapter does. Empty if it is the same.
    fn link(&self, from: &Path, shelved: &Shelved) -> Option<String> {
        let to = self.pages.get(&shelved.name)?;
        if to == from {
            return Some(String::new());
        }
        let up = from
            .parent()
            .map_or(0, |folder| folder.components().count());
        Some(format!("{}{}", "../".repeat(up), to.display()))
    }
}

/// A generated chapter without its first heading, which the author's chapter has already.
fn without_title(text: &str) -> String {
    match text.trim_start().split_once('\n') {
        Some((title, rest)) if title.starts_with("# ") => rest.to_owned(),
        _ => text.to_owned(),
    }
}
