//! The environment as containers: those of `docker-compose.yml`, under names of the run's own.
//!
//! Compose makes the containers and the network, in one go and without starting them; they are then started one by one in the order
//! wanted, a few at a time, since that is quicker than what compose does. Everything carries the run's label, by which it is
//! found again: by [`remove`](crate::backend::Backend::remove) at the end, and by [`clean`](clean::clean) where there was no end.
//!
//! Nodes are reached at ports of the loopback interface, which docker publishes. They go through the same network as the nodes' own
//! traffic: a node that is cut off by `docker network disconnect` can't be reached from the host either, until it is connected again.

mod addresses;
mod app;
pub mod clean;
mod client;
mod compose;
pub mod course;
#[cfg(test)]
#[path = "../../../tests/command/executable.rs"]
mod executable;
mod image;
mod lock;
mod perform;
mod postgres;
mod prepare;
mod start;
mod sweep;
mod toolbox;
mod toolbox_mark;
mod whose;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use self::addresses::Reservation;
use self::client::Client;
use self::compose::Compose;
use self::lock::RunLock;
use self::prepare::{Engine, Images};
use self::sweep::Quiet;
use self::toolbox::Toolboxes;
use super::terms::Terms;
use super::{Backend, BackendError, Clock, Life, NodeState, RealClock};
use crate::cluster::NodeName;
use crate::lab::action::{Action, Limits, Output};
use crate::lab::environment::{CourseNode, POSTGRES};
use crate::resp::AddressBook;

/// The definition's name in a run's folder.
const DEFINITION_FILE: &str = "docker-compose.yml";
/// What an environment is made from.
#[derive(Debug, Clone, Default)]
pub struct DockerOptions {
    /// The run's id, which stands in every name and label: letters, digits, `-` and `_`, all small.
    pub run: String,
    /// The image of nodes and toolbox; without, one is chosen.
    pub image: Option<String>,
    /// Whether a lab needs PostgreSQL; its image has to be there then.
    pub postgres: bool,
    /// The image of PostgreSQL and psql; without, one is chosen.
    pub postgres_image: Option<String>,
    /// Whether an image that is not on this machine may be downloaded.
    pub pull: bool,
    /// The first three numbers of the network (`172.30.0`); without, a free one is chosen.
    pub subnet: Option<String>,
    /// The host's port for redis-1, which the others follow; without, free ones are chosen.
    pub first_port: Option<u16>,
    /// Where runs keep their files; this one's are in `runs/<run>`.
    pub state_dir: PathBuf,
    /// The program whose `app` is the application; without, this one, if it is called `labrunner`.
    pub app: Option<PathBuf>,
}

impl DockerOptions {
    /// The images that are needed; what is not here may be downloaded or not.
    pub(super) fn images(&self, pull: bool) -> Images<'_> {
        Images {
            nodes: self.image.as_deref(),
            postgres: self.postgres_image.as_deref(),
            needs_postgres: self.postgres,
            pull,
        }
    }
}

/// An environment of containers.
///
/// Dropped without [`remove`](Backend::remove), it leaves its containers behind: a run's, for [`clean`](clean::clean) to find; those of
/// [`course`], for everybody.
#[derive(Debug)]
pub struct Docker {
    inner: Arc<Inner>,
}

/// Who uses an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// The process that made it, which also chose its addresses.
    Alone,
    /// Several processes and a reader, at the course's own addresses.
    WithOthers,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    compose: Compose,
    terms: Terms,
    reservation: Reservation,
    addresses: AddressBook,
    toolboxes: Arc<Toolboxes>,
    clock: Arc<RealClock>,
    why: String,
    /// The program whose `app` is the application; without, this one.
    app: Option<PathBuf>,
    /// How many containers are started at once.
    parallel: usize,
    /// Fires when the environment is being removed: whatever is under way stops.
    closing: CancellationToken,
    /// Held by whoever makes containers or removes the environment.
    making: tokio::sync::Mutex<()>,
    /// A program that makes containers was killed; the engine may still be at what it was told last.
    disturbed: AtomicBool,
    /// Whether there is a database, of which the application is told.
    has_database: AtomicBool,
    /// Held as long as the run is alive; an environment that several use has none.
    lock: Mutex<Option<RunLock>>,
    sharing: Sharing,
    /// Where several share it: the lock under which it is made and changed, which says whose it is.
    owner: Option<PathBuf>,
}

