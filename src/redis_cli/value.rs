//! A reply as it came, in RESP2 or RESP3, with all that decides how it is printed.

/// One reply.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// `+OK`.
    Status(Vec<u8>),
    /// `-ERR …`, without the dash; also RESP3's long form.
    Error(Vec<u8>),
    /// `:1`.
    Integer(i64),
    /// `,3.14`: the server's own text, which is what is printed.
    Double(Vec<u8>),
    /// `#t`.
    Bool(bool),
    /// A missing value, in any of its three forms.
    Nil,
    /// `$…`.
    Text(Vec<u8>),
    /// `=…`, without the three letters of its kind.
    Verbatim(Vec<u8>),
    /// `(…`.
    BigNumber(Vec<u8>),
    /// `*…`.
    Array(Vec<Value>),
    /// `%…`, in the server's order.
    Map(Vec<(Value, Value)>),
    /// `~…`, in the server's order.
    Set(Vec<Value>),
    /// `>…`.
    Push(Vec<Value>),
}

impl Value {
    /// The text of an error.
    pub(super) fn error(&self) -> Option<&[u8]> {
        match self {
            Value::Error(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes of anything that is one text.
    pub(super) fn text(&self) -> Option<&[u8]> {
        match self {
            Value::Status(text) | Value::Text(text) | Value::Verbatim(text) => Some(text),
            _ => None,
        }
    }

    /// The parts of a list.
    pub(super) fn items(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) => Some(items),
            _ => None,
        }
    }
}
