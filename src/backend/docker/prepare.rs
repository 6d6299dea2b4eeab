//! Finding out whether an environment can be made here.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::addresses::{self, Block, Reservation, Subnet, Taken, Wanted};
use super::client::Client;
use super::compose::{Compose, Flavour, Variables};
use super::image::{self, Image, Use};
use super::lock::RunLock;
use super::sweep::RUN_LABEL;
use super::toolbox::Toolboxes;
use super::{DEFINITION_FILE, DockerOptions, Inner, Sharing, this_host};
use crate::backend::lock_file::NoLock;
use crate::backend::terms::Terms;
use crate::backend::{BackendError, RealClock};
use crate::cluster::Endpoint;
use crate::lab::environment::CourseNode;
use crate::resp::{Address, AddressBook};

/// Starting containers is work for the processor: more at once than it has cores gains nothing, and delays the first.
const PARALLEL: std::ops::RangeInclusive<usize> = 2..=8;

/// See [`super::Docker::prepare`].
pub(super) async fn prepare(options: DockerOptions, engine: Engine) -> Result<Inner, BackendError> {
    check_run(&options.run)?;
    let wanted_subnet = options
        .subnet
        .as_deref()
        .map(str::parse::<Subnet>)
        .transpose()
        .map_err(|what| BackendError::Unavailable {
            what,
            help: "leave it out, and a free one is chosen".to_owned(),
        })?;
    if let Some(subnet) = wanted_subnet {
        check_subnet(subnet, &engine.networks, Sharing::Alone)?;
    }
    let mut in_use: Vec<Block> = engine
        .networks
        .iter()
        .flat_map(|network| network.blocks.iter().copied())
        .collect();
    // Where there is no such file, the engine runs in a virtual machine, and the host's routes don't concern it.
    in_use.extend(addresses::routes(
        &std::fs::read_to_string("/proc/net/route").unwrap_or_default(),
    ));
    let wanted = Wanted {
        subnet: wanted_subnet,
        first_port: options.first_port,
        postgres_port: None,
    };
    let reservation = match Reservation::make(wanted, &in_use, rand::random()) {
        Ok(reservation) => reservation,
        Err(taken) => return Err(explain(taken, &engine.client, Sharing::Alone).await),
    };

    let folder = std::path::absolute(&options.state_dir)
        .unwrap_or(options.state_dir)
        .join("runs")
        .join(&options.run);
    let lock = take_lock(&options.run, &folder)?;
    let why = engine.why();
    let Engine {
        client,
        flavour,
        image,
        postgres,
        ..
    } = engine;
    let inner = assemble(
        client,
        flavour,
        reservation,
        Names {
            project: format!("labrunner-{}", options.run),
            prefix: format!("labrunner-{}-", options.run),
            folder: folder.clone(),
            image: image.reference,
            postgres_image: image::reference_of(postgres.as_ref(), options.postgres_image),
            has_database: false,
            lock: lock.path().to_owned(),
            run: options.run,
            sharing: Sharing::Alone,
            // It is not run where we were started.
            app: options
                .app
                .map(|path| std::path::absolute(&path).unwrap_or(path)),
        },
    );
    *inner.lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(lock);
    inner
        .compose
        .write()
        .map_err(|error| folder_trouble(&folder, &error))?;
    Ok(Inner { why, ..inner })
}

/// Which images are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::backend) struct Images<'a> {
    /// The one of the nodes that was asked for.
    pub(super) nodes: Option<&'a str>,
    /// The one of PostgreSQL that was asked for.
    pub(super) postgres: Option<&'a str>,
    /// Whether PostgreSQL is needed at all; its image is not looked for otherwise.
    pub(super) needs_postgres: bool,
    /// Whether what is not on this machine may be downloaded.
    pub(super) pull: bool,
}