impl Docker {
    /// Finds out whether an environment can be made here, and chooses its addresses. Makes nothing yet but the run's folder.
    ///
    /// # Errors
    /// `Unavailable`, with what is missing and what to do about it: docker, its engine, compose, an image, a port, a subnet.
    pub async fn prepare(options: DockerOptions) -> Result<Docker, BackendError> {
        let engine = Docker::find(options.images(options.pull)).await;
        Docker::prepare_on(engine?, options).await
    }

    /// Finds out whether docker can serve here at all: its engine, compose, the images, which are downloaded if they may be.
    ///
    /// # Errors
    /// `Unavailable`, with what is missing.
    pub(super) async fn find(images: Images<'_>) -> Result<Engine, BackendError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Engine::find(&path, images).await
    }

    /// As [`prepare`](Self::prepare), where docker was found already.
    ///
    /// # Errors
    /// As `prepare`.
    pub(super) async fn prepare_on(
        engine: Engine,
        options: DockerOptions,
    ) -> Result<Docker, BackendError> {
        let inner = Arc::new(prepare::prepare(options, engine).await?);
        Ok(Docker { inner })
    }

    /// What was found, in one sentence: the engine, compose, the image and why this one.
    pub fn why(&self) -> &str {
        &self.inner.why
    }

    /// Runs `work` with a token that fires when `cancel` does or when the environment is being removed.
    async fn with_either<T, W>(
        &self,
        cancel: &CancellationToken,
        work: impl FnOnce(CancellationToken) -> W + Send,
    ) -> T
    where
        W: Future<Output = T> + Send,
    {
        let either = self.inner.closing.child_token();
        let work = work(either.clone());
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => return done,
            () = cancel.cancelled() => either.cancel(),
        }
        work.await
    }
}

