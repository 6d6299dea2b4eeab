//! One node, one connection.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Cmd, ProtocolVersion, RedisConnectionInfo};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::address::Address;
use super::convert;
use crate::cluster::{NodeName, Reply};

/// Why a node did not answer. Cheap to clone, prints as one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RespError {
    /// No connection could be made. The command was certainly not sent.
    #[error("{node}: no connection: {why}")]
    NoConnection {
        /// The node that was called.
        node: NodeName,
        /// The operating system's reason.
        why: String,
    },
    /// The command was sent, and no answer came in time. It may have been executed, or may yet be.
    #[error("{node}: no answer within {limit:?}")]
    TimedOut {
        /// The node that was called.
        node: NodeName,
        /// How long the caller was willing to wait.
        limit: Duration,
    },
    /// The connection broke while the answer was outstanding, or what came was not RESP. The command may have been
    /// executed.
    #[error("{node}: {why}")]
    Broken {
        /// The node that was called.
        node: NodeName,
        /// What broke.
        why: String,
    },
}

impl RespError {
    /// The node that did not answer.
    pub fn node(&self) -> &NodeName {
        match self {
            RespError::NoConnection { node, .. }
            | RespError::TimedOut { node, .. }
            | RespError::Broken { node, .. } => node,
        }
    }

    /// Whether the command may have reached the server although no answer came.
    pub fn may_have_been_sent(&self) -> bool {
        !matches!(self, RespError::NoConnection { .. })
    }
}

/// A lazily made, self-healing connection to one node. Cloning shares it.
///
/// The connection is made on the first call, and made anew on the next call after it broke or after a call to which
/// nothing at all came back. Calls made at the same time share the connection; their commands are answered in the order
/// in which they were sent. Commands that hold up a connection (`WAIT`, blocking reads) and subscriptions need a client
/// of their own, or no multiplexing at all.
///
/// A stopped node answers with [`RespError::NoConnection`] at once; a node that hangs, with [`RespError::TimedOut`] when
/// the deadline has passed.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    address: Address,
    deadline: Duration,
    /// The connection in use. Held for moments only, never while waiting.
    current: Mutex<Option<Arc<Connection>>>,
    /// Held while connecting, so that many callers share one attempt.
    connecting: tokio::sync::Mutex<()>,
}

/// A connection and the task that drives it, which ends with its last user. A call that has not been answered keeps it
/// alive, even when the client has already turned to a new one.
struct Connection {
    wire: MultiplexedConnection,
    driver: Driver,
    /// Answers so far: how a call that got none tells a silent connection from one that only it found slow.
    answers: AtomicU64,
    /// Set when the driver saw the end of the stream.
    closed: Arc<AtomicBool>,
}

struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    fn usable(&self) -> bool {
        // The flag is set before the driver's task counts as finished; a task that was aborted with its runtime never
        // sets it.
        !self.closed.load(Ordering::Acquire) && !self.driver.0.is_finished()
    }
}

impl Client {
    /// A client for the node at `address`. Does not connect yet. `deadline` is for one call, from the moment it is made
    /// to its last reply, connecting included.
    pub fn new(address: Address, deadline: Duration) -> Self {
        Client {
            inner: Arc::new(Inner {
                address,
                deadline,
                current: Mutex::new(None),
                connecting: tokio::sync::Mutex::new(()),
            }),
        }
    }

    /// Where the node is.
    pub fn address(&self) -> &Address {
        &self.inner.address
    }

    /// One command, given as its words. A server's error is an answer: `Ok(Reply::Error(whole text))`.
    ///
    /// # Errors
    /// [`RespError`] when there was no answer by the deadline, or can't be one.
    pub async fn call<A: AsRef<[u8]>>(&self, words: &[A]) -> Result<Reply, RespError> {
        self.call_within(words, self.inner.deadline).await
    }

    /// As [`call`](Self::call), with a limit of this call's own.
    ///
    /// # Errors
    /// As `call`.
    pub async fn call_within<A: AsRef<[u8]>>(
        &self,
        words: &[A],
        limit: Duration,
    ) -> Result<Reply, RespError> {
        let command = command(words);
        self.exchange(limit, async move |wire| {
            wire.req_packed_command(&command).await.map(convert::reply)
        })
        .await
    }

    /// Several commands in one write; their replies in order. An error of one command is that command's reply.
    ///
    /// # Errors
    /// As [`call`](Self::call): all replies came, or none is returned.
    pub async fn pipeline<A: AsRef<[u8]>>(
        &self,
        commands: &[Vec<A>],
    ) -> Result<Vec<Reply>, RespError> {
        self.pipeline_within(commands, self.inner.deadline).await
    }

