//! A server that says what it was told to say.

mod pattern;
mod rule;
mod server;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(super) use self::pattern::Pattern;
pub use self::rule::Rule;
use self::rule::{Rules, Verdict};
use super::Clock;
use crate::cluster::{Endpoint, NodeName};
use crate::resp::Address;

/// What a server is to answer, before it is started. See the [module](super).
#[derive(Debug, Default)]
pub struct Script {
    rules: Rules,
    clock: Option<Clock>,
}

impl Script {
    /// A script that expects nothing: but for the greetings of client libraries (`HELLO`, `CLIENT SETINFO`, `CLIENT SETNAME`), which are answered as a
    /// server would, every command is one too many.
    pub fn new() -> Self {
        Script::default()
    }

    /// Delays are counted by this clock, and not by the machine's.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// What is answered to a command that looks like `pattern`: words with spaces between them, `*` for any one word, and `...` at the end for
    /// any number of words. The first word is the same in capitals and small letters. Of several rules for a command the first one that is not used up counts.
    pub fn on(&mut self, pattern: &str) -> Rule<'_> {
        self.rules.add(Pattern::read(pattern))
    }

    /// The same for exactly these words, whatever is in them.
    pub fn on_words<W: AsRef<[u8]>>(&mut self, words: impl IntoIterator<Item = W>) -> Rule<'_> {
        self.rules.add(Pattern::exactly(words))
    }

    /// Plays a recorded conversation: what a real server answered, in the order in which it was asked. Lines that begin with `>` are commands, all
    /// lines from there to the next one the reply as it came over the wire (RESP2), with line breaks for `\r\n`.
    ///
    /// # Errors
    /// A line that belongs to no command, or a reply that is none; with its number.
    pub fn plays(&mut self, recording: &str) -> Result<&mut Self, String> {
        self.rules.play(recording)?;
        Ok(self)
    }

    /// Starts the server on a free port of the loopback interface. It stops when what is returned is dropped.
    ///
    /// # Errors
    /// No port could be had.
    pub async fn start(self) -> io::Result<ScriptServer> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            clock: self.clock.unwrap_or_else(Clock::natural),
            state: Mutex::new(State {
                rules: self.rules,
                ..State::default()
            }),
        });
        let server = tokio::spawn(server::serve(listener, shared.clone()));
        Ok(ScriptServer {
            address,
            shared,
            server,
        })
    }
}

/// What the server and its connections share.
#[derive(Debug)]
struct Shared {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rules: Rules,
    asked: Vec<Vec<Vec<u8>>>,
    unexpected: Vec<String>,
    connections: usize,
    connected: usize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be done about a command.
    fn judge(&self, words: &[Vec<u8>]) -> Verdict {
        let mut state = self.state();
        let verdict = state.rules.judge(words);
        if !matches!(verdict, Verdict::Greeting(_)) {
            state.asked.push(words.to_vec());
        }
        if let Verdict::Unexpected(what) = &verdict {
            state.unexpected.push(what.clone());
        }
        verdict
    }
}

/// A server that follows its script.
///
/// When it is dropped, the test fails if the server was asked something that the script did not expect, or less than it did; see
/// [`verify`](Self::verify) to look earlier.
#[derive(Debug)]
pub struct ScriptServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl ScriptServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same, as a cluster speaks of nodes.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new(self.address.ip().to_string(), self.address.port())
    }

    /// The server as a node of a cluster: its name, and the address at which the others speak of it, which need not be where it listens. With
    /// these in an [`AddressBook`](crate::resp::AddressBook), what was recorded from a cluster at other addresses can be played as it is.
    pub fn as_node(&self, name: impl Into<NodeName>, announced: Endpoint) -> Address {
        Address {
            name: name.into(),
            announced,
            reachable: self.address,
        }
    }

    /// Every command it was asked, in order; greetings left out. Bytes that are no text are replaced.
    pub fn asked(&self) -> Vec<Vec<String>> {
        let state = self.shared.state();
        let text = |word: &Vec<u8>| String::from_utf8_lossy(word).into_owned();
        let asked = state.asked.iter();
        asked
            .map(|words| words.iter().map(text).collect())
            .collect()
    }

    /// How often it was asked something that looks like `pattern`; see [`Script::on`].
    pub fn times(&self, pattern: &str) -> usize {
        let pattern = Pattern::read(pattern);
        let state = self.shared.state();
        let asked = state.asked.iter();
        asked.filter(|words| pattern.fits(words)).count()
    }

    /// Connections: those that are open, and all that there were.
    pub fn connections(&self) -> (usize, usize) {
        let state = self.shared.state();
        (state.connections, state.connected)
    }

    /// More rules, which come before those that there are: so that a test can change the server's mind. Returns what `add` does.
    pub fn instead<T>(&self, add: impl FnOnce(&mut Script) -> T) -> T {
        let mut more = Script::new();
        let done = add(&mut more);
        self.shared.state().rules.put_before(more.rules);
        done
    }

    /// Whether all went as the script says.
    ///
    /// # Errors
    /// Each command that was not expected, with those that were; each rule that had to be used and was not.
    pub fn verify(&self) -> Result<(), String> {
        let state = self.shared.state();
        let mut faults = state.unexpected.clone();
        faults.extend(state.rules.unmet());
        match faults.is_empty() {
            true => Ok(()),
            false => Err(faults.join("\n")),
        }
    }
}

impl Drop for ScriptServer {
    fn drop(&mut self) {
        self.server.abort();
        // A test that fails already has its own reason.
        if !std::thread::panicking() {
            let verdict = self.verify();
            assert!(verdict.is_ok(), "{}", verdict.err().unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests;
