//! Replies of RESP2 and RESP3, taken apart without losing a byte: two frames are equal exactly if their bytes are.

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame {
    /// The first byte: what type it says it is.
    pub kind: u8,
    /// Of a scalar its text; of an aggregate, and of a null, what stands in the header (`3`, `-1`).
    pub payload: Vec<u8>,
    /// Of an aggregate its elements, of a map keys and values in turn. Of an attribute its map, then the reply that it belongs to.
    pub items: Vec<Frame>,
    /// `$-1` and `*-1`, which are no values of their type, and `_`.
    pub null: bool,
}

/// What no server may send.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl Frame {
    /// The first reply in `bytes` and how many of them it takes; nothing while there is only a part of it.
    pub fn scan(bytes: &[u8]) -> Result<Option<(Frame, usize)>, Malformed> {
        let mut rest = bytes;
        let frame = scan(&mut rest)?;
        Ok(frame.map(|frame| (frame, bytes.len() - rest.len())))
    }

    /// Whether it holds other frames.
    pub fn is_aggregate(&self) -> bool {
        matches!(self.kind, b'*' | b'~' | b'%' | b'>' | b'|')
    }

    /// The bytes that it was read from.
    pub fn write(&self, into: &mut Vec<u8>) {
        into.push(self.kind);
        if matches!(self.kind, b'$' | b'!' | b'=') && !self.null {
            into.extend_from_slice(self.payload.len().to_string().as_bytes());
            into.extend_from_slice(b"\r\n");
        }
        into.extend_from_slice(&self.payload);
        into.extend_from_slice(b"\r\n");
        for item in &self.items {
            item.write(into);
        }
    }

    /// An error of either kind.
    pub fn is_error(&self) -> bool {
        matches!(self.kind, b'-' | b'!')
    }

    /// A frame of one line or of bulk.
    #[cfg(test)]
    pub fn of(bytes: &[u8]) -> Frame {
        let (frame, used) = Frame::scan(bytes).unwrap().unwrap();
        assert_eq!(used, bytes.len());
        frame
    }
}

fn scan(rest: &mut &[u8]) -> Result<Option<Frame>, Malformed> {
    let Some(&kind) = rest.first() else {
        return Ok(None);
    };
    if !b"+-:$*_,#!=(%~>|".contains(&kind) {
        return Err(Malformed("no type begins with this byte"));
    }
    let Some(line) = line(rest)? else {
        return Ok(None);
    };
    let mut frame = Frame {
        kind,
        payload: line[1..].to_vec(),
        items: Vec::new(),
        null: kind == b'_',
    };
    match kind {
        b'$' | b'!' | b'=' => {
            let Some(length) = length(&frame.payload)? else {
                frame.null = true;
                return Ok(Some(frame));
            };
            if rest.len() < length + 2 {
                return Ok(None);
            }
            if &rest[length..length + 2] != b"\r\n" {
                return Err(Malformed("bulk that does not end where it says"));
            }
            frame.payload = rest[..length].to_vec();
            *rest = &rest[length + 2..];
        }
        b'*' | b'~' | b'>' | b'%' | b'|' => {
            let Some(count) = length(&frame.payload)? else {
                frame.null = true;
                return Ok(Some(frame));
            };
            let count = match kind {
                b'%' => count * 2,
                b'|' => count * 2 + 1,
                _ => count,
            };
            for _ in 0..count {
                let Some(item) = scan(rest)? else {
                    return Ok(None);
                };
                frame.items.push(item);
            }
        }
        b':' if number(&frame.payload).is_none() => return Err(Malformed("no integer")),
        b'_' if !frame.payload.is_empty() => return Err(Malformed("a null with something in it")),
        b'#' if !matches!(&frame.payload[..], b"t" | b"f") => {
            return Err(Malformed("no boolean"));
        }
        _ => {}
    }
    Ok(Some(frame))
}

/// Takes one line, without its end.
fn line<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
    let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return Ok(None);
    };
    match rest.get(end..end + 2) {
        None if rest[end] == b'\r' => Ok(None),
        Some(b"\r\n") => {
            let line = &rest[..end];
            *rest = &rest[end + 2..];
            Ok(Some(line))
        }
        _ => Err(Malformed("a line that does not end with CR and LF")),
    }
}

/// A length as a server writes it; nothing for -1.
fn length(text: &[u8]) -> Result<Option<usize>, Malformed> {
    match number(text) {
        Some(-1) => Ok(None),
        Some(number) => usize::try_from(number)
            .map(Some)
            .map_err(|_| Malformed("a negative length")),
        None => Err(Malformed("no length")),
    }
}

/// A number in its one form: no leading zero, no sign but a minus.
fn number(text: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each of these, and nothing less, is one frame.
    #[test]
    fn every_type_is_scanned_to_its_last_byte() {
        for whole in [
            "+OK\r\n",
            "-ERR no\r\n",
            ":-12\r\n",
            "$5\r\na\r\nbc\r\n",
            "$0\r\n\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "*0\r\n",
            "*2\r\n*1\r\n:1\r\n$1\r\nx\r\n",
            "_\r\n",
            ",1.5\r\n",
            ",-inf\r\n",
            "#t\r\n",
            "!5\r\nERR a\r\n",
            "=7\r\ntxt:abc\r\n",
            "(123456789012345678901234567890\r\n",
            "%2\r\n+a\r\n:1\r\n+b\r\n~1\r\n_\r\n",
            ">2\r\n+message\r\n%0\r\n",
            "|1\r\n+ttl\r\n:3\r\n*1\r\n:9\r\n",
        ] {
            let bytes = whole.as_bytes();
            for part in 0..bytes.len() {
                assert_eq!(Frame::scan(&bytes[..part]), Ok(None), "{whole:?} to {part}");
            }
            let followed = [bytes, b"+more\r\n"].concat();
            let (frame, used) = Frame::scan(&followed).unwrap().unwrap();
            assert_eq!(used, bytes.len(), "{whole:?}");
            let mut again = Vec::new();
            frame.write(&mut again);
            assert_eq!(again, bytes);
        }
    }

    #[test]
    fn what_no_server_may_send_is_refused() {
        for bad in [
            "OK\r\n",
            "$3\r\nabcd\r\n",
            "$-2\r\n",
            "$03\r\nabc\r\n",
            "*1a\r\n",
            ":+1\r\n",
            ":\r\n",
            "+a\nb\r\n",
            "#x\r\n",
            "_x\r\n",
        ] {
            assert!(Frame::scan(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn frames_are_equal_exactly_if_their_bytes_are() {
        assert_ne!(Frame::of(b"$2\r\nOK\r\n"), Frame::of(b"+OK\r\n"));
        assert_ne!(Frame::of(b"$-1\r\n"), Frame::of(b"_\r\n"));
        assert_ne!(Frame::of(b"$-1\r\n"), Frame::of(b"*-1\r\n"));
        assert_ne!(Frame::of(b"$2\r\n-1\r\n"), Frame::of(b"$-1\r\n"));
        assert_ne!(Frame::of(b"*0\r\n"), Frame::of(b"~0\r\n"));
        assert_eq!(Frame::of(b"*1\r\n:1\r\n"), Frame::of(b"*1\r\n:1\r\n"));
    }
}
