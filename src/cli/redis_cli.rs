//! `labrunner redis-cli …`: redis-cli of our own.

use std::ffi::OsString;
use std::io::{IsTerminal, stderr, stdin, stdout};
use std::process::ExitCode;

use clap::Args;

use crate::redis_cli::{Surroundings, run as run_call};

/// Everything is redis-cli's: its options are read by the room `redis_cli`, as redis-cli reads them.
#[derive(Debug, Args)]
#[command(disable_help_flag = true, disable_version_flag = true)]
pub struct Arguments {
    /// Options and command; `--help` shows them
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENT"
    )]
    arguments: Vec<OsString>,
}

/// Does what redis-cli does. The exit code is redis-cli's, 0 or 1.
pub fn run(arguments: Arguments) -> ExitCode {
    let arguments: Vec<Vec<u8>> = arguments
        .arguments
        .into_iter()
        .map(OsString::into_encoded_bytes)
        .collect();
    let around = Surroundings {
        input: &mut stdin().lock(),
        output: &mut stdout().lock(),
        errors: &mut stderr().lock(),
        input_is_terminal: stdin().is_terminal(),
        output_is_terminal: stdout().is_terminal(),
        variable: &|name| std::env::var(name).ok(),
    };
    run_call(&arguments, around).into()
}
