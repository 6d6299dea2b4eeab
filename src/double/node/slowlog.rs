//! The slow log: the last commands that took long.

use std::collections::VecDeque;

use super::dispatch::Prepared;
use super::server::Server;

/// So many words of a command are kept.
const WORDS: usize = 32;
/// So many bytes of a word are kept.
const BYTES: usize = 128;

/// The entries, the newest first.
#[derive(Debug, Default)]
pub(in crate::double) struct SlowLog {
    /// The newest first.
    pub entries: VecDeque<Slow>,
    next: i64,
}

/// A command that took long.
#[derive(Debug)]
pub(in crate::double) struct Slow {
    /// Counted from 0.
    pub id: i64,
    /// When it was executed, in seconds since 1970.
    pub when: i64,
    /// How long it took, in microseconds.
    pub took: i64,
    /// What it was, cut if it was long.
    pub words: Vec<Vec<u8>>,
    /// Whose it was.
    pub peer: String,
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
}

impl Server {
    /// Notes a command that took long.
    pub(super) fn note_slow(&mut self, call: &Prepared<'_>, took: i64) {
        let client = self.clients.get(call.client.0);
        let entry = Slow {
            id: self.slow_log.next,
            when: self.now / 1000,
            took,
            words: self.shortened(call.args),
            peer: client.map_or_else(String::new, |client| client.peer_name()),
            name: client.map_or_else(Vec::new, |client| client.name.clone()),
        };
        self.slow_log.next += 1;
        self.slow_log.entries.push_front(entry);
        self.slow_log.entries.truncate(self.config.slow_entries);
    }

    fn shortened(&self, args: &[&[u8]]) -> Vec<Vec<u8>> {
        let kept = match args.len() > WORDS {
            true => WORDS - 1,
            false => args.len(),
        };
        let words = args.iter().take(kept).enumerate().map(|(at, word)| {
            let word = self.shown_word(at, word);
            let Some((kept, rest)) = word.split_at_checked(BYTES) else {
                return word.to_vec();
            };
            match rest.len() {
                0 => kept.to_vec(),
                more => [kept, format!("... ({more} more bytes)").as_bytes()].concat(),
            }
        });
        let mut words: Vec<Vec<u8>> = words.collect();
        if args.len() > kept {
            words.push(format!("... ({} more arguments)", args.len() - kept).into_bytes());
        }
        words
    }
}
