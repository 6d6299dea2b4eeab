//! Sets of the words that Redis uses about commands and keys: flags, ACL categories, what is done with a key.

/// A set of words as a bit each, in the order in which Redis lists them.
macro_rules! words {
    ($(#[$about:meta])* $set:ident: $bits:ty { $($(#[$meaning:meta])* $constant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub(in crate::double) struct $set($bits);

        // Not all of this is needed of each set.
        #[allow(dead_code)]
        impl $set {
            constants!($bits, 0, { $($(#[$meaning])* $constant,)* });

            /// The empty set.
            pub(in crate::double) const NONE: Self = Self(0);

            /// Every word, in the order in which Redis lists them.
            pub(in crate::double) const ALL: &'static [(&'static str, Self)] =
                &[$(($word, Self::$constant),)*];

            /// The set of this one word; `None` if there is no such word.
            pub(in crate::double) fn of(word: &str) -> Option<Self> {
                let found = Self::ALL.iter().find(|(name, _)| *name == word);
                found.map(|(_, set)| *set)
            }

            /// The words of both.
            pub(in crate::double) const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// The words of this set that are not in `other`.
            pub(in crate::double) const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// Whether all words of `other` are in this set.
            pub(in crate::double) const fn has(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// The words, in the order in which Redis lists them.
            pub(in crate::double) fn words(self) -> impl Iterator<Item = &'static str> {
                let inside = Self::ALL.iter().filter(move |(_, set)| self.has(*set));
                inside.map(|(word, _)| *word)
            }
        }
    };
}

/// One constant after the other, each a bit higher.
macro_rules! constants {
    ($bits:ty, $at:expr, {}) => {};
    ($bits:ty, $at:expr, { $(#[$meaning:meta])* $first:ident, $($rest:tt)* }) => {
        $(#[$meaning])*
        pub(in crate::double) const $first: Self = Self((1 as $bits) << ($at));
        constants!($bits, $at + 1, { $($rest)* });
    };
}

words! {
    /// What is true of a command as a whole.
    Flags: u32 {
        /// Changes the data.
        WRITE = "write",
        /// Reads data and changes none.
        READONLY = "readonly",
        /// Refused when memory is used up.
        DENYOOM = "denyoom",
        /// For operators.
        ADMIN = "admin",
        /// About channels.
        PUBSUB = "pubsub",
        /// Not from a script.
        NOSCRIPT = "noscript",
        /// May block its client.
        BLOCKING = "blocking",
        /// Answered while the data is being loaded.
        LOADING = "loading",
        /// Answered by a replica that has lost its master and may not serve stale data.
        STALE = "stale",
        /// Not shown by MONITOR.
        SKIP_MONITOR = "skip_monitor",
        /// Not kept in the slow log.
        SKIP_SLOWLOG = "skip_slowlog",
        /// As if ASKING stood before it.
        ASKING = "asking",
        /// Takes constant or logarithmic time.
        FAST = "fast",
        /// Needs no authentication.
        NO_AUTH = "no_auth",
        /// May lead to a change on replicas though it is no write command. Redis acts by it but does not list it.
        MAY_REPLICATE = "may_replicate",
        /// Works with no keys at all as well.
        NO_MANDATORY_KEYS = "no_mandatory_keys",
        /// Not answered while data is being loaded in the background.
        NO_ASYNC_LOADING = "no_async_loading",
        /// Not inside a transaction.
        NO_MULTI = "no_multi",
        /// Answered while a script runs for too long.
        ALLOW_BUSY = "allow_busy",
        /// The keys are not all where first, last and step say.
        MOVABLEKEYS = "movablekeys",
    }
}

words! {
    /// ACL categories, named without the `@`.
    Categories: u32 {
        KEYSPACE = "keyspace",
        READ = "read",
        WRITE = "write",
        SET = "set",
        SORTEDSET = "sortedset",
        LIST = "list",
        HASH = "hash",
        STRING = "string",
        BITMAP = "bitmap",
        HYPERLOGLOG = "hyperloglog",
        GEO = "geo",
        STREAM = "stream",
        PUBSUB = "pubsub",
        ADMIN = "admin",
        FAST = "fast",
        SLOW = "slow",
        BLOCKING = "blocking",
        DANGEROUS = "dangerous",
        CONNECTION = "connection",
        TRANSACTION = "transaction",
        SCRIPTING = "scripting",
    }
}

words! {
    /// What a command does with a key: one of RO, RW, OW and RM for the value as a whole, the lower-case ones for the data in it.
    KeyFlags: u16 {
        /// Reads only.
        RO = "RO",
        /// Changes what is there.
        RW = "RW",
        /// Overwrites, whatever was there.
        OW = "OW",
        /// Removes the key.
        RM = "RM",
        /// Returns or copies the data, or makes something of it.
        ACCESS = "access",
        /// Changes data that depends on what is there.
        UPDATE = "update",
        /// Adds data, touching none that is there.
        INSERT = "insert",
        /// Removes data.
        DELETE = "delete",
        /// Looks like a key and is none, as a shard channel.
        NOT_KEY = "not_key",
        /// The key specification does not find all of them.
        INCOMPLETE = "incomplete",
        /// The flags depend on the command's arguments.
        VARIABLE_FLAGS = "variable_flags",
    }
}
