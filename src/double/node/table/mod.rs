//! The command table: what Redis 7.0 says of each of its commands in `COMMAND` and `COMMAND DOCS`, how to find a command by its name, and
//! the keys of a call.
//!
//! Everything about a command that is data is in `redis-7.0.commands`, which is taken from a real server (test `double_node::table`).

use std::sync::OnceLock;

pub(in crate::double::node) mod docs;
mod keys;
mod lookup;
mod read;
mod spec;
mod special;
#[cfg(test)]
mod tests;
mod words;

use lookup::Lookup;

pub(in crate::double::node) use keys::{KeyPlace, keys, routing_words};
pub(in crate::double::node) use spec::{Begin, CommandId, Find, KeySpec, Spec};
pub(in crate::double::node) use words::{Categories, Flags};

/// All commands of one version of Redis.
#[derive(Debug)]
pub(in crate::double::node) struct Table {
    specs: Vec<Spec>,
    lookup: Lookup,
}

impl Table {
    /// The table of Redis 7.0.15; read once in a process.
    pub(in crate::double::node) fn redis_7_0() -> &'static Table {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| {
            // A test says that every line of it can be read.
            let (specs, _) = read::read(include_str!("redis-7.0.commands"));
            let lookup = Lookup::new(&specs);
            Table { specs, lookup }
        })
    }

    /// The command of this name, upper or lower case.
    pub(in crate::double::node) fn find(&self, name: &[u8]) -> Option<CommandId> {
        self.lookup.find(None, name)
    }

    /// The subcommand of this name, upper or lower case.
    pub(in crate::double::node) fn subcommand(
        &self,
        parent: CommandId,
        name: &[u8],
    ) -> Option<CommandId> {
        self.lookup.find(Some(parent), name)
    }

    /// The command that a call is for: a subcommand where the command has some and a second word is there.
    pub(in crate::double::node) fn of_call(&self, args: &[&[u8]]) -> Option<CommandId> {
        let id = self.find(args.first()?)?;
        match args.get(1) {
            Some(second) if !self.spec(id).subcommands.is_empty() => self.subcommand(id, second),
            _ => Some(id),
        }
    }

    /// What is known of a command of this table.
    pub(in crate::double::node) fn spec(&self, id: CommandId) -> &Spec {
        &self.specs[id.index()]
    }

    /// All commands by name, each followed by its subcommands.
    pub(in crate::double::node) fn all(&self) -> impl Iterator<Item = CommandId> + use<> {
        (0..).take(self.specs.len()).map(CommandId)
    }

    /// How many there are, subcommands included.
    pub(in crate::double::node) fn len(&self) -> usize {
        self.specs.len()
    }

    /// The key of a call, where the command is one that always has exactly one key, at a fixed place. `None` for all others, and where the
    /// call is too short: [`keys`] tells then.
    pub(in crate::double::node) fn first_key<'a>(
        &self,
        id: CommandId,
        args: &[&'a [u8]],
    ) -> Option<&'a [u8]> {
        match self.spec(id).only_key {
            0 => None,
            at => args.get(usize::from(at)).copied(),
        }
    }
}
