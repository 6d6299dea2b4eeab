//! Why a command was refused, in Redis's words.

use std::borrow::Cow;

/// An error reply without its `-`: `WRONGTYPE Operation against …`. The words are Redis 7.0's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::double::node) struct Failure(pub Cow<'static, str>);

impl Failure {
    /// The command is for another type than the key holds.
    pub const WRONG_TYPE: Failure =
        Failure::text("WRONGTYPE Operation against a key holding the wrong kind of value");
    /// An option that is none, or one without its value.
    pub const SYNTAX: Failure = Failure::text("ERR syntax error");
    /// No 64-bit integer, or one that is out of the range that is allowed.
    pub const NOT_AN_INTEGER: Failure =
        Failure::text("ERR value is not an integer or out of range");
    /// No number.
    pub const NOT_A_FLOAT: Failure = Failure::text("ERR value is not a valid float");
    /// What DECR, HINCRBY and others say when 64 bits do not suffice.
    pub const OVERFLOW: Failure = Failure::text("ERR increment or decrement would overflow");
    /// The key has to be there.
    pub const NO_SUCH_KEY: Failure = Failure::text("ERR no such key");
    /// An index that no element has.
    pub const OUT_OF_RANGE: Failure = Failure::text("ERR index out of range");
    /// A text that would be longer than `proto-max-bulk-len`.
    pub const TOO_LONG: Failure =
        Failure::text("ERR string exceeds maximum allowed size (proto-max-bulk-len)");

    /// One whose words are always the same.
    pub const fn text(words: &'static str) -> Failure {
        Failure(Cow::Borrowed(words))
    }

    /// One that tells what was given.
    pub fn told(words: String) -> Failure {
        Failure(Cow::Owned(words))
    }

    /// The words as bytes.
    pub fn into_words(self) -> Vec<u8> {
        self.0.into_owned().into_bytes()
    }

    /// `ERR wrong number of arguments for 'get' command`.
    pub fn arity(command: &str) -> Failure {
        Failure::told(format!(
            "ERR wrong number of arguments for '{command}' command"
        ))
    }
}

/// What a command's function returns: its reply is in the output already, or this failure becomes the reply.
pub(in crate::double::node) type Outcome = Result<(), Failure>;
