//! `labrunner run`

use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use clap::Args;

use super::exit_code::Exit;
use super::faults::load_all;
use super::options::Nodes;
use super::output::{Output, complain_with_help, say};
use super::{runtime, signals};
use crate::backend::{Backend, BackendError, Choice, DockerOptions, SimOptions, for_run};
use crate::engine::event::Event;
use crate::engine::{self, Events, Interrupt, Maker, Manner};
use crate::lab::Lab;
use crate::report::recording::{Recorded, Recorder};
use crate::report::{Journal, Reporter, Reporters, Verbosity};

/// Journals of earlier runs that are kept.
const JOURNALS_KEPT: usize = 50;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Labs: files, directories (every *.yaml and *.yml directly in one, by name; not those in its subdirectories), or quoted
    /// patterns such as 'labs/0*.yaml'. They are run in this order, each from its own `given`
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Run each lab in an environment of its own
    ///
    /// Without this, a lab that passes leaves its environment to the next one, which takes seconds less to reach its start: nodes that
    /// can be made as good as new are reset, the others are removed and made anew. What that can't take back are counts, such as the
    /// replication offset, which goes on from where it was.
    #[arg(long)]
    fresh: bool,

    /// How many labs are run at once, each in an environment of its own
    ///
    /// What is shown, and the journal, tell of one lab after the other all the same, in the order in which they are given. Labs
    /// that judge how long requests take begin first, and the others when that is judged. Without this, labs on simulated nodes are run eight at
    /// once, and labs on containers one after the other.
    #[arg(short, long, value_name = "N", conflicts_with_all = ["record", "first_port", "subnet"])]
    jobs: Option<NonZeroUsize>,

    /// Write what each lab that passes has shown to DIR, as NAME.json: what the guide shows. Implies --fresh
    ///
    /// What differs from run to run (node ids, epochs, offsets) has a name in its place, so that two recordings of a lab differ in their date
    /// and in what was measured, and in nothing else.
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "fixtures/recordings"
    )]
    record: Option<PathBuf>,

    #[command(flatten)]
    nodes: Nodes,

    /// With docker: the network's first three numbers, such as 172.30.0, in place of one that is free
    #[arg(long, value_name = "A.B.C", value_parser = three_numbers)]
    subnet: Option<String>,

    /// With docker: the first of the eight host ports, such as 7001, in place of ports that are free
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=65528))]
    first_port: Option<u16>,

    /// With simulated nodes: a PostgreSQL server that is there already, for labs that need one, in place of one that is started and thrown away. A database of the run's
    /// own is made on it and removed again; nothing else on it is touched
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,

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

/// Runs the labs.
pub fn run(arguments: &Arguments, output: Output) -> Exit {
    let docker_s = [
        arguments.subnet.as_ref().map(|_| "--subnet"),
        arguments.first_port.map(|_| "--first-port"),
    ];
    let docker_s: Vec<&str> = docker_s.into_iter().flatten().collect();
    let choice = match arguments.nodes.choice(&docker_s) {
        Ok(choice) => choice,
        Err(what) => {
            complain_with_help(&what, "leave it out, or leave `--backend sim` out");
            return Exit::Usage;
        }
    };
    let choice = match (&arguments.database_url, choice) {
        (Some(_), Choice::Docker) => {
            complain_with_help(
                "--database-url names a PostgreSQL for simulated nodes, and containers have their own",
                "leave it out, or what asks for containers",
            );
            return Exit::Usage;
        }
        (Some(_), _) => Choice::Sim,
        (None, choice) => choice,
    };
    let labs = match load_all(&arguments.files, output) {
        Ok(labs) => labs,
        Err(exit) => return exit,
    };
    let run = new_run_id();
    let journal = match open_journal(arguments, &run) {
        Ok(journal) => journal,
        Err(exit) => return exit,
    };
    if let Some(folder) = &arguments.record
        && let Err(exit) = can_record(folder, &labs)
    {
        return exit;
    }
    let recorder = arguments.record.as_ref().map(|_| Recorder::new(&labs));
    let recorded = recorder.as_ref().map(Recorder::recorded);
    let events = Arc::new(Events::new(reporters(arguments, output, journal, recorder)));
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
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let interrupt = Interrupt::default();
    let exit = runtime.block_on(async {
        let told = events.clone();
        tokio::spawn(signals::heed(
            interrupt.clone(),
            "something may be left: run `labrunner clean`",
            move |times| told.emit(Event::Interrupted { times }),
        ));
        run_labs(arguments, choice, labs, &run, &events, &interrupt).await
    });
    // What still hangs on a thread (a process that does not end) must not keep the command from ending.
    runtime.shutdown_background();
    match (&arguments.record, recorded) {
        (Some(folder), Some(recorded)) => match write_recordings(folder, &recorded) {
            // What the labs were is worse than that it is not on disk.
            Err(trouble) if exit == Exit::Passed => trouble,
            _ => exit,
        },
        _ => exit,
    }
}

