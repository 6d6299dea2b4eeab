//! What is wrong with a call, where clap has only the standard library's words for it.

use std::error::Error;
use std::num::{IntErrorKind, ParseIntError};

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// A value that should be a number and is none: what it should be. Every other error as it is.
pub fn in_plain_words(error: clap::Error, command: &clap::Command) -> clap::Error {
    let why = error.source().and_then(|why| why.downcast_ref());
    let Some(why) = why.map(ParseIntError::kind) else {
        return error;
    };
    let why = match why {
        IntErrorKind::Zero => "it has to be at least 1",
        IntErrorKind::PosOverflow => "the number is too large",
        IntErrorKind::NegOverflow => "the number is too small",
        _ => "a whole number is needed, like 3",
    };
    let about = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let (Some(option), Some(value)) = (
        about(ContextKind::InvalidArg),
        about(ContextKind::InvalidValue),
    ) else {
        return error;
    };
    let message = format!(
        "invalid value '{value}' for '{option}': {why}\n\nFor more information, try '--help'.\n"
    );
    clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
}