#[async_trait]
impl Backend for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.inner.clock.clone()
    }

    fn addresses(&self) -> AddressBook {
        self.inner.addresses.clone()
    }

    async fn start(
        &self,
        nodes: &[NodeName],
        cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        self.with_either(cancel, async |cancel| {
            if let Some(owner) = &self.inner.owner {
                self.inner.mark(owner, &cancel).await?;
            }
            self.inner.start(nodes, &cancel).await
        })
        .await?;
        if self.inner.sharing == Sharing::WithOthers {
            // This process may end before the first call of redis-cli is another's.
            return self.inner.toolboxes.start(cancel).await;
        }
        // Nobody waits for the toolbox until the first call of redis-cli, which finds out if it could not be started.
        let (toolboxes, closing) = (self.inner.toolboxes.clone(), self.inner.closing.clone());
        tokio::spawn(async move { toolboxes.start(&closing).await });
        Ok(())
    }

    async fn perform(
        &self,
        action: &Action,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Output, BackendError> {
        self.with_either(cancel, async |cancel| {
            self.inner.perform(action, limits, &cancel).await
        })
        .await
    }

    async fn remove_nodes(
        &self,
        nodes: &[NodeName],
        cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        self.with_either(cancel, async |cancel| {
            self.inner.remove_nodes(nodes, &cancel).await
        })
        .await
    }

    async fn make_postgres(&self, cancel: &CancellationToken) -> Result<String, BackendError> {
        self.with_either(cancel, async |cancel| {
            self.inner.make_postgres(&cancel).await
        })
        .await
    }

    async fn remove_postgres(&self, cancel: &CancellationToken) -> Result<(), BackendError> {
        self.with_either(cancel, async |cancel| {
            self.inner.remove_postgres(&cancel).await
        })
        .await
    }

    async fn postgres(&self) -> Result<Life, BackendError> {
        self.inner.life_of(POSTGRES).await
    }

    fn explain(&self, action: &Action) -> String {
        self.inner.explain(action)
    }

    async fn nodes(&self) -> Result<Vec<NodeState>, BackendError> {
        let terms = &self.inner.terms;
        let lives: BTreeMap<NodeName, Life> = self
            .inner
            .lives()
            .await?
            .into_iter()
            .filter_map(|(container, life)| Some((terms.node_of(&container)?, life)))
            .collect();
        let state = |name: NodeName| NodeState {
            life: lives.get(&name).copied().unwrap_or(Life::Absent),
            name,
        };
        Ok(CourseNode::all().map(|node| state(node.name())).collect())
    }

    async fn log(&self, node: &NodeName, lines: usize) -> Result<String, BackendError> {
        let (count, container) = (lines.to_string(), self.inner.terms.container(node.as_str()));
        let ended = self
            .inner
            .client
            .ask(&["logs", "--tail", &count, &container])
            .await?;
        if !ended.succeeded() {
            let words = self.inner.terms.to_course(&ended.complaint());
            return Err(BackendError::Broken {
                what: format!("the log of {node} can't be read: {words}"),
                help: "a node that was removed has none".to_owned(),
            });
        }
        Ok(self.inner.terms.to_course(&ended.combined))
    }

    async fn remove(&self) -> Result<(), BackendError> {
        let inner = &self.inner;
        inner.closing.cancel();
        // Whoever is making containers stops now, and gives way.
        let _making = inner.making.lock().await;
        let run = inner.compose.variables.run.as_str();
        let quiet = if inner.disturbed.swap(false, Ordering::Relaxed) {
            Quiet::ForAWhile
        } else {
            Quiet::AtOnce
        };
        if inner.is_ours().await? {
            sweep::remove(&inner.client, Some(run), |_| true, quiet).await?;
        }
        inner.reservation.release_all();
        if let Some(lock) = inner
            .lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            clean::remove_files(lock.path());
        }
        if inner.sharing == Sharing::WithOthers {
            inner.compose.file.parent().map(course::remove_files);
        }
        Ok(())
    }
}

/// Reads `NAME <tab> STATE <tab> STATUS` as `docker ps` prints it.
fn read_life(line: &str) -> Option<(String, Life)> {
    let mut columns = line.split('\t');
    let (name, state, status) = (columns.next()?, columns.next()?, columns.next()?);
    let life = match state {
        "running" | "restarting" => Life::Running,
        "paused" => Life::Paused,
        // Made together with others and not started yet: nothing of it ever ran. One that is being removed is as good as removed.
        "created" | "removing" => Life::Absent,
        // `Exited (137) 3 seconds ago`; `Dead` has no code.
        _ => Life::Exited(
            status
                .split(['(', ')'])
                .nth(1)
                .and_then(|code| code.parse().ok())
                .unwrap_or(-1),
        ),
    };
    Some((name.to_owned(), life))
}

/// Whether this machine has docker's program.
pub fn is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    super::process::find_program("docker", &path).is_some()
}

/// The machine whose processes hold the locks of runs made here.
fn this_host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::running("p-redis-1\trunning\tUp 3 seconds", Some(Life::Running))]
    #[case::paused("p-redis-1\tpaused\tUp 3 seconds (Paused)", Some(Life::Paused))]
    #[case::exited(
        "p-redis-1\texited\tExited (137) 3 seconds ago",
        Some(Life::Exited(137))
    )]
    #[case::dead("p-redis-1\tdead\tDead", Some(Life::Exited(-1)))]
    #[case::created("p-redis-1\tcreated\tCreated", Some(Life::Absent))]
    #[case::nonsense("p-redis-1", None)]
    fn reads_how_a_node_is(#[case] line: &str, #[case] life: Option<Life>) {
        assert_eq!(
            read_life(line),
            life.map(|life| ("p-redis-1".to_owned(), life))
        );
    }
}
