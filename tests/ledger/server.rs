//! The throw-away server: made, broken, started again, and gone afterwards.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use labrunner::backend::postgres::{Options, Server, Stop, left};
use sqlx::{Connection, Executor, PgConnection, Row};

use crate::support::may_run;

/// Long enough for anything that ends by itself, on a machine under load.
const LONG: Duration = Duration::from_secs(60);

async fn start(options: Options) -> Server {
    tokio::task::spawn_blocking(move || Server::start(&options).unwrap())
        .await
        .unwrap()
}

async fn count(url: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let row = connection
        .fetch_one("SELECT count(*) FROM kept")
        .await
        .unwrap();
    row.get(0)
}

fn poll(what: &str, mut look: impl FnMut() -> bool) {
    let until = Instant::now() + LONG;
    while !look() {
        assert!(Instant::now() < until, "not within {LONG:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn what_was_committed_survives_every_end_of_the_server() {
    if !may_run(
        "postgres",
        "what_was_committed_survives_every_end_of_the_server",
    ) {
        return;
    }
    let mut server = start(Options::default()).await;
    let (port, url) = (server.port(), server.url("postgres"));
    let mut connection = PgConnection::connect(&url).await.unwrap();
    connection
        .execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)")
        .await
        .unwrap();
    server.stop(Stop::Fast).unwrap();
    assert!(!server.is_running());
    assert!(connection.execute("SELECT 1").await.is_err());
    for n in 0..3 {
        server.start_again().unwrap();
        assert_eq!(server.port(), port);
        assert_eq!(count(&url).await, 1 + n);
        let mut connection = PgConnection::connect(&server.socket_url("postgres"))
            .await
            .unwrap();
        connection
            .execute("INSERT INTO kept VALUES (1)")
            .await
            .unwrap();
        match n {
            0 => server.stop(Stop::Immediate).unwrap(),
            _ => server.kill(),
        }
        assert!(connection.execute("SELECT 1").await.is_err());
    }
    let folder = server.socket_folder().to_owned();
    drop(server);
    assert!(!folder.exists());
}

#[tokio::test]
async fn over_tcp_it_wants_the_password() {
    if !may_run("postgres", "over_tcp_it_wants_the_password") {
        return;
    }
    let server = start(Options::default()).await;
    let wrong = server.url("postgres").replace(server.password(), "guess");
    let error = PgConnection::connect(&wrong).await.unwrap_err().to_string();
    assert!(error.contains("password authentication failed"), "{error}");
}

#[tokio::test]
async fn frozen_it_does_not_answer_and_woken_it_does() {
    if !may_run("postgres", "frozen_it_does_not_answer_and_woken_it_does") {
        return;
    }
    let mut server = start(Options::default()).await;
    let mut connection = PgConnection::connect(&server.url("postgres"))
        .await
        .unwrap();
    server.freeze();
    let asked = connection.execute("SELECT 1");
    tokio::pin!(asked);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut asked).await;
    assert!(early.is_err(), "{early:?}");
    server.wake();
    tokio::time::timeout(LONG, asked).await.unwrap().unwrap();
    server.freeze();
    let folder = server.socket_folder().to_owned();
    drop(server);
    assert!(!folder.exists());
}

/// This test program again, as the owner of a server, for a test to kill. It says where the server is.
fn owner(test: &str) -> (std::process::Child, PathBuf) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("LABRUNNER_TEST_OWNER", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let folder = lines
        .find_map(|line| line.unwrap().strip_prefix("FOLDER ").map(PathBuf::from))
        .unwrap();
    (child, folder)
}

/// Whether this process is one that [`owner`] has started; then it has been that, until it was killed.
fn was_owner() -> bool {
    if std::env::var_os("LABRUNNER_TEST_OWNER").is_none() {
        return false;
    }
    let server = Server::start(&Options {
        run: Some("killed".to_owned()),
        ..Options::default()
    })
    .unwrap();
    println!("\nFOLDER {}", server.socket_folder().display());
    // Until the end of the pipe, which comes with the end of the test.
    let _ = std::io::stdin().read_line(&mut String::new());
    true
}

fn found(folder: &std::path::Path) -> Option<left::Found> {
    let id = folder.file_name().unwrap().to_str().unwrap();
    left::find().into_iter().find(|found| found.id == id)
}

#[test]
fn an_owner_that_is_killed_leaves_nothing() {
    let test = "server::an_owner_that_is_killed_leaves_nothing";
    if was_owner() || !may_run("postgres", test) {
        return;
    }
    let (mut owner, folder) = owner(test);
    assert!(found(&folder).unwrap().owned);
    owner.kill().unwrap();
    owner.wait().unwrap();
    poll("the watchdog has removed the server", || !folder.exists());
}

#[test]
fn what_is_left_where_the_watchdog_was_killed_too_is_found_and_removed() {
    let test = "server::what_is_left_where_the_watchdog_was_killed_too_is_found_and_removed";
    if was_owner() || !may_run("postgres", test) {
        return;
    }
    let (mut owner, folder) = owner(test);
    let watchdogs = || {
        let name = folder.to_str().unwrap();
        std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(|entry| {
                std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    line.starts_with("sh\0") && line.contains(name)
                })
            })
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
            .collect::<Vec<_>>()
    };
    let watchdog = watchdogs();
    assert_eq!(watchdog.len(), 1);
    let server = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    let server: u32 = server.lines().next().unwrap().parse().unwrap();
    let killed = Command::new("kill")
        .args(["-9", &watchdog[0].to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert!(folder.exists());
    let found = found(&folder).unwrap();
    assert!(!found.owned);
    assert_eq!(found.run.as_deref(), Some("killed"));
    let cleaned = Command::new(env!("CARGO_BIN_EXE_labrunner"))
        .args(["clean", "killed"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&cleaned.stdout).into_owned();
    assert!(
        said.contains(&format!(
            "removed the PostgreSQL server {} of run killed",
            found.id
        )),
        "{said}"
    );
    assert!(!folder.exists());
    assert!(!std::path::Path::new(&format!("/proc/{server}/root")).exists());
}
