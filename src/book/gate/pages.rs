//! Links within the book: each leads to a page, and to a place on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use mdbook_markdown::pulldown_cmark::{Event, Tag, TagEnd};
use mdbook_markdown::{MarkdownOptions, new_cmark_parser};
use regex::Regex;

use crate::book::shelf::nearest_or_list;
use crate::book::{BookFault, tidy};

static ID: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"\bid="([^"]+)""#).ok());

/// A chapter: its path, what its author wrote, and that with all directives carried out.
pub(super) type Page = (PathBuf, String, String);

/// Finds links that lead nowhere. Gives back how many links were looked at.
pub(super) fn check(source: &Path, pages: &[Page], faults: &mut Vec<BookFault>) -> usize {
    let places: BTreeMap<&Path, BTreeSet<String>> = pages
        .iter()
        .map(|(path, _, content)| (path.as_path(), places(content)))
        .collect();
    let mut looked = 0;
    for (path, written, content) in pages {
        for link in links(content) {
            let is_outside = link.contains("://") || link.starts_with("mailto:");
            if is_outside {
                continue;
            }
            looked += 1;
            if let Some((what, help)) = trouble(source, path, &link, &places) {
                faults.push(BookFault {
                    file: source.join(path),
                    line: line_of(written, &link),
                    what,
                    help,
                });
            }
        }
    }
    looked
}

fn trouble(
    source: &Path,
    from: &Path,
    link: &str,
    places: &BTreeMap<&Path, BTreeSet<String>>,
) -> Option<(String, String)> {
    let (file, place) = match link.split_once('#') {
        Some((file, place)) => (file, Some(place)),
        None => (link, None),
    };
    let to = if file.is_empty() {
        from.to_owned()
    } else {
        tidy(&from.parent().unwrap_or(Path::new("")).join(file))
    };
    let to = match to.extension() {
        Some(end) if end == "html" => to.with_extension("md"),
        _ => to,
    };
    let Some(known) = places.get(to.as_path()) else {
        if source.join(&to).is_file() && to.extension().is_none_or(|end| end != "md") {
            return None;
        }
        let names: Vec<String> = places
            .keys()
            .map(|path| path.display().to_string())
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        return Some((
            format!("the link to {link} leads to no page"),
            nearest_or_list(&to.display().to_string(), &names),
        ));
    };
    let place = place.filter(|place| !place.is_empty() && !known.contains(*place))?;
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Some((
        format!("the link to {link} leads to no place on that page"),
        nearest_or_list(place, &known),
    ))
}

fn links(content: &str) -> Vec<String> {
    new_cmark_parser(content, &MarkdownOptions::default())
        .filter_map(|event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                Some(dest_url.into_string())
            }
            _ => None,
        })
        .collect()
}

/// The ids of a page: those of its headings, as mdBook makes them, and those of its HTML.
fn places(content: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut heading: Option<(Option<String>, String)> = None;
    for event in new_cmark_parser(content, &MarkdownOptions::default()) {
        match event {
            Event::Start(Tag::Heading { id, .. }) => {
                heading = Some((id.map(|id| id.into_string()), String::new()));
            }
            Event::End(TagEnd::Heading(_)) => {
                if let Some((id, text)) = heading.take() {
                    let id = id.unwrap_or_else(|| id_of(&text));
                    // One that is there already gets a number.
                    let mut unique = id.clone();
                    let mut count = 0;
                    while !found.insert(unique.clone()) {
                        count += 1;
                        unique = format!("{id}-{count}");
                    }
                }
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some((_, heading)) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                if let Some(pattern) = ID.as_ref() {
                    found.extend(
                        pattern
                            .captures_iter(&html)
                            .filter_map(|found| Some(found.get(1)?.as_str().to_owned())),
                    );
                }
            }
            _ => {}
        }
    }
    found
}

/// The id that mdBook gives to a heading.
fn id_of(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c),
            c if c.is_whitespace() => Some('-'),
            _ => None,
        })
        .collect()
}

/// Where the author wrote a link; 0 if it comes from a directive.
fn line_of(written: &str, link: &str) -> usize {
    written
        .lines()
        .position(|line| line.contains(&format!("({link}")) || line.contains(&format!(": {link}")))
        .map_or(0, |at| at + 1)
}

/// All Markdown files below a folder.
pub(super) fn markdown_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(markdown_below(&path));
        } else if path.extension().is_some_and(|end| end == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_a_page() {
        let places =
            places("# A `b` c!\n## Again\n## Again\n### X {#own}\n<a id=\"point-1\"></a>\n");
        let expected = ["a-b-c", "again", "again-1", "own", "point-1"];
        assert!(places.iter().eq(expected), "{places:?}");
    }
}
