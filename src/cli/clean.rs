//! `labrunner clean`

use clap::Args;
use labrunner::backend::BackendError;
use labrunner::backend::docker::clean::{CleanReport, clean};

use super::exit_code::Exit;
use super::output::{Output, complain_with_help, say};

#[derive(Debug, Args)]
pub struct Arguments {
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
    match runtime.block_on(clean(arguments.all)) {
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
        say(format!(
            "removed run {}: {} containers, {} networks, {} volumes",
            run.run, run.containers, run.networks, run.volumes
        ));
    }
    for run in &report.left {
        say(format!("left run {}: {}", run.run, run.why));
    }
    if report.removed.is_empty() && report.left.is_empty() {
        say("nothing to remove");
    }
}