/// What there is to make environments with.
pub(in crate::backend) struct Engine {
    pub(super) client: Client,
    version: String,
    pub(super) flavour: Flavour,
    pub(super) networks: Vec<Network>,
    pub(super) image: Image,
    /// The image of PostgreSQL, where that is needed.
    pub(super) postgres: Option<Image>,
}

impl Engine {
    /// Finds docker, its engine, compose and the images, which are downloaded if they may be. Programs are looked for on `path`.
    ///
    /// # Errors
    /// `Unavailable`, with what is missing.
    pub(super) async fn find(path: &OsStr, images: Images<'_>) -> Result<Self, BackendError> {
        let client = Client::find(path)?;
        let choose = |used: Use, asked_for| image::choose(&client, used, used.default(), asked_for);
        let choose_postgres = async {
            match images.needs_postgres {
                true => choose(Use::Postgres, images.postgres).await.map(Some),
                false => Ok(None),
            }
        };
        // None of these needs another's answer. An engine that does not answer fails them all: it is looked at first.
        let (version, flavour, networks, image, postgres) = tokio::join!(
            client.engine_version(),
            Flavour::find(&client, path),
            networks(&client),
            choose(Use::Nodes, images.nodes),
            choose_postgres,
        );
        let (version, flavour, networks, image, postgres) =
            (version?, flavour?, networks?, image?, postgres?);
        for (image, is_here) in [Some(&image), postgres.as_ref()].into_iter().flatten() {
            if !is_here {
                image::fetch(&client, image, images.pull).await?;
            }
        }
        Ok(Engine {
            client,
            version,
            flavour,
            networks,
            image: image.0,
            postgres: postgres.map(|(image, _)| image),
        })
    }

    /// What was found, in one sentence.
    pub(super) fn why(&self) -> String {
        let postgres = self.postgres.as_ref().map_or_else(String::new, |image| {
            format!(", PostgreSQL {} ({})", image.reference, image.why)
        });
        format!(
            "Docker {}, {}, image {} ({}){postgres}",
            self.version,
            self.flavour.describe(),
            self.image.reference,
            self.image.why
        )
    }
}

/// By what names an environment goes.
pub(super) struct Names {
    /// Its id, which stands in a label of everything that it is made of.
    pub(super) run: String,
    /// What compose calls it.
    pub(super) project: String,
    /// What stands before the name of every container.
    pub(super) prefix: String,
    /// Where its definition is.
    pub(super) folder: PathBuf,
    pub(super) image: String,
    pub(super) postgres_image: String,
    /// Whether there is a database already.
    pub(super) has_database: bool,
    /// Of an environment that is not shared: the lock that stands in a label of everything that it is made of, held as long as the
    /// run is alive. Of one that is shared: the lock under which it is changed.
    pub(super) lock: PathBuf,
    pub(super) sharing: Sharing,
    /// The program whose `app` is the application; without, this one.
    pub(super) app: Option<PathBuf>,
}

/// Puts an environment together. Nothing is made, and nothing is asked.
pub(super) fn assemble(
    client: Client,
    flavour: Flavour,
    reservation: Reservation,
    names: Names,
) -> Inner {
    let terms = Terms {
        prefix: names.prefix,
        subnet: reservation.subnet,
        loopback: false,
    };
    // What is shared has the labels that docker-compose.yml gives by itself.
    let (lock, host, owner, marks) = match names.sharing {
        Sharing::Alone => (names.lock, this_host(), None, None),
        Sharing::WithOthers => (
            PathBuf::new(),
            String::new(),
            Some(names.lock),
            Some(names.folder.clone()),
        ),
    };
    let compose = Compose {
        client: client.clone(),
        flavour,
        leash: client.leash.clone(),
        project: names.project,
        file: names.folder.join(DEFINITION_FILE),
        variables: Variables {
            image: names.image,
            prefix: terms.prefix.clone(),
            subnet: terms.subnet.to_string(),
            ports: CourseNode::all()
                .map(|node| reservation.port(node))
                .collect(),
            postgres_image: names.postgres_image,
            postgres_port: reservation.postgres_port(),
            run: names.run,
            lock,
            host,
        },
    };
    Inner {
        addresses: book(&terms, &reservation),
        toolboxes: Arc::new(Toolboxes::new(&compose, terms.clone(), marks)),
        clock: Arc::new(RealClock::new()),
        parallel: std::thread::available_parallelism()
            .map_or(*PARALLEL.start(), usize::from)
            .clamp(*PARALLEL.start(), *PARALLEL.end()),
        closing: CancellationToken::new(),
        making: tokio::sync::Mutex::new(()),
        disturbed: false.into(),
        has_database: names.has_database.into(),
        lock: Mutex::new(None),
        sharing: names.sharing,
        owner,
        why: String::new(),
        app: names.app,
        client,
        compose,
        terms,
        reservation,
    }
}

