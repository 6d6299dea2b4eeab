//! The environment as nodes of a simulated cluster, in this process: nothing has to be installed for it.
//!
//! Each node of a run has an address of its own out of the loopback network, as a container has one out of docker's: `127.83.5.11:7001` for redis-1. So any
//! program of the machine reaches them, the real redis-cli too, and what the nodes say of each other can be followed. Commands are run as children of this process:
//! the redis-cli of the machine, or else our own; the application is our own program.
//!
//! Its time may leap: see `clock.rs`.
//!
//! The environment of `labrunner up` lives in a process of its own, at the course's ports of 127.0.0.1: see [`course`].

mod change;
mod clock;
pub(in crate::backend) mod control;
pub mod course;
mod host;
mod hosts;
mod nodes;
mod postgres;
mod programs;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use self::change::Said;
use self::clock::SimClock;
use self::hosts::Hosts;
use self::nodes::Nodes;
use self::programs::Programs;
use super::database::{Database, Reached};
use super::{Backend, BackendError, Clock, Life, NodeState};
use crate::cluster::NodeName;
use crate::double;
use crate::lab::action::{Action, Limits, Output};
use crate::resp::{AddressBook, Hold};

/// How long a server may take to answer: one of our own has done so already, one that was named may just be starting.
const POSTGRES_LIMIT: Duration = Duration::from_secs(30);

/// What an environment is made from.
#[derive(Debug, Clone, Default)]
pub struct SimOptions {
    /// The program that is labrunner; without, this one, if it is called so.
    pub program: Option<PathBuf>,
    /// A PostgreSQL server that is there already, by its URL, in place of one that is thrown away afterwards. A database of the run's own is made on it, and
    /// removed.
    pub database_url: Option<String>,
    /// The port of PostgreSQL on this machine, where it is to stay; without, the course's.
    pub postgres_port: Option<u16>,
}

/// An environment of simulated nodes. They end with this value.
pub struct Sim {
    /// Nothing after [`remove`](Backend::remove).
    nodes: Mutex<Option<Arc<Nodes>>>,
    clock: Arc<SimClock>,
    addresses: AddressBook,
    programs: Programs,
    why: String,
    /// A server that was named, in place of one of our own.
    named_server: Option<String>,
    /// The database, once a lab has asked for it.
    database: Mutex<Option<Used>>,
    /// Fires when the environment is being removed: whatever is under way stops.
    closing: CancellationToken,
}

/// A database in use.
struct Used {
    database: Database,
    /// What is stored has its own time, which can't be moved on: as long as there is a database, nothing leaps.
    _hold: Hold,
}

impl Sim {
    /// Finds addresses and starts the thread that nodes live on. Makes no node yet.
    ///
    /// # Errors
    /// `Unavailable` when no addresses can be had; `Broken` when our own program is not known, or no thread can be had.
    pub async fn prepare(options: SimOptions) -> Result<Sim, BackendError> {
        let hosts = Hosts::reserve()?;
        let programs = Programs::find(options.program.as_deref(), hosts.terms())?;
        let why = format!(
            "redis 7.0.15, simulated in this process; {}",
            programs.redis_cli_in_words()
        );
        let nodes = Arc::new(Nodes::start(hosts, double::Clock::leaping()).await?);
        let clock = Arc::new(SimClock::new(nodes.cluster().clone()));
        Ok(Sim {
            addresses: nodes.hosts().book(clock.clone()),
            nodes: Mutex::new(Some(nodes)),
            clock,
            programs,
            why,
            named_server: options.database_url,
            database: Mutex::default(),
            closing: CancellationToken::new(),
        })
    }

    /// What it is, in one sentence.
    pub fn why(&self) -> &str {
        &self.why
    }

    fn used(&self) -> MutexGuard<'_, Option<Used>> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the database is reached, if there is one.
    fn reached(&self) -> Option<Reached> {
        self.used().as_ref().map(|used| used.database.reached())
    }

    /// Removes the database from a server that was named; one of our own goes as a whole.
    async fn leave_database(&self) -> Result<(), BackendError> {
        let used = self.used().take();
        match (used, &self.named_server) {
            (Some(used), Some(_)) => used.database.remove().await,
            _ => Ok(()),
        }
    }

    fn nodes(&self) -> Result<Arc<Nodes>, BackendError> {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.clone().ok_or_else(|| BackendError::Broken {
            what: "the environment was removed".to_owned(),
            help: "start the run again".to_owned(),
        })
    }

    /// Has something done by the nodes, off the threads that wait for others.
    async fn at_nodes<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Nodes) -> T + Send + 'static,
    ) -> Result<T, BackendError> {
        let nodes = self.nodes()?;
        off_thread(move || work(&nodes)).await
    }
}

