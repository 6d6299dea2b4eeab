//! A server of one version, alone, on a socket in a folder of its own. Killed with the test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::Connection;

use crate::support::skip;

/// What `.ci/servers` fetches, oldest first.
pub const VERSIONS: [&str; 4] = ["redis-6.2.5", "redis-7.0.15", "redis-8.2.3", "valkey-9.1.2"];

/// How long anything may take to come about.
pub const LIMIT: Duration = Duration::from_secs(20);

pub struct Server {
    process: Child,
    folder: tempfile::TempDir,
    version: &'static str,
}

impl Server {
    /// Starts it, unless it is not on this machine: then the test is skipped, or fails where it must not be.
    pub fn start(version: &'static str, test: &str) -> Option<Server> {
        let program = program(version);
        let found = Command::new(&program).arg("--version").output();
        if !found.is_ok_and(|output| output.status.success()) {
            skip(
                "redis",
                test,
                &format!("{version} is not here; .ci/servers fetches it"),
            );
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new(program)
            .args(["--port", "0", "--save", "", "--appendonly", "no"])
            .arg("--unixsocket")
            .arg(folder.path().join("socket"))
            .arg("--dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Some(Server {
            process,
            folder,
            version,
        })
    }

    /// A connection that speaks RESP2 or RESP3.
    pub fn connect(&self, protocol: u8) -> Connection {
        let socket = self.folder.path().join("socket");
        let url = format!("unix://{}?protocol={protocol}", socket.display());
        let client = redis::Client::open(url).unwrap();
        poll("the server listens", || client.get_connection().ok())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- this was on {}", self.version);
        }
    }
}

/// Debian's is on the path, the others are where `.ci/servers` puts them.
fn program(version: &str) -> PathBuf {
    let (product, number) = version.split_once('-').unwrap();
    if number.starts_with("7.0.") {
        return "redis-server".into();
    }
    let cache = std::env::var_os("LABRUNNER_SERVERS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/servers"),
        PathBuf::from,
    );
    cache.join(version).join(format!("{product}-server"))
}

/// Polls until `look` has something.
pub fn poll<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
