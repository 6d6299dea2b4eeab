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

/// Between two tries to reach a server that is starting.
const PAUSE: Duration = Duration::from_millis(50);
/// How long one try may take, and one statement.
const TRY: Duration = Duration::from_secs(15);

/// A server, and what is made on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Database {
    /// Where the server is, as a superuser of it.
    pub(super) admin_url: String,
    /// The database.
    pub(super) name: String,
    /// The user who owns it; the password is the same.
    pub(super) user: String,
}

impl Database {
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

    async fn make_in(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let (name, user) = (quoted(&self.name), quoted(&self.user));
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        run(connection, drop).await?;
        let found: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_roles WHERE rolname = $1")
            .bind(&self.user)
            .fetch_optional(&mut *connection)
            .await?;
        if found.is_none() {
            run(connection, format!("CREATE ROLE {user}")).await?;
        }
        let password = self.user.replace('\'', "''");
        for statement in [
            format!(
                "ALTER ROLE {user} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{password}'"
            ),
            format!("ALTER ROLE {user} RESET ALL"),
            // From template0, to which nobody can have added anything.
            format!("CREATE DATABASE {name} OWNER {user} TEMPLATE template0"),
        ] {
            run(connection, statement).await?;
        }
        Ok(())
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

    #[tokio::test]
    async fn a_server_that_is_not_there_is_told_with_its_last_words() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let database = Database {
            admin_url: format!("postgres://x:x@{}/x", nobody.local_addr().unwrap()),
            name: "app".to_owned(),
            user: "app".to_owned(),
        };
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
