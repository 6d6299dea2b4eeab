//! A door before a node through which everything it is told passes, and is written down.
//!
//! On the way back, the lines of CLUSTER NODES are put in order: a server prints them in the order of its hash table, whose seed is random, and in that
//! order redis-cli works.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// The commands of all nodes, in the order in which they came: the node's number and the words.
pub type Log = Arc<Mutex<Vec<(usize, Vec<Vec<u8>>)>>>;

/// Where a node is called instead of at its own port.
pub struct Door {
    pub address: SocketAddr,
    closed: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Door {
    /// Listens, and passes on to `node` what comes, until it is closed.
    pub fn open(listener: TcpListener, node: SocketAddr, number: usize, log: Log) -> Door {
        let address = listener.local_addr().unwrap();
        let closed = Arc::new(AtomicBool::new(false));
        let is_closed = closed.clone();
        let accepting = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if is_closed.load(Ordering::Relaxed) {
                    break;
                }
                let log = log.clone();
                // Somebody connects before the node listens: that is a refusal.
                if let Ok(to) = TcpStream::connect(node) {
                    std::thread::spawn(move || pass(&stream, &to, number, &log));
                }
            }
        });
        Door {
            address,
            closed,
            accepting: Some(accepting),
        }
    }

    /// From here on who calls is refused.
    pub fn close(&mut self) {
        let Some(accepting) = self.accepting.take() else {
            return;
        };
        self.closed.store(true, Ordering::Relaxed);
        // It sees that once it is called.
        let _ = TcpStream::connect(self.address);
        let _ = accepting.join();
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.close();
    }
}

fn pass(from: &TcpStream, to: &TcpStream, number: usize, log: &Log) {
    let _ = (from.set_nodelay(true), to.set_nodelay(true));
    let (mut commands, mut replies) = (BufReader::new(from), BufReader::new(to));
    while let Some((words, bytes)) = command(&mut commands) {
        let name = words[0].to_ascii_uppercase();
        let is_nodes =
            name == b"CLUSTER" && words.len() == 2 && words[1].eq_ignore_ascii_case(b"NODES");
        log.lock().unwrap().push((number, words));
        if (&*to).write_all(&bytes).is_err() {
            break;
        }
        if name == b"PSYNC" {
            // From here on the node sends without being asked.
            stream_on(commands, replies);
            return;
        }
        let mut bytes = Vec::new();
        if reply(&mut replies, &mut bytes).is_none() {
            break;
        }
        if is_nodes && bytes[0] == b'$' {
            bytes = in_order(&bytes);
        }
        if (&*from).write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

fn stream_on(mut commands: BufReader<&TcpStream>, mut replies: BufReader<&TcpStream>) {
    let (from, to) = (*commands.get_ref(), *replies.get_ref());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = std::io::copy(&mut replies, &mut &*from);
            let _ = from.shutdown(Shutdown::Both);
        });
        let _ = std::io::copy(&mut commands, &mut &*to);
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// A bulk with its lines in the order of the addresses, which stand second.
fn in_order(bulk: &[u8]) -> Vec<u8> {
    let start = bulk.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let text = std::str::from_utf8(&bulk[start..bulk.len() - 2]).unwrap();
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.sort_by_key(|line| line.split(' ').nth(1).map(str::to_owned));
    [&bulk[..start], lines.concat().as_bytes(), b"\r\n"].concat()
}

/// A reply as it came.
fn reply(stream: &mut impl BufRead, bytes: &mut Vec<u8>) -> Option<()> {
    let at = bytes.len();
    if stream.read_until(b'\n', bytes).ok()? == 0 {
        return None;
    }
    let count = || {
        std::str::from_utf8(&bytes[at + 1..])
            .ok()?
            .trim_end()
            .parse::<i64>()
            .ok()
    };
    let items = match bytes[at] {
        b'$' | b'=' | b'!' => {
            let length = count()?;
            let mut bulk = vec![0; usize::try_from(length + 2).unwrap_or(0)];
            if length >= 0 {
                stream.read_exact(&mut bulk).ok()?;
                bytes.extend_from_slice(&bulk);
            }
            0
        }
        b'*' | b'~' | b'>' => count()?,
        b'%' => count()? * 2,
        _ => 0,
    };
    for _ in 0..items {
        reply(stream, bytes)?;
    }
    Some(())
}

/// A command, as words and as it came.
fn command(stream: &mut impl BufRead) -> Option<(Vec<Vec<u8>>, Vec<u8>)> {
    let mut bytes = Vec::new();
    let count = number(stream, b'*', &mut bytes)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length = number(stream, b'$', &mut bytes)?;
        let mut word = vec![0; length + 2];
        stream.read_exact(&mut word).ok()?;
        bytes.extend_from_slice(&word);
        word.truncate(length);
        words.push(word);
    }
    Some((words, bytes))
}

fn number(stream: &mut impl BufRead, kind: u8, bytes: &mut Vec<u8>) -> Option<usize> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).ok()?;
    bytes.extend_from_slice(&line);
    let text = String::from_utf8(line.strip_prefix(&[kind])?.to_vec()).ok()?;
    text.trim_end().parse().ok()
}