/// A run's id stands in names of containers, of a compose project and of a folder: each takes no more than this.
fn check_run(run: &str) -> Result<(), BackendError> {
    let good = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
    };
    if run.bytes().all(good)
        && run
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
        && run.len() <= 40
    {
        return Ok(());
    }
    Err(BackendError::Unavailable {
        what: format!("{run:?} can't be the id of a run"),
        help: "take up to 40 small letters, digits, `-` and `_`, a letter or digit first"
            .to_owned(),
    })
}

fn take_lock(run: &str, folder: &Path) -> Result<RunLock, BackendError> {
    RunLock::take(folder).map_err(|error| match error {
        NoLock::Held => BackendError::Unavailable {
            what: format!("the run {run} is under way already"),
            help: "wait until it has ended, or give this one another id".to_owned(),
        },
        NoLock::Io(error) => folder_trouble(folder, &error),
    })
}

pub(super) fn folder_trouble(folder: &Path, error: &std::io::Error) -> BackendError {
    BackendError::Unavailable {
        what: format!("can't write to {}: {error}", folder.display()),
        help: "make it writable, or run in another folder".to_owned(),
    }
}

fn book(terms: &Terms, reservation: &Reservation) -> AddressBook {
    let address = |node: CourseNode| Address {
        name: node.name(),
        announced: Endpoint {
            host: terms.ip(node),
            port: node.port(),
        },
        reachable: reservation.reachable(node),
    };
    AddressBook::new(CourseNode::all().map(address).collect())
}

/// A network that docker has.
#[derive(Debug, Clone)]
pub(super) struct Network {
    pub(super) name: String,
    /// The run that made it, if one did.
    pub(super) run: String,
    blocks: Vec<Block>,
}

async fn networks(client: &Client) -> Result<Vec<Network>, BackendError> {
    let ids = client.lines(&["network", "ls", "--quiet"]).await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let format = format!(
        "{{{{.Name}}}}\t{{{{with index .Labels \"{RUN_LABEL}\"}}}}{{{{.}}}}{{{{end}}}}\t{{{{range .IPAM.Config}}}}{{{{.Subnet}}}} {{{{end}}}}"
    );
    let mut args = vec!["network", "inspect", "--format", &format];
    args.extend(ids.iter().map(String::as_str));
    // A network that was removed since the first question makes an error; the others are told all the same.
    let ended = client.ask(&args).await?;
    Ok(ended.stdout.lines().map(read_network).collect())
}

fn read_network(line: &str) -> Network {
    let mut columns = line.split('\t');
    let mut next = || columns.next().unwrap_or_default();
    let (name, run, subnets) = (next(), next(), next());
    let blocks = subnets
        .split_whitespace()
        .filter_map(|subnet| subnet.parse().ok())
        .collect();
    Network {
        name: name.to_owned(),
        run: run.to_owned(),
        blocks,
    }
}

