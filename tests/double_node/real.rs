//! A real Redis 7.0, alone, on a port of 127.0.0.1 and in a folder of its own. Killed when dropped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{redis_server, skip};
use crate::wire::Wire;

/// How long a start may take.
const LIMIT: Duration = Duration::from_secs(20);

pub struct Real {
    process: Child,
    address: SocketAddr,
    /// Its working folder, removed after it.
    _folder: tempfile::TempDir,
}

/// Whether Redis 7.0 is here; if not, `test` is skipped, or fails where it must be.
pub fn is_here(test: &str) -> bool {
    let output = Command::new(redis_server()).arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    match version {
        Ok(version) if version.contains(" v=7.0.") => true,
        Ok(version) => skip(
            "redis",
            test,
            &format!("redis-server is not 7.0, but {}", version.trim()),
        ),
        Err(error) => skip("redis", test, &format!("redis-server: {error}")),
    }
}

impl Real {
    pub fn start() -> Real {
        Real::start_with(&[])
    }

    /// With these arguments beside those that every one gets.
    pub fn start_with(arguments: &[&str]) -> Real {
        let until = Instant::now() + LIMIT;
        loop {
            // Another process may take the port before the server does: then it ends at once, and the next port is tried.
            if let Some(server) = Real::attempt(free_port(), arguments, until) {
                return server;
            }
            assert!(
                Instant::now() < until,
                "redis-server did not start within {LIMIT:?}"
            );
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn attempt(port: u16, arguments: &[&str], until: Instant) -> Option<Real> {
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new(redis_server())
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(folder.path())
            .args(arguments)
            // SORT ALPHA goes by the locale.
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Real {
            process,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            _folder: folder,
        };
        while Instant::now() < until {
            if server.process.try_wait().unwrap().is_some() {
                return None;
            }
            if server.answers() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
    }

    /// Whether somebody answers there, and is this process.
    fn answers(&self) -> bool {
        let Ok(mut wire) = Wire::connect(self.address) else {
            return false;
        };
        let mine = format!("process_id:{}\r\n", self.process.id());
        wire.call(&["INFO", "server"])
            .is_ok_and(|info| String::from_utf8_lossy(&info.payload).contains(&mine))
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}
