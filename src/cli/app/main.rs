//! The `app` command: the course's application. `labrunner app …` is the same.

#[path = "../mod.rs"]
mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(true)
}
