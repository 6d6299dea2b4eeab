//! What the table knows of one command.

use super::special::Special;
use super::words::{Categories, Flags, KeyFlags};

/// A command or a subcommand: its place in the table of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::double) struct CommandId(pub(super) u16);

impl CommandId {
    /// From 0 up to, and without, [`Table::len`](super::Table::len): for arrays with something for each command.
    pub(in crate::double) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A command or a subcommand as `COMMAND INFO` tells of it, with group, version and summary from `COMMAND DOCS`.
#[derive(Debug)]
pub(in crate::double) struct Spec {
    /// The full name, lower case: `get`, `config|get`.
    pub(in crate::double) name: &'static str,
    /// How many words a call has, the command's name and a subcommand's included; if negative, at least so many.
    pub(in crate::double) arity: i32,
    pub(in crate::double) flags: Flags,
    pub(in crate::double) categories: Categories,
    /// The first key's place among the words of a call; 0 where there is no key at a place of its own.
    pub(in crate::double) first: i32,
    /// The last key's place; negative: from the end, -1 being the last word.
    pub(in crate::double) last: i32,
    /// From one key's place to the next one's.
    pub(in crate::double) step: i32,
    pub(in crate::double) tips: Vec<&'static str>,
    pub(in crate::double) keys: Vec<KeySpec>,
    /// Of a subcommand: the command.
    pub(in crate::double) parent: Option<CommandId>,
    pub(in crate::double) subcommands: Vec<CommandId>,
    /// `string`, `sorted-set`, `server` …
    pub(in crate::double) group: &'static str,
    /// The version of Redis that had it first.
    pub(in crate::double) since: &'static str,
    pub(in crate::double) summary: &'static str,
    /// A way of its own to find its keys, where the key specifications do not tell.
    pub(super) special: Option<Special>,
    /// The place of the key, if a call has exactly one and always there; else 0.
    pub(super) only_key: u8,
}

impl Spec {
    /// Whether a call of so many words, the name included, is of the right length.
    pub(in crate::double) fn takes(&self, words: usize) -> bool {
        let wanted = self.arity.unsigned_abs() as usize;
        if self.arity < 0 {
            words >= wanted
        } else {
            words == wanted
        }
    }

    /// Its flags without those that `COMMAND` does not tell.
    pub(in crate::double) fn told_flags(&self) -> Flags {
        self.flags.without(Flags::MAY_REPLICATE)
    }

    /// Whether calls can have keys; shard channels are none.
    pub(in crate::double) fn has_keys(&self) -> bool {
        self.special.is_some()
            || self
                .keys
                .iter()
                .any(|key| !key.flags.has(KeyFlags::NOT_KEY))
    }
}

/// How to find keys in a call: where to begin, and how to go on from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::double) struct KeySpec {
    pub(in crate::double) begin: Begin,
    pub(in crate::double) find: Find,
    pub(in crate::double) flags: KeyFlags,
    /// A remark that `COMMAND INFO` shows.
    pub(in crate::double) note: Option<&'static str>,
}

/// Where keys begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) enum Begin {
    /// At this word of the call, 0 being the name.
    Index(i32),
    /// At the word after this one, which is looked for from a place on; from the end backwards if that is negative.
    Keyword(&'static str, i32),
    /// It can't be said in this way.
    Unknown,
}

/// Which words are keys, from where they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) enum Find {
    Range {
        /// The last key, counted from the first; negative: from the end of the call, -1 being its last word.
        last: i32,
        step: i32,
        /// With a negative `last`: 2 if only the first half of what is left can be keys, 0 if all of it.
        limit: i32,
    },
    /// A word tells how many keys there are.
    Number {
        /// That word, counted from the begin.
        at: i32,
        /// The first key, counted from the begin.
        first: i32,
        step: i32,
    },
    /// It can't be said in this way.
    Unknown,
}
