//! Why a text could not be read.

use std::str::FromStr;

/// Why a text could not be read: `what` it should have been, and `why` it is not. Prints as `CLUSTER NODES: line 3: …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct ParseError {
    /// The kind of text that was expected, in the field's own words: `slot`, `CLUSTER NODES`.
    pub what: &'static str,
    /// What was wrong with it, with the piece of text that was.
    pub why: String,
}

impl ParseError {
    pub(super) fn new(what: &'static str, why: impl Into<String>) -> Self {
        ParseError {
            what,
            why: why.into(),
        }
    }
}

/// The text in quotes, cut to a length that fits in a message: what comes here may be a reply of any size.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// A number as Redis prints it: digits alone. (`str::parse` would also take `+5`, which printed back is another text.)
pub(super) fn number<N: FromStr>(
    what: &'static str,
    name: &str,
    text: &str,
) -> Result<N, ParseError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits => Ok(number),
        _ if digits => Err(ParseError::new(
            what,
            format!("{name} {} is too large", quoted(text)),
        )),
        _ => Err(ParseError::new(
            what,
            format!("{name} {} is not a number", quoted(text)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_and_why() {
        let error = number::<u16>("slot", "the slot", "12x").unwrap_err();
        assert_eq!(error.to_string(), r#"slot: the slot "12x" is not a number"#);
        let error = number::<u16>("slot", "the slot", "70000").unwrap_err();
        assert_eq!(error.to_string(), r#"slot: the slot "70000" is too large"#);
        assert!(number::<u16>("slot", "the slot", "+5").is_err());
        assert!(number::<u16>("slot", "the slot", "").is_err());
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let quote = quoted(&"é".repeat(1000));
        assert_eq!(quote.chars().count(), 63, "{quote}");
    }
}
