//! Real servers in cluster mode, killed when dropped.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;

use super::frame;

pub struct Real {
    process: Child,
    pub port: u16,
    _folder: tempfile::TempDir,
    clients: BTreeMap<u8, (TcpStream, Vec<u8>)>,
}

const LIMIT: Duration = Duration::from_secs(20);

/// A port whose bus port is free as well. Nobody listens while that is found out: a program that another test starts just then would, too, and answer for the server that is to come.
fn free_port() -> u16 {
    for _ in 0..1000 {
        let bound = bind(0).unwrap();
        let port = bound.local_addr().unwrap().port();
        if port < 55_000 && bind(port + 10_000).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

fn bind(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    Ok(socket)
}

impl Real {
    /// `None`: this program is not here.
    pub fn start(program: &str) -> Option<Real> {
        let version = Command::new(program).arg("--version").output();
        version.ok().filter(|output| output.status.success())?;
        let until = Instant::now() + LIMIT;
        while Instant::now() < until {
            if let Some(real) = Real::attempt(program, until) {
                return Some(real);
            }
        }
        panic!("{program} does not start");
    }

    fn attempt(program: &str, until: Instant) -> Option<Real> {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let process = Command::new(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(folder.path())
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut real = Real {
            process,
            port,
            _folder: folder,
            clients: BTreeMap::new(),
        };
        while Instant::now() < until {
            // Somebody else was quicker to take the port.
            if real.process.try_wait().unwrap().is_some() {
                return None;
            }
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(real);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    fn client(&mut self, number: u8) -> &mut (TcpStream, Vec<u8>) {
        let port = self.port;
        self.clients.entry(number).or_insert_with(|| {
            let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            (stream, Vec::new())
        })
    }

    pub fn close(&mut self, number: u8) {
        self.clients.remove(&number);
    }

    pub fn send<W: AsRef<[u8]>>(&mut self, client: u8, words: &[W]) {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            let word = word.as_ref();
            bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            bytes.extend_from_slice(word);
            bytes.extend_from_slice(b"\r\n");
        }
        self.client(client).0.write_all(&bytes).unwrap();
    }

    /// One reply, as its bytes.
    pub fn read(&mut self, client: u8) -> Vec<u8> {
        let (stream, unread) = self.client(client);
        let mut buffer = [0; 64 * 1024];
        loop {
            if let Some(length) = frame::length(unread) {
                return unread.drain(..length).collect();
            }
            match stream.read(&mut buffer) {
                Ok(count) if count > 0 => unread.extend_from_slice(&buffer[..count]),
                other => panic!(
                    "no reply: {other:?} after {:?}",
                    String::from_utf8_lossy(unread)
                ),
            }
        }
    }

    pub fn ask<W: AsRef<[u8]>>(&mut self, client: u8, words: &[W]) -> Vec<u8> {
        self.send(client, words);
        self.read(client)
    }

    /// Asks until the reply has this in it.
    pub fn until(&mut self, words: &[&str], wanted: &str) {
        let until = Instant::now() + LIMIT;
        loop {
            let reply = self.ask(0, words);
            let reply = String::from_utf8_lossy(&reply);
            if reply.contains(wanted) {
                return;
            }
            assert!(Instant::now() < until, "{words:?}: {reply}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
