//! A disk that is full: a tablespace on a file system of a few megabytes.

use std::path::{Path, PathBuf};
use std::process::Command;

use labrunner::app::ledger::{Entry, Ledger, LedgerSettings, schema};
use labrunner::app::request::{OperationId, ReservationId};
use labrunner::app::{AppError, Seat};
use labrunner::backend::postgres::{Options, Server};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::ledger::event;
use crate::support::{may_run, skip};

/// A file system of its own, in memory.
struct Small(PathBuf);

impl Small {
    /// Nothing where the system does not let us.
    fn mount(folder: &Path) -> Option<Small> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4M,mode=0777", "tmpfs"])
            .arg(folder)
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| Small(folder.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_nothing_is_half_done() {
    let test = "a_full_disk_is_told_and_nothing_is_half_done";
    if !may_run("postgres", test) {
        return;
    }
    // Where the server's own account can pass.
    let place = tempfile::Builder::new()
        .prefix("labrunner-small-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in("/tmp")
        .unwrap();
    let Some(small) = Small::mount(place.path()) else {
        skip("mount", test, "no file system can be mounted here");
        return;
    };
    let server = tokio::task::spawn_blocking(|| Server::start(&Options::default()).unwrap())
        .await
        .unwrap();
    let folder = place.path().join("space");
    std::fs::create_dir(&folder).unwrap();
    // PostgreSQL wants it to be its own and nobody else's.
    let owner = std::fs::metadata(server.socket_folder()).unwrap();
    let (user, group) = {
        use std::os::unix::fs::MetadataExt;
        (owner.uid(), owner.gid())
    };
    std::os::unix::fs::chown(&folder, Some(user), Some(group)).unwrap();
    let url = server.socket_url("postgres");
    let settings = LedgerSettings::new(&url);
    schema::up(&Ledger::open(&settings).unwrap()).await.unwrap();
    let ledger = Ledger::connect(&settings).await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let make = format!("CREATE TABLESPACE small LOCATION '{}'", folder.display());
    connection.execute(AssertSqlSafe(make)).await.unwrap();
    for table in [
        "reservations",
        "reserved_seats",
        "history",
        "outbox",
        "operations",
    ] {
        let move_it = format!("ALTER TABLE {table} SET TABLESPACE small");
        connection.execute(AssertSqlSafe(move_it)).await.unwrap();
    }
    let event = event(&ledger, 5000).await;
    connection
        .execute("CREATE TABLE filler (x text) TABLESPACE small")
        .await
        .unwrap();
    // Until nothing more goes in, down to single pages.
    for size in [200_000, 2000, 20] {
        let fill = format!(
            "INSERT INTO filler SELECT repeat(md5(random()::text), 60) FROM generate_series(1, {size})"
        );
        while connection
            .execute(AssertSqlSafe(fill.clone()))
            .await
            .is_ok()
        {}
    }
    let sell = async |seat: u32| {
        let entry = Entry {
            event: event.clone(),
            reservation: ReservationId::random(),
            user: "ann".parse().unwrap(),
            seats: vec![Seat::at(seat)],
            token: 1,
            operation: OperationId::random(),
        };
        ledger.confirm(&entry).await
    };
    // What room the pages still have is used up first.
    let mut sold = 0;
    let error = loop {
        match sell(sold).await {
            Ok(_) => sold += 1,
            Err(error) => break error,
        }
        assert!(sold < 5000, "the disk was never full");
    };
    assert!(matches!(error, AppError::LedgerFull { .. }), "{error}");
    assert!(error.to_string().contains("No space left"), "{error}");
    let told = ledger.confirmed(&event).await.unwrap().len();
    assert_eq!(told as u32, sold);
    assert_eq!(ledger.sheet(&event).await.unwrap().unwrap().sold, sold);
    connection.execute("DROP TABLE filler").await.unwrap();
    connection.execute("CHECKPOINT").await.unwrap();
    sell(sold).await.unwrap();
    drop((server, small));
}
