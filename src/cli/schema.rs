//! `labrunner schema`

use clap::Args;
use labrunner::lab::{reference, schema};

use super::exit_code::Exit;
use super::output::say;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Print the reference chapter of the guide instead, as Markdown
    #[arg(long)]
    reference: bool,
}

/// Prints the JSON Schema of a lab, or the reference chapter.
pub fn run(arguments: &Arguments) -> Exit {
    if arguments.reference {
        say(reference::markdown().trim_end());
    } else {
        say(format!("{:#}", schema::schema()));
    }
    Exit::Passed
}
