//! The database of an environment: made empty for a lab that asks for it, on whichever server it lives.
//!
//! A lab's commands and the application use it as a user who owns the database and is not a superuser: that is what keeps a statement
//! from the files and programs of the server's machine.

use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio_util::sync::CancellationToken;

use super::BackendError;
use crate::lab::action::PsqlCall;
use crate::lab::environment::{POSTGRES_PORT, POSTGRES_USER};

/// Between two tries to reach a server that is starting.
const PAUSE: Duration = Duration::from_millis(50);
/// How long psql tries to reach a server that takes its connection and says nothing, in seconds.
pub(super) const CONNECT_SECONDS: u32 = 5;
/// How long one try may take, and one statement.
const TRY: Duration = Duration::from_secs(15);

/// A server, and what is made on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Database {
    /// Where the server is, as somebody who may make a database.
    admin_url: String,
    /// The database.
    name: String,
    /// The user who is made to own it, with the password of the same name. Without, it is whoever makes it.
    owner: Option<String>,
}

impl Database {
    /// The one that labs speak of, on a server that is labrunner's own. `admin_url` is that of a superuser.
    pub(super) fn of_labs(admin_url: String) -> Self {
        Database {
            admin_url,
            name: POSTGRES_USER.to_owned(),
            owner: Some(POSTGRES_USER.to_owned()),
        }
    }

    /// One of a name of its own, on a server that is somebody else's. Nothing but this database is made there.
    pub(super) fn among_others(admin_url: &str) -> Self {
        Database {
            admin_url: admin_url.to_owned(),
            name: format!("labrunner_{:08x}", rand::random::<u32>()),
            owner: None,
        }
    }

    /// How its owner reaches it.
    pub(super) fn reached(&self) -> Reached {
        let url = Parts::of(&self.admin_url);
        let user = match &self.owner {
            Some(owner) => format!("{owner}:{owner}"),
            None => url.user.to_owned(),
        };
        Reached {
            url: Parts {
                user: &user,
                database: &self.name,
                ..url
            }
            .to_string(),
        }
    }

    /// Waits until the server answers, then makes the database: empty, whatever it was before, and its owner with the settings that a new
    /// user has.
    ///
    /// # Errors
    /// `Broken` when the server does not answer within `limit`, with its last words, or when it refuses; `Cancelled`.
    pub(super) async fn make_empty(
        &self,
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        let made = async {
            let mut connection = reach(&self.admin_url, limit).await?;
            self.make_in(&mut connection)
                .await
                .map_err(|error| refused(&error))?;
            // Whoever waits for its end waits for nothing that matters.
            let _ = connection.close().await;
            Ok(())
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(BackendError::Cancelled),
            made = made => made,
        }
    }

    /// Removes it from its server.
    ///
    /// # Errors
    /// `Broken` when the server does not answer, or refuses.
    pub(super) async fn remove(&self) -> Result<(), BackendError> {
        let mut connection = reach(&self.admin_url, TRY).await?;
        self.drop_in(&mut connection)
            .await
            .map_err(|error| BackendError::Broken {
                what: format!("the database {} can't be removed: {error}", self.name),
                help: format!("remove it by hand: DROP DATABASE {}", quoted(&self.name)),
            })
    }

    async fn drop_in(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let name = quoted(&self.name);
        run(
            connection,
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        )
        .await
    }

    async fn make_in(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.drop_in(connection).await?;
        let name = quoted(&self.name);
        // From template0, to which nobody can have added anything.
        let Some(owner) = &self.owner else {
            return run(
                connection,
                format!("CREATE DATABASE {name} TEMPLATE template0"),
            )
            .await;
        };
        let found: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_roles WHERE rolname = $1")
            .bind(owner)
            .fetch_optional(&mut *connection)
            .await?;
        let user = quoted(owner);
        if found.is_none() {
            run(connection, format!("CREATE ROLE {user}")).await?;
        }
        let password = owner.replace('\'', "''");
        for statement in [
            format!(
                "ALTER ROLE {user} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{password}'"
            ),
            format!("ALTER ROLE {user} RESET ALL"),
            format!("CREATE DATABASE {name} OWNER {user} TEMPLATE template0"),
        ] {
            run(connection, statement).await?;
        }
        Ok(())
    }
}

/// How the owner of a database reaches it from this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reached {
    url: String,
}

impl Reached {
    /// By a URL.
    pub(super) fn by(url: String) -> Self {
        Reached { url }
    }

    /// The URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Its port on the server's machine.
    pub(super) fn port(&self) -> u16 {
        let url = Parts::of(&self.url);
        let port = url.place.rsplit_once(':').map(|(_, port)| port.parse());
        port.and_then(Result::ok).unwrap_or(POSTGRES_PORT)
    }

