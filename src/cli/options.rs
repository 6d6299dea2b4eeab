//! Options that several commands have.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::backend::Choice;

/// The variable that names an image.
const IMAGE: &str = "LAB_REDIS_IMAGE";
/// The same of PostgreSQL.
const POSTGRES_IMAGE: &str = "LAB_POSTGRES_IMAGE";

/// Where the nodes live.
#[derive(Debug, Args)]
pub struct Nodes {
    /// Where the nodes live; `auto` takes the first that can serve now, without downloading
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto, value_name = "BACKEND")]
    backend: BackendChoice,

    /// With docker: the image of the nodes, in place of the one in docker-compose.yml
    #[arg(long, env = IMAGE, value_name = "IMAGE")]
    image: Option<String>,

    /// With docker: the image of PostgreSQL and psql, in place of the one in docker-compose.yml; only labs that ask for PostgreSQL need one
    #[arg(long, env = POSTGRES_IMAGE, value_name = "IMAGE")]
    postgres_image: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BackendChoice {
    /// The first of the others that can serve now, without downloading
    Auto,
    /// Containers; pulls the image if it is not there
    Docker,
    /// A simulated Redis Cluster inside of labrunner: needs nothing
    Sim,
}

impl Nodes {
    /// The image that was asked for. In CI a variable that is not set is often set to nothing.
    pub fn image(&self) -> Option<String> {
        self.image.clone().filter(|image| !image.is_empty())
    }

    /// The image of PostgreSQL that was asked for.
    pub fn postgres_image(&self) -> Option<String> {
        self.postgres_image
            .clone()
            .filter(|image| !image.is_empty())
    }

    /// Where the nodes are to live. Whoever names what only docker has wants docker: an image, or one of `others`. The variable is no such wish, since it may stand in a
    /// profile for ever.
    ///
    /// # Errors
    /// In one sentence: it was said to simulated nodes.
    pub fn choice(&self, others: &[&str]) -> Result<Choice, String> {
        let profile = std::env::var(IMAGE).unwrap_or_default();
        let image = self.image().filter(|image| *image != profile);
        let profile = std::env::var(POSTGRES_IMAGE).unwrap_or_default();
        let postgres = self.postgres_image().filter(|image| *image != profile);
        let named = others.first().copied().or(image.map(|_| "--image"));
        let named = named.or(postgres.map(|_| "--postgres-image"));
        Ok(match (self.backend, named) {
            (BackendChoice::Auto, Some(_)) => Choice::Docker,
            (BackendChoice::Sim, Some(named)) => {
                return Err(format!(
                    "{named} is docker's, and simulated nodes have nothing of the kind"
                ));
            }
            (backend, _) => backend.into(),
        })
    }
}

impl From<BackendChoice> for Choice {
    fn from(backend: BackendChoice) -> Self {
        match backend {
            BackendChoice::Auto => Choice::Auto,
            BackendChoice::Docker => Choice::Docker,
            BackendChoice::Sim => Choice::Sim,
        }
    }
}

impl Nodes {
    /// Whether an image that is not there may be downloaded.
    pub fn pull(&self) -> bool {
        self.backend == BackendChoice::Docker
    }
}

/// Where the handle of the environment is that `labrunner up` makes.
#[derive(Debug, Args)]
pub struct Handle {
    /// Where labrunner keeps what it has to remember of the environment
    #[arg(
        long,
        env = "LABRUNNER_STATE",
        default_value = ".labrunner",
        value_name = "DIR"
    )]
    pub state_dir: PathBuf,
}
