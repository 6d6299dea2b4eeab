//! `labrunner up`

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;

use super::exit_code::Exit;
use super::faults::load_all;
use super::options::{Handle, Nodes};
use super::output::{Output, complain, complain_with_help, say};
use super::{runtime, signals, tell};
use crate::backend::Choice;
use crate::engine::event::{Event, Stamped};
use crate::engine::standing::{self, How, NotUp, State, Up, UpOptions};
use crate::engine::{Events, Interrupt};
use crate::lab::Lab;
use crate::report::{self, Journal, Reporter, Terminal, Verbosity};

const EXAMPLES: &str = "\
The containers have the course's names (redis-1 to redis-8, toolbox), addresses (172.30.0.11 to
.18) and ports (7001 to 7008), so that what the course says can be typed in any terminal. There can
be one such environment on a machine.

With `--backend sim`, and where there is no docker, the nodes are simulated in a process that goes
on in the background. They are at 127.0.0.1, at the same ports.

Typed again, it starts the containers again if the machine was restarted, and changes nothing
otherwise.

Exit codes:
  0  it stands                  4  it is not there (no engine, a port taken, another one stands)
  2  the call is wrong          5  it is broken
  3  the lab is not valid     130  interrupted; what was made is removed

Examples:
  labrunner up                             three masters, three replicas
  labrunner up labs/07-scale-down.yaml     what the lab starts from, to do its steps by hand
  redis-cli -p 7001 CLUSTER NODES          use it, from any terminal
  labrunner status                         how it is
  labrunner down                           remove it";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The lab whose `given` is made; without, the course's cluster of three masters and three replicas
    #[arg(value_name = "LAB")]
    lab: Option<PathBuf>,

    #[command(flatten)]
    nodes: Nodes,

    /// The port of PostgreSQL on this machine, for labs that have it, in place of the course's 5432
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    postgres_port: Option<u16>,

    #[command(flatten)]
    handle: Handle,

    /// Show every phase
    #[arg(short, long)]
    verbose: bool,
}

/// Makes the environment, or finds it, and says how it is reached.
pub fn run(arguments: &Arguments, output: Output) -> Exit {
    let files: Vec<PathBuf> = arguments.lab.iter().cloned().collect();
    let lab = match load_all(&files, output) {
        Ok(labs) => labs.into_iter().next(),
        Err(exit) => return exit,
    };
    let choice = match arguments.nodes.choice(&[]) {
        Ok(choice) => choice,
        Err(what) => {
            complain_with_help(&what, "leave it out, or leave `--backend sim` out");
            return Exit::Usage;
        }
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let terminal = Arc::new(Mutex::new(Some(terminal(arguments, output))));
    let events = Arc::new(Events::new(reporters(arguments, terminal.clone())));
    let interrupt = Interrupt::default();
    let up = runtime.block_on(async {
        tokio::spawn(signals::heed(
            interrupt.clone(),
            "something may be left: run `labrunner down`",
            |_| {},
        ));
        standing::up(options(arguments, choice, lab), &events, &interrupt).await
    });
    // What still hangs on a thread must not keep the command from ending.
    runtime.shutdown_background();
    // What is redrawn stays as it is now, and the next line begins on a line of its own.
    drop(
        terminal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(),
    );
    match up {
        Ok(up) => tell_up(&up, output),
        Err(NotUp::Untold(error)) => tell(error),
        Err(NotUp::Told(ending)) => {
            let exit = Exit::of(&[ending]);
            match exit {
                Exit::Interrupted => complain("interrupted"),
                _ => say(format!(
                    "journal: {}",
                    journal_of(&arguments.handle.state_dir).display()
                )),
            }
            exit
        }
    }
}

fn options(arguments: &Arguments, choice: Choice, lab: Option<Lab>) -> UpOptions {
    let command = match &lab {
        Some(lab) => format!("labrunner up {}", lab.source.name()),
        None => "labrunner up".to_owned(),
    };
    UpOptions {
        backend: choice,
        program: std::env::current_exe().ok(),
        lab,
        image: arguments.nodes.image(),
        postgres_image: arguments.nodes.postgres_image(),
        postgres_port: arguments.postgres_port,
        pull: arguments.nodes.pull(),
        state_dir: arguments.handle.state_dir.clone(),
        command,
    }
}

fn tell_up(up: &Up, output: Output) -> Exit {
    let (style, width) = (output.style, output.width);
    let text = match up.how {
        How::StoodAlready => report::environment(&up.survey, style, width),
        How::Made | How::StartedAgain => report::environment_below(&up.survey, style, width),
    };
    let verdict = match (up.how, up.survey.state) {
        (How::Made, State::Well) => "The environment stands.",
        (How::Made, _) => "The environment stands, but it is not well.",
        (How::StartedAgain, State::Well) => {
            "The environment stands again: its nodes were stopped, and are started."
        }
        (How::StartedAgain, _) => "The environment stands again, but it is not well.",
        (How::StoodAlready, State::Well) => "The environment stands already; nothing was changed.",
        (How::StoodAlready, _) => {
            "The environment stands already, but it is not well; nothing was changed."
        }
    };
    say(text.trim_end());
    say("");
    for done in &up.done {
        say(format!("  note: {done}"));
    }
    if !up.done.is_empty() {
        say("");
    }
    if up.survey.state == State::Well {
        say(report::how_to_use(&up.survey, style, width).trim_start_matches('\n'));
    }
    say(verdict);
    match up.survey.state {
        State::Well => Exit::Passed,
        _ => Exit::Broken,
    }
}

fn terminal(arguments: &Arguments, output: Output) -> Terminal {
    let verbosity = match arguments.verbose {
        true => Verbosity::Verbose,
        false => Verbosity::Normal,
    };
    output.terminal(verbosity)
}

/// The journal has everything; the terminal shows what happens, as long as it is there, and leaves the last word to this command.
fn reporters(
    arguments: &Arguments,
    terminal: Arc<Mutex<Option<Terminal>>>,
) -> crate::engine::events::Sink {
    let state_dir = arguments.handle.state_dir.clone();
    let mut journal: Option<Journal> = None;
    Box::new(move |event: &Stamped| {
        // Not before something happens: a call that changes nothing writes nothing.
        if journal.is_none() && matches!(event.event, Event::LabStarted { .. }) {
            journal = open_journal(&state_dir).map(Journal::new);
        }
        if let Some(journal) = &mut journal {
            journal.on(event);
        }
        let mut terminal = terminal.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(terminal) = terminal.as_mut() {
            terminal.on(event);
        }
    })
}

/// The journal of the last `up`. Without one, less can be found out later; that is no reason not to go on.
fn open_journal(state_dir: &Path) -> Option<File> {
    let path = journal_of(state_dir);
    fs::create_dir_all(path.parent()?).ok()?;
    File::create(path).ok()
}

fn journal_of(state_dir: &Path) -> PathBuf {
    state_dir.join("journals").join("up.jsonl")
}
