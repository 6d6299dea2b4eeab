//! Databases for tests: one real PostgreSQL server a test program, which ends with it, and one database a test.
//!
//! Each test file uses a part of this, and has the module `support` beside it.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use labrunner::app::ledger::{Ledger, LedgerSettings, schema};
use labrunner::backend::postgres::{Options, Server};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::may_run;

/// The server of this test program. It is never dropped: its watchdog ends it together with the program.
pub fn server(test: &str) -> Option<&'static Server> {
    static SERVER: OnceLock<Server> = OnceLock::new();
    may_run("postgres", test).then(|| {
        SERVER.get_or_init(|| {
            Server::start(&Options {
                // Every test may have a pool or two of its own.
                settings: vec!["max_connections = 300".to_owned()],
                ..Options::default()
            })
            .unwrap()
        })
    })
}

/// An empty database.
pub struct Database {
    /// The server that it is on.
    pub server: &'static Server,
    /// Its name there.
    pub name: String,
}

impl Database {
    /// Makes one; none where there is no PostgreSQL, which is said.
    pub async fn make(test: &str) -> Option<Database> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let test = test.to_owned();
        let server = tokio::task::spawn_blocking(move || server(&test))
            .await
            .unwrap()?;
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&server.socket_url("postgres"))
            .await
            .unwrap();
        connection
            .execute(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .await
            .unwrap();
        Some(Database { server, name })
    }

    /// Makes one with the schema of the application.
    pub async fn migrated(test: &str) -> Option<Database> {
        let database = Database::make(test).await?;
        let ledger = Ledger::open(&LedgerSettings::new(database.url())).unwrap();
        schema::up(&ledger).await.unwrap();
        ledger.close().await;
        Some(database)
    }

    /// Makes one with the schema, and connects the application's ledger to it.
    pub async fn ledger(test: &str) -> Option<(Database, Ledger)> {
        let database = Database::migrated(test).await?;
        let settings = LedgerSettings::new(database.url());
        let ledger = Ledger::connect(&settings).await.unwrap();
        Some((database, ledger))
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.server.socket_url(&self.name)
    }

    /// A connection to it.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }
}
