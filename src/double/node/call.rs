//! What the function of a command gets.

use super::client::{Blocked, Client, ClientKey, Otherwise, Queued};
use super::failure::Failure;
use super::keyspace::db::{Db, Entry};
use super::keyspace::value::{Kind, Typed, Value, typed, typed_mut};
use super::out::Out;
use super::server::Server;
use super::table::CommandId;

/// Who has a command executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) enum Origin {
    /// A client.
    Client,
    /// EXEC: nothing may block.
    Transaction,
    /// A Lua script: nothing may block either.
    Script,
    /// A client that was blocked: this is another try. If it would have to wait still, it goes on waiting.
    Again,
}

/// One command being executed.
pub(in crate::double) struct Call<'a> {
    /// The node.
    pub server: &'a mut Server,
    /// Whose command it is.
    pub client: ClientKey,
    /// The database, one of [`Server::dbs`].
    pub db: usize,
    /// The command's words, its name first; of a subcommand the second is the subcommand's name. As many as its arity demands are there.
    pub args: &'a [&'a [u8]],
    /// Where the reply goes.
    pub out: &'a mut Out,
    /// Which command it is.
    pub command: CommandId,
    /// Who has it executed.
    pub origin: Origin,
}

/// A class of keyspace notifications: the letters of `notify-keyspace-events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) struct Class(pub u8);

impl Class {
    pub const GENERIC: Class = Class(b'g');
    pub const TEXT: Class = Class(b'$');
    pub const LIST: Class = Class(b'l');
    pub const SET: Class = Class(b's');
    pub const HASH: Class = Class(b'h');
    pub const SORTED: Class = Class(b'z');
    pub const STREAM: Class = Class(b't');
    pub const EXPIRED: Class = Class(b'x');
    pub const NEW: Class = Class(b'n');
    pub const MISS: Class = Class(b'm');
}

impl<'a> Call<'a> {
    /// What the server knows of the client.
    pub fn client(&mut self) -> &mut Client {
        &mut self.server.clients[self.client.0]
    }

    /// The time, in milliseconds since 1970. It stands still within a command, a transaction and a script.
    pub fn now(&self) -> i64 {
        self.server.now
    }

    /// The database. Keys that are over may still be in it: look keys up by [`entry`](Self::entry) and its like.
    pub fn db(&mut self) -> &mut Db {
        &mut self.server.dbs[self.db]
    }

    /// The entry of a key that is there, for a command that reads: counted as a hit or a miss, and as a use.
    pub fn entry(&mut self, key: &[u8]) -> Option<&Entry> {
        let at = self.server.read(self.db, key)?;
        Some(self.server.dbs[self.db].at(at).1)
    }

    /// The same, but not counted as a use: for TYPE, TTL and their like.
    pub fn read_untouched(&mut self, key: &[u8]) -> Option<&Entry> {
        match self.server.live(self.db, key) {
            Some(at) => {
                self.server.stats.hits += 1;
                Some(self.server.dbs[self.db].at(at).1)
            }
            None => {
                self.server.stats.misses += 1;
                self.server.notify(Class::MISS, "keymiss", key, self.db);
                None
            }
        }
    }

    /// The entry of a key that is there, not counted in any way.
    pub fn look(&mut self, key: &[u8]) -> Option<&Entry> {
        let at = self.server.live(self.db, key)?;
        Some(self.server.dbs[self.db].at(at).1)
    }

    /// Replies with the text of a HELP subcommand: its own lines are put around `lines`.
    pub fn help(&mut self, command: &str, lines: &[&str]) {
        self.out.array(lines.len() + 3);
        self.out.status(&format!(
            "{command} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
        ));
        for line in lines {
            self.out.status(line);
        }
        self.out.status("HELP");
        self.out.status("    Prints this help.");
    }

    /// The same, the lines being those of a file.
    pub fn help_of(&mut self, command: &str, lines: &str) {
        let lines: Vec<&str> = lines.lines().collect();
        self.help(command, &lines);
    }

    /// The value of a key, for a command that reads. `None`: there is no such key.
    ///
    /// # Errors
    /// It is of another type.
    pub fn read<T: Typed>(&mut self, key: &[u8]) -> Result<Option<&T>, Failure> {
        self.entry(key).map(|entry| typed(&entry.value)).transpose()
    }

    /// The value of a key, for a command that reads, and the output beside it: so what the key holds is written there without a copy in between.
    ///
    /// # Errors
    /// It is of another type.
    pub fn read_and_out<T: Typed>(
        &mut self,
        key: &[u8],
    ) -> Result<Option<(&T, &mut Out)>, Failure> {
        let Some(at) = self.server.read(self.db, key) else {
            return Ok(None);
        };
        let value = typed(&self.server.dbs[self.db].at(at).1.value)?;
        Ok(Some((value, self.out)))
    }

