//! `labrunner status`

use clap::Args;
use serde_json::{Value, json};

use super::exit_code::Exit;
use super::options::Handle;
use super::output::{Output, complain, say};
use super::{runtime, tell};
use crate::backend::BackendError;
use crate::backend::standing::none;
use crate::engine::standing::{State, Survey, survey};
use crate::report;

const EXAMPLES: &str = "\
Exit codes:
  0  it stands and is well      4  there is none, or it is not ready yet
  2  the call is wrong          5  it is broken

A node that somebody has stopped is noted; that alone does not make the environment broken.

Examples:
  labrunner status                               how it is, a line a node
  labrunner status --json | jq -r .cluster.ok    the same for programs
  until labrunner status; do sleep 1; done       wait until it is well";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    handle: Handle,
}

/// Says how the environment is.
pub fn run(arguments: &Arguments, output: Output) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let surveyed = runtime.block_on(survey(&arguments.handle.state_dir));
    let surveyed = surveyed.and_then(|survey| survey.ok_or_else(none));
    if arguments.json {
        return tell_json(surveyed);
    }
    match surveyed {
        Ok(survey) => {
            say(report::environment(&survey, output.style, output.width).trim_end());
            exit_of(&survey)
        }
        Err(error) => tell(error),
    }
}

fn exit_of(survey: &Survey) -> Exit {
    match survey.state {
        State::Well => Exit::Passed,
        State::BeingMade => Exit::Unavailable,
        State::Broken | State::Stopped | State::Gone | State::HalfMade => Exit::Broken,
    }
}

/// One JSON object on standard output, whatever there is to tell.
fn tell_json(surveyed: Result<Survey, BackendError>) -> Exit {
    let (value, exit) = match surveyed {
        Ok(survey) => match serde_json::to_value(&survey) {
            Ok(value) => (value, exit_of(&survey)),
            Err(error) => {
                complain(format!(
                    "error: the survey can't be written as JSON: {error}"
                ));
                return Exit::Bug;
            }
        },
        Err(error) => {
            let (state, exit) = match &error {
                BackendError::Unavailable { .. } => ("none", Exit::Unavailable),
                BackendError::Broken { .. } => ("broken", Exit::Broken),
                BackendError::Cancelled => ("unknown", Exit::Interrupted),
            };
            (trouble(state, error), exit)
        }
    };
    say(format!("{value:#}"));
    exit
}

fn trouble(state: &str, error: BackendError) -> Value {
    let faults = match error {
        BackendError::Unavailable { what, help } | BackendError::Broken { what, help } => {
            vec![json!({"what": what, "help": help})]
        }
        BackendError::Cancelled => Vec::new(),
    };
    json!({"state": state, "faults": faults})
}
