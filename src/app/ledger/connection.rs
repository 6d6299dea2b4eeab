//! How the ledger is reached.

use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::attempt::Patience;
use crate::app::error::AppError;

/// How long the server works on one statement less than we wait for it, so that its own word comes before our patience ends.
pub(super) const MARGIN: Duration = Duration::from_millis(200);

/// The parameters of a connection that say for how long the server works on a statement, waits for a lock, and for us within a transaction.
pub(super) const LIMITS: [&str; 3] = [
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
];

/// What they are where an attempt may take this long: milliseconds.
pub(super) fn server_limit(attempt: Duration) -> String {
    let limit = attempt.saturating_sub(MARGIN).max(MARGIN);
    limit.as_millis().to_string()
}

/// Where the ledger is, and how patient the application is with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerSettings {
    /// `postgres://user:password@host:port/database?sslmode=…&sslrootcert=…`; what it says of TLS is heeded.
    pub url: String,
    /// Connections at most. Each is a process of the server.
    pub connections: u32,
    /// How long one request is tried, with all its attempts.
    pub deadline: Duration,
    /// How long one attempt may take. After one for which that was not enough the next has twice as long.
    pub attempt: Duration,
}

impl LedgerSettings {
    /// The settings for a database, with the defaults for all else.
    pub fn new(url: impl Into<String>) -> Self {
        LedgerSettings {
            url: url.into(),
            connections: 10,
            deadline: Duration::from_secs(10),
            attempt: Duration::from_secs(2),
        }
    }

    fn options(&self) -> Result<PgConnectOptions, AppError> {
        let wrong = |why: String| {
            AppError::invalid(
                format!("the address of the database can't be used: {why}"),
                "as in postgres://user:password@127.0.0.1:5432/tickets?sslmode=require",
            )
        };
        // The library takes every scheme.
        if !self.url.starts_with("postgres://") && !self.url.starts_with("postgresql://") {
            return Err(wrong("it does not begin with postgres://".to_owned()));
        }
        let options = PgConnectOptions::from_str(&self.url).map_err(|error| {
            // What it says may hold the address, with the password.
            wrong(match error {
                sqlx::Error::Configuration(why) => why.to_string(),
                _ => "it is not an address".to_owned(),
            })
        })?;
        self.read_files()?;
        let limit = server_limit(self.attempt);
        Ok(options
            .application_name("labrunner-app")
            .options(LIMITS.map(|name| (name, limit.as_str())))
            // A library does not log on its own account.
            .disable_statement_logging())
    }
}

/// Parameters of an address that name a file, by all names that the library knows: certificates, and the key of ours.
const FILES: [&str; 7] = [
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
];

impl LedgerSettings {
    /// Looks at the files that the address names. The library does so when it connects, and would take a file that is not there for a server
    /// that does not answer, and one without a certificate for a certificate that does not fit.
    fn read_files(&self) -> Result<(), AppError> {
        let (_, parameters) = self.url.split_once('?').unwrap_or_default();
        for (name, value) in parameters
            .split('&')
            .filter_map(|pair| pair.split_once('='))
        {
            if !FILES.contains(&name) {
                continue;
            }
            let spaced = value.replace('+', " ");
            let path = percent_decode_str(&spaced).decode_utf8_lossy();
            let why = match std::fs::read(path.as_ref()) {
                Err(error) => error.to_string(),
                Ok(text) if memchr::memmem::find(&text, b"-----BEGIN ").is_none() => {
                    "there is no PEM in it".to_owned()
                }
                Ok(_) => continue,
            };
            return Err(AppError::invalid(
                format!(
                    "{name} of the database's address names {path}, which can't be used: {why}"
                ),
                "name a file of certificates or of a key, as PEM (-----BEGIN …)",
            ));
        }
        Ok(())
    }
}

/// The ledger. Cheap to clone; all clones share their connections.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(super) pool: PgPool,
    pub(super) patience: Patience,
    /// For messages: where it is, without the password.
    place: String,
}

impl Ledger {
    /// Connects, and looks whether the schema is the one that this program works with.
    ///
    /// # Errors
    /// The address is wrong; the server can't be reached, or does not let the application in, until the deadline; the database or its schema is
    /// not there, or another one ([`AppError::LedgerNotReady`]).
    pub async fn connect(settings: &LedgerSettings) -> Result<Self, AppError> {
        let ledger = Ledger::open(settings)?;
        super::schema::check(&ledger).await?;
        Ok(ledger)
    }

    /// As [`connect`](Self::connect), without a look at the schema and without a connection, which is made when it is needed.
    ///
    /// # Errors
    /// The address is wrong.
    pub fn open(settings: &LedgerSettings) -> Result<Self, AppError> {
        let options = settings.options()?;
        let place = format!(
            "{} at {}",
            options.get_database().unwrap_or(options.get_username()),
            match options.get_socket() {
                Some(folder) => folder.display().to_string(),
                None => format!("{}:{}", options.get_host(), options.get_port()),
            }
        );
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections.max(1))
            .acquire_timeout(settings.attempt)
            // A connection that broke while nobody used it shows when it is used, and then the request is tried again: no question before each.
            .test_before_acquire(false)
            .connect_lazy_with(options);
        Ok(Ledger {
            pool,
            patience: Patience {
                deadline: settings.deadline,
                attempt: settings.attempt,
            },
            place,
        })
    }

    /// Which database it is and where, without the password.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Closes its connections in good order.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
