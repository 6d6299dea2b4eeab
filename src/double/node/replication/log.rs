//! The stream of a master's changes, and as much of its past as is kept: the replication backlog.

use std::collections::VecDeque;
use std::rc::Rc;

/// A command as its words.
pub(in crate::double::node) type Words = Vec<Box<[u8]>>;

/// A part of the stream: a command that has changed something, or one that only keeps the stream going (PING, SELECT, MULTI, EXEC, REPLCONF GETACK).
#[derive(Debug)]
pub(in crate::double) struct Entry {
    /// The offset of its first byte; the stream's first byte has 1.
    pub(super) at: i64,
    /// How many bytes it takes, in RESP.
    pub(super) bytes: i64,
    /// The database that it was executed in.
    pub(super) db: usize,
    /// When it was executed, in milliseconds since 1970: whatever depends on the time comes out the same on a replica.
    pub(super) now: i64,
    /// The command.
    pub(super) words: Words,
}

impl Entry {
    /// The offset of its last byte.
    pub(super) fn end(&self) -> i64 {
        self.at + self.bytes - 1
    }

    /// Whether it is this command, without or with anything behind it.
    pub(super) fn is(&self, name: &str) -> bool {
        let word = self.words.first();
        word.is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// How many bytes a command takes in RESP.
pub(super) fn bytes_of(words: &[Box<[u8]>]) -> i64 {
    let header = |number: usize| 3 + itoa::Buffer::new().format(number).len();
    let bulk = |word: &Box<[u8]>| header(word.len()) + word.len() + 2;
    let all = header(words.len()) + words.iter().map(bulk).sum::<usize>();
    i64::try_from(all).unwrap_or(i64::MAX)
}

/// The end of the stream, as much of it as `repl-backlog-size` allows.
#[derive(Debug)]
pub(super) struct Log {
    entries: VecDeque<Rc<Entry>>,
    /// The offset of the first byte that is kept, or of the next one that comes.
    first: i64,
    length: i64,
}

impl Log {
    /// A log that begins behind this offset.
    pub fn new(offset: i64) -> Log {
        Log {
            entries: VecDeque::new(),
            first: offset + 1,
            length: 0,
        }
    }

    /// The offset of its first byte.
    pub fn first(&self) -> i64 {
        self.first
    }

    /// How many bytes it has.
    pub fn length(&self) -> i64 {
        self.length
    }

    /// Adds what comes next, and forgets what is more than `size` bytes ago.
    pub fn push(&mut self, entry: Rc<Entry>, size: i64) {
        self.length += entry.bytes;
        self.entries.push_back(entry);
        while self.length > size
            && self.entries.len() > 1
            && let Some(gone) = self.entries.pop_front()
        {
            self.first += gone.bytes;
            self.length -= gone.bytes;
        }
    }

    /// All entries from this offset on. `None`: that is not kept any more, or is still to come.
    pub fn from(&self, offset: i64) -> Option<Vec<Rc<Entry>>> {
        if offset < self.first || offset > self.first + self.length {
            return None;
        }
        let start = self.entries.partition_point(|entry| entry.at < offset);
        // Nobody has half an entry.
        let whole = self
            .entries
            .get(start)
            .map_or(self.first + self.length, |entry| entry.at);
        (whole == offset).then(|| self.entries.range(start..).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Words {
        words.iter().map(|word| word.as_bytes().into()).collect()
    }

    fn log(size: i64, count: i64) -> Log {
        let mut log = Log::new(100);
        for number in 0..count {
            let entry = Entry {
                at: 101 + number * 14,
                bytes: 14,
                db: 0,
                now: 0,
                words: words(&["PING"]),
            };
            log.push(Rc::new(entry), size);
        }
        log
    }

    #[test]
    fn bytes_are_those_of_resp() {
        assert_eq!(bytes_of(&words(&["PING"])), 14);
        assert_eq!(bytes_of(&words(&["SELECT", "0"])), 23);
        assert_eq!(bytes_of(&words(&["REPLCONF", "GETACK", "*"])), 37);
        let long = "x".repeat(100);
        assert_eq!(
            bytes_of(&words(&["SET", "k", &long])),
            format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\n{long}\r\n").len() as i64
        );
    }

    #[test]
    fn an_empty_log_goes_on_at_its_next_byte_only() {
        let log = log(1000, 0);
        assert_eq!((log.first(), log.length()), (101, 0));
        assert_eq!(log.from(101).map(|entries| entries.len()), Some(0));
        assert!(log.from(100).is_none());
        assert!(log.from(102).is_none());
    }

    #[test]
    fn what_is_too_long_ago_is_forgotten() {
        let log = log(30, 5);
        assert_eq!((log.first(), log.length()), (101 + 3 * 14, 28));
        assert!(log.from(101 + 2 * 14).is_none());
        assert_eq!(log.from(101 + 3 * 14).map(|entries| entries.len()), Some(2));
        assert_eq!(log.from(101 + 5 * 14).map(|entries| entries.len()), Some(0));
        assert!(log.from(102 + 3 * 14).is_none(), "half an entry");
    }
}
