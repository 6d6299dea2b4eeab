//! What a call of redis-cli finds around it.

use std::io::{BufRead, Write};

/// The streams and the environment of one call. A process gives its own; a caller inside a program gives buffers.
pub struct Surroundings<'a> {
    /// Standard input: commands, answers to questions, the last argument of `-x`.
    pub input: &'a mut dyn BufRead,
    /// Standard output.
    pub output: &'a mut dyn Write,
    /// Standard error.
    pub errors: &'a mut dyn Write,
    /// Whether somebody types the input: then there is a prompt.
    pub input_is_terminal: bool,
    /// Whether somebody reads the output: then it is formatted for people unless an option says otherwise.
    pub output_is_terminal: bool,
    /// The environment's variables: `REDISCLI_AUTH`, `TERM`, `FAKETTY`.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}
