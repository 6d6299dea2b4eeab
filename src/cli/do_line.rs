//! `labrunner do`

use std::path::Path;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::exit_code::Exit;
use super::options::Handle;
use super::output::{complain, complain_with_help, say};
use super::{runtime, signals, tell};
use crate::backend::BackendError;
use crate::backend::standing::{self, EnvironmentLock};
use crate::lab::action::{Action, Limits, Output};
use crate::lab::line::{Line, Task};

/// To start or stop a few nodes takes seconds.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(5 * 60),
    output: 1 << 20,
};

const EXAMPLES: &str = "\
What the course does with docker can be done so in any environment, also where there is no docker and
nodes are simulated.

Exit codes:
  0  it is done                 4  no environment stands, or another command is at it
  1  it could not be done       5  the environment is broken
  2  the call is wrong        130  interrupted

Examples:
  labrunner do docker stop redis-1
  labrunner do docker compose up -d redis-8
  labrunner do docker network disconnect labrunner-cluster redis-1";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    handle: Handle,

    /// The command, as the course has it
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    command: Vec<String>,
}

/// Does it.
pub fn run(arguments: &Arguments) -> Exit {
    let typed = arguments.command.join(" ");
    let action = match action(&typed) {
        Ok(action) => action,
        Err((what, help)) => {
            complain_with_help(&what, &help);
            return Exit::Usage;
        }
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let done = runtime.block_on(async {
        let cancel = CancellationToken::new();
        let wished = cancel.clone();
        tokio::spawn(signals::each(move || wished.cancel()));
        carry_out(&arguments.handle.state_dir, &typed, &action, &cancel).await
    });
    // What still hangs on a thread must not keep the command from ending.
    runtime.shutdown_background();
    match done {
        Ok(output) => {
            let print = |text: &str, to: &dyn Fn(&str)| {
                if !text.is_empty() {
                    to(text.trim_end_matches('\n'));
                }
            };
            print(&output.stderr, &|text| complain(text));
            print(&output.stdout, &|text| say(text));
            match output.exit {
                Some(0) => Exit::Passed,
                Some(_) => Exit::Failed,
                None => Exit::Interrupted,
            }
        }
        Err(error) => tell(error),
    }
}

/// What is to be done with nodes; or what is wrong, and what to do.
fn action(typed: &str) -> Result<Action, (String, String)> {
    let help = "say what is to be done with which nodes, as in `labrunner do docker stop redis-1`";
    // A `${` is nothing here: no command of docker's that the course has contains one.
    let line = Line::parse(typed).map_err(|faults| match faults.into_iter().next() {
        Some(fault) => (fault.what, fault.help.unwrap_or_else(|| help.to_owned())),
        None => (format!("`{typed}` can't be done"), help.to_owned()),
    })?;
    let filled = line.fill(|_| Err("no value has a name here".to_owned()));
    match filled.map_err(|what| (what, help.to_owned()))?.task {
        Task::Action(action @ (Action::Nodes { .. } | Action::Links { .. })) => Ok(action),
        _ => Err((
            format!("`{typed}` needs no help of labrunner: type it as it is"),
            "only what the course does with docker is done so".to_owned(),
        )),
    }
}

async fn carry_out(
    state_dir: &Path,
    typed: &str,
    action: &Action,
    cancel: &CancellationToken,
) -> Result<Output, BackendError> {
    let (_, course) = standing::open(state_dir)
        .await?
        .ok_or_else(standing::none)?;
    let _lock = EnvironmentLock::take(state_dir, &format!("labrunner do {typed}"))?;
    course.perform(action, LIMITS, cancel).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_docker_s_is_done() {
        assert!(action("docker stop redis-1").is_ok());
        assert!(action("docker compose up -d redis-8").is_ok());
        for wrong in [
            "redis-cli -p 7001 PING",
            "docker stop redis-9",
            "docker run x",
            "rm -rf /",
            "docker stop ${x}",
        ] {
            assert!(action(wrong).is_err(), "{wrong}");
        }
    }
}
