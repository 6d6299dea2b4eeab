//! The command line: parses arguments, picks the parts, prints. One file a subcommand.

mod app;
mod book;
mod check;
mod clean;
mod cluster;
mod do_line;
mod down;
mod exit_code;
mod faults;
mod files;
mod options;
mod output;
mod redis_cli;
mod run;
mod schema;
mod signals;
mod simulate;
mod status;
mod up;
mod wrong_call;

use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use exit_code::Exit;
use output::{Output, complain_with_help};

use crate::backend::BackendError;
use crate::report::ColourChoice;

/// Runs course labs on Redis Cluster, and proves what they teach
///
/// A lab is one YAML file. `labrunner run` does what the lab says on real containers that it makes and removes itself, and says
/// where the course is wrong.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, arg_required_else_help = true, subcommand_required = true, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    look: Look,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  everything passed          4  the environment is not there (no engine, no image, a port taken)
  1  a check failed             5  the environment broke in the middle
  2  the call is wrong         70  a bug of labrunner
  3  a lab is not valid       130  interrupted

Examples:
  labrunner check labs/                    find every slip in the labs, without running them
  labrunner run labs/07-scale-down.yaml    run a lab on containers
  labrunner run labs/                      run all of them, in one environment where that is as good as new
  labrunner up labs/07-scale-down.yaml     make what a lab starts from, to do its steps by hand
  labrunner clean                          remove what a killed run has left";

/// Reserves seats of events, in Redis Cluster: the application of the course
#[derive(Debug, Parser)]
#[command(name = "app", version, max_term_width = 100, arg_required_else_help = true, subcommand_required = true, after_help = app::EXIT_CODES)]
struct AppArguments {
    #[command(flatten)]
    app: app::Arguments,

    #[command(flatten)]
    look: Look,
}

/// How output looks.
#[derive(Debug, Clone, Copy, Args)]
struct Look {
    /// Colours: on a terminal, always or never
    #[arg(long, global = true, value_enum, default_value_t = Colours::Auto, value_name = "WHEN")]
    color: Colours,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Colours {
    Auto,
    Always,
    Never,
}

impl From<Colours> for ColourChoice {
    fn from(colours: Colours) -> Self {
        match colours {
            Colours::Auto => ColourChoice::Auto,
            Colours::Always => ColourChoice::Always,
            Colours::Never => ColourChoice::Never,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run labs: make the cluster, do every step, check it, remove everything
    Run(run::Arguments),
    /// Make the course's environment and leave it standing, for commands typed by hand
    Up(up::Arguments),
    /// Say how the environment is that `labrunner up` made
    Status(status::Arguments),
    /// Remove the environment that `labrunner up` made
    Down(down::Arguments),
    /// Stop, start, freeze, cut off or remove nodes of the environment that stands, by docker's commands
    Do(do_line::Arguments),
    /// Find everything that is wrong with labs, without running them
    Check(check::Arguments),
    /// Print the JSON Schema of a lab, for completion in editors
    Schema(schema::Arguments),
    /// Look at the cluster of the environment that stands, watch it, change it: the course's make targets
    Cluster(cluster::Arguments),
    /// Make, show and check a guide of labs: an mdBook whose lab chapters come from the labs and their recordings
    Book(book::Arguments),
    /// Remove what killed runs have left: containers, networks, volumes, PostgreSQL servers
    Clean(clean::Arguments),
    /// Reserve seats of events: the application of the course
    App(Box<app::Arguments>),
    /// Be the process of the simulated nodes that `labrunner up --backend sim` leaves behind
    #[command(hide = true)]
    Simulate(simulate::Arguments),
    /// Send commands to Redis, make and change a cluster: redis-cli 7.0, for machines that have none
    RedisCli(redis_cli::Arguments),
}

/// The threads that a command works on.
///
/// # Errors
/// The exit code; why is printed.
fn runtime() -> Result<tokio::runtime::Runtime, Exit> {
    tokio::runtime::Runtime::new().map_err(|error| {
        complain_with_help(
            &format!("no threads to run on: {error}"),
            "is the machine out of memory or processes?",
        );
        Exit::Unavailable
    })
}

/// Prints what is wrong with an environment, and says how the command ends.
fn tell(error: BackendError) -> Exit {
    match error {
        BackendError::Unavailable { what, help } => {
            complain_with_help(&what, &help);
            Exit::Unavailable
        }
        BackendError::Broken { what, help } => {
            complain_with_help(&what, &help);
            Exit::Broken
        }
        BackendError::Cancelled => {
            output::complain("interrupted");
            Exit::Interrupted
        }
    }
}

/// Parses the arguments and does what they say; with `as_app` they are those of the application alone.
pub fn main(as_app: bool) -> ExitCode {
    if !crate::backend::leash::heed() {
        return Exit::Interrupted.into();
    }
    let arguments = match as_app {
        false => Arguments::try_parse(),
        true => AppArguments::try_parse().map(|arguments| Arguments {
            command: Command::App(Box::new(arguments.app)),
            look: arguments.look,
        }),
    };
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(error) => {
            let command = match as_app {
                false => Arguments::command(),
                true => AppArguments::command(),
            };
            let error = wrong_call::in_plain_words(error, &command);
            // Help and version are answers; everything else is a wrong call. Nothing can be done if the terminal is gone.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Passed
            }
            .into();
        }
    };
    let output = Output::decide(arguments.look.color.into());
    let result = std::panic::catch_unwind(move || match arguments.command {
        Command::Run(arguments) => run::run(&arguments, output).into(),
        Command::Up(arguments) => up::run(&arguments, output).into(),
        Command::Status(arguments) => status::run(&arguments, output).into(),
        Command::Down(arguments) => down::run(&arguments).into(),
        Command::Do(arguments) => do_line::run(&arguments).into(),
        Command::Check(arguments) => check::run(&arguments, output).into(),
        Command::Schema(arguments) => schema::run(&arguments).into(),
        Command::Cluster(arguments) => cluster::run(&arguments, output).into(),
        Command::Book(arguments) => book::run(&arguments).into(),
        Command::Clean(arguments) => clean::run(&arguments, output).into(),
        Command::App(arguments) => app::run(*arguments, output),
        Command::Simulate(arguments) => simulate::run(&arguments).into(),
        Command::RedisCli(arguments) => redis_cli::run(arguments),
    });
    result.unwrap_or_else(|_| Exit::Bug.into())
}
