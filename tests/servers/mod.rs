//! Real `redis-server` processes on free loopback ports, for tests. They are killed when the test ends, however it ends;
//! when it fails, the last lines of their logs are shown.
//!
//! Each test file uses a part of this, and has the module `support` beside it.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

mod mesh;
mod ports;

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use labrunner::cluster::{Endpoint, NodeName};
use labrunner::resp::{Address, AddressBook};

use crate::support::{may_run, redis_server};
use mesh::{Mesh, Place};
use ports::free_port;

/// Whether the test can run; see [`may_run`].
pub fn available(test: &str) -> bool {
    may_run("redis", test)
}

/// Servers with cluster mode on, named `redis-1`, `redis-2` and so on. They announce `127.0.1.N`, while the address book
/// reaches them at `127.0.0.1`: a caller that mixes the two up is found out.
pub struct Servers {
    servers: Vec<Server>,
    folder: tempfile::TempDir,
    /// What the nodes reach each other through, if they can be cut from each other.
    mesh: Option<Mesh>,
}

struct Server {
    address: Address,
    process: Option<Child>,
    /// Its own address, and its port.
    own: (Ipv4Addr, u16),
    log: PathBuf,
    /// Keeps other test processes from taking the same port between our look and the server's bind.
    _claims: Vec<File>,
}

impl Servers {
    /// Starts this many. Does not wait until they listen.
    pub fn start(count: u16) -> Servers {
        let mut servers = Servers::prepare(count);
        for n in 1..=count {
            servers.start_node(&format!("redis-{n}"));
        }
        servers
    }

    /// Finds the ports of this many servers and starts none.
    pub fn prepare(count: u16) -> Servers {
        let folder = tempfile::tempdir().unwrap();
        let servers = (1..=count)
            .map(|n| {
                let (port, claim) = free_port(Ipv4Addr::UNSPECIFIED);
                let ip = Ipv4Addr::new(127, 0, 1, n as u8);
                Server {
                    address: Address {
                        name: NodeName::new(format!("redis-{n}")),
                        announced: Endpoint {
                            host: ip.to_string(),
                            port,
                        },
                        reachable: SocketAddr::from(([127, 0, 0, 1], port)),
                    },
                    process: None,
                    own: (ip, port),
                    log: folder.path().join(format!("redis-{n}.log")),
                    _claims: vec![claim],
                }
            })
            .collect();
        Servers {
            servers,
            folder,
            mesh: None,
        }
    }

    /// Starts this many, such that they can be [`cut`](Self::cut) from each other. Clients reach them all the same.
    pub fn start_on_wires(count: u16) -> Servers {
        let mut servers = Servers::prepare(count);
        let mut places = Vec::new();
        for server in &mut servers.servers {
            let (front, claim) = free_port(Ipv4Addr::UNSPECIFIED);
            let (ip, behind) = server.own;
            server.address.announced.port = front;
            server._claims.push(claim);
            places.push(Place { ip, front, behind });
        }
        servers.mesh = Some(Mesh::start(&places));
        for n in 1..=count {
            servers.start_node(&format!("redis-{n}"));
        }
        servers
    }

    /// The others don't reach this one any more, nor it them; those who can be cut only, see [`start_on_wires`](Self::start_on_wires).
    pub fn cut(&self, name: &str) {
        let at = self
            .servers
            .iter()
            .position(|server| server.address.name.as_str() == name);
        self.mesh.as_ref().unwrap().cut(&[vec![at.unwrap()]]);
    }

    /// All reach each other again.
    pub fn heal(&self) {
        self.mesh.as_ref().unwrap().heal();
    }

    /// Starts a server that is not running, with the data and the node id that it had.
    pub fn start_node(&mut self, name: &str) {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let on_wires = self.mesh.is_some();
        let server = self.server(name);
        assert!(server.process.is_none(), "{name} is running");
        let port = server.own.1.to_string();
        let announced = server.address.announced.host.clone();
        let mut command = Command::new(redis_server());
        if on_wires {
            let front = server.address.announced.port;
            command
                .args(["--bind-source-addr", &announced])
                // To the server, only 127.0.0.1 is this machine.
                .args(["--protected-mode", "no"])
                .args(["--cluster-announce-port", &front.to_string()])
                .args(["--cluster-announce-bus-port", &(front + 10_000).to_string()])
                .args(["--replica-announce-port", &front.to_string()]);
        }
        let process = command
            .args([
                "--port",
                &port,
                "--bind",
                "127.0.0.1",
                &announced,
                "--cluster-announce-ip",
                &announced,
            ])
            .args([
                "--cluster-enabled",
                "yes",
                "--appendonly",
                "no",
                "--save",
                "",
                "--daemonize",
                "no",
            ])
            // Logged times are local ones.
            .env("TZ", "UTC")
            .arg("--dir")
            .arg(&folder)
            .arg("--logfile")
            .arg(&server.log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        server.process = Some(process);
    }

    /// `kill -9`. Returns when the process is gone.
    pub fn kill(&mut self, name: &str) {
        let server = self.server(name);
        if let Some(mut process) = server.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// `kill -9`, and all its data is gone.
    pub fn forget(&mut self, name: &str) {
        self.kill(name);
        let _ = std::fs::remove_dir_all(self.folder.path().join(name));
    }

    /// Sends a signal by its name: `STOP` hangs the server, `CONT` wakes it.
    pub fn signal(&mut self, name: &str, signal: &str) {
        let server = self.server(name);
        let id = server.process.as_ref().unwrap().id();
        let status = Command::new("kill")
            .args([&format!("-{signal}"), &id.to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// All that a server has logged.
    pub fn log(&self, name: &str) -> String {
        let found = self
            .servers
            .iter()
            .find(|server| server.address.name.as_str() == name);
        std::fs::read_to_string(&found.unwrap().log).unwrap_or_default()
    }

    /// Where they are.
    pub fn book(&self) -> AddressBook {
        AddressBook::new(
            self.servers
                .iter()
                .map(|server| server.address.clone())
                .collect(),
        )
    }

    /// The address of one of them.
    pub fn address(&self, name: &str) -> Address {
        self.book().get(&NodeName::new(name)).unwrap().clone()
    }

    fn server(&mut self, name: &str) -> &mut Server {
        self.servers
            .iter_mut()
            .find(|server| server.address.name.as_str() == name)
            .unwrap()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for server in &mut self.servers {
            if let Some(mut process) = server.process.take() {
                let _ = process.kill();
                let _ = process.wait();
            }
            if std::thread::panicking() {
                eprintln!(
                    "--- the end of the log of {} ({})",
                    server.address.name, server.address.announced
                );
                eprintln!("{}", last_lines(&server.log, 15));
            }
        }
    }
}

fn last_lines(path: &Path, count: usize) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Polls until `look` has something, or fails with `what` after `limit`.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < until, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
