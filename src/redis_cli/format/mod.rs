//! Replies as text: for people, for pipes, as CSV and as JSON.

mod csv;
mod json;
mod quote;
mod raw;
mod terminal;

use super::value::Value;

pub(super) use quote::quoted;
pub(super) use raw::raw;

/// How replies are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// For people: types, numbers of list items, quotes.
    Terminal,
    /// The bare bytes.
    Raw,
    /// One line of CSV.
    Csv,
    /// One line of JSON.
    Json,
    /// JSON in plain ASCII: strings are quoted as for people, and that is quoted once more.
    QuotedJson,
}

/// What separates the parts of raw output.
#[derive(Debug, Clone)]
pub(super) struct Delimiters {
    /// Between the items of a list (`-d`).
    pub(super) item: Vec<u8>,
    /// After a reply (`-D`).
    pub(super) reply: Vec<u8>,
}

impl Style {
    /// The reply with all that ends it.
    pub(super) fn print(self, value: &Value, delimiters: &Delimiters) -> Vec<u8> {
        let mut text = Vec::new();
        match self {
            Style::Terminal => terminal::write(&mut text, value, ""),
            Style::Raw => {
                text = raw(value, &delimiters.item);
                text.extend_from_slice(&delimiters.reply);
            }
            Style::Csv => {
                csv::write(&mut text, value);
                text.push(b'\n');
            }
            Style::Json | Style::QuotedJson => {
                json::write(&mut text, value, self == Style::QuotedJson);
                text.push(b'\n');
            }
        }
        text
    }
}

/// What is printed for a key that a server has told to forget (client-side caching).
pub(super) fn invalidation(value: &Value) -> Option<Vec<u8>> {
    let [kind, keys] = value.items()? else {
        return None;
    };
    if kind.text() != Some(b"invalidate") {
        return None;
    }
    let mut text = b"-> invalidate: ".to_vec();
    for (at, key) in keys.items().unwrap_or_default().iter().enumerate() {
        if at > 0 {
            text.extend_from_slice(b", ");
        }
        quoted(&mut text, key.text().unwrap_or_default());
    }
    text.push(b'\n');
    Some(text)
}
