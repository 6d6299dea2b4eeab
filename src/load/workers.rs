//! Those who carry a load's operations out: as many as may be in flight.

use std::future::Future;

use tokio::task::JoinSet;

/// Why a load could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The rate is out of bounds.
    #[error("a load runs at 1 to 1000000 operations a second, not at {rate}")]
    Rate {
        /// What was asked for.
        rate: u32,
    },
    /// It is to last no time.
    #[error("a load needs some time")]
    NoTime,
    /// There are no users.
    #[error("a load needs at least one user")]
    NoUsers,
    /// Nothing may be in flight.
    #[error("a load needs at least one operation in flight")]
    NothingInFlight,
    /// The system gave no thread.
    #[error("the load could not be started: {why}")]
    NotStarted {
        /// The reason.
        why: String,
    },
    /// An operation panicked, which is a bug of whoever wrote it. All others are given up.
    #[error("an operation broke off: {why}")]
    Broken {
        /// What is known of it.
        why: String,
    },
}

/// The workers of a load; they end when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Workers(JoinSet<()>);

impl Workers {
    pub(super) fn spawn(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(work);
    }

    /// Waits until all have ended, or one has broken.
    pub(super) async fn ended(&mut self) -> Result<(), LoadError> {
        while let Some(ended) = self.0.join_next().await {
            ended.map_err(|error| LoadError::Broken {
                why: error.to_string(),
            })?;
        }
        Ok(())
    }
}
