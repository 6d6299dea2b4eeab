//! Plain commands: a connection that is made when needed, what is sent on it, and what is printed.

use std::time::Duration;

use super::format;
use super::halt::{Flow, Halt};
use super::link::{Link, Place};
use super::numbers::leading_integer;
use super::options::{Options, Protocol};
use super::receive::{Broken, reason};
use super::surroundings::Surroundings;
use super::value::Value;

/// A user's conversation with a server; with `-c`, with several, one after the other.
pub(super) struct Session<'a, 'b> {
    options: &'a Options,
    pub(super) around: &'a mut Surroundings<'b>,
    pub(super) place: Place,
    database: i64,
    protocol: Protocol,
    link: Option<Link>,
    /// Commands come from standard input: redirections are told, and a broken connection is no end.
    pub(super) line_by_line: bool,
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// Answered.
    Answered,
    /// Answered with a redirection that is to be followed.
    Redirected { asking: bool },
    /// No answer came; the reason is told.
    Unanswered,
}

impl<'a, 'b> Session<'a, 'b> {
    /// Without a connection yet.
    pub(super) fn new(options: &'a Options, around: &'a mut Surroundings<'b>) -> Self {
        Session {
            place: options.place(),
            database: options.database,
            protocol: options.protocol,
            link: None,
            line_by_line: false,
            options,
            around,
        }
    }

    /// Connects anew, logs in, chooses the database and the protocol. Whether there is a connection; what is refused on it is told, and the
    /// connection used all the same.
    pub(super) fn connect(&mut self) -> Flow<bool> {
        self.link = None;
        let mut link = match Link::open(&self.place) {
            Ok(link) => link,
            Err(error) => {
                let why = reason(&error);
                writeln!(
                    self.around.errors,
                    "Could not connect to Redis at {}: {why}",
                    self.place
                )?;
                return Ok(false);
            }
        };
        let refused = self.introduce(&mut link);
        match refused {
            Ok(None) => {}
            Ok(Some(what)) => {
                self.around.errors.write_all(&what)?;
                self.around.errors.write_all(b"\n")?;
            }
            Err(broken) => {
                writeln!(self.around.errors, "Error: {broken}")?;
                return Ok(false);
            }
        }
        self.link = Some(link);
        Ok(true)
    }

    /// What comes before the first command. What the server refuses ends it; the text is for the user.
    fn introduce(&self, link: &mut Link) -> Result<Option<Vec<u8>>, Broken> {
        let refused = |what: String, reply: Value| {
            let why = reply.error()?;
            Some([what.as_bytes(), b" failed: ", why].concat())
        };
        if let Some(password) = &self.options.login.password {
            let reply = match &self.options.login.user {
                Some(user) => link.ask(&[b"AUTH", user.as_slice(), password])?,
                None => link.ask(&[b"AUTH", password.as_slice()])?,
            };
            if let Some(what) = refused("AUTH".to_owned(), reply) {
                return Ok(Some(what));
            }
        }
        if self.database != 0 {
            let database = self.database.to_string();
            let reply = link.ask(&["SELECT", &database])?;
            if let Some(what) = refused(format!("SELECT {database}"), reply) {
                return Ok(Some(what));
            }
        }
        if matches!(self.protocol, Protocol::Resp3 | Protocol::Resp3IfThere) {
            let reply = link.ask(&["HELLO", "3"])?;
            let is_unknown = reply
                .error()
                .is_some_and(|error| error.starts_with(b"ERR unknown command"));
            if self.protocol == Protocol::Resp3 || !is_unknown {
                return Ok(refused("HELLO 3".to_owned(), reply));
            }
        }
        Ok(None)
    }

    /// Sends a command `repeat` times (below 0: without end) and prints the replies. Whether it was answered.
    pub(super) fn command(&mut self, words: &[Vec<u8>], repeat: i64) -> Flow<bool> {
        let mut asking = false;
        loop {
            if self.link.is_none() && !self.connect()? {
                return Ok(false);
            }
            if asking {
                self.ask_first()?;
            }
            match self.send(words, repeat)? {
                Sent::Answered => return Ok(true),
                Sent::Redirected { asking: to } => {
                    asking = to;
                    self.link = None;
                }
                Sent::Unanswered => return Ok(false),
            }
        }
    }