/// Has something done on a thread on which it may block.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BackendError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| BackendError::Broken {
        what: format!("the simulated nodes can't be reached: {error}"),
        help: "this is a bug of labrunner; please report it".to_owned(),
    })
}

#[async_trait]
impl Backend for Sim {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn is_made_in_no_time(&self) -> bool {
        true
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
        _cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        let wanted = nodes.to_vec();
        self.at_nodes(move |nodes| nodes.make(&wanted)).await?
    }

    async fn perform(
        &self,
        action: &Action,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Output, BackendError> {
        // Somebody is at work: no time is leapt over.
        let _working = self.clock.hold();
        let begun = std::time::Instant::now();
        if action.changes_postgres() {
            self.can_change_postgres()?;
        }
        let said: Said = match action {
            Action::Nodes { change, nodes } => {
                let (change, wanted) = (*change, nodes.clone());
                self.at_nodes(move |nodes| nodes.change(change, &wanted))
                    .await??
            }
            Action::Links { change, node } => {
                let (change, node) = (*change, node.clone());
                self.at_nodes(move |nodes| nodes.link(change, &node))
                    .await??
            }
            Action::RedisCli(call) => {
                let refusing = self.at_nodes(|nodes| nodes.refusing()).await?;
                return self
                    .programs
                    .redis_cli(call, &refusing, limits, &self.either(cancel))
                    .await;
            }
            Action::App(call) => {
                return self
                    .programs
                    .app(
                        call,
                        &self.addresses,
                        self.reached().as_ref(),
                        limits,
                        &self.either(cancel),
                    )
                    .await;
            }
            Action::Psql(call) => {
                return self
                    .programs
                    .psql(call, self.reached(), limits, &self.either(cancel))
                    .await;
            }
        };
        Ok(said.into_output(begun.elapsed()))
    }

    async fn remove_nodes(
        &self,
        nodes: &[NodeName],
        _cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        let wanted = nodes.to_vec();
        self.at_nodes(move |nodes| nodes.remove(&wanted)).await
    }

    async fn make_postgres(&self, cancel: &CancellationToken) -> Result<String, BackendError> {
        let database = match &self.named_server {
            Some(url) => match &*self.used() {
                Some(used) => used.database.clone(),
                None => Database::among_others(url),
            },
            None => {
                let made = self.at_nodes(|nodes| nodes.postgres().make(None)).await?;
                Database::of_labs(made?)
            }
        };
        database.make_empty(POSTGRES_LIMIT, cancel).await?;
        let url = database.reached().url().to_owned();
        *self.used() = Some(Used {
            database,
            _hold: self.clock.hold(),
        });
        Ok(url)
    }

    async fn remove_postgres(&self, _cancel: &CancellationToken) -> Result<(), BackendError> {
        self.leave_database().await?;
        self.at_nodes(|nodes| nodes.postgres().remove()).await
    }

    async fn postgres(&self) -> Result<Life, BackendError> {
        if self.named_server.is_some() {
            // Somebody else's, and taken to run.
            return Ok(self.used().as_ref().map_or(Life::Absent, |_| Life::Running));
        }
        self.at_nodes(|nodes| nodes.postgres().life()).await
    }

    fn can_change_postgres(&self) -> Result<(), BackendError> {
        match self.named_server {
            None => Ok(()),
            Some(_) => Err(BackendError::Unavailable {
                what: "this lab starts or stops PostgreSQL, and the server of --database-url is not labrunner's to stop".to_owned(),
                help: "leave the option out: then the lab has a server of its own".to_owned(),
            }),
        }
    }

    fn explain(&self, action: &Action) -> String {
        self.programs
            .explain(action, &self.addresses, self.reached().as_ref())
    }

    async fn nodes(&self) -> Result<Vec<NodeState>, BackendError> {
        self.at_nodes(|nodes| nodes.states()).await
    }

    async fn log(&self, node: &NodeName, lines: usize) -> Result<String, BackendError> {
        let wanted = node.clone();
        let log = self
            .at_nodes(move |nodes| nodes.log(&wanted, lines))
            .await??;
        Ok(self.programs.terms().to_course(&log))
    }

    async fn remove(&self) -> Result<(), BackendError> {
        self.closing.cancel();
        let nodes = self
            .nodes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let left = self.leave_database().await;
        self.clock.end();
        // The last who holds them ends their thread, and waits for that.
        off_thread(move || drop(nodes)).await?;
        left
    }
}

impl Sim {
    /// Fires when `cancel` does, and when the environment is being removed.
    fn either(&self, cancel: &CancellationToken) -> programs::Either {
        programs::Either::new(cancel, &self.closing)
    }
}
