//! The application on real servers: the command as a user types it, and the store under it.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../servers/mod.rs"]
mod servers;
#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod command;
mod failover;
mod load_test;
mod moving;
mod patience;
mod reads;
mod scripted;

use std::ffi::OsStr;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use labrunner::admin::{Shape, create};
use labrunner::app::settings::Settings;
use labrunner::cluster::{Endpoint, NodeName};
use serde_json::Value;
use servers::Servers;

/// How long a cluster may take to come about.
const LIMIT: Duration = Duration::from_secs(15);

/// Three masters: redis-2, which has half of the slots, has a replica, and the other two are a majority without it.
async fn cluster() -> Servers {
    cluster_of(Duration::from_secs(2)).await
}

/// The same, with another time after which a silent node is taken for failed.
async fn cluster_of(node_timeout: Duration) -> Servers {
    let servers = Servers::start(4);
    let name = |text: &str| NodeName::new(text);
    let shape = Shape {
        node_timeout: Some(node_timeout),
        masters: [
            (name("redis-1"), "0-8191".parse().unwrap()),
            (name("redis-2"), "8192-16382".parse().unwrap()),
            (name("redis-4"), "16383".parse().unwrap()),
        ]
        .into(),
        replicas: [(name("redis-3"), name("redis-2"))].into(),
    };
    create(&servers.book(), &shape, LIMIT, &|_| {})
        .await
        .unwrap();
    servers
}

/// Where a node is.
fn endpoint(servers: &Servers, node: &str) -> Endpoint {
    let at = servers.address(node).reachable;
    Endpoint::new(at.ip().to_string(), at.port())
}

/// Settings for the members of that cluster.
fn settings(servers: &Servers) -> Settings {
    Settings {
        nodes: ["redis-1", "redis-2", "redis-3"]
            .map(|node| endpoint(servers, node))
            .to_vec(),
        ..Settings::default()
    }
}

/// The `app` command, without a setting from outside.
fn app<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_app"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("APP_") {
            command.env_remove(name);
        }
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// What it printed, and how it ended.
struct Ended {
    exit: Option<i32>,
    stdout: String,
    stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Ended {
            exit: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    /// Asserts on the exit code, and on words somewhere in what was printed.
    #[track_caller]
    fn says(&self, exit: i32, words: &[&str]) -> &Self {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.exit, Some(exit), "{all}");
        for word in words {
            assert!(all.contains(word), "it does not say {word:?}:\n{all}");
        }
        self
    }

    /// The answer of a call with `--json`.
    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(
            self.stdout.lines().count(),
            1,
            "{}{}",
            self.stdout,
            self.stderr
        );
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// Calls the application on a cluster, without blocking the runtime.
async fn call(servers: &Servers, args: &[&str]) -> Ended {
    let nodes = settings(servers)
        .nodes
        .iter()
        .map(Endpoint::to_string)
        .collect::<Vec<_>>()
        .join(",");
    let mut command = app(args);
    command.env("APP_NODES", nodes);
    tokio::task::spawn_blocking(move || command.output().unwrap().into())
        .await
        .unwrap()
}

/// Makes an event, and gives its id.
async fn event(servers: &Servers, seats: u32, more: &[&str]) -> String {
    let seats = seats.to_string();
    let mut args = vec![
        "create-event",
        "--name",
        "Test",
        "--seats",
        &seats,
        "--json",
    ];
    args.extend(more);
    let created = call(servers, &args).await;
    created.says(0, &["created"]).json()["event"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// A server of its own, with these options; it is killed when dropped.
struct Plain {
    child: Child,
    node: Endpoint,
    _folder: tempfile::TempDir,
}

impl Plain {
    fn start(options: &[&str]) -> Plain {
        let folder = tempfile::tempdir().unwrap();
        // Free when it was asked for; somebody else may come first, and then the server ends, and another is tried.
        for _ in 0..10 {
            let port = {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                listener.local_addr().unwrap().port()
            };
            if port > 55_000 {
                // The bus would be on a port that there is not.
                continue;
            }
            let mut child = Command::new(support::redis_server())
                .args([
                    "--port",
                    &port.to_string(),
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                ])
                .args(options)
                .current_dir(folder.path())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let deadline = std::time::Instant::now() + LIMIT;
            while std::time::Instant::now() < deadline {
                if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Plain {
                        child,
                        node: Endpoint::new("127.0.0.1", port),
                        _folder: folder,
                    };
                }
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                std::thread::yield_now();
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("no redis-server of the test's own came up");
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
