//! One server that answers as Redis 7.0 does.

mod acl;
mod after_call;
mod blocking;
mod call;
mod client;
#[cfg(test)]
mod clustered;
mod commands;
pub(super) mod config;
mod dispatch;
mod element;
mod failure;
#[cfg(fuzzing)]
pub mod fuzzing;
mod glob;
pub(super) mod host;
mod inject;
mod keyspace;
mod latency;
mod limits;
mod lost_slots;
mod membership;
mod monitor;
mod net;
mod notify;
mod number;
mod out;
mod pause;
pub(super) mod peers;
mod presents;
mod rates;
mod rdb;
#[cfg(test)]
mod reference;
mod replication;
mod routing;
mod server;
mod slowlog;
mod table;
mod tracking;
mod wires;
pub(super) mod world;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use self::config::Config;
use self::host::Host;
pub(super) use self::number::parse_i64;
pub use self::presents::Presents;
use self::server::Server;
use self::table::Table;
use super::Clock;
use crate::cluster::Reply;

/// A server that answers as Redis 7.0 does, on a port of the loopback interface, with a thread of its own. It stops when this value is dropped.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use labrunner::double::Node;
///
/// let node = Node::start().await.unwrap();
/// let client = redis::Client::open(node.url()).unwrap();
/// let mut connection = client.get_multiplexed_async_connection().await.unwrap();
/// let (): () = redis::cmd("SET").arg("seat:A7").arg("taken").query_async(&mut connection).await.unwrap();
/// assert_eq!(node.get("seat:A7"), Some(b"taken".to_vec()));
/// # });
/// ```
#[derive(Debug)]
pub struct Node {
    host: Host,
    address: SocketAddr,
    clock: Clock,
}

/// How a [`Node`] is to be, before it is started.
#[derive(Debug, Default)]
pub struct NodeBuilder {
    port: u16,
    clock: Option<Clock>,
    settings: Vec<(String, String)>,
}

impl NodeBuilder {
    /// The port; without this, a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The time that it lives in; without this, the machine's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Clients have to say this password first: `requirepass`.
    pub fn password(self, password: &str) -> Self {
        self.config("requirepass", password)
    }

    /// Sets a parameter as a line of `redis.conf` does, also one that CONFIG SET can't change.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use labrunner::double::Node;
    ///
    /// let node = Node::builder().config("databases", "2").config("maxclients", "10").start().await.unwrap();
    /// assert_eq!(node.setting("databases").as_deref(), Some("2"));
    ///
    /// let none = Node::builder().config("maxclients", "many").start().await;
    /// assert!(none.unwrap_err().to_string().contains("maxclients"));
    /// # });
    /// ```
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it. The limit of open files of this process is raised where it is too low for `maxclients`, as redis-server does it with its own.
    ///
    /// # Errors
    /// The port could not be had; or there is no such parameter, or it can't be set to that.
    pub async fn start(self) -> io::Result<Node> {
        let mut config = Config::default();
        for (name, value) in &self.settings {
            config.set_at_start(name, value).map_err(|wrong| {
                io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: {wrong}"))
            })?;
        }
        let clock = self.clock.unwrap_or_else(Clock::natural);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let (host, address) = Host::lone(address, clock.clone(), config)?;
        Ok(Node {
            host,
            address,
            clock,
        })
    }
}

impl Node {
    /// A node on a free port, with an empty keyspace.
    ///
    /// # Errors
    /// No port could be had.
    pub async fn start() -> io::Result<Node> {
        Node::builder().start().await
    }

