//! Why a call to the cluster had no result.

use crate::cluster::{Endpoint, NodeName};
use crate::resp::RespError;

/// Why a call to the cluster was given up. Prints as one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The last node asked did not answer.
    #[error(transparent)]
    NoAnswer(#[from] RespError),
    /// The cluster answered until the deadline that it can't serve the key now, or went on redirecting.
    #[error("{node} kept answering: {reply}")]
    NotServed {
        /// The last node asked.
        node: NodeName,
        /// Its last error, whole: `CLUSTERDOWN The cluster is down`.
        reply: String,
    },
    /// A node sent the caller to an address that is not in the address book, so there is no way to reach it.
    #[error(
        "{said_by} says that {announced} has the slot, and no node of this environment announces that address"
    )]
    UnknownAddress {
        /// The address.
        announced: Endpoint,
        /// The node that named it.
        said_by: NodeName,
    },
    /// The address book is empty.
    #[error("there is no node to ask")]
    NoNodes,
    /// The batch's time was over before this command's turn came.
    #[error("not asked: the time was over before its turn")]
    NotAsked,
}

impl RouteError {
    /// The kind of error in a word or two, for counting: `no connection`, `no answer`, `connection broken`, the first
    /// word of the server's error (`CLUSTERDOWN`), `unknown address`, `no nodes`, `not asked`.
    pub fn kind(&self) -> &str {
        match self {
            RouteError::NoAnswer(RespError::NoConnection { .. }) => "no connection",
            RouteError::NoAnswer(RespError::TimedOut { .. }) => "no answer",
            RouteError::NoAnswer(RespError::Broken { .. }) => "connection broken",
            RouteError::NotServed { reply, .. } => reply.split(' ').next().unwrap_or_default(),
            RouteError::UnknownAddress { .. } => "unknown address",
            RouteError::NoNodes => "no nodes",
            RouteError::NotAsked => "not asked",
        }
    }
}
