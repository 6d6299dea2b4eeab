//! Reading replies from a stream, RESP2 and RESP3.

use std::io::{self, BufRead, Read};

use super::value::Value;

/// The longest line of a reply that is not a bulk, in bytes.
const LONGEST_LINE: u64 = 64 << 20;

/// The largest bulk, in bytes: twice what a server sends by default.
const LARGEST_BULK: i64 = 1 << 30;

/// How deep replies may be nested.
const DEEPEST: usize = 128;

/// Why no reply could be read.
#[derive(Debug)]
pub(super) enum Broken {
    /// The other end has hung up.
    Closed,
    /// The operating system's reason.
    Io(io::Error),
    /// What came is no RESP.
    Protocol(String),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            Broken::Closed
        } else {
            Broken::Io(error)
        }
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Broken::Closed => f.write_str("Server closed the connection"),
            Broken::Io(error) => f.write_str(&reason(error)),
            Broken::Protocol(what) => write!(f, "Protocol error, {what}"),
        }
    }
}

/// `Connection refused` rather than `Connection refused (os error 111)`, and a resolver's reason without what was done.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text
        .strip_prefix("failed to lookup address information: ")
        .unwrap_or(&text);
    match text.split_once(" (os error") {
        Some((reason, _)) => reason.to_owned(),
        None => text.to_owned(),
    }
}

/// Reads one reply. An attribute before a reply is read and passed over.
pub(super) fn receive(stream: &mut dyn BufRead) -> Result<Value, Broken> {
    nested(stream, 0)
}

fn nested(stream: &mut dyn BufRead, depth: usize) -> Result<Value, Broken> {
    if depth > DEEPEST {
        return Err(Broken::Protocol("replies are nested too deep".to_owned()));
    }
    let line = line(stream)?;
    let Some((kind, rest)) = line.split_first() else {
        return Err(unknown_kind(b'\r'));
    };
    Ok(match kind {
        b'+' => Value::Status(rest.to_vec()),
        b'-' => Value::Error(rest.to_vec()),
        b':' => Value::Integer(integer(rest)?),
        b',' => Value::Double(rest.to_vec()),
        b'(' => Value::BigNumber(rest.to_vec()),
        b'#' => match rest {
            b"t" | b"T" => Value::Bool(true),
            b"f" | b"F" => Value::Bool(false),
            _ => return Err(Broken::Protocol("Bad bool value".to_owned())),
        },
        b'_' => Value::Nil,
        b'$' => bulk(stream, rest)?.map_or(Value::Nil, Value::Text),
        b'!' => bulk(stream, rest)?.map_or(Value::Nil, Value::Error),
        b'=' => match bulk(stream, rest)? {
            None => Value::Nil,
            Some(text) if text.get(3) == Some(&b':') => {
                Value::Verbatim(text.get(4..).unwrap_or_default().to_vec())
            }
            Some(_) => {
                let what =
                    "Verbatim string 4 bytes of content type are missing or incorrectly encoded.";
                return Err(Broken::Protocol(what.to_owned()));
            }
        },
        b'*' => list(stream, rest, depth)?.map_or(Value::Nil, Value::Array),
        b'~' => list(stream, rest, depth)?.map_or(Value::Nil, Value::Set),
        b'>' => list(stream, rest, depth)?.map_or(Value::Nil, Value::Push),
        b'%' => pairs(stream, rest, depth)?.map_or(Value::Nil, Value::Map),
        b'|' => {
            pairs(stream, rest, depth)?;
            nested(stream, depth + 1)?
        }
        other => return Err(unknown_kind(*other)),
    })
}

fn unknown_kind(byte: u8) -> Broken {
    let shown = match byte {
        b'\\' | b'"' => format!("\\{}", char::from(byte)),
        b'\n' => "\\n".to_owned(),
        b'\r' => "\\r".to_owned(),
        b'\t' => "\\t".to_owned(),
        0x07 => "\\a".to_owned(),
        0x08 => "\\b".to_owned(),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    Broken::Protocol(format!("got \"{shown}\" as reply type byte"))
}

/// A line without its end.
fn line(stream: &mut dyn BufRead) -> Result<Vec<u8>, Broken> {
    let mut line = Vec::new();
    stream.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(Broken::Closed);
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

fn integer(text: &[u8]) -> Result<i64, Broken> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Broken::Protocol("Bad integer value".to_owned()))
}