    /// A node that is to be told more about before it is started.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as client libraries like it: `redis://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Moves a stepped clock on, and returns when all that this brings is done: keys are over, blocked clients have got their answer.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
        // The thread looks at the clock before it does this, and does what is due after it.
        let _ = self.host.run(|server| server.settle());
    }

    /// The text that a key of database 0 holds. `None`: there is no such key, or it holds something else.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let key = key.as_ref().to_vec();
        self.host.run(move |server| server.text(0, &key)).flatten()
    }

    /// Sets a text in database 0, as SET does.
    pub fn set(&self, key: impl AsRef<[u8]>, text: impl AsRef<[u8]>) {
        self.run([&b"SET"[..], key.as_ref(), text.as_ref()]);
    }

    /// Executes a command as if a client had sent it that has all rights, and without a connection. The reply is as RESP3 has it.
    pub fn run<W: AsRef<[u8]>>(&self, words: impl IntoIterator<Item = W>) -> Reply {
        let words: Vec<Vec<u8>> = words
            .into_iter()
            .map(|word| word.as_ref().to_vec())
            .collect();
        let reply = self
            .host
            .run(move |server| server.run_by_hand(&words, false));
        let gone = || Reply::Error("ERR the node has stopped".to_owned());
        reply.map_or_else(gone, |bytes| super::wire::reply(&bytes))
    }

    /// Takes all keys away, from all databases: FLUSHALL.
    pub fn flush(&self) {
        self.run(["FLUSHALL"]);
    }

    /// Sets a parameter as CONFIG SET does.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use labrunner::double::Node;
    ///
    /// let node = Node::start().await.unwrap();
    /// node.config("notify-keyspace-events", "KEA").unwrap();
    /// assert_eq!(node.setting("notify-keyspace-events").as_deref(), Some("AKE"));
    /// assert!(node.config("maxclients", "many").is_err());
    /// # });
    /// ```
    ///
    /// # Errors
    /// What CONFIG SET answers: there is no such parameter, it can't be set to that, or can't be set while the server runs.
    pub fn config(&self, name: &str, value: &str) -> io::Result<()> {
        match self.run(["CONFIG", "SET", name, value]) {
            Reply::Error(words) => Err(io::Error::new(io::ErrorKind::InvalidInput, words)),
            _ => Ok(()),
        }
    }

    /// What a parameter is set to, as CONFIG GET tells it. `None`: there is no such parameter.
    pub fn setting(&self, name: &str) -> Option<String> {
        let name = name.to_owned();
        let value = self.host.run(move |server| {
            let at = config::place(name.as_bytes())?;
            Some(server.config.value(at).to_owned())
        });
        value.flatten()
    }

    /// How many clients are connected.
    pub fn connections(&self) -> usize {
        let count = |server: &mut Server| {
            let clients = server.clients.iter();
            clients.filter(|(_, client)| !client.is_hand()).count()
        };
        self.host.run(count).unwrap_or_default()
    }

    /// How many clients have ever been connected since the start: whether a client under test keeps its connection is seen by it.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use labrunner::double::Node;
    ///
    /// let node = Node::start().await.unwrap();
    /// let client = redis::Client::open(node.url()).unwrap();
    /// let one = client.get_multiplexed_async_connection().await.unwrap();
    /// let two = client.get_multiplexed_async_connection().await.unwrap();
    /// assert_eq!((node.connections(), node.connections_ever()), (2, 2));
    /// node.disconnect_all();
    /// assert_eq!((node.connections(), node.connections_ever()), (0, 2));
    /// # drop((one, two));
    /// # });
    /// ```
    pub fn connections_ever(&self) -> u64 {
        let ever = self.host.run(|server| server.next_client - 1);
        ever.unwrap_or_default()
    }

    /// Hangs up on all clients, whatever they are doing. They may come again. How many there were.
    pub fn disconnect_all(&self) -> usize {
        let closed = self.host.run(|server| server.close_all());
        closed.unwrap_or_default()
    }

    /// How often clients have had which command executed since the start (or since CONFIG RESETSTAT), by its name in small letters, a subcommand as
    /// `config|get`. What scripts and transactions execute counts; what [`run`](Self::run) and its like do does not.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use labrunner::double::Node;
    ///
    /// let node = Node::start().await.unwrap();
    /// node.set("seat:A7", "free");
    /// let client = redis::Client::open(node.url()).unwrap();
    /// let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    /// for _ in 0..3 {
    ///     let _: String = redis::cmd("GET").arg("seat:A7").query_async(&mut connection).await.unwrap();
    /// }
    /// let commands = node.commands();
    /// assert_eq!(commands.get("get"), Some(&3));
    /// assert_eq!(commands.get("set"), None);
    /// # });
    /// ```
    pub fn commands(&self) -> BTreeMap<String, u64> {
        let count = |server: &mut Server| {
            let table = Table::redis_7_0();
            let all = table.all().filter_map(|id| {
                let calls = server.stats.by_command.get(id.index())?.calls;
                (calls > 0).then(|| (table.spec(id).name.to_owned(), calls))
            });
            all.collect()
        };
        self.host.run(count).unwrap_or_default()
    }

    /// From now on commands that look like `pattern` (as in [`Script::on`](super::Script::on)) are answered with this error: `times` times, or until
    /// [`heal`](Self::heal).
    pub fn fail(&self, pattern: &str, error: &str, times: Option<usize>) {
        let (pattern, error) = (pattern.to_owned(), error.to_owned());
        let _ = self
            .host
            .run(move |server| server.injected.add(&pattern, &error, times));
    }

    /// Takes back what [`fail`](Self::fail) has said.
    pub fn heal(&self) {
        let _ = self.host.run(|server| server.injected.clear());
    }
}
