//! *The* environment, as `labrunner up --backend sim` leaves it standing: nodes at 127.0.0.1:7001 and up, in a process of their own that goes on when the command has ended. Their time
//! is the machine's.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::change::Said;
use super::control::{Answer, Ask, Files};
use super::hosts::{Hosts, first_taken_port};
use super::programs::{Either, Programs};
use super::{SimOptions, off_thread};
use crate::backend::database::{Database, Reached};
use crate::backend::leash::LEASH;
use crate::backend::standing::{self, Course};
use crate::backend::{Backend, BackendError, Clock, Life, NodeState, RealClock, application};
use crate::cluster::NodeName;
use crate::lab::action::{Action, Limits, Output};
use crate::lab::environment::{CourseNode, POSTGRES_PORT};
use crate::resp::AddressBook;

pub use super::host::serve;

/// The command of labrunner that is the process of the nodes.
pub const COMMAND: &str = "simulate";
/// What stands in the place of an image.
const IMAGE: &str = "simulated";
/// The same of PostgreSQL's.
const THIS_MACHINES: &str = "this machine's own";
/// A process is there within some milliseconds, if the machine is not very busy.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long it may take to end, before it is ended.
const END_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks at whether it is there, or gone.
const PAUSE: Duration = Duration::from_millis(5);

/// The environment in another process.
#[derive(Debug)]
pub struct CourseSim {
    files: Files,
    state_dir: PathBuf,
    lock: PathBuf,
    program: PathBuf,
    programs: Programs,
    clock: Arc<RealClock>,
    addresses: AddressBook,
    why: String,
    postgres_port: u16,
    /// The database, once there is one.
    database: Mutex<Option<Reached>>,
    closing: CancellationToken,
    /// The process, if this one started it.
    child: Mutex<Option<std::process::Child>>,
}

impl CourseSim {
    /// Finds out whether the environment can be made here. Makes nothing yet. The caller holds the
    /// [`EnvironmentLock`](crate::backend::standing::EnvironmentLock) of the state folder.
    ///
    /// # Errors
    /// `Unavailable` when a port of the course is taken; `Broken` when labrunner's own program is not known.
    pub fn prepare(options: &SimOptions, state_dir: &Path) -> Result<CourseSim, BackendError> {
        let made = CourseSim::attach(options, state_dir)?;
        // One without a handle is nobody's.
        if made.files.lives() {
            return Err(BackendError::Unavailable {
                what: "simulated nodes of this folder are there already".to_owned(),
                help: "remove them first: `labrunner down`".to_owned(),
            });
        }
        if let Some((port, error)) = first_taken_port() {
            return Err(BackendError::Unavailable {
                what: format!("port {port} of 127.0.0.1 can't be had: {error}"),
                help: "stop the program that has it: the course's text names this port. It may be another environment: `docker ps`, or `labrunner down` in another folder"
                    .to_owned(),
            });
        }
        Ok(made)
    }

    /// Takes hold of an environment that stands, however it is. Makes nothing, and dropped, removes nothing.
    ///
    /// # Errors
    /// `Broken` when labrunner's own program is not known.
    pub fn attach(options: &SimOptions, state_dir: &Path) -> Result<CourseSim, BackendError> {
        let programs = Programs::find(options.program.as_deref(), Hosts::Loopback.terms())?;
        let clock = Arc::new(RealClock::new());
        Ok(CourseSim {
            files: Files::of(state_dir),
            lock: standing::lock_path(state_dir),
            state_dir: state_dir.to_owned(),
            program: application::program(options.program.as_deref())?,
            why: format!(
                "redis 7.0.15, simulated in a process of its own; {}",
                programs.redis_cli_in_words()
            ),
            programs,
            addresses: Hosts::Loopback.book(clock.clone()),
            clock,
            postgres_port: options.postgres_port.unwrap_or(POSTGRES_PORT),
            database: Mutex::default(),
            closing: CancellationToken::new(),
            child: Mutex::new(None),
        })
    }

    /// The same, with the database that was made when the environment was.
    pub(in crate::backend) fn with_database(self, url: Option<String>) -> Self {
        *self.database() = url.map(Reached::by);
        self
    }

