//! What is wrong with a call, where clap has only the standard library's words for it, or says too much.

use std::error::Error;
use std::num::{IntErrorKind, ParseIntError};

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// A value that should be a number and is none: what it should be. A command that there is not: those that are like it, but no hidden one. Every other error as it is.
pub fn in_plain_words(mut error: clap::Error, command: &clap::Command) -> clap::Error {
    withhold_hidden(&mut error, command);
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

/// What is hidden is for the program itself: nobody has mistyped it.
fn withhold_hidden(error: &mut clap::Error, command: &clap::Command) {
    let Some(ContextValue::Strings(alike)) = error.get(ContextKind::SuggestedSubcommand) else {
        return;
    };
    let told = alike.iter().filter(|name| !is_hidden(name, command));
    let told: Vec<String> = told.cloned().collect();
    error.remove(ContextKind::SuggestedSubcommand);
    if !told.is_empty() {
        error.insert(
            ContextKind::SuggestedSubcommand,
            ContextValue::Strings(told),
        );
    }
}

/// Whether a hidden command is called this, at whatever depth.
fn is_hidden(name: &str, command: &clap::Command) -> bool {
    command
        .get_subcommands()
        .any(|each| each.get_name() == name && each.is_hide_set() || is_hidden(name, each))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::in_plain_words;
    use crate::cli::Arguments;

    fn said(words: &str) -> String {
        let program = Arguments::command();
        let words = words.split(' ');
        let error = program.clone().try_get_matches_from(words).unwrap_err();
        in_plain_words(error, &program).to_string()
    }

    #[test]
    fn a_mistyped_command_is_not_taken_for_a_hidden_one() {
        let only = said("labrunner app audti");
        assert!(
            only.contains("a similar subcommand exists: 'audit'"),
            "{only}"
        );
        let none = said("labrunner simulat");
        assert!(none.contains("unrecognized subcommand 'simulat'"), "{none}");
        assert!(!none.contains("similar"), "{none}");
        let two = said("labrunner app evnt");
        assert!(two.contains("'events'"), "{two}");
    }
}
