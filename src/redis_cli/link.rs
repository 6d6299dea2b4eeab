//! A connection to one server.
//!
//! One command after another, each waiting for its reply: that is how redis-cli works, and a thread that blocks is the quickest way to do it (a
//! reshard is thousands of single commands). The connections of `resp` are made for many callers at once, and read RESP2 only.

use std::io::{self, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;

use super::receive::{Broken, receive};
use super::value::Value;

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Host and port; the port as it was given, which may be none.
    Tcp(String, i64),
    /// A socket in the file system.
    Socket(String),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Tcp(host, port) => write!(f, "{host}:{port}"),
            Place::Socket(path) => f.write_str(path),
        }
    }
}

enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl io::Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(into),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.read(into),
        }
    }
}

impl Stream {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.write_all(bytes),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.write_all(bytes),
        }
    }
}

/// An open connection.
pub(super) struct Link {
    stream: BufReader<Stream>,
}

impl Link {
    /// Connects; says nothing yet.
    pub(super) fn open(place: &Place) -> io::Result<Link> {
        let stream = match place {
            Place::Tcp(host, port) => tcp(host, *port)?,
            #[cfg(unix)]
            Place::Socket(path) => Stream::Unix(UnixStream::connect(path)?),
            #[cfg(not(unix))]
            Place::Socket(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(Link {
            stream: BufReader::with_capacity(16 << 10, stream),
        })
    }

    /// Sends a command.
    pub(super) fn send<A: AsRef<[u8]>>(&mut self, words: &[A]) -> Result<(), Broken> {
        Ok(self.stream.get_mut().write_all(&packed(words))?)
    }

    /// Awaits the next reply or push.
    pub(super) fn receive(&mut self) -> Result<Value, Broken> {
        receive(&mut self.stream)
    }

    /// Sends a command and awaits its reply. Pushes before it are passed over.
    pub(super) fn ask<A: AsRef<[u8]>>(&mut self, words: &[A]) -> Result<Value, Broken> {
        self.send(words)?;
        self.reply()
    }

    /// Sends two commands at once and awaits both replies.
    pub(super) fn ask_both<A: AsRef<[u8]>>(
        &mut self,
        first: &[A],
        second: &[A],
    ) -> Result<(Value, Value), Broken> {
        let both = [packed(first), packed(second)].concat();
        self.stream.get_mut().write_all(&both)?;
        Ok((self.reply()?, self.reply()?))
    }

    /// Awaits the next reply. Pushes before it are passed over.
    pub(super) fn reply(&mut self) -> Result<Value, Broken> {
        loop {
            let value = self.receive()?;
            if !matches!(value, Value::Push(_)) {
                return Ok(value);
            }
        }
    }
}

/// A command as it goes over the wire.
fn packed<A: AsRef<[u8]>>(words: &[A]) -> Vec<u8> {
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(word.as_ref());
    }
    command.get_packed_command()
}

/// Tries a host's addresses, those of IPv4 first.
fn tcp(host: &str, port: i64) -> io::Result<Stream> {
    // A port that is none is cut to 16 bits, as the resolver of C does.
    let port = u16::try_from(port & 0xffff).unwrap_or_default();
    let mut addresses: Vec<_> = (host, port).to_socket_addrs()?.collect();
    addresses.sort_by_key(|address| address.is_ipv6());
    let mut last = io::Error::new(io::ErrorKind::NotFound, "Name or service not known");
    for address in addresses {
        match TcpStream::connect(address) {
            Ok(stream) => {
                // One command is one small packet; without this it would wait for the acknowledgement of the one before.
                stream.set_nodelay(true)?;
                return Ok(Stream::Tcp(stream));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
