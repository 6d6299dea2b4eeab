//! Reading commands: arrays of bulk strings, and lines typed by hand. Faults are told in Redis's words.

use crate::resp::typed_words;

/// The longest line typed by hand, and the longest header of an array or a string.
const LINE: usize = 64 * 1024;

/// What a client may send at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The longest string, in bytes: `proto-max-bulk-len`.
    pub bulk: i64,
    /// The client has not said who it is yet, and has to: it may send little.
    pub stranger: bool,
}

impl Limits {
    /// Those that Redis has if nobody sets others.
    pub const REDIS: Limits = Limits {
        bulk: 512 * 1024 * 1024,
        stranger: false,
    };
}

/// How far the command at the start of a buffer has been read. Positions are in that buffer, and the buffer may grow between two looks.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// Where each word of the command is.
    words: Vec<(usize, usize)>,
    /// How many words are still to come; 0 while the header is not there yet.
    missing: usize,
    /// The length of the string that comes next, when its header has been read.
    bulk: Option<usize>,
    /// The end of what has been read.
    at: usize,
    /// What quotes and escapes of a line typed by hand stand for.
    unquoted: Vec<Vec<u8>>,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A command; so many bytes from the start belong to it. Its words are to be had from [`Parser::words`].
    Command(usize),
    /// Nothing that would have to be answered: an empty line, an array of nothing. So many bytes.
    Nothing(usize),
    /// The rest is not there yet. At least so many bytes are missing, as far as that is known.
    More(usize),
    /// No command. The words of the error; the connection is closed after them.
    Wrong(Vec<u8>),
}

impl Parser {
    /// Looks for a command at the start of `buffer`, from where the last look ended.
    pub fn read(&mut self, buffer: &[u8], limits: Limits) -> Found {
        if self.missing == 0 {
            match buffer.first() {
                None => return Found::More(1),
                Some(b'*') => {}
                Some(_) => return self.inline(buffer),
            }
            let Some((line, end)) = header(buffer, 0) else {
                return self.no_line(buffer, 0, "too big mbulk count string");
            };
            let Some(count) = integer(&line[1..]).filter(|count| *count <= i64::from(i32::MAX))
            else {
                return wrong("invalid multibulk length");
            };
            if limits.stranger && count > 10 {
                return wrong("unauthenticated multibulk length");
            }
            if count <= 0 {
                return Found::Nothing(end);
            }
            self.missing = count as usize;
            self.at = end;
            self.words.clear();
            self.unquoted.clear();
        }
        while self.missing > 0 {
            let length = match self.bulk {
                Some(length) => length,
                None => {
                    let Some((line, end)) = header(buffer, self.at) else {
                        return self.no_line(buffer, self.at, "too big bulk count string");
                    };
                    match line.first() {
                        Some(b'$') => {}
                        other => {
                            let other = other.copied().unwrap_or(b'\r');
                            let words = [
                                b"ERR Protocol error: expected '$', got '",
                                &[other][..],
                                b"'",
                            ];
                            return Found::Wrong(words.concat());
                        }
                    }
                    let length =
                        integer(&line[1..]).filter(|length| (0..=limits.bulk).contains(length));
                    let Some(length) = length else {
                        return wrong("invalid bulk length");
                    };
                    if limits.stranger && length > 16_384 {
                        return wrong("unauthenticated bulk length");
                    }
                    self.at = end;
                    self.bulk = Some(length as usize);
                    length as usize
                }
            };
            let end = self.at + length;
            // What ends a string is not looked at, here as in Redis.
            if buffer.len() < end + 2 {
                return Found::More(end + 2 - buffer.len());
            }
            self.words.push((self.at, end));
            self.at = end + 2;
            self.bulk = None;
            self.missing -= 1;
        }
        Found::Command(self.at)
    }

    /// The words of the command that was found last, in the buffer that it was found in.
    pub fn words<'a>(&'a self, buffer: &'a [u8]) -> impl ExactSizeIterator<Item = &'a [u8]> {
        let quoted = !self.unquoted.is_empty();
        let length = match quoted {
            true => self.unquoted.len(),
            false => self.words.len(),
        };
        (0..length).map(move |at| match quoted {
            true => self.unquoted[at].as_slice(),
            false => {
                let (from, to) = self.words[at];
                &buffer[from..to]
            }
        })
    }

    /// Gives back what a huge command has taken.
    pub fn forget(&mut self) {
        self.words.clear();
        self.words.shrink_to(16);
        self.unquoted = Vec::new();
    }

    fn no_line(&self, buffer: &[u8], from: usize, too_big: &str) -> Found {
        match buffer.len() - from > LINE {
            true => wrong(too_big),
            false => Found::More(1),
        }
    }

