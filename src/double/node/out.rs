//! Writing replies.

use super::failure::Failure;
use super::number;

/// Replies as bytes, in the version of the protocol that the client speaks. What RESP2 has no type for is written as Redis writes it there: a map as a flat
/// array, a set as an array, a double as text, a boolean as 0 or 1.
#[derive(Debug, Default)]
pub(in crate::double) struct Out {
    /// The bytes so far.
    pub bytes: Vec<u8>,
    /// The client has said `HELLO 3`.
    pub resp3: bool,
}

impl Out {
    /// Nothing yet.
    pub fn new(resp3: bool) -> Out {
        Out {
            bytes: Vec::new(),
            resp3,
        }
    }

    /// How many bytes there are; a place to [`truncate`](Vec::truncate) the bytes to.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// `+OK`.
    pub fn ok(&mut self) {
        self.bytes.extend_from_slice(b"+OK\r\n");
    }

    /// A simple string; must have no line break in it.
    pub fn status(&mut self, text: &str) {
        self.bytes.push(b'+');
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// An error with its words. Line breaks become spaces, as Redis does it: an error is one line.
    pub fn error(&mut self, failure: &Failure) {
        self.error_bytes(failure.0.as_bytes());
    }

    /// The same with any bytes in it: what a client sent may be quoted.
    pub fn error_bytes(&mut self, words: &[u8]) {
        self.bytes.push(b'-');
        let from = self.bytes.len();
        self.bytes.extend_from_slice(words);
        for byte in &mut self.bytes[from..] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// A string of bytes.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.header(b'$', bytes.len() as i64);
        self.bytes.extend_from_slice(bytes);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// A number, as a string of bytes.
    pub fn bulk_int(&mut self, number: i64) {
        let mut digits = itoa::Buffer::new();
        self.bulk(digits.format(number).as_bytes());
    }

    /// A string of bytes that `write` appends.
    pub fn bulk_of(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let place = self.open();
        write(&mut self.bytes);
        let length = self.bytes.len() - place;
        self.close(place, |out| out.header(b'$', length as i64));
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// A floating point number, with 17 digits if it takes so many.
    pub fn double(&mut self, number: f64) {
        self.double_of(|bytes| number::write_g17(bytes, number));
    }

    /// A floating point number that `write` appends.
    pub fn double_of(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.resp3 {
            return self.bulk_of(write);
        }
        self.bytes.push(b',');
        write(&mut self.bytes);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// An integer.
    pub fn int(&mut self, number: i64) {
        match number {
            0 => self.bytes.extend_from_slice(b":0\r\n"),
            1 => self.bytes.extend_from_slice(b":1\r\n"),
            _ => self.header(b':', number),
        }
    }

    /// Begins an array of so many elements.
    pub fn array(&mut self, length: usize) {
        self.header(b'*', length as i64);
    }

    /// Begins a map of so many pairs.
    pub fn map(&mut self, pairs: usize) {
        match self.resp3 {
            true => self.header(b'%', pairs as i64),
            false => self.header(b'*', pairs as i64 * 2),
        }
    }

    /// Begins a set of so many elements.
    pub fn set(&mut self, length: usize) {
        self.header(if self.resp3 { b'~' } else { b'*' }, length as i64);
    }

    /// Begins a message that nobody asked for.
    pub fn push(&mut self, length: usize) {
        self.header(if self.resp3 { b'>' } else { b'*' }, length as i64);
    }

    /// Nothing, where a string would stand.
    pub fn null(&mut self) {
        self.bytes
            .extend_from_slice(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// Nothing, where an array would stand.
    pub fn null_array(&mut self) {
        self.bytes
            .extend_from_slice(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// A boolean.
    pub fn boolean(&mut self, truth: bool) {
        match (self.resp3, truth) {
            (true, true) => self.bytes.extend_from_slice(b"#t\r\n"),
            (true, false) => self.bytes.extend_from_slice(b"#f\r\n"),
            (false, _) => self.int(i64::from(truth)),
        }
    }

    /// A text with a kind of three letters: `txt`, `mkd`. RESP2 knows only the text.
    pub fn verbatim(&mut self, kind: &str, text: &[u8]) {
        if !self.resp3 {
            return self.bulk(text);
        }
        self.header(b'=', text.len() as i64 + 4);
        self.bytes.extend_from_slice(kind.as_bytes());
        self.bytes.push(b':');
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// The place of an array, set or map whose length is known only at its end. Give it to [`close`](Self::close).
    pub fn open(&self) -> usize {
        self.bytes.len()
    }

    /// Puts the header in front of what was written since [`open`](Self::open). `begin` writes it: `|out| out.array(n)`.
    pub fn close(&mut self, place: usize, begin: impl FnOnce(&mut Out)) {
        let end = self.bytes.len();
        begin(self);
        let header = self.bytes.len() - end;
        self.bytes[place..].rotate_right(header);
    }

    fn header(&mut self, kind: u8, number: i64) {
        // Most lengths have one digit.
        if let 0..=9 = number {
            self.bytes
                .extend_from_slice(&[kind, b'0' + number as u8, b'\r', b'\n']);
            return;
        }
        let mut digits = itoa::Buffer::new();
        self.bytes.push(kind);
        self.bytes
            .extend_from_slice(digits.format(number).as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_is_known_at_the_end() {
        let mut out = Out::new(true);
        out.ok();
        let place = out.open();
        out.int(1);
        out.bulk(b"two");
        out.close(place, |out| out.set(2));
        assert_eq!(out.bytes, b"+OK\r\n~2\r\n:1\r\n$3\r\ntwo\r\n");
    }

    #[test]
    fn what_resp2_has_no_type_for() {
        let mut out = Out::new(false);
        out.map(1);
        out.boolean(true);
        out.verbatim("txt", b"x");
        out.null();
        out.null_array();
        out.double(0.5);
        assert_eq!(
            out.bytes,
            b"*2\r\n:1\r\n$1\r\nx\r\n$-1\r\n*-1\r\n$3\r\n0.5\r\n"
        );
    }

    #[test]
    fn an_error_is_one_line() {
        let mut out = Out::new(false);
        out.error_bytes(b"ERR a\r\nb");
        assert_eq!(out.bytes, b"-ERR a  b\r\n");
    }
}
