//! What an attempt came to, and whether another one makes sense.

use std::fmt;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::elsewhere::Elsewhere;
use crate::app::error::AppError;

/// An attempt without an answer that could be used.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// No answer in time: whether it was done is not known.
    TimedOut,
    /// There was no turn for it: too many others were under way at that master.
    NoTurn,
    /// The connection broke, or there was none: if it broke on the way, whether it was done is not known.
    Connection(String),
    /// No node says of any slot who has it.
    NoSlots,
    /// The node does not know the script; nothing was done.
    NoScript,
    /// The cluster does not serve that slot for now; nothing was done.
    ClusterDown(String),
    /// The node sent it on to another one; nothing was done.
    SentOn(Elsewhere),
    /// The keys of the request are in two places, while their slot moves; nothing was done.
    Moving(String),
    /// The node wants it to be tried again later; nothing was done.
    Later(String),
    /// No further attempt would change it.
    Final(AppError),
}

impl Failure {
    /// Whether it may be the client's own fault, or that of a node that does not answer: what is to be heeded by a watchdog.
    pub fn is_silence(&self) -> bool {
        matches!(self, Failure::TimedOut | Failure::Connection(_))
    }

    pub fn is_no_script(&self) -> bool {
        matches!(self, Failure::NoScript)
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        let text = error_text(&error);
        if error.is_timeout() {
            return Failure::TimedOut;
        }
        if let Some(elsewhere) = sent_on(&error) {
            return Failure::SentOn(elsewhere);
        }
        match (error.kind(), error.code()) {
            (ErrorKind::Server(ServerErrorKind::NoScript), _) => Failure::NoScript,
            (ErrorKind::Server(ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown), _) => {
                Failure::ClusterDown(text)
            }
            (ErrorKind::Server(ServerErrorKind::TryAgain), _) => Failure::Moving(text),
            (
                ErrorKind::Server(
                    ServerErrorKind::BusyLoading
                    | ServerErrorKind::ReadOnly
                    | ServerErrorKind::Moved
                    | ServerErrorKind::Ask,
                ),
                _,
            ) => Failure::Later(text),
            // A transaction one of whose commands was refused, as it is while its slot moves: none of it was done.
            (ErrorKind::Server(ServerErrorKind::ExecAbort), _) => Failure::Later(text),
            // Too few replicas for a write, a script that takes long, a disk that is full, no memory left: the node's own trouble, which may pass.
            (_, Some("NOREPLICAS" | "BUSY" | "MISCONF" | "OOM")) => Failure::Later(text),
            // A master that waited for its replica and has become one itself. What it did is lost with it, unless the new master has it too.
            (_, Some("UNBLOCKED")) => Failure::Connection(text),
            (ErrorKind::AuthenticationFailed, _)
            | (ErrorKind::Server(ServerErrorKind::NoPerm), _)
            | (_, Some("NOAUTH" | "WRONGPASS")) => Failure::Final(AppError::WrongPassword {
                node: "the cluster".to_owned(),
                why: text,
            }),
            (ErrorKind::Io | ErrorKind::ClusterConnectionNotFound, _) => Failure::Connection(text),
            // The library's own troubles, such as a request that it dropped while it made its connections anew.
            (ErrorKind::Client, _) => Failure::Connection(text),
            // A reply that ended in its middle, with the connection.
            (ErrorKind::Parse, _) => Failure::Connection(text),
            _ => Failure::Final(AppError::Unexpected { what: text }),
        }
    }
}

/// Where a node sent a request on to.
pub(super) fn sent_on(error: &RedisError) -> Option<Elsewhere> {
    if let Some((node, _)) = error.redirect_node() {
        return Some(Elsewhere {
            node: node.parse().ok()?,
            asking: error.kind() == ErrorKind::Server(ServerErrorKind::Ask),
        });
    }
    // Of a transaction each command was sent on by itself, and the whole was refused. The library does not take that for a redirection, and
    // would go on asking a master that has become a replica.
    if error.kind() != ErrorKind::Server(ServerErrorKind::ExecAbort) {
        return None;
    }
    let errors = error.clone().into_server_errors()?;
    let moved = errors
        .iter()
        .find(|(_, error)| error.kind() == Some(ServerErrorKind::Moved))?;
    let (_, node) = moved.1.details()?.split_once(' ')?;
    Some(Elsewhere {
        node: node.parse().ok()?,
        asking: false,
    })
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::TimedOut => f.write_str("no answer in time"),
            Failure::NoTurn => f.write_str("too many requests were under way"),
            Failure::NoSlots => f.write_str("no slot has an owner"),
            Failure::NoScript => f.write_str("the node did not know the script"),
            Failure::SentOn(to) => write!(f, "it was sent on to {}", to.node),
            Failure::Connection(what)
            | Failure::ClusterDown(what)
            | Failure::Moving(what)
            | Failure::Later(what) => f.write_str(what),
            Failure::Final(error) => error.fmt(f),
        }
    }
}

/// The error as the server said it, or the library, on one line.
pub(super) fn error_text(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string().replace('\n', " "),
    }
}
