//! *The* environment, which `labrunner up` makes: containers under the course's own names, at its addresses and ports.
//!
//! It differs from a run's in four things. Its names are the plain ones, so that a reader's own commands find it; there can be one
//! on a machine only. No process is alive as long as it is; whose it is says a mark of its own. Several processes use it at the same time. And what a reader adds to it by hand (`docker compose up -d
//! redis-8`) belongs to it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::addresses::{Reservation, Subnet, Wanted};
use super::client::Client;
use super::compose::{Flavour, TOOLBOX};
use super::image;
use super::prepare::{self, Engine, Images, Names};
use super::sweep::{self, Kind, Quiet, RUN_LABEL};
use super::{DEFINITION_FILE, Docker, Inner, Sharing, read_life, toolbox_mark, whose};
use crate::backend::standing::{self, Course, Standing};
use crate::backend::{BackendError, Life};
use crate::lab::environment::{COURSE_SUBNET, CourseNode, POSTGRES_PORT};

/// What stands in the place of a run's id.
pub(super) const COURSE: &str = "course";
/// What compose calls it: what it calls the environment of a checkout by itself, if the folder has the project's name.
const PROJECT: &str = "labrunner";
/// The folder in the state folder where its files are.
const FOLDER: &str = "environment";

/// What the environment is made from.
#[derive(Debug, Clone, Default)]
pub struct CourseOptions {
    /// The image of nodes and toolbox; without, one is chosen.
    pub image: Option<String>,
    /// Whether the lab needs PostgreSQL; its image has to be there then, and its port free.
    pub postgres: bool,
    /// The image of PostgreSQL and psql; without, one is chosen.
    pub postgres_image: Option<String>,
    /// The port of PostgreSQL on this machine; without, the course's.
    pub postgres_port: Option<u16>,
    /// Whether an image that is not on this machine may be downloaded.
    pub pull: bool,
    /// Where the environment's files are kept.
    pub state_dir: PathBuf,
}

impl CourseOptions {
    /// The images that are needed; what is not here may be downloaded or not.
    pub(in crate::backend) fn images(&self, pull: bool) -> Images<'_> {
        Images {
            nodes: self.image.as_deref(),
            postgres: self.postgres_image.as_deref(),
            needs_postgres: self.postgres,
            pull,
        }
    }
}

/// What was found and removed of the environment of one state folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CourseRemains {
    /// Containers that were removed.
    pub containers: usize,
    /// Networks that were removed.
    pub networks: usize,
    /// Whether simulated nodes were removed.
    pub simulated: bool,
    /// Where nothing was removed: whose environment stands on this machine instead, and how it would be removed.
    pub others: Option<(String, String)>,
}

impl Docker {
    /// Finds out whether the environment can be made here. Makes nothing yet but its folder. The caller holds the
    /// [`EnvironmentLock`](crate::backend::standing::EnvironmentLock) of the state folder.
    ///
    /// # Errors
    /// `Unavailable`, with what is missing or in the way and what to do about it: docker, its engine, compose, an image; somebody else's
    /// containers, network or ports.
    pub async fn prepare_course(options: CourseOptions) -> Result<Docker, BackendError> {
        let engine = Docker::find(options.images(options.pull)).await;
        Docker::prepare_course_on(engine?, options).await
    }

    /// The same, where docker was found already.
    ///
    /// # Errors
    /// As `prepare_course`.
    pub(in crate::backend) async fn prepare_course_on(
        engine: Engine,
        options: CourseOptions,
    ) -> Result<Docker, BackendError> {
        let inner = prepare_course(options, engine).await?;
        Ok(Docker {
            inner: Arc::new(inner),
        })
    }

    /// Takes hold of an environment that stands. Makes nothing, and dropped, removes nothing.
    ///
    /// # Errors
    /// `Unavailable` without docker, its engine or compose; `Broken` when the handle can't be true.
    pub(in crate::backend) async fn attach_course(
        standing: &Standing,
        state_dir: &Path,
    ) -> Result<Docker, BackendError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let inner = attach_course(standing, state_dir, &path).await?;
        Ok(Docker {
            inner: Arc::new(inner),
        })
    }
}

#[async_trait]
impl Course for Docker {
    fn why(&self) -> &str {
        &self.inner.why
    }

    fn image(&self) -> &str {
        &self.inner.compose.variables.image
    }

    fn postgres_place(&self) -> (String, u16) {
        let variables = &self.inner.compose.variables;
        (variables.postgres_image.clone(), variables.postgres_port)
    }

