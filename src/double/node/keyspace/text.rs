//! What a key of the type `string` holds.

use std::borrow::Cow;

use crate::double::node::number;

/// Texts up to this length share a piece of memory with their key in Redis; OBJECT ENCODING tells it.
const EMBEDDED: usize = 44;

/// A string of bytes, kept as Redis keeps it.
#[derive(Debug, Clone)]
pub(in crate::double) enum Text {
    /// An integer whose decimal form is the text: `int`.
    Int(i64),
    /// At most 44 bytes, never changed in place: `embstr`.
    Embedded(Box<[u8]>),
    /// Longer, or changed in place at least once: `raw`.
    Raw(Vec<u8>),
}

impl Text {
    /// What SET keeps of these bytes.
    pub fn new(bytes: &[u8]) -> Text {
        // The longest integer has 20 characters.
        if bytes.len() <= 20
            && let Some(number) = number::parse_i64(bytes)
        {
            return Text::Int(number);
        }
        Text::plain(bytes)
    }

    /// The same, but never as an integer.
    pub fn plain(bytes: &[u8]) -> Text {
        match bytes.len() <= EMBEDDED {
            true => Text::Embedded(bytes.into()),
            false => Text::Raw(bytes.to_vec()),
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Text::Int(number) => Cow::Owned(number.to_string().into_bytes()),
            Text::Embedded(bytes) => Cow::Borrowed(bytes),
            Text::Raw(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        match self {
            Text::Int(number) => itoa::Buffer::new().format(*number).len(),
            Text::Embedded(bytes) => bytes.len(),
            Text::Raw(bytes) => bytes.len(),
        }
    }

    /// The bytes, to be changed in place. From then on the encoding is `raw`.
    pub fn raw(&mut self) -> &mut Vec<u8> {
        if !matches!(self, Text::Raw(_)) {
            *self = Text::Raw(self.bytes().into_owned());
        }
        match self {
            Text::Raw(bytes) => bytes,
            _ => unreachable!("it has just been made raw"),
        }
    }

    /// The integer that the text is, if it is one.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Text::Int(number) => Some(*number),
            Text::Embedded(bytes) => number::parse_i64(bytes),
            Text::Raw(bytes) => number::parse_i64(bytes),
        }
    }

    /// What OBJECT ENCODING says.
    pub fn encoding(&self) -> &'static str {
        match self {
            Text::Int(_) => "int",
            Text::Embedded(_) => "embstr",
            Text::Raw(_) => "raw",
        }
    }
}