    /// The same for a command that writes; as [`write`](Self::write).
    ///
    /// # Errors
    /// It is of another type.
    pub fn write_and_out<T: Typed>(
        &mut self,
        key: &[u8],
    ) -> Result<Option<(&mut T, &mut Out)>, Failure> {
        let Some(at) = self.server.live(self.db, key) else {
            return Ok(None);
        };
        self.server.touch(self.db, at);
        let value = typed_mut(&mut self.server.dbs[self.db].at_mut(at).value)?;
        Ok(Some((value, self.out)))
    }

    /// The entry of a key that is there, for a command that writes: not counted as hit or miss.
    pub fn entry_mut(&mut self, key: &[u8]) -> Option<&mut Entry> {
        let at = self.server.live(self.db, key)?;
        self.server.touch(self.db, at);
        Some(self.server.dbs[self.db].at_mut(at))
    }

    /// The value of a key, to be changed. Say [`changed`](Self::changed) afterwards, and [`remove_if`](Self::remove_if) it may be empty now.
    ///
    /// # Errors
    /// It is of another type.
    pub fn write<T: Typed>(&mut self, key: &[u8]) -> Result<Option<&mut T>, Failure> {
        self.entry_mut(key)
            .map(|entry| typed_mut(&mut entry.value))
            .transpose()
    }

    /// The same; a key that is not there is made, and holds the type's default.
    ///
    /// # Errors
    /// It is of another type.
    pub fn write_or_new<T: Typed + Default>(&mut self, key: &[u8]) -> Result<&mut T, Failure> {
        let at = match self.server.live(self.db, key) {
            Some(at) => {
                self.server.touch(self.db, at);
                at
            }
            None => {
                let value = T::default().into_value();
                self.put(key, value);
                // Just put there.
                self.server.dbs[self.db].find(key).unwrap_or_default()
            }
        };
        typed_mut(&mut self.server.dbs[self.db].at_mut(at).value)
    }

    /// Whether a key is there. Not counted as hit or miss, not a use.
    pub fn exists(&mut self, key: &[u8]) -> bool {
        self.server.live(self.db, key).is_some()
    }

    /// Sets a key's value; it has no end from now on.
    pub fn put(&mut self, key: &[u8], value: Value) {
        self.server.put(self.db, key, value, false);
    }

    /// Sets a key's value; its end stays as it was.
    pub fn put_keeping_end(&mut self, key: &[u8], value: Value) {
        self.server.put(self.db, key, value, true);
    }

    /// Takes a key out, without telling anybody. Whether it was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        self.server.live(self.db, key).is_some() && self.db().remove(key).is_some()
    }

    /// Tells everybody whom it concerns that a key has changed: those who watch it, wait for it, have a copy of it, or listen to keyspace events.
    /// Counts as one change.
    pub fn changed(&mut self, key: &[u8], class: Class, event: &str) {
        self.server.changed(self.db, key, Some(self.client));
        self.server.dirty += 1;
        self.server.notify(class, event, key, self.db);
        self.take_own_messages();
    }

    /// Messages that the client has got by its own command stand where they came up, in front of what is still to be written of its reply. What a script's
    /// commands bring is kept until the script's own reply.
    pub fn take_own_messages(&mut self) {
        if self.origin != Origin::Script && !self.server.own_messages.is_empty() {
            self.out.bytes.append(&mut self.server.own_messages);
        }
    }

    /// Takes a key out whose value is empty now, and tells so.
    pub fn remove_empty(&mut self, key: &[u8]) {
        self.db().remove(key);
        self.server.notify(Class::GENERIC, "del", key, self.db);
        self.take_own_messages();
    }

    /// Whether a command that finds nothing may wait: not in a transaction or a script.
    pub fn may_block(&self) -> bool {
        matches!(self.origin, Origin::Client | Origin::Again)
    }

    /// Whether the command is to look at this key. One that is tried again for a client that was blocked looks at the key that has got something, and at
    /// no other: what the others hold does not concern it.
    pub fn looks_at(&self, key: &[u8]) -> bool {
        self.origin != Origin::Again || self.server.ready_key.as_deref() == Some(key)
    }

    /// Blocks the client until one of `keys` changes, or until a time in milliseconds since 1970. Then the command is executed again. Without an effect on a client that is
    /// blocked already.
    pub fn block(
        &mut self,
        keys: &[&[u8]],
        kind: Option<Kind>,
        until: Option<i64>,
        otherwise: Otherwise,
    ) {
        let words = self.args;
        self.block_as(words, keys, kind, until, otherwise);
    }

    /// The same, but the command that is executed again has these words.
    pub fn block_as(
        &mut self,
        words: &[&[u8]],
        keys: &[&[u8]],
        kind: Option<Kind>,
        until: Option<i64>,
        otherwise: Otherwise,
    ) {
        if self.origin == Origin::Again {
            return;
        }
        let blocked = Blocked {
            again: Queued {
                command: self.command,
                words: words.iter().map(|word| (*word).into()).collect(),
            },
            db: self.db,
            keys: keys.iter().map(|key| (*key).into()).collect(),
            kind,
            until,
            otherwise,
        };
        self.server.block(self.client, blocked);
    }
}