    fn inline(&mut self, buffer: &[u8]) -> Found {
        // A zero byte hides the line's end from Redis, and all that follows.
        let found = memchr::memchr2(b'\n', 0, buffer).filter(|at| buffer[*at] == b'\n');
        let Some(end) = found else {
            return match buffer.len() > LINE {
                true => wrong("too big inline request"),
                false => Found::More(1),
            };
        };
        let line = &buffer[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.words.clear();
        match typed_words(line) {
            None => wrong("unbalanced quotes in request"),
            Some(words) if words.is_empty() => Found::Nothing(end + 1),
            Some(words) => {
                self.unquoted = words;
                Found::Command(end + 1)
            }
        }
    }
}

fn wrong(what: &str) -> Found {
    Found::Wrong(format!("ERR Protocol error: {what}").into_bytes())
}

/// A line that ends in `\r` and one byte more, which Redis does not look at; and where the next one begins.
fn header(buffer: &[u8], from: usize) -> Option<(&[u8], usize)> {
    let rest = buffer.get(from..)?;
    // Most headers are three or four bytes long: a search that starts up first would cost more.
    let end = rest
        .iter()
        .take(32)
        .position(|byte| matches!(byte, b'\r' | 0))
        .or_else(|| memchr::memchr2(b'\r', 0, rest))?;
    // Here, too, a zero byte hides the line's end.
    (rest[end] == b'\r' && rest.len() > end + 1).then(|| (&rest[..end], from + end + 2))
}

/// A number as Redis reads one in a header.
fn integer(digits: &[u8]) -> Option<i64> {
    match digits {
        [digit @ b'0'..=b'9'] => Some(i64::from(digit - b'0')),
        _ => super::node::parse_i64(digits),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits::REDIS;

    fn packed(words: &[Vec<u8>]) -> Vec<u8> {
        let mut wire = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            wire.extend(format!("${}\r\n", word.len()).bytes());
            wire.extend(word);
            wire.extend(b"\r\n");
        }
        wire
    }

    proptest! {
        #[test]
        fn a_command_is_read_as_it_was_written_wherever_it_is_cut(
            words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..6),
            rest in prop::collection::vec(any::<u8>(), 0..10),
            mut cuts in prop::collection::vec(0..100usize, 0..4),
        ) {
            let wire = packed(&words);
            cuts.retain(|cut| *cut < wire.len());
            cuts.sort_unstable();
            let mut parser = Parser::default();
            for cut in cuts {
                prop_assert!(matches!(parser.read(&wire[..cut], LIMITS), Found::More(_)));
            }
            let length = wire.len();
            let more = [wire, rest].concat();
            prop_assert_eq!(parser.read(&more, LIMITS), Found::Command(length));
            let read: Vec<&[u8]> = parser.words(&more).collect();
            prop_assert_eq!(read, words);
        }

        #[test]
        fn noise_is_no_reason_to_panic(noise in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Parser::default().read(&noise, LIMITS);
        }
    }

    #[rstest::rstest]
    #[case(b"*x\r\n", "invalid multibulk length")]
    #[case(b"*2147483648\r\n", "invalid multibulk length")]
    #[case(b"*1\r\n:5\r\n", "expected '$', got ':'")]
    #[case(b"*1\r\n$-1\r\n", "invalid bulk length")]
    #[case(b"*1\r\n$536870913\r\n", "invalid bulk length")]
    #[case(b"GET \"a\r\n", "unbalanced quotes in request")]
    #[case(b"GET \"a\"b\r\n", "unbalanced quotes in request")]
    fn what_is_no_command_is_told(#[case] wire: &[u8], #[case] what: &str) {
        let told = Found::Wrong(format!("ERR Protocol error: {what}").into_bytes());
        assert_eq!(Parser::default().read(wire, LIMITS), told);
    }

    #[test]
    fn lines_typed_by_hand() {
        let words = typed_words(b" SET a\t\"\\x41\\n \\\"\" 'b\\'c\\n' ").unwrap();
        let expected: [&[u8]; 4] = [b"SET", b"a", b"A\n \"", b"b'c\\n"];
        assert_eq!(words, expected);
        assert_eq!(
            typed_words(b"\x0bGET\x0ba\x0c b").unwrap(),
            [&b"GET\x0ba\x0c"[..], b"b"]
        );
        assert_eq!(Parser::default().read(b"\r\n", LIMITS), Found::Nothing(2));
    }

    #[test]
    fn a_huge_length_is_waited_for_and_not_provided_for() {
        let mut parser = Parser::default();
        let wire = b"*2\r\n$3\r\nGET\r\n$536870912\r\n";
        assert_eq!(parser.read(wire, LIMITS), Found::More(536_870_914));
    }
}
