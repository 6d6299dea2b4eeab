//! `labrunner run`

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use labrunner::backend::docker::{Docker, DockerOptions};
use labrunner::backend::{Backend, BackendError};
use labrunner::engine::event::{Counts, Event};
use labrunner::engine::{self, Ending, Events, Interrupt};
use labrunner::lab::Lab;
use labrunner::report::{Journal, Reporter, Reporters, Terminal, Verbosity};
use tokio::signal::unix::{SignalKind, signal};

use super::exit_code::Exit;
use super::faults::load_all;
use super::output::{Output, complain, complain_with_help};

/// Journals of earlier runs that are kept.
const JOURNALS_KEPT: usize = 50;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The labs' files, run in this order, each from its own `given`
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Where the nodes live; `auto` takes the first that can serve now, without downloading
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto, value_name = "BACKEND")]
    backend: BackendChoice,

    /// The image of the nodes, in place of the one in docker-compose.yml
    #[arg(long, env = "LAB_REDIS_IMAGE", value_name = "IMAGE")]
    image: Option<String>,

    /// The network's first three numbers, such as 172.30.0, in place of one that is free
    #[arg(long, value_name = "A.B.C", value_parser = three_numbers)]
    subnet: Option<String>,

    /// The first of the eight host ports, such as 7001, in place of ports that are free
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=65528))]
    first_port: Option<u16>,

    /// Where the journal is written, in place of .labrunner/journals
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,

    /// Where runs keep what they need while they last
    #[arg(
        long,
        env = "LABRUNNER_STATE",
        default_value = ".labrunner",
        value_name = "DIR"
    )]
    state_dir: PathBuf,

    /// Show failures and the last line only
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,

    /// Show every command as it is really run, and every check
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BackendChoice {
    /// The first of the others that can serve now, without downloading
    Auto,
    /// Containers; pulls the image if it is not there
    Docker,
}

/// Runs the labs.
pub fn run(arguments: &Arguments, output: Output) -> Exit {
    let labs = match load_all(&arguments.files, output) {
        Ok(labs) => labs,
        Err(exit) => return exit,
    };
    let run = new_run_id();
    let journal = match open_journal(arguments, &run) {
        Ok(journal) => journal,
        Err(exit) => return exit,
    };
    let events = Arc::new(Events::new(reporters(arguments, output, journal)));
    events.emit(Event::RunStarted {
        run: run.clone(),
        version: env!("CARGO_PKG_VERSION"),
        unix_seconds: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        files: labs
            .iter()
            .map(|lab| lab.source.name().to_owned())
            .collect(),
    });
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
    let interrupt = Interrupt::default();
    let exit = runtime.block_on(async {
        tokio::spawn(heed_signals(interrupt.clone(), events.clone()));
        run_labs(arguments, labs, &run, &events, &interrupt).await
    });
    // What still hangs on a thread (a process that does not end) must not keep the command from ending.
    runtime.shutdown_background();
    exit
}

async fn run_labs(
    arguments: &Arguments,
    labs: Vec<Lab>,
    run: &str,
    events: &Arc<Events>,
    interrupt: &Interrupt,
) -> Exit {
    let mut endings = Vec::new();
    let mut counts = Counts {
        not_run: labs.len(),
        ..Counts::default()
    };
    for (at, lab) in labs.into_iter().enumerate() {
        if interrupt.soft.is_cancelled() {
            endings.push(Ending::Interrupted);
            break;
        }
        counts.not_run -= 1;
        // Every lab has an environment of its own, and so a name of its own for it.
        let id = if at == 0 {
            run.to_owned()
        } else {
            format!("{run}-{}", at + 1)
        };
        let prepared = tokio::select! {
            prepared = prepare(arguments, id, events, at == 0) => prepared,
            () = interrupt.soft.cancelled() => Err(BackendError::Cancelled),
        };
        let ending = match prepared {
            Ok(backend) => {
                let result =
                    engine::run(Arc::new(lab), backend, events.clone(), interrupt.clone()).await;
                counts.checks += result.counts.checks;
                result.ending
            }
            Err(error) => tell(events, error),
        };
        match ending {
            Ending::Passed => counts.passed += 1,
            Ending::Skipped => counts.skipped += 1,
            _ => counts.failed += 1,
        }
        endings.push(ending);
        if matches!(ending, Ending::Unavailable | Ending::Interrupted) {
            break;
        }
    }
    // Also when it was wished at the very end, while the last environment was being removed.
    if interrupt.times() > 0 {
        endings.push(Ending::Interrupted);
    }
    let exit = Exit::of(&endings);
    events.emit(Event::RunFinished {
        labs: counts,
        exit_code: exit.code(),
        took: events.elapsed(),
    });
    exit
}

