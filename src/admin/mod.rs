//! Changing a cluster over RESP: making one of a wanted shape, awaiting agreement, writing the given
//! keys, and making nodes of a used one as good as new.

mod agreement;
mod create;
mod deadline;
mod fresh;
mod given_keys;
mod reset;
mod settings;
mod shape;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use agreement::await_agreement;
pub use create::{Created, Origin, create, create_of};
pub use given_keys::GivenKeys;
pub use reset::reset;
pub use settings::Settings;
pub use shape::Shape;

use crate::cluster::NodeName;
use crate::resp::{RespError, RouteError};

/// Why a change of a cluster did not succeed. Prints as one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// A node did not answer.
    #[error(transparent)]
    Resp(#[from] RespError),
    /// A node answered a command with an error.
    #[error("{node} refused {command}: {reply}")]
    Refused {
        /// The node.
        node: NodeName,
        /// What it was told, as one would type it.
        command: String,
        /// Its error, whole.
        reply: String,
    },
    /// The time was over before the nodes agreed.
    #[error("the cluster did not agree within {limit:?}: {why}")]
    NoAgreement {
        /// The caller's limit.
        limit: Duration,
        /// Which node sees what differently, or does not answer.
        why: String,
    },
    /// The shape can't be made, whatever the nodes do: a slot with two owners, a node that the address book lacks.
    #[error("this shape of a cluster is impossible: {why}")]
    Impossible {
        /// What is wrong with it.
        why: String,
    },
    /// A node that a cluster was to be made of has something in it already.
    #[error("{node} is not a fresh, empty node: {why}")]
    NotFresh {
        /// The node.
        node: NodeName,
        /// What it has: keys, slots, other nodes, another role.
        why: String,
    },
    /// One of the given keys could not be written.
    #[error("the key {key} was not written: {why}")]
    KeyNotWritten {
        /// The key.
        key: String,
        /// The error or the reply.
        why: String,
    },
}

impl AdminError {
    /// For a key and what its call came to.
    fn key_not_written(key: &str, error: &RouteError) -> Self {
        AdminError::KeyNotWritten {
            key: key.to_owned(),
            why: error.to_string(),
        }
    }
}
