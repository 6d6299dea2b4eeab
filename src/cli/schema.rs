//! `labrunner schema`

use std::io::{self, Write};

use clap::Args;

use super::exit_code::Exit;
use super::output::complain_with_help;
use crate::lab::{reference, schema};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Print the reference chapter of the guide instead, as Markdown
    #[arg(long)]
    reference: bool,
}

/// Prints the JSON Schema of a lab, or the reference chapter.
pub fn run(arguments: &Arguments) -> Exit {
    let text = if arguments.reference {
        reference::markdown()
    } else {
        format!("{:#}", schema::schema())
    };
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        // A reader that has gone away has read enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain_with_help(
                &format!("the schema can't be written: {error}"),
                "what is there of it is not whole; is the disk full?",
            );
            Exit::Unavailable
        }
        _ => Exit::Passed,
    }
}
