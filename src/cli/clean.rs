//! `labrunner clean`

use clap::Args;
use labrunner::backend::BackendError;
use labrunner::backend::docker::clean::{CleanReport, clean, clean_runs};

use super::exit_code::Exit;
use super::output::{Output, complain_with_help, count, say};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The ids of runs, to remove what these have left and no other
    #[arg(value_name = "RUN")]
    runs: Vec<String>,

    /// Also what belongs to runs that are still going on
    #[arg(long)]
    all: bool,
}

/// Removes what killed runs have left, and says what that was.
pub fn run(arguments: &Arguments, _output: Output) -> Exit {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain_with_help(
                &format!("no threads to run on: {error}"),
                "is the machine out of memory or processes?",
            );
            return Exit::Unavailable;
        }
    };
    let runs: Vec<&str> = arguments.runs.iter().map(String::as_str).collect();
    let cleaned = runtime.block_on(async {
        if runs.is_empty() {
            clean(arguments.all).await
        } else {
            clean_runs(&runs, arguments.all).await
        }
    });
    match cleaned {
        Ok(report) => {
            tell(&report);
            Exit::Passed
        }
        Err(BackendError::Unavailable { what, help }) => {
            complain_with_help(&what, &help);
            Exit::Unavailable
        }
        Err(BackendError::Broken { what, help }) => {
            complain_with_help(&what, &help);
            Exit::Broken
        }
        Err(BackendError::Cancelled) => Exit::Interrupted,
    }
}

fn tell(report: &CleanReport) {
    for run in &report.removed {
        let kinds = [
            (run.containers, "container"),
            (run.networks, "network"),
            (run.volumes, "volume"),
        ];
        let things: Vec<String> = kinds
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| count(number, what))
            .collect();
        say(format!("removed run {}: {}", run.run, things.join(", ")));
    }
    for run in &report.left {
        say(format!("left run {}: {}", run.run, run.why));
    }
    if report.removed.is_empty() && report.left.is_empty() {
        say("nothing to remove");
    }
}