    fn database(&self) -> MutexGuard<'_, Option<Reached>> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, with another reason for why nodes live here.
    pub(in crate::backend) fn because(self, why: String) -> Self {
        CourseSim { why, ..self }
    }

    /// Starts the process, if none is there.
    async fn host(&self, cancel: &CancellationToken) -> Result<(), BackendError> {
        if self.files.read().is_some() {
            return Ok(());
        }
        let state_dir =
            std::path::absolute(&self.state_dir).unwrap_or_else(|_| self.state_dir.clone());
        // Of one that has died.
        let _ = std::fs::remove_file(self.files.desk());
        let started = std::fs::create_dir_all(self.files.folder())
            .and_then(|()| std::fs::File::create(self.files.log()))
            .and_then(|log| {
                std::process::Command::new(&self.program)
                    .args([COMMAND, "--state-dir"])
                    .arg(&state_dir)
                    .env_remove(LEASH)
                    .current_dir("/")
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(log)
                    .spawn()
            });
        let child = started.map_err(|error| BackendError::Unavailable {
            what: format!("no process for the simulated nodes can be started: {error}"),
            help: format!(
                "see whether {} can be run and {} can be written to",
                self.program.display(),
                self.files.folder().display()
            ),
        })?;
        *self.child() = Some(child);
        let deadline = Instant::now() + START_LIMIT;
        while self.files.read().is_none() {
            let ended = self
                .child()
                .as_mut()
                .is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
            if ended || Instant::now() >= deadline {
                let words = std::fs::read_to_string(self.files.log()).unwrap_or_default();
                let words: Vec<&str> = words.lines().map(str::trim).collect();
                return Err(BackendError::Broken {
                    what: format!(
                        "the process for the simulated nodes did not start: {}",
                        words.join(" ")
                    ),
                    help: format!("see {}", self.files.log().display()),
                });
            }
            tokio::select! {
                () = cancel.cancelled() => return Err(BackendError::Cancelled),
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        Ok(())
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Option<std::process::Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn said(&self, ask: Ask) -> Result<Said, BackendError> {
        match self.files.ask(ask).await? {
            Answer::Said(said) => Ok(said),
            _ => Err(no_answer()),
        }
    }

    fn either(&self, cancel: &CancellationToken) -> Either {
        Either::new(cancel, &self.closing)
    }
}

/// Whether simulated nodes live for this folder.
pub(in crate::backend) fn lives(state_dir: &Path) -> bool {
    Files::of(state_dir).lives()
}

/// Ends the process of the simulated nodes of a state folder, and removes its files. Whether there was one.
///
/// # Errors
/// `Broken` when it does not end.
pub(in crate::backend) async fn remove(state_dir: &Path) -> Result<bool, BackendError> {
    let files = Files::of(state_dir);
    let desk = files.read();
    let lived = files.lives();
    if lived {
        // One that does not hear is killed below.
        let _ = files.ask(Ask::End).await;
        if !ended_within(&files, END_LIMIT).await {
            // It holds its lock, so the number is still its own.
            if let Some(process) = desk
                .and_then(|desk| i32::try_from(desk.process).ok())
                .and_then(rustix::process::Pid::from_raw)
            {
                let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
            }
            if !ended_within(&files, END_LIMIT).await {
                return Err(BackendError::Broken {
                    what: "the process of the simulated nodes does not end".to_owned(),
                    help: format!("end it by hand; see {}", files.desk().display()),
                });
            }
        }
    }
    if files.desk().exists() || lived {
        files.remove();
    }
    Ok(lived)
}

async fn ended_within(files: &Files, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while files.lives() {
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
    }
    true
}

fn no_answer() -> BackendError {
    BackendError::Broken {
        what: "the process of the simulated nodes gave an answer to another question".to_owned(),
        help: "it may be another version of labrunner: `labrunner down`, then `labrunner up`"
            .to_owned(),
    }
}

#[async_trait]
impl Course for CourseSim {
    fn why(&self) -> &str {
        &self.why
    }

    fn image(&self) -> &str {
        IMAGE
    }

    fn postgres_place(&self) -> (String, u16) {
        (THIS_MACHINES.to_owned(), self.postgres_port)
    }

    fn lock_path(&self) -> Option<&Path> {
        Some(&self.lock)
    }

    async fn helper(&self) -> Result<Life, BackendError> {
        let files = self.files.clone();
        let lives = off_thread(move || files.lives()).await?;
        Ok(if lives { Life::Running } else { Life::Absent })
    }
}

#[async_trait]
impl Backend for CourseSim {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    fn addresses(&self) -> AddressBook {
        self.addresses.clone()
    }

    async fn start(
        &self,
        nodes: &[NodeName],
        cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        self.host(cancel).await?;
        let nodes = nodes.to_vec();
        self.files.ask(Ask::Make { nodes }).await.map(drop)
    }

    async fn perform(
        &self,
        action: &Action,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Output, BackendError> {
        let begun = Instant::now();
        let said = match action {
            Action::Nodes { change, nodes } => {
                let (change, nodes) = (*change, nodes.clone());
                self.said(Ask::Change { change, nodes }).await?
            }
            Action::Links { change, node } => {
                let (change, node) = (*change, node.clone());
                self.said(Ask::Link { change, node }).await?
            }
            Action::RedisCli(call) => {
                let cancel = self.either(cancel);
                return self.programs.redis_cli(call, &[], limits, &cancel).await;
            }
            Action::App(call) => {
                let (cancel, database) = (self.either(cancel), self.database().clone());
                return self
                    .programs
                    .app(call, &self.addresses, database.as_ref(), limits, &cancel)
                    .await;
            }
            Action::Psql(call) => {
                let (cancel, database) = (self.either(cancel), self.database().clone());
                return self.programs.psql(call, database, limits, &cancel).await;
            }
        };
        Ok(said.into_output(begun.elapsed()))
    }

    async fn remove_nodes(
        &self,
        nodes: &[NodeName],
        _cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        let nodes = nodes.to_vec();
        self.files.ask(Ask::Remove { nodes }).await.map(drop)
    }

    async fn make_postgres(&self, cancel: &CancellationToken) -> Result<String, BackendError> {
        self.host(cancel).await?;
        let port = self.postgres_port;
        let Answer::Url(url) = self.files.ask(Ask::MakePostgres { port }).await? else {
            return Err(no_answer());
        };
        let database = Database::of_labs(url);
        database.make_empty(super::POSTGRES_LIMIT, cancel).await?;
        let reached = database.reached();
        let url = reached.url().to_owned();
        *self.database() = Some(reached);
        Ok(url)
    }

    async fn remove_postgres(&self, _cancel: &CancellationToken) -> Result<(), BackendError> {
        *self.database() = None;
        self.files.ask(Ask::RemovePostgres).await.map(drop)
    }

    async fn postgres(&self) -> Result<Life, BackendError> {
        if !self.files.lives() {
            return Ok(Life::Absent);
        }
        match self.files.ask(Ask::Postgres).await? {
            Answer::Life(life) => Ok(life),
            _ => Err(no_answer()),
        }
    }

    fn explain(&self, action: &Action) -> String {
        let database = self.database().clone();
        self.programs
            .explain(action, &self.addresses, database.as_ref())
    }

    async fn nodes(&self) -> Result<Vec<NodeState>, BackendError> {
        if !self.files.lives() {
            // They have gone with their process.
            let absent = |node: CourseNode| NodeState {
                name: node.name(),
                life: Life::Absent,
            };
            return Ok(CourseNode::all().map(absent).collect());
        }
        match self.files.ask(Ask::States).await? {
            Answer::States(states) => Ok(states),
            _ => Err(no_answer()),
        }
    }

    async fn log(&self, node: &NodeName, lines: usize) -> Result<String, BackendError> {
        let node = node.clone();
        match self.files.ask(Ask::Log { node, lines }).await? {
            Answer::Log(log) => Ok(log),
            _ => Err(no_answer()),
        }
    }

    async fn remove(&self) -> Result<(), BackendError> {
        self.closing.cancel();
        remove(&self.state_dir).await?;
        // Only to be waited for: it has ended.
        if let Some(mut child) = self.child().take() {
            let _ = child.try_wait();
        }
        Ok(())
    }
}
