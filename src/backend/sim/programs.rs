//! Commands as processes of this machine: redis-cli, the machine's or our own, and the application, which is our own.

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use crate::backend::database::{CONNECT_SECONDS, Reached};
use crate::backend::leash::{find_leash, on_leash, own};
use crate::backend::postgres::Binaries;
use crate::backend::process::{Ended, Program, find_program};
use crate::backend::terms::Terms;
use crate::backend::words::{as_typed, not_ours, quote, to_output};
use crate::backend::{BackendError, application};
use crate::lab::action::{Action, AppCall, Limits, NodeChange, Output, PsqlCall, RedisCliCall};
use crate::lab::environment::{CourseNode, POSTGRES_PORT};
use crate::resp::AddressBook;

/// A password of the caller's own cluster.
const PASSWORD: &str = "REDISCLI_AUTH";
/// Where programs are run: a reader's own settings may stand where labrunner was started.
const FOLDER: &str = "/";

/// What runs commands.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    /// The program that is labrunner.
    own: PathBuf,
    /// The machine's redis-cli, if it has one.
    redis_cli: Option<PathBuf>,
    /// Ends others' programs when we die, where the machine has it.
    leash: Option<PathBuf>,
    /// The machine's psql, if it has one.
    psql: Option<PathBuf>,
    terms: Terms,
}

/// Fires when one of two tokens does.
pub(super) struct Either {
    token: CancellationToken,
    waiting: tokio::task::JoinHandle<()>,
}

impl Either {
    pub(super) fn new(one: &CancellationToken, other: &CancellationToken) -> Self {
        let token = one.child_token();
        let (fires, other) = (token.clone(), other.clone());
        let waiting = tokio::spawn(async move {
            tokio::select! {
                () = other.cancelled() => fires.cancel(),
                () = fires.cancelled() => {}
            }
        });
        Either { token, waiting }
    }
}

impl Drop for Either {
    fn drop(&mut self) {
        self.waiting.abort();
    }
}

impl Programs {
    /// Looks for them; `named` is the program that is labrunner, if that was said.
    ///
    /// # Errors
    /// `Broken` when our own program is not known.
    pub(super) fn find(named: Option<&Path>, terms: Terms) -> Result<Self, BackendError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let own = application::program(named)?;
        let redis_cli = find_program("redis-cli", &path);
        // Our own needs no leash.
        let leash = find_leash(&path);
        Ok(Programs {
            // They are not run where we were started.
            own: std::path::absolute(&own).unwrap_or(own),
            redis_cli: redis_cli.map(|path| std::path::absolute(&path).unwrap_or(path)),
            leash,
            psql: find_psql(&path),
            terms,
        })
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Which redis-cli is used, in a few words.
    pub(super) fn redis_cli_in_words(&self) -> String {
        match &self.redis_cli {
            Some(path) => format!("redis-cli is {}", path.display()),
            None => "redis-cli is labrunner's own".to_owned(),
        }
    }

    /// Runs redis-cli to its end. A port of this machine that is among those of `refusing` nodes is said to refuse, as it would be said to a reader.
    pub(super) async fn redis_cli(
        &self,
        call: &RedisCliCall,
        refusing: &[CourseNode],
        limits: Limits,
        cancel: &Either,
    ) -> Result<Output, BackendError> {
        let args = self.terms.redis_cli(call, &[]).map_err(not_ours)?;
        let stdin = call.stdin.as_deref().map(|text| self.terms.stdin(text));
        let program = match (&self.redis_cli, &self.leash) {
            (Some(path), Some(leash)) => on_leash(leash, path),
            (Some(path), None) => Program::new(path),
            (None, _) => own(&self.own).args(["redis-cli"]),
        };
        let program = program.args(args).without_env(PASSWORD).stdin(stdin);
        let ended = run(program, limits, cancel).await?;
        let silent: Vec<CourseNode> = Terms::by_loopback(call)
            .into_iter()
            .filter(|node| refusing.contains(node))
            .collect();
        Ok(to_output(ended, |text| {
            let text = self.terms.to_course(text);
            silent.iter().fold(text, |text, node| {
                text.replace(&node.address(), &format!("127.0.0.1:{}", node.port()))
            })
        }))
    }

