//! docker-compose.yml: the definition of the environment, and the program that reads it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::client::Client;
use crate::backend::BackendError;
use crate::backend::leash::on_leash;
use crate::backend::process::{Program, find_program};

/// The course's environment: the same file that a reader uses by hand.
pub(super) const DEFINITION: &str = include_str!("../../../docker-compose.yml");
/// The service in which redis-cli runs.
pub(super) const TOOLBOX: &str = "toolbox";
/// The service in which psql runs.
pub(super) const PSQL: &str = "psql";
/// Variables that begin so are ours to set; those in the user's own environment are about something else.
const OURS: [&str; 2] = ["COMPOSE_", "LAB_"];

/// The image that the definition names by default for a variable.
pub(super) fn default_image<'d>(definition: &'d str, variable: &str) -> Option<&'d str> {
    let (_, after) = definition.split_once(&format!("${{{variable}:-"))?;
    after
        .split_once('}')
        .map(|(image, _)| image)
        .filter(|image| !image.is_empty())
}

/// Which compose there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flavour {
    /// `docker compose`, with its version.
    Plugin(String),
    /// The program `docker-compose`. Its version is not asked for: that takes the Python one most of a second.
    Standalone(PathBuf),
}

impl Flavour {
    /// Takes `docker compose` where it is, else `docker-compose`.
    ///
    /// # Errors
    /// `Unavailable` when there is neither.
    pub(super) async fn find(client: &Client, path: &OsStr) -> Result<Self, BackendError> {
        // A docker client without the plugin takes `compose` for an unknown command, and says so on its standard error.
        let asked = client.ask(&["compose", "version", "--short"]).await?;
        let version = asked.stdout.trim().trim_start_matches('v');
        if asked.succeeded() && !version.is_empty() {
            return Ok(Flavour::Plugin(version.to_owned()));
        }
        find_program("docker-compose", path)
            .map(Flavour::Standalone)
            .ok_or_else(|| BackendError::Unavailable {
                what: "neither `docker compose` nor `docker-compose` is installed".to_owned(),
                help: "install Docker Compose (https://docs.docker.com/compose/install/)"
                    .to_owned(),
            })
    }

    /// In a few words.
    pub(super) fn describe(&self) -> String {
        match self {
            Flavour::Plugin(version) => format!("docker compose {version}"),
            Flavour::Standalone(_) => "docker-compose".to_owned(),
        }
    }
}

/// What may differ between two environments; every field is a variable of the definition.
#[derive(Debug, Clone)]
pub(super) struct Variables {
    pub(super) image: String,
    pub(super) prefix: String,
    pub(super) subnet: String,
    /// Of redis-1, redis-2 and so on.
    pub(super) ports: Vec<u16>,
    pub(super) postgres_image: String,
    pub(super) postgres_port: u16,
    pub(super) run: String,
    pub(super) lock: PathBuf,
    pub(super) host: String,
}

/// The definition, with what is different for one environment.
#[derive(Debug, Clone)]
pub(super) struct Compose {
    pub(super) client: Client,
    pub(super) flavour: Flavour,
    /// Ends what it starts when we die: `setpriv`, where the machine has it.
    pub(super) leash: Option<PathBuf>,
    pub(super) project: String,
    pub(super) file: PathBuf,
    pub(super) variables: Variables,
}

impl Compose {
    /// Writes the definition to where compose will read it.
    ///
    /// # Errors
    /// Those of writing a file.
    pub(super) fn write(&self) -> io::Result<()> {
        std::fs::write(&self.file, DEFINITION)
    }

    /// Makes `services` (and the network) without starting them. Those that are there stay as they are.
    pub(super) fn create(&self, services: &[String]) -> Program {
        self.program(
            &["up", "--no-start", "--no-recreate", "--no-build"],
            services,
        )
    }

    /// `docker compose up -d`.
    pub(super) fn up(&self, services: &[String]) -> Program {
        self.program(&["up", "-d", "--no-deps"], services)
    }

    /// The command line of [`Compose::up`], without what is the same for all.
    pub(super) fn explain_up(&self, services: &[String]) -> Vec<String> {
        let program: &[&str] = match self.flavour {
            Flavour::Plugin(_) => &["docker", "compose"],
            Flavour::Standalone(_) => &["docker-compose"],
        };
        let command = ["-p", &self.project, "up", "-d", "--no-deps"];
        let words = program.iter().copied().chain(command).map(str::to_owned);
        words.chain(services.iter().cloned()).collect()
    }

    fn program(&self, command: &[&str], services: &[String]) -> Program {
        let file: &Path = &self.file;
        let common = [
            OsStr::new("-f"),
            file.as_os_str(),
            OsStr::new("-p"),
            OsStr::new(&self.project),
        ];
        let program = match (&self.flavour, &self.leash) {
            (Flavour::Plugin(_), _) => self.client.program(["compose"]),
            (Flavour::Standalone(compose), None) => Program::new(compose),
            (Flavour::Standalone(compose), Some(leash)) => on_leash(leash, compose),
        };
        let inherited = std::env::vars_os()
            .map(|(name, _)| name)
            .filter(|name| is_ours(name));
        let mut program = inherited.fold(program, Program::without_env);
        for (name, value) in self.environment() {
            program = program.env(name, value);
        }
        // A `.env` file is looked for beside the definition, where there is none but ours.
        if let Some(folder) = file.parent() {
            program = program.directory(folder);
        }
        program.args(common).args(command).args(services)
    }

