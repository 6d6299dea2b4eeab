//! The `labrunner` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    labrunner::cli::main(false)
}
