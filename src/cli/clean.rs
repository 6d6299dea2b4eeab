//! `labrunner clean`

use std::path::PathBuf;

use clap::Args;

use super::exit_code::Exit;
use super::output::{Output, count, say};
use super::runtime;
use crate::backend::docker::clean::{COURSE, CleanReport, clean, clean_runs};
use crate::backend::docker::is_installed;
use crate::backend::postgres::left;
use crate::backend::standing::{self, Standing};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The ids of runs, to remove what these have left and no other
    #[arg(value_name = "RUN")]
    runs: Vec<String>,

    /// Also what belongs to runs that are still going on, and the environment of `labrunner up`
    #[arg(long)]
    all: bool,

    /// Where labrunner keeps what it has to remember of the environment of `labrunner up`
    #[arg(
        long,
        env = "LABRUNNER_STATE",
        default_value = ".labrunner",
        value_name = "DIR"
    )]
    state_dir: PathBuf,
}

/// Removes what killed runs have left, and says what that was.
pub fn run(arguments: &Arguments, _output: Output) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let runs: Vec<&str> = arguments.runs.iter().map(String::as_str).collect();
    let simulated = match runs.is_empty() || runs.contains(&COURSE) {
        true => runtime.block_on(standing::clean_simulated(
            &arguments.state_dir,
            arguments.all,
        )),
        false => Ok(false),
    };
    let simulated = match simulated {
        Ok(simulated) => simulated,
        Err(error) => return super::tell(error),
    };
    if simulated {
        say("removed the environment of `labrunner up`, whose nodes were simulated");
    }
    // These need no engine, so they are removed where there is none. That of an environment went with it.
    let servers = clean_servers(&runs, arguments.all);
    // Where no docker is, nothing of docker's is left; and a simulated run leaves nothing, however it ends.
    if !is_installed() && runs.iter().all(|run| *run == COURSE) {
        if !simulated && servers == 0 {
            say("nothing to remove (there is no docker here)");
        }
        return Exit::Passed;
    }
    let cleaned = runtime.block_on(async {
        if runs.is_empty() {
            clean(arguments.all).await
        } else {
            clean_runs(&runs, arguments.all).await
        }
    });
    match cleaned {
        Ok(report) => {
            tell(&report, servers);
            let removes_course = arguments.all && (runs.is_empty() || runs.contains(&COURSE));
            if removes_course && !report.left.iter().any(|left| left.run == COURSE) {
                // Whatever it says, there is no such environment any more.
                return match Standing::forget(&arguments.state_dir) {
                    Ok(()) => Exit::Passed,
                    Err(error) => super::tell(error),
                };
            }
            Exit::Passed
        }
        Err(error) => super::tell(error),
    }
}

/// `run x`, or what stands for it.
fn name(run: &str) -> String {
    match run {
        COURSE => "the environment of `labrunner up`".to_owned(),
        run => format!("run {run}"),
    }
}

/// Removes the PostgreSQL servers that killed owners have left, or those of these runs; `all`: also those that have an owner. Says of each
/// what became of it, and returns how many there were.
fn clean_servers(runs: &[&str], all: bool) -> usize {
    let concerned = left::find().into_iter().filter(|found| match &found.run {
        Some(run) => runs.is_empty() || runs.contains(&run.as_str()),
        None => runs.is_empty(),
    });
    let told = concerned.map(|found| {
        let whose = match &found.run {
            Some(run) => format!("the PostgreSQL server {} of run {run}", found.id),
            None => format!("the PostgreSQL server {}", found.id),
        };
        say(if found.owned && !all {
            format!("left {whose}: still running")
        } else {
            match found.remove() {
                Ok(()) => format!("removed {whose}"),
                Err(error) => format!("left {whose}: {error}"),
            }
        });
    });
    told.count()
}

fn tell(report: &CleanReport, servers: usize) {
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
        say(format!("removed {}: {}", name(&run.run), things.join(", ")));
    }
    for run in &report.left {
        say(format!("left {}: {}", name(&run.run), run.why));
    }
    if report.removed.is_empty() && report.left.is_empty() && servers == 0 {
        say("nothing to remove");
    }
}
