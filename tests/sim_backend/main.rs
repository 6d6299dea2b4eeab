//! Labs on simulated nodes: `labrunner run` and `labrunner up` where nothing is installed but labrunner itself.

#[path = "../command/mod.rs"]
mod command;

mod choice;
mod labs;
mod stays;
mod trouble;

use std::process::Command;

use command::{Desk, Ended, LONG, lab};

/// What a lab of these tests starts from.
const GIVEN: &str = "given:
  node_timeout: 2000ms
  masters: {redis-1: 0-5460, redis-2: 5461-10922, redis-3: 10923-16383}
  replicas: {redis-4: redis-1, redis-5: redis-2, redis-6: redis-3}
";

/// A command with nothing on its PATH, and nothing else of the user's either.
fn bare(desk: &Desk, args: &[&str]) -> Command {
    let mut command = desk.command(args);
    command.env_clear().env("PATH", "/nonexistent");
    command
}

/// Runs a lab where nothing is installed.
fn run_bare(desk: &Desk, lab: &str) -> Ended {
    desk.write("lab.yaml", lab);
    let mut command = desk.run_command(&["lab.yaml"]);
    command.env_clear().env("PATH", "/nonexistent");
    desk.start(&mut command).end(LONG)
}
