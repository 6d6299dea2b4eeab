//! Where MIGRATE brings keys to: another node of the same world, which is asked directly, or any server, by a connection of its own.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::rc::Rc;
use std::time::Duration;

use crate::double::node::peers::{Asked, Peers};

/// The server that keys are brought to.
pub(super) struct Target<'a> {
    peers: Option<Rc<dyn Peers>>,
    host: &'a [u8],
    port: &'a [u8],
    /// How long each step may take.
    timeout: Duration,
}

/// What could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Connecting,
    Writing,
    Reading,
}

/// The target was not heard of to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble {
    pub step: Step,
    /// The time was over.
    timed_out: bool,
}

impl Trouble {
    fn at(step: Step, error: &io::Error) -> Trouble {
        let timed_out = matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock);
        Trouble { step, timed_out }
    }
}

/// Replies, each without its end of line, as far as they came.
type Heard = (Vec<Vec<u8>>, Option<Trouble>);

impl<'a> Target<'a> {
    /// `timeout`: for each step, in milliseconds.
    pub fn new(
        peers: Option<Rc<dyn Peers>>,
        host: &'a [u8],
        port: &'a [u8],
        timeout: u64,
    ) -> Target<'a> {
        Target {
            peers,
            host,
            port,
            timeout: Duration::from_millis(timeout),
        }
    }

    /// Has it execute commands, the first `before` of which only prepare the others. One more try is made where nothing was done yet, and it was not for
    /// lack of time.
    pub fn ask(&mut self, commands: &[Vec<Vec<u8>>], before: usize) -> Heard {
        if let Some(heard) = self.ask_peer(commands) {
            return heard;
        }
        let (replies, trouble) = self.ask_by_connection(commands);
        match trouble {
            Some(trouble)
                if !trouble.timed_out
                    && trouble.step != Step::Connecting
                    && replies.len() <= before =>
            {
                self.ask_by_connection(commands)
            }
            _ => (replies, trouble),
        }
    }

    /// `None`: it is no node of this world.
    fn ask_peer(&self, commands: &[Vec<Vec<u8>>]) -> Option<Heard> {
        let peers = self.peers.as_ref()?;
        let host = std::str::from_utf8(self.host).ok()?;
        let port = std::str::from_utf8(self.port).ok()?.parse().ok()?;
        let mut replies = Vec::new();
        for words in commands {
            match peers.ask(host, port, words) {
                Asked::Reply(bytes) => {
                    let line = bytes.split(|byte| *byte == b'\r').next();
                    replies.push(line.unwrap_or_default().to_vec());
                }
                Asked::NotOurs => return None,
                Asked::Refused => {
                    let step = Step::Connecting;
                    return Some((
                        replies,
                        Some(Trouble {
                            step,
                            timed_out: false,
                        }),
                    ));
                }
                Asked::Silent => {
                    let step = Step::Reading;
                    return Some((
                        replies,
                        Some(Trouble {
                            step,
                            timed_out: true,
                        }),
                    ));
                }
            }
        }
        Some((replies, None))
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let host = String::from_utf8_lossy(self.host);
        let port = String::from_utf8_lossy(self.port).parse().unwrap_or(0);
        let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
        for address in (&*host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, self.timeout) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(self.timeout))?;
                    stream.set_write_timeout(Some(self.timeout))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn ask_by_connection(&self, commands: &[Vec<Vec<u8>>]) -> Heard {
        let mut replies = Vec::new();
        let mut stream = match self.connect() {
            Ok(stream) => stream,
            Err(error) => return (replies, Some(Trouble::at(Step::Connecting, &error))),
        };
        let mut request = Vec::new();
        for words in commands {
            request.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
            for word in words {
                request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
                request.extend_from_slice(word);
                request.extend_from_slice(b"\r\n");
            }
        }
        if let Err(error) = stream.write_all(&request) {
            return (replies, Some(Trouble::at(Step::Writing, &error)));
        }
        let mut reader = BufReader::new(stream);
        for _ in commands {
            let mut line = Vec::new();
            match reader.read_until(b'\n', &mut line) {
                Ok(_) if line.ends_with(b"\n") => {
                    while line.ends_with(b"\n") || line.ends_with(b"\r") {
                        line.pop();
                    }
                    replies.push(line);
                }
                Ok(_) => {
                    let error = io::Error::from(ErrorKind::UnexpectedEof);
                    return (replies, Some(Trouble::at(Step::Reading, &error)));
                }
                Err(error) => return (replies, Some(Trouble::at(Step::Reading, &error))),
            }
        }
        (replies, None)
    }
}
