//! PostgreSQL as a container, and psql in another beside it, so that it also works while the server is down.
//!
//! Both are made when a lab asks for the database, and stay for the next lab that does. The server is used again as long as it runs: the
//! database is made anew each time, which takes a tenth of the time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Inner;
use super::client::run_program;
use super::compose::PSQL;
use super::toolbox::{exec_failed, is_not_running};
use crate::backend::database::{CONNECT_SECONDS, Database, Reached};
use crate::backend::process::{Ended, Ending};
use crate::backend::{BackendError, Life};
use crate::lab::action::{Limits, PsqlCall};
use crate::lab::environment::{POSTGRES, POSTGRES_PORT, POSTGRES_USER};

/// The superuser of the container, as docker-compose.yml has it; the password and a database are called the same.
const SUPERUSER: &str = "postgres";
/// To make the two containers takes a second or two; a machine under load needs longer.
const CREATE_TIME: Duration = Duration::from_secs(120);
/// A new server makes its files first: a second, or many on a machine under load.
const START_LIMIT: Duration = Duration::from_secs(90);
/// Of what compose says, this many bytes are kept.
const SAID_BYTES: usize = 64 * 1024;

impl Inner {
    /// See [`crate::backend::Backend::make_postgres`].
    pub(super) async fn make_postgres(
        &self,
        cancel: &CancellationToken,
    ) -> Result<String, BackendError> {
        let life = self.life_of(POSTGRES).await?;
        if life != Life::Running {
            if life != Life::Absent {
                self.remove_postgres(cancel).await?;
            }
            let _making = tokio::select! {
                making = self.making.lock() => making,
                () = cancel.cancelled() => return Err(BackendError::Cancelled),
            };
            self.reservation
                .release_port(self.reservation.postgres_port());
            let services = [POSTGRES, PSQL].map(str::to_owned);
            let made = self
                .run_compose(self.compose.up(&services), CREATE_TIME, SAID_BYTES, cancel)
                .await?;
            if made.ending == Ending::Cancelled {
                return Err(BackendError::Cancelled);
            }
            if !made.succeeded() {
                return Err(self.refused("PostgreSQL can't be started", &made).await);
            }
        }
        let made = self.database().make_empty(START_LIMIT, cancel).await;
        if made.is_err() && self.life_of(POSTGRES).await? != Life::Running {
            return Err(self.postgres_died().await);
        }
        made?;
        self.has_database.store(true, Ordering::Relaxed);
        Ok(self.database_url())
    }

    /// See [`crate::backend::Backend::remove_postgres`].
    pub(super) async fn remove_postgres(
        &self,
        cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        self.has_database.store(false, Ordering::Relaxed);
        self.remove_containers(&[POSTGRES, PSQL], cancel).await?;
        self.reservation
            .take_back_port(self.reservation.postgres_port());
        Ok(())
    }

    /// How the container of a node or service is.
    pub(super) async fn life_of(&self, name: &str) -> Result<Life, BackendError> {
        let container = self.terms.container(name);
        let lives = self.lives().await?;
        let found = lives.into_iter().find(|(found, _)| *found == container);
        Ok(found.map_or(Life::Absent, |(_, life)| life))
    }

    /// Where the lab's user reaches the database from this machine.
    pub(super) fn database_url(&self) -> String {
        self.database().reached().url().to_owned()
    }

    fn database(&self) -> Database {
        let address = self.reservation.postgres();
        Database::of_labs(format!(
            "postgres://{SUPERUSER}:{SUPERUSER}@{address}/{SUPERUSER}?sslmode=disable"
        ))
    }

    async fn postgres_died(&self) -> BackendError {
        let container = self.terms.container(POSTGRES);
        let log = self
            .client
            .ask(&["logs", "--tail", "3", &container])
            .await
            .map(|ended| self.terms.to_course(&ended.complaint()))
            .unwrap_or_default();
        BackendError::Broken {
            what: format!("PostgreSQL ended while it was being started: {log}"),
            help: format!(
                "see whether the image {} runs PostgreSQL with the variables of docker-compose.yml",
                self.compose.variables.postgres_image
            ),
        }
    }

    /// Runs psql to its end.
    ///
    /// # Errors
    /// `Broken` when there is nothing to run it in; `Cancelled` when that was being made.
    pub(super) async fn psql(
        &self,
        call: &PsqlCall,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Ended, BackendError> {
        if !self.has_database.load(Ordering::Relaxed) {
            return Err(BackendError::Broken {
                what: "there is no PostgreSQL in this environment".to_owned(),
                help: "a lab asks for it by `given: {postgres: migrated}`".to_owned(),
            });
        }
        let refuses = self.is_refusing(self.reservation.postgres()).await;
        let words = self.psql_words(call, limits.time, refuses);
        let run = || {
            let program = self.client.program(&words);
            run_program(program, limits.time, limits.output, cancel)
        };
        let mut ended = run().await?;
        if is_not_running(&ended) {
            // Somebody has stopped or removed it by hand; nothing was run.
            self.start_psql(cancel).await?;
            ended = run().await?;
        }
        match exec_failed(&ended) {
            None => Ok(ended),
            Some(words) => Err(BackendError::Broken {
                what: format!("psql can't be run: {}", self.terms.to_course(&words)),
                help: format!(
                    "see what the container `psql` has logged, and whether psql is in the image {}",
                    self.compose.variables.postgres_image
                ),
            }),
        }
    }

    /// The command line that runs psql.
    pub(super) fn explain_psql(&self, call: &PsqlCall) -> Vec<String> {
        let words = self.psql_words(call, Duration::from_secs(60), false);
        ["docker".to_owned()].into_iter().chain(words).collect()
    }

    async fn start_psql(&self, cancel: &CancellationToken) -> Result<(), BackendError> {
        let _making = tokio::select! {
            making = self.making.lock() => making,
            () = cancel.cancelled() => return Err(BackendError::Cancelled),
        };
        let program = self.compose.up(&[PSQL.to_owned()]);
        let made = self
            .run_compose(program, CREATE_TIME, SAID_BYTES, cancel)
            .await?;
        match made.ending {
            _ if made.succeeded() => Ok(()),
            Ending::Cancelled => Err(BackendError::Cancelled),
            _ => Err(self.refused("psql can't be started", &made).await),
        }
    }

    /// The arguments for docker. A call that nobody waits for any more is ended by a clock of its own: docker has no way to end what it
    /// started in a container.
    ///
    /// Where the port on this machine refuses, psql asks itself, where nobody serves either, and is refused at once as the reader is. By its
    /// address it would wait for a container that is not there.
    fn psql_words(&self, call: &PsqlCall, time: Duration, refuses: bool) -> Vec<String> {
        let server = if refuses { "127.0.0.1" } else { POSTGRES };
        let seconds = time.as_secs().saturating_add(2);
        let url = format!(
            "postgres://{POSTGRES_USER}:{POSTGRES_USER}@{server}:{POSTGRES_PORT}/{POSTGRES_USER}"
        );
        let (arguments, password) = Reached::by(url).psql(call);
        let mut words = vec!["exec".to_owned()];
        for variable in [
            format!("PGPASSWORD={password}"),
            format!("PGCONNECT_TIMEOUT={CONNECT_SECONDS}"),
        ] {
            words.extend(["--env".to_owned(), variable]);
        }
        words.push(self.terms.container(PSQL));
        words.extend(["timeout", "-s", "KILL"].map(str::to_owned));
        words.extend([seconds.to_string(), "psql".to_owned()]);
        words.extend(arguments);
        words
    }
}