async fn prepare(
    arguments: &Arguments,
    run: String,
    events: &Events,
    first: bool,
) -> Result<Arc<dyn Backend>, BackendError> {
    let chosen = arguments.backend == BackendChoice::Docker;
    let options = DockerOptions {
        run,
        // In CI a variable that is not set is often set to nothing.
        image: arguments.image.clone().filter(|image| !image.is_empty()),
        pull: chosen,
        subnet: arguments.subnet.clone(),
        first_port: arguments.first_port,
        state_dir: arguments.state_dir.clone(),
    };
    let docker = Docker::prepare(options).await?;
    if first {
        events.emit(Event::BackendChosen {
            backend: docker.name(),
            why: docker.why().to_owned(),
        });
    }
    Ok(Arc::new(docker))
}

fn tell(events: &Events, error: BackendError) -> Ending {
    let (what, help, ending) = match error {
        BackendError::Unavailable { what, help } => (what, help, Ending::Unavailable),
        BackendError::Broken { what, help } => (what, help, Ending::Broken),
        BackendError::Cancelled => return Ending::Interrupted,
    };
    events.emit(Event::Trouble {
        step: None,
        what,
        help: Some(help),
    });
    ending
}

/// Ctrl-C, a polite kill and a closed terminal all wish the run to end. The third wish is heeded at once.
async fn heed_signals(interrupt: Interrupt, events: Arc<Events>) {
    let listen = |kind| signal(kind);
    let (Ok(mut ctrl_c), Ok(mut terminate), Ok(mut hang_up)) = (
        listen(SignalKind::interrupt()),
        listen(SignalKind::terminate()),
        listen(SignalKind::hangup()),
    ) else {
        return;
    };
    loop {
        tokio::select! {
            _ = ctrl_c.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
        let times = interrupt.request();
        if times >= 3 {
            complain("interrupted a third time; containers may be left: run `labrunner clean`");
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
        events.emit(Event::Interrupted { times });
    }
}

/// A network's first three numbers, as they are typed.
fn three_numbers(text: &str) -> Result<String, String> {
    let numbers: Vec<&str> = text.split('.').collect();
    if numbers.len() == 3 && numbers.iter().all(|number| number.parse::<u8>().is_ok()) {
        Ok(text.to_owned())
    } else {
        Err("say the network's first three numbers, as in 172.30.0".to_owned())
    }
}

/// Six letters and digits, unlike those of other runs on the machine.
fn new_run_id() -> String {
    use rand::Rng;
    const SIGNS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let mut random = rand::rng();
    (0..6)
        .map(|_| char::from(SIGNS[random.random_range(0..SIGNS.len())]))
        .collect()
}

fn open_journal(arguments: &Arguments, run: &str) -> Result<(File, PathBuf), Exit> {
    let path = arguments.journal.clone().unwrap_or_else(|| {
        arguments
            .state_dir
            .join("journals")
            .join(format!("{run}.jsonl"))
    });
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let opened = folder
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| File::create(&path));
    match opened {
        Ok(file) => {
            if let (None, Some(folder)) = (&arguments.journal, folder) {
                forget_old_journals(folder);
            }
            Ok((file, path))
        }
        Err(error) => {
            let help =
                "choose another place: --journal FILE, or --state-dir DIR for all that a run keeps";
            complain_with_help(
                &format!(
                    "the journal can't be written to {}: {error}",
                    path.display()
                ),
                help,
            );
            Err(Exit::Unavailable)
        }
    }
}

/// Removes all but the newest journals. What can't be removed stays.
fn forget_old_journals(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut journals: Vec<(SystemTime, PathBuf)> = entries
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "jsonl"))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    journals.sort();
    for (_, path) in journals.iter().rev().skip(JOURNALS_KEPT) {
        let _ = fs::remove_file(path);
    }
}

fn reporters(
    arguments: &Arguments,
    output: Output,
    (file, path): (File, PathBuf),
) -> engine::events::Sink {
    let verbosity = match (arguments.quiet, arguments.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    let journal = Journal::new(file);
    let fate = journal.fate();
    let terminal = if output.live {
        Terminal::live(
            console::Term::buffered_stdout(),
            verbosity,
            output.style,
            output.width,
        )
    } else {
        Terminal::new(std::io::stdout(), verbosity, output.style, output.width)
    };
    let terminal = terminal.with_journal(path.display().to_string(), fate);
    let mut reporters = Reporters(vec![Box::new(journal), Box::new(terminal)]);
    Box::new(move |event| {
        reporters.on(event);
        if matches!(event.event, Event::RunFinished { .. }) {
            reporters.finish();
        }
    })
}