/// Whether no network of docker's is in `subnet`.
///
/// # Errors
/// `Unavailable`, with the network that is.
pub(super) fn check_subnet(
    subnet: Subnet,
    networks: &[Network],
    sharing: Sharing,
) -> Result<(), BackendError> {
    let Some(network) = networks
        .iter()
        .find(|network| network.blocks.iter().any(|block| block.meets(subnet)))
    else {
        return Ok(());
    };
    let of_run = if network.run.is_empty() {
        String::new()
    } else {
        format!(" of the run {}", network.run)
    };
    Err(BackendError::Unavailable {
        what: format!("the subnet {subnet}.0/24 is taken: the Docker network {}{of_run} is in it", network.name),
        help: match sharing {
            Sharing::Alone => "remove that network (`labrunner clean` removes what a killed run left), or take another subnet",
            Sharing::WithOthers => "the course's text names these addresses: remove that network (`labrunner clean` removes what a killed run left)",
        }.to_owned(),
    })
}

/// Says in words what is taken, and by whom.
pub(super) async fn explain(taken: Taken, client: &Client, sharing: Sharing) -> BackendError {
    let (what, help) = match taken {
        Taken::Port(port) => {
            let filter = format!("publish={port}");
            let holders = client.lines(&["ps", "--filter", &filter, "--format", "{{.Names}}"]).await.unwrap_or_default();
            return port_taken(port, &holders, sharing);
        }
        Taken::NoSuchPorts(first) => (
            format!("eight ports from {first} on: there are none but 1 to 65535"),
            "take a first port between 1024 and 65528".to_owned(),
        ),
        Taken::Everything => (
            "no subnet of 10.213.0.0/16 or 172.31.0.0/16 is free together with eight ports between 20000 and 24095".to_owned(),
            "remove what killed runs left (`labrunner clean`), or name a subnet and a first port that are free".to_owned(),
        ),
    };
    BackendError::Unavailable { what, help }
}

/// That a port is in use: by these containers, or by a program of which docker knows nothing.
pub(super) fn port_taken(port: u16, containers: &[String], sharing: Sharing) -> BackendError {
    let by = match containers {
        [] => "another program".to_owned(),
        some => format!("the container {}", some.join(", ")),
    };
    BackendError::Unavailable {
        what: format!("port {port} of 127.0.0.1 is taken by {by}"),
        help: match sharing {
            Sharing::Alone => "stop it, or take another first port",
            Sharing::WithOthers => "stop it: the course's text names this port",
        }
        .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("dk1", true)]
    #[case("20261122-ab_c", true)]
    #[case("", false)]
    #[case("-x", false)]
    #[case("X", false)]
    #[case("a/b", false)]
    #[case("..", false)]
    fn checks_the_runs_id(#[case] run: &str, #[case] good: bool) {
        assert_eq!(check_run(run).is_ok(), good);
    }

    #[test]
    fn reads_networks() {
        let network = read_network("mine\tx\t172.30.0.0/24 fd00::/64 ");
        assert_eq!(
            (
                network.name.as_str(),
                network.run.as_str(),
                network.blocks.len()
            ),
            ("mine", "x", 1)
        );
        assert!(read_network("host\t\t").blocks.is_empty());
    }

    #[rstest]
    #[case::ours(
        "mine\tx\t172.30.0.0/24",
        "the subnet 172.30.0.0/24 is taken: the Docker network mine of the run x is in it"
    )]
    #[case::theirs(
        "big\t\t172.16.0.0/12",
        "the subnet 172.30.0.0/24 is taken: the Docker network big is in it"
    )]
    fn names_who_has_the_subnet(#[case] line: &str, #[case] what: &str) {
        let error = check_subnet(
            "172.30.0".parse().expect("a subnet"),
            &[read_network(line)],
            Sharing::Alone,
        )
        .expect_err("taken");
        assert_eq!(error.to_string(), what);
    }

    #[tokio::test]
    async fn without_docker_nothing_else_is_complained_of() {
        let found = Engine::find(OsStr::new("/nowhere"), Images::default()).await;
        let error = found.err().expect("no docker there");
        assert!(error.to_string().contains("no program `docker`"), "{error}");
    }
}
