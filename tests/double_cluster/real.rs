//! The real side: `redis-server` processes, each on a loopback address of its own.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::frame::Frame;
use crate::mesh::{self, Mesh};
use crate::ports::free_port;
use crate::stage::{By, Place, Stage};
use crate::support::redis_server;
use crate::wire::Wire;

/// How long a start or an end may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

pub struct Real {
    nodes: Vec<Node>,
    settings: Vec<(String, String)>,
    port: u16,
    /// The port that nodes announce: that of the proxy, where there is one.
    announced: u16,
    mesh: Option<Mesh>,
    began: Instant,
    folder: tempfile::TempDir,
    _claims: Vec<File>,
}

struct Node {
    ip: Ipv4Addr,
    process: Option<Child>,
    wires: [Option<Wire>; 2],
}

impl Real {
    /// Starts this many, with these settings beside the usual ones; with `cuts`, such that nodes can be cut from each other.
    pub fn start(count: usize, settings: &[(String, String)], cuts: bool) -> Real {
        // Free on every address: each node has one of its own.
        let (port, claim) = free_port(Ipv4Addr::UNSPECIFIED);
        let mut claims = vec![claim];
        let mut announced = port;
        if cuts {
            let (other, claim) = free_port(Ipv4Addr::UNSPECIFIED);
            announced = other;
            claims.push(claim);
        }
        let ips: Vec<Ipv4Addr> = (1..=count)
            .map(|n| Ipv4Addr::new(127, 0, 2, n as u8))
            .collect();
        let mesh = cuts.then(|| {
            let place = |&ip: &Ipv4Addr| mesh::Place {
                ip,
                front: announced,
                behind: port,
            };
            Mesh::start(&ips.iter().map(place).collect::<Vec<_>>())
        });
        let nodes = ips
            .into_iter()
            .map(|ip| Node {
                ip,
                process: None,
                wires: [None, None],
            })
            .collect();
        let mut real = Real {
            nodes,
            settings: settings.to_vec(),
            port,
            announced,
            mesh,
            began: Instant::now(),
            folder: tempfile::tempdir().unwrap(),
            _claims: claims,
        };
        for node in 0..count {
            real.spawn(node);
        }
        for node in 0..count {
            real.await_answer(node);
        }
        real
    }

    fn log_file(&self, node: usize) -> PathBuf {
        self.folder.path().join(format!("{node}.log"))
    }

    fn spawn(&mut self, node: usize) {
        let folder = self.folder.path().join(node.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let ip = self.nodes[node].ip.to_string();
        let mut command = Command::new(redis_server());
        command
            .args(["--port", &self.port.to_string(), "--bind", &ip])
            .args(["--bind-source-addr", &ip])
            .args(["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            // Offsets change by what a scenario writes and by nothing else, and new replicas don't wait for others.
            .args(["--repl-ping-replica-period", "3600"])
            .args(["--repl-diskless-sync-delay", "0"])
            // To the server, only 127.0.0.1 is this machine.
            .args(["--protected-mode", "no"])
            .args(["--enable-debug-command", "yes"]);
        if self.mesh.is_some() {
            let bus = (self.announced + 10_000).to_string();
            command
                .args(["--cluster-announce-port", &self.announced.to_string()])
                .args(["--cluster-announce-bus-port", &bus])
                .args(["--replica-announce-port", &self.announced.to_string()]);
        }
        for (name, value) in &self.settings {
            command.args([&format!("--{name}"), value]);
        }
        let process = command
            .arg("--dir")
            .arg(&folder)
            .arg("--logfile")
            .arg(self.log_file(node))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.nodes[node].process = Some(process);
    }

    fn await_answer(&mut self, node: usize) {
        let address = SocketAddr::from((self.nodes[node].ip, self.port));
        let until = Instant::now() + LIMIT;
        while TcpStream::connect(address).is_err() {
            let process = self.nodes[node].process.as_mut().unwrap();
            let ended = process.try_wait().unwrap().is_some();
            assert!(
                !ended && Instant::now() < until,
                "redis-server did not start; its log:\n{}",
                self.log(node)
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn signal(&self, node: usize, signal: &str) {
        let process = self.nodes[node].process.as_ref().unwrap();
        let status = Command::new("kill")
            .args([&format!("-{signal}"), &process.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Stage for Real {
    fn place(&self, node: usize) -> Place {
        Place {
            ip: self.nodes[node].ip,
            port: self.announced,
            bus: self.announced + 10_000,
        }
    }

    fn call(&mut self, node: usize, by: By, words: &[Vec<u8>]) -> Result<Frame, String> {
        let address = SocketAddr::from((self.nodes[node].ip, self.port));
        let slot = &mut self.nodes[node].wires[by as usize];
        let wire = match slot {
            Some(wire) => wire,
            None => slot.insert(Wire::connect(address).map_err(|error| error.to_string())?),
        };
        let reply = wire.call(words).map_err(|none| none.why);
        if reply.is_err() {
            *slot = None;
        }
        reply
    }

    fn stop(&mut self, node: usize) {
        // It hangs up instead of answering.
        let _ = self.call(
            node,
            By::Scenario,
            &[b"SHUTDOWN".to_vec(), b"SAVE".to_vec()],
        );
        let mut process = self.nodes[node].process.take().unwrap();
        let until = Instant::now() + LIMIT;
        while process.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "redis-server does not shut down");
            std::thread::sleep(Duration::from_millis(2));
        }
        self.nodes[node].wires = [None, None];
    }

    fn kill(&mut self, node: usize) {
        let mut process = self.nodes[node].process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        self.nodes[node].wires = [None, None];
    }

    fn start(&mut self, node: usize) {
        self.spawn(node);
        self.await_answer(node);
    }

    fn freeze(&mut self, node: usize) {
        self.signal(node, "STOP");
    }

    fn thaw(&mut self, node: usize) {
        self.signal(node, "CONT");
    }

    fn cut(&mut self, groups: &[Vec<usize>]) {
        self.mesh.as_ref().unwrap().cut(groups);
    }

    fn heal(&mut self) {
        self.mesh.as_ref().unwrap().heal();
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn pause(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn log(&self, node: usize) -> String {
        let text = std::fs::read_to_string(self.log_file(node)).unwrap_or_default();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.contains("WARNING"))
            .collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(mut process) = node.process.take() {
                let _ = process.kill();
                let _ = process.wait();
            }
        }
    }
}