    /// Runs the application to its end.
    pub(super) async fn app(
        &self,
        call: &AppCall,
        book: &AddressBook,
        database: Option<&Reached>,
        limits: Limits,
        cancel: &Either,
    ) -> Result<Output, BackendError> {
        let mut program = own(&self.own).args(["app"]).args(&call.words);
        for name in application::unset(std::env::vars_os().map(|(name, _)| name)) {
            program = program.without_env(name);
        }
        let url = database.map(|database| database.url().to_owned());
        for (name, value) in application::environment(book, url) {
            program = program.env(name, value);
        }
        let ended = run(program, limits, cancel).await?;
        Ok(to_output(ended, |text| self.terms.to_course(text)))
    }

    /// Runs psql to its end.
    pub(super) async fn psql(
        &self,
        call: &PsqlCall,
        database: Option<Reached>,
        limits: Limits,
        cancel: &Either,
    ) -> Result<Output, BackendError> {
        let Some(database) = database else {
            return Err(BackendError::Broken {
                what: "there is no PostgreSQL in this environment".to_owned(),
                help: "a lab asks for it by `given: {postgres: migrated}`".to_owned(),
            });
        };
        let Some(psql) = &self.psql else {
            return Err(BackendError::Unavailable {
                what: "psql is not installed".to_owned(),
                help: "install it (Debian, Ubuntu: `apt-get install postgresql-client`), or run this lab on containers: `--backend docker`".to_owned(),
            });
        };
        let (args, password) = database.psql(call);
        let program = match &self.leash {
            Some(leash) => on_leash(leash, psql),
            None => Program::new(psql),
        };
        let mut program = program.args(args);
        // Settings of the caller's own for another server.
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"PG") {
                program = program.without_env(name);
            }
        }
        let program = program
            .env("PGPASSWORD", password)
            .env("PGCONNECT_TIMEOUT", CONNECT_SECONDS.to_string());
        let ended = run(program, limits, cancel).await?;
        let (here, course) = (
            format!("port {}", database.port()),
            format!("port {POSTGRES_PORT}"),
        );
        Ok(to_output(ended, |text| text.replace(&here, &course)))
    }

    /// The command line that is run; of what needs none, what it stands for.
    pub(super) fn explain(
        &self,
        action: &Action,
        book: &AddressBook,
        database: Option<&Reached>,
    ) -> String {
        let own = self.own.display().to_string();
        let words: Vec<String> = match action {
            Action::Nodes { change, nodes } => {
                let what = match change {
                    NodeChange::Up => "compose up -d".to_owned(),
                    other => other.to_string(),
                };
                let nodes: Vec<&str> = nodes.iter().map(|node| node.as_str()).collect();
                return format!("docker {what} {}, simulated", nodes.join(" "));
            }
            Action::Links { change, node } => {
                let what = match change {
                    crate::lab::action::LinkChange::Disconnect => "disconnect",
                    crate::lab::action::LinkChange::Connect => "connect",
                };
                return format!("docker network {what} {node}, simulated");
            }
            Action::RedisCli(call) => {
                let program = match &self.redis_cli {
                    Some(path) => vec![path.display().to_string()],
                    None => vec![own, "redis-cli".to_owned()],
                };
                // A call that can't be made is refused when it is performed; here it is shown as typed.
                let args = self.terms.redis_cli(call, &[]);
                let args = args.unwrap_or_else(|_| as_typed(call));
                program.into_iter().chain(args).collect()
            }
            Action::Psql(call) => {
                let args = database.map(|database| database.psql(call).0);
                let psql = self.psql.as_deref().unwrap_or(Path::new("psql"));
                let program = [psql.display().to_string()].into_iter();
                program.chain(args.unwrap_or_default()).collect()
            }
            Action::App(call) => {
                application::environment(book, database.map(|it| it.url().to_owned()))
                    .into_iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .chain([own, "app".to_owned()])
                    .chain(call.words.iter().cloned())
                    .collect()
            }
        };
        let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
        quoted.join(" ")
    }
}

/// That of the server that would be started, or else the first on the PATH.
fn find_psql(path: &std::ffi::OsStr) -> Option<PathBuf> {
    let of_server = Binaries::find().ok().map(|found| found.program("psql"));
    of_server
        .filter(|psql| psql.is_file())
        .or_else(|| find_program("psql", path))
        .map(|psql| std::path::absolute(&psql).unwrap_or(psql))
}

async fn run(program: Program, limits: Limits, cancel: &Either) -> Result<Ended, BackendError> {
    program
        .directory(FOLDER)
        .run(limits.time, limits.output, &cancel.token)
        .await
        .map_err(|error| BackendError::Broken {
            what: format!("a command can't be started: {error}"),
            help: "see whether redis-cli and labrunner can be run".to_owned(),
        })
}