/// How many bytes or parts follow; `None` for a missing value.
fn length(text: &[u8]) -> Result<Option<i64>, Broken> {
    match integer(text)? {
        -1 => Ok(None),
        length if (0..=LARGEST_BULK).contains(&length) => Ok(Some(length)),
        _ => Err(Broken::Protocol("length out of range".to_owned())),
    }
}

/// A bulk. What it says of its length is believed only as far as bytes come.
fn bulk(stream: &mut dyn BufRead, text: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
    let Some(length) = length(text)? else {
        return Ok(None);
    };
    let wanted = u64::try_from(length).unwrap_or_default() + 2;
    let mut bytes = Vec::new();
    if stream.take(wanted).read_to_end(&mut bytes)? as u64 != wanted {
        return Err(Broken::Closed);
    }
    bytes.truncate(bytes.len() - 2);
    Ok(Some(bytes))
}

fn list(stream: &mut dyn BufRead, text: &[u8], depth: usize) -> Result<Option<Vec<Value>>, Broken> {
    let Some(length) = length(text)? else {
        return Ok(None);
    };
    let mut items = Vec::new();
    for _ in 0..length {
        items.push(nested(stream, depth + 1)?);
    }
    Ok(Some(items))
}

fn pairs(
    stream: &mut dyn BufRead,
    text: &[u8],
    depth: usize,
) -> Result<Option<Vec<(Value, Value)>>, Broken> {
    let Some(length) = length(text)? else {
        return Ok(None);
    };
    let mut pairs = Vec::new();
    for _ in 0..length {
        pairs.push((nested(stream, depth + 1)?, nested(stream, depth + 1)?));
    }
    Ok(Some(pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8]) -> Result<Value, String> {
        receive(&mut bytes).map_err(|broken| broken.to_string())
    }

    #[test]
    fn every_kind_is_read() {
        let text = |text: &str| Value::Text(text.into());
        assert_eq!(read(b"+OK\r\n"), Ok(Value::Status(b"OK".into())));
        assert_eq!(read(b"$-1\r\n"), Ok(Value::Nil));
        assert_eq!(read(b"$4\r\na\r\nb\r\n"), Ok(text("a\r\nb")));
        assert_eq!(read(b"=5\r\ntxt:x\r\n"), Ok(Value::Verbatim(b"x".into())));
        assert_eq!(read(b"!3\r\nERR\r\n"), Ok(Value::Error(b"ERR".into())));
        assert_eq!(
            read(b"%1\r\n$1\r\na\r\n~1\r\n#t\r\n"),
            Ok(Value::Map(vec![(
                text("a"),
                Value::Set(vec![Value::Bool(true)])
            )]))
        );
        assert_eq!(read(b"|1\r\n+a\r\n+b\r\n:1\r\n"), Ok(Value::Integer(1)));
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        let closed = || Err("Server closed the connection".to_owned());
        assert_eq!(read(b""), closed());
        assert_eq!(read(b"$5\r\nab"), closed());
        assert_eq!(read(b"*1000000000\r\n"), closed());
        assert_eq!(
            read(b"HTTP/1.1 400\r\n"),
            Err("Protocol error, got \"H\" as reply type byte".to_owned())
        );
        assert_eq!(
            read(&b"*1\r\n".repeat(1000)),
            Err("Protocol error, replies are nested too deep".to_owned())
        );
        assert!(read(b"$99999999999999\r\n").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_reply_or_refused(
            noise in proptest::collection::vec(proptest::num::u8::ANY, 0..100),
            nearly in "([*$+:_#,(=!~%|>-][0-9a-z:-]{0,4}\r?\n){0,40}",
        ) {
            let _ = (read(&noise), read(nearly.as_bytes()));
        }
    }
}
