//! The `app` command: the course's application. `labrunner app …` is the same.

use std::process::ExitCode;

fn main() -> ExitCode {
    labrunner::cli::main(true)
}