    /// As [`pipeline`](Self::pipeline), with a limit of this call's own.
    ///
    /// # Errors
    /// As `pipeline`.
    pub async fn pipeline_within<A: AsRef<[u8]>>(
        &self,
        commands: &[Vec<A>],
        limit: Duration,
    ) -> Result<Vec<Reply>, RespError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::Pipeline::with_capacity(commands.len());
        for words in commands {
            pipeline.add_command(command(words));
        }
        let expected = commands.len();
        let replies: Vec<Reply> = self
            .exchange(limit, async move |wire| {
                let values = wire.req_packed_commands(&pipeline, 0, expected).await?;
                Ok(values.into_iter().map(convert::reply).collect())
            })
            .await?;
        if replies.len() == expected {
            Ok(replies)
        } else {
            Err(self.broken(format!("{} replies to {expected} commands", replies.len())))
        }
    }

    /// Sends on the shared connection and awaits the answer, both within `limit`.
    async fn exchange<T>(
        &self,
        limit: Duration,
        send: impl AsyncFnOnce(&mut MultiplexedConnection) -> redis::RedisResult<T>,
    ) -> Result<T, RespError> {
        let until = Instant::now() + limit;
        let connection = self.connection(until, limit).await?;
        let answers_before = connection.answers.load(Ordering::Relaxed);
        let mut wire = connection.wire.clone();
        match timeout_at(until, send(&mut wire)).await {
            Ok(Ok(answer)) => {
                connection.answers.fetch_add(1, Ordering::Relaxed);
                Ok(answer)
            }
            Ok(Err(error)) => {
                self.discard(&connection);
                Err(self.broken(one_line(&error)))
            }
            Err(_) => {
                // Nothing came for anybody while this call waited: the other end may be gone for good (a pulled cable
                // sends no FIN). If it only hangs, the next connection is as good as this one.
                if connection.answers.load(Ordering::Relaxed) == answers_before {
                    self.discard(&connection);
                }
                Err(RespError::TimedOut {
                    node: self.name(),
                    limit,
                })
            }
        }
    }

    /// The connection in use, or a new one.
    async fn connection(
        &self,
        until: Instant,
        limit: Duration,
    ) -> Result<Arc<Connection>, RespError> {
        if let Some(connection) = self.usable() {
            return Ok(connection);
        }
        let made = timeout_at(until, async {
            let _connecting = self.inner.connecting.lock().await;
            // Somebody else may have connected while this call waited for its turn.
            if let Some(connection) = self.usable() {
                return Ok(connection);
            }
            let connection = Arc::new(
                connect(self.inner.address.reachable)
                    .await
                    .map_err(|why| self.unconnected(why))?,
            );
            *self.current() = Some(connection.clone());
            Ok(connection)
        });
        made.await
            .unwrap_or_else(|_| Err(self.unconnected(format!("not made within {limit:?}"))))
    }

    fn usable(&self) -> Option<Arc<Connection>> {
        self.current()
            .as_ref()
            .filter(|connection| connection.usable())
            .cloned()
    }

    /// Lets the next call connect anew, unless another caller has seen to that already.
    fn discard(&self, broken: &Arc<Connection>) {
        let mut current = self.current();
        if current
            .as_ref()
            .is_some_and(|connection| Arc::ptr_eq(connection, broken))
        {
            *current = None;
        }
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<Arc<Connection>>> {
        self.inner
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self) -> NodeName {
        self.inner.address.name.clone()
    }

    fn unconnected(&self, why: String) -> RespError {
        RespError::NoConnection {
            node: self.name(),
            why,
        }
    }

    fn broken(&self, why: String) -> RespError {
        RespError::Broken {
            node: self.name(),
            why,
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.inner.address)
            .field("deadline", &self.inner.deadline)
            .finish()
    }
}

fn command<A: AsRef<[u8]>>(words: &[A]) -> Cmd {
    let mut command = Cmd::new();
    for word in words {
        command.arg(word.as_ref());
    }
    command
}

/// Connects and says nothing yet: no HELLO, no CLIENT SETINFO. So a connection costs one round trip, and the first bytes
/// that a server sees are the caller's. RESP2, since what a server prints is then the same from version to version.
async fn connect(to: SocketAddr) -> Result<Connection, String> {
    let stream = TcpStream::connect(to)
        .await
        .map_err(|error| format!("{to}: {}", reason(&error)))?;
    // One command is one small packet; without this it would wait for the acknowledgement of the one before.
    stream
        .set_nodelay(true)
        .map_err(|error| format!("{to}: {error}"))?;
    let info = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP2)
        .set_skip_set_lib_name();
    let config = AsyncConnectionConfig::new()
        // A call has one limit, kept by `exchange`. A second one inside the library would race with it.
        .set_connection_timeout(None)
        .set_response_timeout(None)
        // Commands that may wait to be written; a caller beyond that waits within its own limit.
        .set_pipeline_buffer_size(256);
    let (wire, drive) = MultiplexedConnection::new_with_config(&info, stream, config)
        .await
        .map_err(|e| one_line(&e))?;
    let closed = Arc::new(AtomicBool::new(false));
    let driver = tokio::spawn({
        let closed = closed.clone();
        async move {
            drive.await;
            closed.store(true, Ordering::Release);
        }
    });
    Ok(Connection {
        wire,
        driver: Driver(driver.abort_handle()),
        answers: AtomicU64::new(0),
        closed,
    })
}

/// `connection refused` rather than `Connection refused (os error 111)`.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".into(),
        _ => error.to_string(),
    }
}

/// The library's error in one line: parts of it may carry line ends of the server's.
fn one_line(error: &redis::RedisError) -> String {
    if error.is_connection_dropped() {
        return "connection closed".into();
    }
    error
        .to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}
