//! Patterns of BY and GET: where to look for what is said about an element.

use std::borrow::Cow;

use crate::double::node::call::Call;
use crate::double::node::keyspace::value::Value;

/// `#`, `key_*` or `key_*->field`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pattern<'a> {
    /// `#`: the element itself.
    Itself,
    /// The element stands between these, and what is meant is the key's text, or a field of its hash.
    Key {
        before: &'a [u8],
        after: &'a [u8],
        field: Option<&'a [u8]>,
    },
    /// Without a `*` it stands for nothing.
    Nothing,
}

impl<'a> Pattern<'a> {
    /// Reads one. For Redis's search of `*` and `->` a byte 0 is the text's end.
    pub fn read(text: &'a [u8]) -> Pattern<'a> {
        if text == b"#" {
            return Pattern::Itself;
        }
        let end = memchr::memchr(0, text).unwrap_or(text.len());
        let Some(star) = memchr::memchr(b'*', &text[..end]) else {
            return Pattern::Nothing;
        };
        let (before, after) = (&text[..star], &text[star + 1..]);
        let arrow = memchr::memmem::find(&text[star + 1..end], b"->");
        // An arrow that nothing follows is a part of the key's name.
        let arrow = arrow.filter(|arrow| star + 1 + arrow + 2 < end);
        match arrow {
            Some(arrow) => Pattern::Key {
                before,
                after: &after[..arrow],
                field: Some(&after[arrow + 2..]),
            },
            None => Pattern::Key {
                before,
                after,
                field: None,
            },
        }
    }

    /// What is said about the element, if anything is.
    pub fn look_up<'e>(&self, call: &mut Call<'_>, element: &'e [u8]) -> Option<Cow<'e, [u8]>> {
        match self {
            Pattern::Itself => Some(Cow::Borrowed(element)),
            Pattern::Nothing => None,
            Pattern::Key {
                before,
                after,
                field,
            } => {
                let key = [before, element, after].concat();
                match (&call.entry(&key)?.value, field) {
                    (Value::Text(text), None) => Some(Cow::Owned(text.bytes().into_owned())),
                    (Value::Hash(hash), Some(field)) => Some(Cow::Owned(hash.get(field)?.to_vec())),
                    _ => None,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("w_*", Some(("w_", "", None)))]
    #[case("*", Some(("", "", None)))]
    #[case("a*b*c", Some(("a", "b*c", None)))]
    #[case("h_*->f", Some(("h_", "", Some("f"))))]
    #[case("h*x->f->g", Some(("h", "x", Some("f->g"))))]
    #[case("h*->", Some(("h", "->", None)))]
    #[case("a->b*", Some(("a->b", "", None)))]
    #[case("a->b*->c", Some(("a->b", "", Some("c"))))]
    #[case("h*->f\0g", Some(("h", "", Some("f\0g"))))]
    #[case("h*\0->f", Some(("h", "\0->f", None)))]
    #[case("h*->\0f", Some(("h", "->\0f", None)))]
    #[case("h\0*", None)]
    #[case("h", None)]
    #[case("", None)]
    #[case("##", None)]
    fn parts(#[case] text: &str, #[case] is: Option<(&str, &str, Option<&str>)>) {
        let found = match Pattern::read(text.as_bytes()) {
            Pattern::Key {
                before,
                after,
                field,
            } => Some((before, after, field)),
            Pattern::Nothing => None,
            Pattern::Itself => panic!("it is no #"),
        };
        let is = is.map(|(before, after, field)| {
            let field = field.map(str::as_bytes);
            (before.as_bytes(), after.as_bytes(), field)
        });
        assert_eq!(found, is);
    }
}
