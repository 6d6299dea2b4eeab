//! `labrunner down`

use clap::Args;

use super::exit_code::Exit;
use super::options::Handle;
use super::output::{count, say};
use super::{runtime, tell};
use crate::backend::BackendError;
use crate::backend::docker::course::CourseRemains;
use crate::backend::standing::{self, EnvironmentLock};

const EXAMPLES: &str = "\
Everything that `labrunner up` made is removed, with the nodes that were added to it by hand, their
data and the network. Runs of `labrunner run` are left alone.

Exit codes:
  0  nothing of it is left, or there was nothing     4  no engine, or another command is at it
  2  the call is wrong                               5  something could not be removed

Examples:
  labrunner down                                   remove it
  labrunner down && labrunner up labs/07-*.yaml    from one lab to the next";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    handle: Handle,
}

/// Removes the environment.
pub fn run(arguments: &Arguments) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    match runtime.block_on(remove(arguments)) {
        Ok(remains) => {
            say(in_words(&remains));
            Exit::Passed
        }
        Err(error) => tell(error),
    }
}

async fn remove(arguments: &Arguments) -> Result<CourseRemains, BackendError> {
    let lock = EnvironmentLock::take(&arguments.handle.state_dir, "labrunner down")?;
    let remains = standing::remove(&arguments.handle.state_dir).await?;
    lock.remove();
    // If nothing else was kept in it.
    let _ = std::fs::remove_dir(&arguments.handle.state_dir);
    Ok(remains)
}

fn in_words(remains: &CourseRemains) -> String {
    if remains.simulated && remains.containers == 0 {
        return "removed the environment: its simulated nodes have ended".to_owned();
    }
    if remains.containers == 0 && remains.networks == 0 {
        return match &remains.others {
            None => "no environment stands here: there is nothing to remove".to_owned(),
            Some((what, help)) => {
                format!(
                    "no environment of this folder stands: there is nothing to remove\n  note: {what}\n  {help}"
                )
            }
        };
    }
    let things: Vec<String> = [
        (remains.containers, "container"),
        (remains.networks, "network"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| count(number, what))
    .collect();
    format!("removed the environment: {}", things.join(", "))
}
