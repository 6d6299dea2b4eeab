//! What a master writes into its stream: the commands that have changed something, in the form in which they do the same anywhere.

use std::rc::Rc;

use super::log::{Entry, Words, bytes_of};
use crate::double::node::call::{Call, Origin};
use crate::double::node::dispatch::Prepared;
use crate::double::node::server::Server;
use crate::double::node::table::Table;

/// What is to be written when the command that a client has sent is done as a whole.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Commands with their databases.
    commands: Vec<(usize, Words)>,
    /// What is written instead of the command that is being executed; `None`: the command itself.
    instead: Option<Vec<Words>>,
    /// It is written even if it has changed nothing.
    forced: bool,
}

fn owned(words: &[&[u8]]) -> Words {
    words.iter().map(|word| (*word).into()).collect()
}

/// Whether a command only has others executed, each of which is written by itself.
fn executes_others(name: &str) -> bool {
    matches!(
        name,
        "exec" | "eval" | "eval_ro" | "evalsha" | "evalsha_ro" | "fcall" | "fcall_ro"
    )
}

impl Call<'_> {
    /// Replicas are to execute these words, and not those of the command. Said more than once: all of them, one after the other.
    pub fn replicate_as(&mut self, words: &[&[u8]]) {
        if self.server.replication.feeds() {
            let instead = &mut self.server.replication.pending.instead;
            instead.get_or_insert_default().push(owned(words));
        }
    }

    /// The same for a command that has taken elements from one key of several.
    pub fn replicate_pop(&mut self, name: &[u8], key: &[u8], count: Option<usize>) {
        match count {
            None => self.replicate_as(&[name, key]),
            Some(count) => {
                let count = count.to_string();
                self.replicate_as(&[name, key, count.as_bytes()]);
            }
        }
    }

    /// The same for a command that has set when a key is over, in milliseconds since 1970.
    pub fn replicate_end(&mut self, key: &[u8], when: i64) {
        if self.server.replication.feeds() {
            let when = when.to_string();
            self.replicate_as(&[b"PEXPIREAT", key, when.as_bytes()]);
        }
    }

    /// Replicas are to execute nothing for this command, unless [`replicate_as`](Self::replicate_as) says something else.
    pub fn replicate_nothing(&mut self) {
        if self.server.replication.feeds() {
            let instead = &mut self.server.replication.pending.instead;
            instead.get_or_insert_default();
        }
    }

    /// Replicas are to execute the command even if it has changed nothing here.
    pub fn replicate_always(&mut self) {
        let replication = &mut self.server.replication;
        replication.pending.forced = replication.feeds();
    }
}

impl Server {
    /// A command was executed while there is a log. `changed`: it has changed something.
    pub(in crate::double::node) fn propagate(&mut self, call: &Prepared<'_>, changed: bool) {
        let pending = &mut self.replication.pending;
        let instead = pending.instead.take();
        let forced = std::mem::take(&mut pending.forced);
        if (changed || forced) && !executes_others(Table::redis_7_0().spec(call.command).name) {
            match instead {
                Some(all) => pending
                    .commands
                    .extend(all.into_iter().map(|words| (call.db, words))),
                None => pending.commands.push((call.db, owned(call.args))),
            }
        }
        if matches!(call.origin, Origin::Client | Origin::Again) {
            self.write_pending();
        }
    }

    /// A key is taken out that no command has named: replicas are told to take it out as well.
    pub(in crate::double::node) fn propagate_removal(
        &mut self,
        db: usize,
        key: &[u8],
        lazily: bool,
    ) {
        if self.replication.feeds() {
            let name: &[u8] = if lazily { b"UNLINK" } else { b"DEL" };
            let words = owned(&[name, key]);
            self.replication.pending.commands.push((db, words));
        }
    }

    /// Writes what has come together: several commands as a transaction, so that nobody sees the half of it on a replica either.
    pub(in crate::double::node) fn write_pending(&mut self) {
        if self.replication.pending.commands.is_empty() {
            return;
        }
        let commands = std::mem::take(&mut self.replication.pending.commands);
        let together = commands.len() > 1;
        let first = commands.first().map_or(0, |(db, _)| *db);
        if together {
            self.write_entry(first, &[b"MULTI"]);
        }
        for (db, words) in commands {
            self.select(db);
            self.write(db, words);
        }
        if together {
            self.write_entry(first, &[b"EXEC"]);
        }
    }

    /// The same, each command by itself.
    pub(in crate::double::node) fn write_pending_singly(&mut self) {
        for (db, words) in std::mem::take(&mut self.replication.pending.commands) {
            self.select(db);
            self.write(db, words);
        }
    }

    fn select(&mut self, db: usize) {
        if self.replication.selected != Some(db) {
            self.replication.selected = Some(db);
            let number = db.to_string();
            self.write_entry(db, &[b"SELECT", number.as_bytes()]);
        }
    }

    /// Writes words that do not depend on the database.
    pub(super) fn write_entry(&mut self, db: usize, words: &[&[u8]]) {
        self.write(db, owned(words));
    }

    fn write(&mut self, db: usize, words: Words) {
        let Some(log) = &mut self.replication.log else {
            return;
        };
        let entry = Rc::new(Entry {
            at: self.replication.offset + 1,
            bytes: bytes_of(&words),
            db,
            now: self.now,
            words,
        });
        self.replication.offset = entry.end();
        log.push(Rc::clone(&entry), self.config.replication.backlog);
        if !self.replication.replicas.is_empty() {
            self.replication.fresh.push(entry);
        }
    }
}