    /// The next command is for a slot that is on its way here.
    fn ask_first(&mut self) -> Flow {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        if let Err(broken) = link.ask(&["ASKING"]) {
            writeln!(self.around.errors, "Error: {broken}")?;
            return Err(Halt::Exit(1));
        }
        Ok(())
    }

    fn send(&mut self, words: &[Vec<u8>], repeat: i64) -> Flow<Sent> {
        let kind = Kind::of(words);
        let mut left = repeat;
        while left != 0 {
            left -= i64::from(left > 0);
            if let Some(link) = &mut self.link
                && let Err(broken) = link.send(words)
            {
                return self.unanswered(&broken);
            }
            if kind.streams {
                self.stream(&kind)?;
            }
            let value = match self.reply(&kind)? {
                Ok(value) => value,
                Err(sent) => return Ok(sent),
            };
            if let Some((place, sent)) = self.redirection(&value)? {
                self.place = place;
                return Ok(sent);
            }
            self.tell(&value, &kind)?;
            self.learn(words, &value);
            if !self.options.interval.is_zero() {
                std::thread::sleep(self.options.interval);
            }
        }
        Ok(Sent::Answered)
    }

    /// The reply to what was sent; pushes before it are printed or passed over.
    fn reply(&mut self, kind: &Kind) -> Flow<Result<Value, Sent>> {
        loop {
            let Some(link) = &mut self.link else {
                return Ok(Err(Sent::Unanswered));
            };
            match link.receive() {
                Ok(Value::Push(items)) => self.push(Value::Push(items))?,
                Ok(value) => return Ok(Ok(value)),
                // A server that was told to go may go.
                Err(Broken::Closed | Broken::Io(_)) if kind.is_shutdown => {
                    self.link = None;
                    return Ok(Err(Sent::Answered));
                }
                Err(broken) => return self.unanswered(&broken).map(Err),
            }
        }
    }

    /// Tells why there is no answer. Between lines it is no end: the next one connects again.
    fn unanswered(&mut self, broken: &Broken) -> Flow<Sent> {
        self.link = None;
        writeln!(self.around.errors, "Error: {broken}")?;
        match (self.line_by_line, broken) {
            (true, Broken::Closed | Broken::Io(_)) => Ok(Sent::Unanswered),
            _ => Err(Halt::Exit(1)),
        }
    }

    /// Prints a message that no command asked for.
    fn push(&mut self, push: Value) -> Flow {
        if !self.options.show_pushes {
            return Ok(());
        }
        let invalidation = match self.options.style {
            format::Style::Terminal => format::invalidation(&push),
            _ => None,
        };
        let text = invalidation
            .unwrap_or_else(|| self.options.style.print(&push, &self.options.delimiters));
        self.print(&text)
    }

    /// Prints what comes until the connection ends: subscriptions and MONITOR.
    fn stream(&mut self, kind: &Kind) -> Flow {
        if kind.is_subscription && self.options.style != format::Style::Raw {
            self.print(b"Reading messages... (press Ctrl-C to quit)\n")?;
        }
        loop {
            let Some(link) = &mut self.link else {
                return Ok(());
            };
            match link.receive() {
                Ok(value) => self.tell(&value, kind)?,
                Err(broken) => {
                    writeln!(self.around.errors, "Error: {broken}")?;
                    return Err(Halt::Exit(1));
                }
            }
        }
    }

    /// Where a redirection leads that is to be followed.
    fn redirection(&mut self, value: &Value) -> Flow<Option<(Place, Sent)>> {
        let Some(error) = value.error().filter(|_| self.options.follow) else {
            return Ok(None);
        };
        let asking = error.starts_with(b"ASK ");
        if !asking && !error.starts_with(b"MOVED ") {
            return Ok(None);
        }
        let error = String::from_utf8_lossy(error);
        let mut words = error.split(' ').skip(1);
        let slot = leading_integer(words.next().unwrap_or_default().as_bytes());
        let Some((host, port)) = words.next().and_then(|to| to.rsplit_once(':')) else {
            return Ok(None);
        };
        let host = match (host, &self.place) {
            // A server that doesn't know its own host means the one that was asked.
            ("", Place::Tcp(host, _)) => host.clone(),
            ("", Place::Socket(_)) => self.options.host.clone(),
            _ => host.to_owned(),
        };
        let port = leading_integer(port.as_bytes());
        if self.line_by_line {
            self.print(
                format!("-> Redirected to slot [{slot}] located at {host}:{port}\n").as_bytes(),
            )?;
        }
        Ok(Some((Place::Tcp(host, port), Sent::Redirected { asking })))
    }

