//! `labrunner schema`

use labrunner::lab::schema;

use super::exit_code::Exit;
use super::output::say;

/// Prints the JSON Schema of a lab.
pub fn run() -> Exit {
    say(format!("{:#}", schema::schema()));
    Exit::Passed
}
