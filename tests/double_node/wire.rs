//! A client that knows of a connection only its bytes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::frame::{Frame, Malformed};

/// How long a reply may take. Long: the machine may be busy, and only a wrong double is ever waited for in vain.
pub const LIMIT: Duration = Duration::from_secs(5);

pub struct Wire {
    stream: TcpStream,
    /// What has come and was not read as a reply yet.
    unread: Vec<u8>,
    closed: bool,
}

/// Why there is no reply. `so_far`: what came in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoReply {
    pub why: String,
    pub so_far: Vec<u8>,
}

impl Wire {
    pub fn connect(address: SocketAddr) -> io::Result<Wire> {
        let stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(Wire {
            stream,
            unread: Vec::new(),
            closed: false,
        })
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Exactly one reply: its bytes in `unread` are used up.
    pub fn read(&mut self) -> Result<Frame, NoReply> {
        let until = Instant::now() + LIMIT;
        loop {
            match Frame::scan(&self.unread) {
                Ok(Some((frame, used))) => {
                    self.unread.drain(..used);
                    return Ok(frame);
                }
                Err(Malformed(why)) => return Err(self.no_reply(why)),
                Ok(None) if self.closed => return Err(self.no_reply("the server hung up")),
                Ok(None) => {}
            }
            if !self.more(until) {
                return Err(self.no_reply("the server is silent"));
            }
        }
    }

    /// Sends a command and reads its reply.
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<Frame, NoReply> {
        self.send(&command(args)).map_err(|error| NoReply {
            why: error.to_string(),
            so_far: Vec::new(),
        })?;
        self.read()
    }

    /// All that has come by now and was not read, without waiting.
    pub fn unread(&mut self) -> &[u8] {
        while self.more(Instant::now()) && !self.closed {}
        &self.unread
    }

    /// Everything until the server hangs up.
    pub fn until_closed(&mut self) -> Result<Vec<u8>, NoReply> {
        let until = Instant::now() + LIMIT;
        while !self.closed {
            if !self.more(until) {
                return Err(self.no_reply("the server does not hang up"));
            }
        }
        Ok(std::mem::take(&mut self.unread))
    }

    /// Says goodbye, and waits until the server has noticed: after this, nothing of this connection is left there.
    pub fn close(mut self) -> Result<(), NoReply> {
        // Fails if the server was faster: then there is nothing left to say.
        let _ = self.stream.shutdown(Shutdown::Write);
        self.until_closed().map(|_| ())
    }

    /// Waits for bytes, at least once and at most `until`; whether something has happened.
    fn more(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        let waits = if left.is_zero() {
            self.stream.set_nonblocking(true)
        } else {
            self.stream.set_read_timeout(Some(left))
        };
        let mut buffer = [0; 16 * 1024];
        let read = waits.and_then(|()| self.stream.read(&mut buffer));
        if left.is_zero() {
            let _ = self.stream.set_nonblocking(false);
        }
        match read {
            Ok(0) => self.closed = true,
            Ok(read) => self.unread.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return false;
            }
            // A reset is how a server hangs up on a client that still had something to say.
            Err(_) => self.closed = true,
        }
        true
    }

    fn no_reply(&self, why: &str) -> NoReply {
        NoReply {
            why: why.to_owned(),
            so_far: self.unread.clone(),
        }
    }
}

/// A command as clients send it.
pub fn command<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
