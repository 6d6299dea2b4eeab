//! A reply as data.

use std::borrow::Cow;
use std::fmt;

use super::error::ParseError;

/// A reply as data, whatever version of the protocol it came in: RESP2 sends a map as a flat array, a double as text and a
/// boolean as a number; each is kept as it came.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Nothing: a null of any kind.
    Nil,
    /// An integer.
    Int(i64),
    /// A double (RESP3).
    Double(f64),
    /// A boolean (RESP3).
    Bool(bool),
    /// A simple string: `OK`.
    Status(String),
    /// A string of bytes, also a verbatim one of RESP3.
    Bulk(Vec<u8>),
    /// An array, also a set of RESP3.
    Array(Vec<Reply>),
    /// A map (RESP3), in the order that it came in.
    Map(Vec<(Reply, Reply)>),
    /// An error, with its whole text: `MOVED 1 a:1`.
    Error(String),
}

/// A string of bytes.
impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Reply::Bulk(text.as_bytes().to_vec())
    }
}

/// An integer.
impl From<i64> for Reply {
    fn from(number: i64) -> Self {
        Reply::Int(number)
    }
}

/// An array.
impl<R: Into<Reply>> From<Vec<R>> for Reply {
    fn from(items: Vec<R>) -> Self {
        Reply::Array(items.into_iter().map(R::into).collect())
    }
}

impl Reply {
    /// The text of a status or a string of bytes (bytes that are not UTF-8 are replaced); `None` for all else.
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Reply::Status(text) => Some(Cow::Borrowed(text)),
            Reply::Bulk(bytes) => Some(String::from_utf8_lossy(bytes)),
            _ => None,
        }
    }

    /// The number of an integer; `None` for all else.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Reply::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The elements of an array; `None` for all else.
    pub fn as_array(&self) -> Option<&[Reply]> {
        match self {
            Reply::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The text of an error; `None` for all else.
    pub fn as_error(&self) -> Option<&str> {
        match self {
            Reply::Error(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is the status `OK`.
    pub fn is_ok(&self) -> bool {
        matches!(self, Reply::Status(text) if text == "OK")
    }

    /// The kind of reply, in a word for errors.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Reply::Nil => "nil",
            Reply::Int(_) => "an integer",
            Reply::Double(_) => "a double",
            Reply::Bool(_) => "a boolean",
            Reply::Status(_) => "a status",
            Reply::Bulk(_) => "a string",
            Reply::Array(_) => "an array",
            Reply::Map(_) => "a map",
            Reply::Error(_) => "an error",
        }
    }

    /// The entries of a map, or of the flat array that stands for one in RESP2.
    pub(super) fn entries(
        &self,
        what: &'static str,
        name: &str,
    ) -> Result<Vec<(&Reply, &Reply)>, ParseError> {
        match self {
            Reply::Map(entries) => Ok(entries.iter().map(|(key, value)| (key, value)).collect()),
            Reply::Array(flat) if flat.len().is_multiple_of(2) => Ok(flat
                .chunks_exact(2)
                .map(|pair| (&pair[0], &pair[1]))
                .collect()),
            Reply::Array(_) => Err(ParseError::new(
                what,
                format!("{name} has a key without a value"),
            )),
            other => Err(other.unexpected(what, name, "a map")),
        }
    }

    /// The elements of an array, or an error that says what is there instead.
    pub(super) fn elements(&self, what: &'static str, name: &str) -> Result<&[Reply], ParseError> {
        self.as_array()
            .ok_or_else(|| self.unexpected(what, name, "an array"))
    }

    /// A text, or an error that says what is there instead.
    pub(super) fn text(&self, what: &'static str, name: &str) -> Result<Cow<'_, str>, ParseError> {
        self.as_text()
            .ok_or_else(|| self.unexpected(what, name, "a text"))
    }

    /// An integer that fits, or an error that says what is there instead.
    pub(super) fn integer<N: TryFrom<i64>>(
        &self,
        what: &'static str,
        name: &str,
    ) -> Result<N, ParseError> {
        let number = self
            .as_int()
            .ok_or_else(|| self.unexpected(what, name, "an integer"))?;
        N::try_from(number)
            .map_err(|_| ParseError::new(what, format!("{name} {number} is out of range")))
    }

    fn unexpected(&self, what: &'static str, name: &str, wanted: &str) -> ParseError {
        match self {
            // What the server said tells more than that it is an error.
            Reply::Error(text) => ParseError::new(
                what,
                format!("{name} is the error {}", super::error::quoted(text)),
            ),
            other => ParseError::new(what, format!("{name} is {}, not {wanted}", other.kind())),
        }
    }
}

/// On one line, for messages: texts as they are, `(nil)`, `[1, 2]`, `{key: value}`.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Nil => f.write_str("(nil)"),
            Reply::Int(number) => write!(f, "{number}"),
            Reply::Double(number) => write!(f, "{number}"),
            Reply::Bool(truth) => write!(f, "{truth}"),
            Reply::Status(text) | Reply::Error(text) => f.write_str(text),
            Reply::Bulk(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            Reply::Array(elements) => {
                f.write_str("[")?;
                for (index, element) in elements.iter().enumerate() {
                    let gap = if index == 0 { "" } else { ", " };
                    write!(f, "{gap}{element}")?;
                }
                f.write_str("]")
            }
            Reply::Map(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    let gap = if index == 0 { "" } else { ", " };
                    write!(f, "{gap}{key}: {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_a_status_or_bytes() {
        assert_eq!(Reply::Status("OK".into()).as_text().as_deref(), Some("OK"));
        assert_eq!(
            Reply::Bulk(b"a\xffb".to_vec()).as_text().as_deref(),
            Some("a\u{fffd}b")
        );
        assert_eq!(Reply::Int(1).as_text(), None);
        assert_eq!(Reply::Error("ERR".into()).as_text(), None);
        assert!(Reply::Status("OK".into()).is_ok() && !Reply::Bulk(b"OK".to_vec()).is_ok());
        assert_eq!(Reply::Error("ERR no".into()).as_error(), Some("ERR no"));
    }

    #[test]
    fn prints_on_one_line() {
        let bulk = |text: &str| Reply::Bulk(text.as_bytes().to_vec());
        let reply = Reply::Array(vec![
            Reply::Nil,
            Reply::Int(5),
            Reply::Map(vec![
                (bulk("role"), bulk("master")),
                (bulk("up"), Reply::Bool(true)),
            ]),
            Reply::Double(0.5),
            Reply::Array(vec![]),
        ]);
        assert_eq!(
            reply.to_string(),
            "[(nil), 5, {role: master, up: true}, 0.5, []]"
        );
    }
}
