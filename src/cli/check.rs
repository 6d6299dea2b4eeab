//! `labrunner check`

use std::path::PathBuf;

use clap::Args;

use super::exit_code::Exit;
use super::faults::load_all;
use super::output::{Output, count, say};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Labs: files, directories (every *.yaml and *.yml directly in one, by name; not those in its subdirectories), or quoted
    /// patterns such as 'labs/0*.yaml'
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Checks all files and says how each is.
pub fn run(arguments: &Arguments, output: Output) -> Exit {
    match load_all(&arguments.files, output) {
        Ok(labs) => {
            for lab in labs {
                let checks: usize = lab
                    .steps
                    .iter()
                    .map(|step| step.expect.len() + step.holds.len())
                    .sum();
                say(format!(
                    "{}: valid, {}, {}, {}",
                    lab.source.name(),
                    count(lab.steps.len(), "step"),
                    count(checks, "check"),
                    count(lab.points.len(), "point")
                ));
            }
            Exit::Passed
        }
        Err(exit) => exit,
    }
}
