//! How a call ends before its end.

use std::io;

/// Why nothing more is done.
#[derive(Debug)]
pub(super) enum Halt {
    /// All is said: the process ends with this code.
    Exit(u8),
    /// What was to be read or written can't be: the reader of the output has gone, say.
    Stream,
}

impl From<io::Error> for Halt {
    fn from(_: io::Error) -> Self {
        Halt::Stream
    }
}

/// What a step of a call comes to.
pub(super) type Flow<T = ()> = Result<T, Halt>;