    fn tell(&mut self, value: &Value, kind: &Kind) -> Flow {
        if let Some(error) = value.error()
            && self.options.error_code
            && !self.line_by_line
        {
            self.around.errors.write_all(&[error, b"\n"].concat())?;
            return Err(Halt::Exit(1));
        }
        let text = if kind.is_report {
            format::raw(value, &self.options.delimiters.item)
        } else {
            self.options.style.print(value, &self.options.delimiters)
        };
        self.print(&text)
    }

    /// Remembers what a connection that is made again has to be told again. (redis-cli 7.0 forgets the database, and goes on in another one. A
    /// password that was typed as a command is kept by neither.)
    fn learn(&mut self, words: &[Vec<u8>], value: &Value) {
        let lower: Vec<Vec<u8>> = words
            .iter()
            .take(1)
            .map(|word| word.to_ascii_lowercase())
            .collect();
        let name = lower.first().map(Vec::as_slice).unwrap_or_default();
        if value.error().is_some() {
            return;
        }
        match (name, words) {
            (b"select", [_, database]) => self.database = leading_integer(database),
            (b"hello", [_, version, ..]) => {
                self.protocol = match version.as_slice() {
                    b"3" => Protocol::Resp3,
                    _ => Protocol::Resp2,
                };
            }
            (b"reset", [_]) => self.database = 0,
            _ => {}
        }
    }

    /// Prints, and sees to it that it is seen.
    pub(super) fn print(&mut self, text: &[u8]) -> Flow {
        self.around.output.write_all(text)?;
        Ok(self.around.output.flush()?)
    }

    /// Whether a reply after this long is worth telling how long it took.
    pub(super) fn tell_time(&mut self, took: Duration) -> Flow {
        if took >= Duration::from_millis(500) && self.options.style == format::Style::Terminal {
            self.print(format!("({:.2}s)\n", took.as_secs_f64()).as_bytes())?;
        }
        Ok(())
    }

    /// Whether there is a connection, as far as is known.
    pub(super) fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    /// The database that was chosen.
    pub(super) fn database(&self) -> i64 {
        self.database
    }
}

/// Whether a command is answered with lines for people, which are printed as they are in every style.
pub(super) fn is_report(words: &[Vec<u8>]) -> bool {
    Kind::of(words).is_report
}

/// What is special about some commands.
struct Kind {
    /// Replies that are lines for people are printed as they are, in every style.
    is_report: bool,
    is_shutdown: bool,
    is_subscription: bool,
    /// After it the server sends without being asked.
    streams: bool,
}

impl Kind {
    fn of(words: &[Vec<u8>]) -> Kind {
        let lower: Vec<Vec<u8>> = words
            .iter()
            .take(2)
            .map(|word| word.to_ascii_lowercase())
            .collect();
        let name = lower.first().map(Vec::as_slice).unwrap_or_default();
        let sub = lower.get(1).map(Vec::as_slice).unwrap_or_default();
        let is_report = match (name, sub) {
            (b"info", _)
            | (b"debug", b"htstats" | b"htstats-key" | b"client-eviction")
            | (b"memory", b"malloc-stats" | b"doctor")
            | (b"client", b"list" | b"info")
            | (b"proxy", b"info") => true,
            (b"cluster", b"nodes" | b"info") | (b"latency", b"doctor") => words.len() == 2,
            (b"latency", b"graph") => words.len() == 3,
            _ => false,
        };
        let is_subscription = matches!(name, b"subscribe" | b"psubscribe" | b"ssubscribe");
        Kind {
            is_report,
            is_shutdown: name == b"shutdown",
            is_subscription,
            streams: is_subscription || name == b"monitor",
        }
    }
}
