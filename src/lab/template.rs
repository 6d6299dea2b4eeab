//! Text with places to fill in: `redis-cli --cluster del-node ${redis-1.addr} ${target}`.

use std::fmt;
use std::ops::Range;

/// Text in which `${…}` stands for a value that is known when the lab runs. `$${` is a literal `${`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Reference(Reference),
}

/// A `${…}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The dotted words: `["each", "to", "id"]`. Never empty.
    pub path: Vec<String>,
    /// Where it stands in the template's text, `${` and `}` included; bytes.
    pub range: Range<usize>,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${{{}}}", self.path.join("."))
    }
}

/// Why a text is not a template, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFault {
    /// What is wrong.
    pub what: String,
    /// Where, in bytes of the text.
    pub range: Range<usize>,
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// An unclosed `${`, or one with something other than words and dots in it.
    pub fn parse(text: &str) -> Result<Self, TemplateFault> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(found) = text[at..].find("${") {
            let start = at + found;
            if text[at..start].ends_with('$') {
                literal.push_str(&text[at..start]);
                literal.push('{');
                at = start + 2;
                continue;
            }
            literal.push_str(&text[at..start]);
            let Some(length) = text[start..].find('}') else {
                return Err(TemplateFault {
                    what: "`${` without its `}`".to_owned(),
                    range: start..text.len(),
                });
            };
            let range = start..start + length + 1;
            let path: Vec<String> = text[start + 2..start + length]
                .split('.')
                .map(str::to_owned)
                .collect();
            let word = |word: &String| {
                !word.is_empty()
                    && word
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            };
            if !path.iter().all(word) {
                return Err(TemplateFault {
                    what: format!("`{}` is not a name with dots", &text[range.clone()]),
                    range,
                });
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            at = range.end;
            parts.push(Part::Reference(Reference { path, range }));
        }
        literal.push_str(&text[at..]);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Template {
            text: text.to_owned(),
            parts,
        })
    }

    /// As written.
    pub fn as_written(&self) -> &str {
        &self.text
    }

    /// All places to fill in.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.parts.iter().filter_map(|part| match part {
            Part::Reference(reference) => Some(reference),
            Part::Literal(_) => None,
        })
    }

    /// The text, if there is nothing to fill in.
    pub fn literal(&self) -> Option<&str> {
        match &self.parts[..] {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The reference, if the template is one and nothing else.
    pub fn sole_reference(&self) -> Option<&Reference> {
        match &self.parts[..] {
            [Part::Reference(reference)] => Some(reference),
            _ => None,
        }
    }

    /// The text with every place filled in by `value`.
    ///
    /// # Errors
    /// The first that `value` gives.
    pub fn fill<E>(
        &self,
        mut value: impl FnMut(&Reference) -> Result<String, E>,
    ) -> Result<String, E> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Reference(reference) => out.push_str(&value(reference)?),
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("plain", "plain")]
    #[case("a ${x} b", "a <x> b")]
    #[case("${each.to.id}${y}", "<each.to.id><y>")]
    #[case("$${x} costs $5", "${x} costs $5")]
    #[case("${redis-7.id}", "<redis-7.id>")]
    #[case("", "")]
    fn places_are_filled_in(#[case] text: &str, #[case] filled: &str) {
        let template = Template::parse(text).unwrap();
        let value = |r: &Reference| Ok::<_, ()>(format!("<{}>", r.path.join(".")));
        assert_eq!(template.fill(value), Ok(filled.to_owned()));
    }

    #[rstest]
    #[case("${", 0..2)]
    #[case("a ${x", 2..5)]
    #[case("${a b}", 0..6)]
    #[case("${}", 0..3)]
    #[case("${a..b}", 0..7)]
    fn what_is_not_a_template_says_where(#[case] text: &str, #[case] range: Range<usize>) {
        assert_eq!(Template::parse(text).unwrap_err().range, range);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[\\$\\{\\}a-zé. -]{0,40}") {
            let _ = Template::parse(&text);
        }

        #[test]
        fn text_without_places_is_itself(text in "[^$]{0,40}") {
            let template = Template::parse(&text).unwrap();
            proptest::prop_assert_eq!(template.literal(), Some(text.as_str()));
        }
    }
}