    fn lock_path(&self) -> Option<&Path> {
        self.inner.owner.as_deref()
    }

    /// The toolbox.
    async fn helper(&self) -> Result<Life, BackendError> {
        let container = self.inner.terms.container(TOOLBOX);
        let lives = self.inner.lives().await?;
        Ok(lives
            .into_iter()
            .find(|(name, _)| *name == container)
            .map_or(Life::Absent, |(_, life)| life))
    }
}

impl Inner {
    /// The containers of this environment, by name, and how each is.
    pub(super) async fn lives(&self) -> Result<Vec<(String, Life)>, BackendError> {
        let filter = format!("label={RUN_LABEL}={}", self.compose.variables.run);
        let format = "{{.Names}}\t{{.State}}\t{{.Status}}";
        let all = ["ps", "--all", "--filter", &filter, "--format", format];
        let (lines, ours) = tokio::join!(self.client.lines(&all), self.is_ours());
        if !ours? {
            return Ok(Vec::new());
        }
        Ok(lines?.iter().filter_map(|line| read_life(line)).collect())
    }
}

async fn prepare_course(options: CourseOptions, engine: Engine) -> Result<Inner, BackendError> {
    let lock = standing::lock_path(&options.state_dir);
    if let Some((what, help)) = whose::in_the_way(&engine.client, &lock, options.postgres).await? {
        return Err(BackendError::Unavailable { what, help });
    }
    let subnet = course_subnet()?;
    prepare::check_subnet(subnet, &engine.networks, Sharing::WithOthers)?;
    let wanted = Wanted {
        subnet: Some(subnet),
        first_port: Some(first_port()),
        postgres_port: options
            .postgres
            .then(|| options.postgres_port.unwrap_or(POSTGRES_PORT)),
    };
    let reservation = match Reservation::make(wanted, &[], 0) {
        Ok(reservation) => reservation,
        Err(taken) => {
            return Err(prepare::explain(taken, &engine.client, Sharing::WithOthers).await);
        }
    };
    let folder = folder(&options.state_dir);
    let why = engine.why();
    let image = engine.image.reference.clone();
    let postgres = image::reference_of(engine.postgres.as_ref(), options.postgres_image);
    let inner = prepare::assemble(
        engine.client,
        engine.flavour,
        reservation,
        Names {
            postgres_image: postgres,
            ..names(image, folder.clone(), lock)
        },
    );
    std::fs::create_dir_all(&folder)
        .and_then(|()| inner.compose.write())
        .map_err(|error| prepare::folder_trouble(&folder, &error))?;
    Ok(Inner { why, ..inner })
}

async fn attach_course(
    standing: &Standing,
    state_dir: &Path,
    path: &OsStr,
) -> Result<Inner, BackendError> {
    let reservation = reservation_of(standing)?;
    let client = Client::find(path)?;
    let (version, flavour) = tokio::join!(client.engine_version(), Flavour::find(&client, path));
    let (version, flavour) = (version?, flavour?);
    let folder = folder(state_dir);
    let why = format!(
        "Docker {version}, {}, image {} (as the environment was made)",
        flavour.describe(),
        standing.image
    );
    let inner = prepare::assemble(
        client,
        flavour,
        reservation,
        Names {
            postgres_image: image::reference_of(
                None,
                standing.postgres.as_ref().map(|it| it.image.clone()),
            ),
            has_database: standing.postgres.is_some(),
            ..names(
                standing.image.clone(),
                folder.clone(),
                standing.lock.clone(),
            )
        },
    );
    // Nobody but `docker compose up` reads it, and it is put there when the environment is made.
    if !inner.compose.file.exists() {
        std::fs::create_dir_all(&folder)
            .and_then(|()| inner.compose.write())
            .map_err(|error| prepare::folder_trouble(&folder, &error))?;
    }
    Ok(Inner { why, ..inner })
}

fn names(image: String, folder: PathBuf, lock: PathBuf) -> Names {
    Names {
        run: COURSE.to_owned(),
        project: PROJECT.to_owned(),
        prefix: String::new(),
        folder,
        image,
        postgres_image: String::new(),
        has_database: false,
        lock,
        sharing: Sharing::WithOthers,
        app: None,
    }
}

fn folder(state_dir: &Path) -> PathBuf {
    // Compose is run in this folder, and given paths in it.
    std::path::absolute(state_dir)
        .unwrap_or_else(|_| state_dir.to_owned())
        .join(FOLDER)
}

fn course_subnet() -> Result<Subnet, BackendError> {
    COURSE_SUBNET.parse().map_err(|what| BackendError::Broken {
        what,
        help: "this is a bug of labrunner; please report it".to_owned(),
    })
}