/// Finds out before a run of minutes whether its recordings will find a place.
fn can_record(folder: &Path, labs: &[Lab]) -> Result<(), Exit> {
    let mut names: Vec<_> = labs
        .iter()
        .filter_map(|lab| Path::new(lab.source.name()).file_stem())
        .collect();
    names.sort();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        complain_with_help(
            &format!("two labs are called {}", pair[0].display()),
            "a recording has the name of its lab's file: record them one after the other, into different folders",
        );
        return Err(Exit::Usage);
    }
    fs::create_dir_all(folder).map_err(|error| not_recorded(folder, &error))
}

fn write_recordings(folder: &Path, recorded: &Recorded) -> Result<(), Exit> {
    for recording in recorded.take() {
        let path = folder.join(format!("{}.json", recording.lab));
        let written = recording
            .to_text()
            .map_err(std::io::Error::other)
            .and_then(|text| fs::write(&path, text));
        written.map_err(|error| not_recorded(&path, &error))?;
        say(format!("recorded: {}", path.display()));
    }
    Ok(())
}

fn not_recorded(path: &Path, error: &std::io::Error) -> Exit {
    complain_with_help(
        &format!(
            "a recording can't be written to {}: {error}",
            path.display()
        ),
        "choose another place: --record=DIR",
    );
    Exit::Unavailable
}

async fn run_labs(
    arguments: &Arguments,
    choice: Choice,
    labs: Vec<Lab>,
    run: &str,
    events: &Arc<Events>,
    interrupt: &Interrupt,
) -> Exit {
    let maker = EnvironmentMaker {
        run: run.to_owned(),
        choice,
        chosen: OnceLock::new(),
        containers: DockerOptions {
            image: arguments.nodes.image(),
            postgres: labs.iter().any(needs_postgres),
            postgres_image: arguments.nodes.postgres_image(),
            pull: arguments.nodes.pull(),
            subnet: arguments.subnet.clone(),
            first_port: arguments.first_port,
            state_dir: arguments.state_dir.clone(),
            // Whatever it is called by now, it is labrunner.
            app: std::env::current_exe().ok(),
            ..DockerOptions::default()
        },
        simulated: SimOptions {
            program: std::env::current_exe().ok(),
            database_url: arguments.database_url.clone(),
            ..SimOptions::default()
        },
        events: events.clone(),
        made: AtomicUsize::new(0),
    };
    // A recording must not depend on which lab was run before, nor its figures on what goes on beside it.
    let records = arguments.record.is_some();
    let manner = Manner {
        fresh: arguments.fresh || records,
        at_once: records.then_some(NonZeroUsize::MIN).or(arguments.jobs),
    };
    let result = engine::run_all(labs, Arc::new(maker), manner, events, interrupt).await;
    let exit = Exit::of(&result.endings);
    events.emit(Event::RunFinished {
        labs: result.counts,
        exit_code: exit.code(),
        took: events.elapsed(),
    });
    exit
}

/// Whether a lab that is run on containers starts with PostgreSQL.
fn needs_postgres(lab: &Lab) -> bool {
    let is_skipped = lab.skip_on.iter().any(|skip| skip.backend == "docker");
    let given = lab.given.as_ref().filter(|_| !is_skipped);
    given.is_some_and(|given| given.postgres.is_some())
}

/// Makes the environments of a run.
struct EnvironmentMaker {
    run: String,
    choice: Choice,
    /// What the first was made with, and so all are.
    chosen: OnceLock<Choice>,
    /// Of each, but for its id.
    containers: DockerOptions,
    simulated: SimOptions,
    events: Arc<Events>,
    made: AtomicUsize,
}

#[async_trait]
impl Maker for EnvironmentMaker {
    async fn make(&self) -> Result<Arc<dyn Backend>, BackendError> {
        let before = self.made.fetch_add(1, Ordering::Relaxed);
        // Each has a name of its own: of the one before, something may have resisted its removal.
        let run = match before {
            0 => self.run.clone(),
            _ => format!("{}-{}", self.run, before + 1),
        };
        let containers = DockerOptions {
            run,
            ..self.containers.clone()
        };
        let choice = *self.chosen.get().unwrap_or(&self.choice);
        let (backend, why) = for_run(choice, containers, self.simulated.clone()).await?;
        let chosen = match backend.name() {
            "sim" => Choice::Sim,
            // One that was chosen downloads nothing either.
            _ => choice,
        };
        if self.chosen.set(chosen).is_ok() {
            self.events.emit(Event::BackendChosen {
                backend: backend.name(),
                why,
            });
        }
        Ok(backend)
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
    recorder: Option<Recorder>,
) -> engine::events::Sink {
    let verbosity = match (arguments.quiet, arguments.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    let journal = Journal::new(file);
    let fate = journal.fate();
    let terminal = output.terminal(verbosity);
    let terminal = terminal.with_journal(path.display().to_string(), fate);
    let mut reporters = Reporters(vec![Box::new(journal), Box::new(terminal)]);
    reporters
        .0
        .extend(recorder.map(|recorder| Box::new(recorder) as Box<dyn Reporter>));
    Box::new(move |event| {
        reporters.on(event);
        if matches!(event.event, Event::RunFinished { .. }) {
            reporters.finish();
        }
    })
}