    /// psql's arguments, and the password for its environment: in the arguments, everybody on the machine could read it. psql reads no file of its
    /// user's, asks for no password, and prints what a lab has said.
    pub(super) fn psql(&self, call: &PsqlCall) -> (Vec<String>, String) {
        let url = Parts::of(&self.url);
        let (user, password) = url.user.split_once(':').unwrap_or((url.user, ""));
        let shown = Parts { user, ..url }.to_string();
        let fixed = ["-X", "-w", "-d", &shown].map(str::to_owned).into_iter();
        let args = fixed
            .chain(call.options.iter().cloned())
            .chain(["-c".to_owned(), call.statement.clone()]);
        let password = percent_encoding::percent_decode_str(password).decode_utf8_lossy();
        (args.collect(), password.into_owned())
    }
}

/// A URL of a database, taken apart: `postgres://USER@PLACE/DATABASE?PARAMETERS`. With `USER` goes the password.
#[derive(Clone, Copy)]
struct Parts<'u> {
    user: &'u str,
    place: &'u str,
    database: &'u str,
    parameters: &'u str,
}

impl<'u> Parts<'u> {
    fn of(url: &'u str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        Parts {
            user,
            place,
            database,
            parameters,
        }
    }
}

impl std::fmt::Display for Parts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = if self.user.is_empty() { "" } else { "@" };
        let ask = if self.parameters.is_empty() { "" } else { "?" };
        let Parts {
            user,
            place,
            database,
            parameters,
        } = self;
        write!(
            f,
            "postgres://{user}{at}{place}/{database}{ask}{parameters}"
        )
    }
}

/// Runs a statement that was put together here, with names in quotes.
async fn run(connection: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(statement)))
        .await
        .map(drop)
}

/// Waits until a server answers.
///
/// # Errors
/// `Broken`, with the last words, when it does not within `limit`.
pub(super) async fn reach(url: &str, limit: Duration) -> Result<PgConnection, BackendError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| BackendError::Broken {
            what: format!("the address of PostgreSQL can't be read: {error}"),
            help: "it looks like postgres://USER:PASSWORD@HOST:PORT/DATABASE".to_owned(),
        })?
        .application_name("labrunner")
        .disable_statement_logging();
    let began = Instant::now();
    loop {
        let tried = tokio::time::timeout(TRY, PgConnection::connect_with(&options)).await;
        let error = match tried {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer for {} s", TRY.as_secs()),
        };
        if began.elapsed() >= limit {
            return Err(BackendError::Broken {
                what: format!(
                    "PostgreSQL does not answer after {} s: {error}",
                    limit.as_secs()
                ),
                help: "see what it has logged (`docker logs postgres` of a container)".to_owned(),
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn refused(error: &sqlx::Error) -> BackendError {
    BackendError::Broken {
        what: format!("the database can't be made: {error}"),
        help: "the user that labrunner makes it as has to be a superuser, or to have CREATEDB and CREATEROLE".to_owned(),
    }
}

/// A name as it stands in a statement.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_name_whatever_is_in_it() {
        assert_eq!(quoted("app"), "\"app\"");
        assert_eq!(quoted("a\"; DROP"), "\"a\"\"; DROP\"");
    }

    #[test]
    fn the_owner_reaches_it_where_it_was_made() {
        let own = Database::of_labs(
            "postgres://postgres:p%40ss@127.0.0.1:5555/postgres?sslmode=disable".to_owned(),
        );
        let reached = own.reached();
        assert_eq!(
            reached.url(),
            "postgres://app:app@127.0.0.1:5555/app?sslmode=disable"
        );
        assert_eq!(reached.port(), 5555);
        let others = Database::among_others("postgresql://me:p%40ss@db.example/mine").reached();
        let (start, end) = (
            "postgres://me:p%40ss@db.example/labrunner_",
            others.url().len(),
        );
        assert!(
            others.url().starts_with(start) && end == start.len() + 8,
            "{}",
            others.url()
        );
        assert_eq!(others.port(), 5432);
    }

    #[test]
    fn a_password_is_not_among_the_arguments() {
        let reached = Reached::by("postgres://me:p%40ss@127.0.0.1:5555/mine".to_owned());
        let call = PsqlCall {
            options: vec!["-A".to_owned()],
            statement: "SELECT 1".to_owned(),
        };
        let (args, password) = reached.psql(&call);
        assert_eq!(password, "p@ss");
        assert_eq!(
            args.join(" "),
            "-X -w -d postgres://me@127.0.0.1:5555/mine -A -c SELECT 1"
        );
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_told_with_its_last_words() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgres://x:x@{}/x", nobody.local_addr().unwrap());
        let database = Database::of_labs(url);
        drop(nobody);
        let limit = Duration::from_millis(100);
        let cancel = CancellationToken::new();
        let error = database.make_empty(limit, &cancel).await.unwrap_err();
        assert!(error.to_string().contains("does not answer"), "{error}");
        cancel.cancel();
        let error = database.make_empty(limit, &cancel).await.unwrap_err();
        assert!(matches!(error, BackendError::Cancelled), "{error:?}");
    }
}