    fn environment(&self) -> Vec<(String, OsString)> {
        let Variables {
            image,
            prefix,
            subnet,
            ports,
            postgres_image,
            postgres_port,
            run,
            lock,
            host,
        } = &self.variables;
        let mut all: Vec<(String, OsString)> = vec![
            ("LAB_REDIS_IMAGE".to_owned(), image.into()),
            ("LAB_POSTGRES_IMAGE".to_owned(), postgres_image.into()),
            (
                "LAB_POSTGRES_PORT".to_owned(),
                postgres_port.to_string().into(),
            ),
            ("LAB_PREFIX".to_owned(), prefix.into()),
            ("LAB_SUBNET".to_owned(), subnet.into()),
            ("LAB_RUN".to_owned(), run.into()),
            ("LAB_LOCK".to_owned(), lock.into()),
            ("LAB_HOST".to_owned(), host.into()),
            ("DOCKER_CLI_HINTS".to_owned(), "false".into()),
        ];
        all.extend(
            (1..)
                .zip(ports)
                .map(|(number, port)| (format!("LAB_PORT_{number}"), port.to_string().into())),
        );
        all
    }
}

fn is_ours(name: &OsStr) -> bool {
    OURS.iter()
        .any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::environment::{
        COURSE_SUBNET, CourseNode, POSTGRES, POSTGRES_HOST, POSTGRES_PORT, POSTGRES_USER,
    };

    #[test]
    fn the_default_image_stands_in_the_definition() {
        let of = |variable| default_image(DEFINITION, variable);
        assert_eq!(of("LAB_REDIS_IMAGE"), Some("redis:7.2"));
        assert_eq!(of("LAB_POSTGRES_IMAGE"), Some("postgres:17"));
    }

    #[test]
    fn a_definition_without_a_default_image_has_none() {
        let none = ["image: ${LAB_REDIS_IMAGE:-}", "image: redis"];
        assert_eq!(
            none.map(|text| default_image(text, "LAB_REDIS_IMAGE")),
            [None, None]
        );
    }

    /// The text of one service, from its name to the next one's.
    fn service(name: &str) -> Option<&'static str> {
        let (_, text) = DEFINITION.split_once(&format!("\n  {name}:\n"))?;
        Some(text.split_once("\n\n").map_or(text, |(service, _)| service))
    }

    #[test]
    fn the_definition_says_what_the_course_says() {
        for node in CourseNode::all() {
            let (number, name, port) = (node.number(), node.name(), node.port());
            let text = service(name.as_str()).unwrap_or_else(|| panic!("no service {name}"));
            let last = node.ip().rsplit_once('.').expect("an address").1.to_owned();
            for line in [
                format!("container_name: ${{LAB_PREFIX:-}}{name}"),
                format!("hostname: {name}"),
                format!("\"--port\", \"{port}\""),
                format!("ports: [\"127.0.0.1:${{LAB_PORT_{number}:-{port}}}:{port}\"]"),
                format!("ipv4_address: \"${{LAB_SUBNET:-{COURSE_SUBNET}}}.{last}\""),
            ] {
                assert!(text.contains(&line), "service {name} lacks {line}");
            }
        }
        assert!(service("redis-9").is_none());
        assert!(service(TOOLBOX).is_some());
        assert!(service(PSQL).is_some());
        let postgres = service(POSTGRES).expect("the service");
        for line in [
            format!("127.0.0.1:${{LAB_POSTGRES_PORT:-{POSTGRES_PORT}}}:{POSTGRES_PORT}"),
            format!("${{LAB_SUBNET:-{COURSE_SUBNET}}}.{POSTGRES_HOST}\""),
            format!("POSTGRES_DB: {POSTGRES_USER}"),
        ] {
            assert!(postgres.contains(&line), "postgres lacks {line}");
        }
        assert!(DEFINITION.contains(&format!(
            "subnet: \"${{LAB_SUBNET:-{COURSE_SUBNET}}}.0/24\""
        )));
    }

    #[test]
    fn every_variable_of_the_definition_is_set() {
        let client = Client::at("docker");
        let compose = Compose {
            client,
            flavour: Flavour::Plugin("2".to_owned()),
            leash: None,
            project: "p".to_owned(),
            file: "/f/docker-compose.yml".into(),
            variables: Variables {
                image: "i".to_owned(),
                prefix: "p-".to_owned(),
                subnet: "10.213.5".to_owned(),
                ports: (1..=8).collect(),
                postgres_image: "p".to_owned(),
                postgres_port: 9,
                run: "r".to_owned(),
                lock: "/f/lock".into(),
                host: "h".to_owned(),
            },
        };
        let set: Vec<String> = compose
            .environment()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        for variable in DEFINITION
            .split("${")
            .skip(1)
            .filter_map(|text| text.split_once(":-"))
            .map(|(name, _)| name)
        {
            assert!(
                set.iter().any(|name| name == variable),
                "{variable} is not set"
            );
        }
    }

    #[test]
    fn only_variables_about_compose_and_labs_are_kept_out() {
        assert!(is_ours(OsStr::new("COMPOSE_PROJECT_NAME")));
        assert!(is_ours(OsStr::new("LAB_SUBNET")));
        assert!(!is_ours(OsStr::new("DOCKER_HOST")));
        assert!(!is_ours(OsStr::new("LABRUNNER_REQUIRE")));
    }
}