fn first_port() -> u16 {
    CourseNode::all().next().map_or(0, CourseNode::port)
}

/// The addresses that a handle names.
fn reservation_of(standing: &Standing) -> Result<Reservation, BackendError> {
    let not_true = |why: String| BackendError::Broken {
        what: format!("the handle of the environment can't be true: {why}"),
        help: "`labrunner down` removes the environment all the same".to_owned(),
    };
    let subnet: Subnet = standing.subnet.parse().map_err(not_true)?;
    let mut ports = CourseNode::all().map(|node| standing.ports.get(&node.name()).copied());
    let first = ports
        .next()
        .flatten()
        .ok_or_else(|| not_true("redis-1 has no port".to_owned()))?;
    let postgres = standing.postgres.as_ref();
    let postgres = postgres.map_or(POSTGRES_PORT, |postgres| postgres.port);
    let reservation = Reservation::of(subnet, first, postgres);
    for node in CourseNode::all() {
        let port = standing.ports.get(&node.name()).copied();
        if first.checked_add(node.number() - 1) != port || port.is_none() {
            return Err(not_true(format!(
                "the ports do not follow one another from {first}"
            )));
        }
    }
    Ok(reservation)
}

/// Removes the environment that was made under one of `locks`, with what a reader has added to it by hand. Where there is no mark that
/// says whose it is, it is removed if `state_dir`, its state folder, has a handle.
///
/// # Errors
/// `Unavailable` without docker; `Broken` when something resists, after everything else was removed.
pub(in crate::backend) async fn remove_course(
    locks: &[PathBuf],
    state_dir: &Path,
) -> Result<CourseRemains, BackendError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let client = Client::find(&path)?;
    client.engine_version().await?;
    let found = sweep::find(&client, Some(COURSE)).await?;
    let mark = found
        .iter()
        .find(|thing| !thing.lock.as_os_str().is_empty());
    let ours = match mark {
        Some(mark) => locks.contains(&mark.lock),
        None => standing::handle_path(state_dir).exists(),
    };
    let mut remains = CourseRemains::default();
    if ours {
        let removed = sweep::remove(&client, Some(COURSE), |_| true, Quiet::ForAWhile).await?;
        let count = |kind| removed.iter().filter(|thing| thing.kind == kind).count();
        remains.containers = count(Kind::Container);
        remains.networks = count(Kind::Network);
    } else if let Some(lock) = locks.first() {
        remains.others = whose::whose(&found, lock);
    }
    remove_files(&folder(state_dir));
    Ok(remains)
}

/// Forgets the environment of a state folder: its handle and its files. What can't be removed is small, and wrong at worst.
pub(super) fn forget(state_dir: &Path) {
    let _ = Standing::forget(state_dir);
    remove_files(&folder(state_dir));
}

/// Removes the files that this room keeps in `folder`, and the folder if nothing else is in it. What can't be removed is small.
pub(super) fn remove_files(folder: &Path) {
    let _ = std::fs::remove_file(folder.join(DEFINITION_FILE));
    toolbox_mark::remove_all(folder);
    let _ = std::fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_folder_only_our_own_files_are_removed() {
        let state = tempfile::tempdir().expect("a folder");
        let folder = folder(state.path());
        std::fs::create_dir(&folder).expect("made");
        for name in [DEFINITION_FILE, "toolbox-1.lock", "mine"] {
            std::fs::write(folder.join(name), "").expect("written");
        }
        remove_files(&folder);
        let left: Vec<_> = std::fs::read_dir(&folder)
            .expect("still there")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        assert_eq!(left, ["mine"]);
        std::fs::remove_file(folder.join("mine")).expect("removed");
        remove_files(&folder);
        assert!(!folder.exists());
    }

    #[test]
    fn a_handle_with_impossible_addresses_is_told() {
        let mut standing = Standing::begin("docker", None, None, "i", Path::new("/l"));
        let reservation = reservation_of(&standing).expect("possible");
        let last = CourseNode::all().last().expect("eight");
        assert_eq!(reservation.reachable(last).to_string(), "127.0.0.1:7008");
        standing.ports.insert("redis-8".into(), 7009);
        let error = reservation_of(&standing).expect_err("not in a row");
        assert!(
            error.to_string().contains("do not follow one another"),
            "{error}"
        );
        standing.ports.clear();
        reservation_of(&standing).expect_err("no ports");
        standing.subnet = "172.30".to_owned();
        reservation_of(&standing).expect_err("no subnet");
    }
}
