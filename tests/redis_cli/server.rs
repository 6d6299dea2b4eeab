//! A real server alone, with the same data before every call.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::ports::free_port;
use crate::support::redis_server;

/// What is in it.
const DATA: [&str; 14] = [
    "FLUSHALL",
    "SET s hello",
    "SET n 17",
    "SET empty \"\"",
    "SET quotes \"a \\\"b\\\" \\\\c\\n\\t\\r\\a\\b d\"",
    "SET bytes \"\\x00\\xff\\x1f\\x7f \\xc3\\xa9\"",
    "RPUSH list a b c",
    "RPUSH long 1 2 3 4 5 6 7 8 9 10 11 12",
    "HSET hash field value",
    "SADD set x",
    "ZADD sorted 1 a 2.5 b",
    "XADD stream 1-1 f v g w",
    "XADD stream 2-1 f v",
    "XGROUP CREATE stream group 0",
];

pub struct Server {
    process: Child,
    pub port: u16,
    folder: tempfile::TempDir,
    _claim: File,
}

impl Server {
    pub fn start(more: &[&str]) -> Server {
        let (port, claim) = free_port(Ipv4Addr::LOCALHOST);
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new(redis_server())
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no"])
            .args(["--enable-debug-command", "yes", "--dir"])
            .arg(folder.path())
            .arg("--unixsocket")
            .arg(folder.path().join("socket"))
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < until, "redis-server did not start");
            std::thread::sleep(Duration::from_millis(2));
        }
        Server {
            process,
            port,
            folder,
            _claim: claim,
        }
    }

    /// The socket's place.
    pub fn socket(&self) -> String {
        self.folder
            .path()
            .join("socket")
            .to_str()
            .unwrap()
            .to_owned()
    }

    /// Sends a line; the reply's text.
    pub fn ask(&self, line: &str) -> String {
        let mut stream =
            BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap());
        stream
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())
            .unwrap();
        let mut first = String::new();
        stream.read_line(&mut first).unwrap();
        let Some(length) = first.strip_prefix('$') else {
            return first;
        };
        let mut bytes = vec![0; length.trim_end().parse().unwrap()];
        stream.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Puts the data back, and what a call may have changed.
    pub fn reset(&self) {
        let mut stream =
            BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap());
        for line in DATA {
            stream
                .get_mut()
                .write_all(format!("{line}\r\n").as_bytes())
                .unwrap();
            let mut reply = String::new();
            stream.read_line(&mut reply).unwrap();
            assert!(!reply.starts_with('-'), "{line}: {reply}");
            if reply.starts_with('$') {
                stream.read_line(&mut String::new()).unwrap();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
