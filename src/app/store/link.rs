//! The library's connections to the cluster, which can be replaced while they are in use.

use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use redis::cluster_async::ClusterConnection;
use tokio::sync::Notify;
use tokio::time::Instant;

/// From the start of one making to that of the next.
const PAUSE: Duration = Duration::from_millis(250);

/// The connections of one making: each is the library's client of the whole cluster.
#[derive(Clone)]
pub(super) struct Connections {
    /// To masters.
    pub changes: ClusterConnection,
    /// To whom the settings say.
    pub reads: ClusterConnection,
}

/// Connections in use, and those that will replace them when they get nowhere.
pub(super) struct Link {
    connections: RwLock<Connections>,
    making: Mutex<Making>,
    /// Wakes those whose attempts are under way on connections that were replaced: they are not worth waiting for.
    pub replaced: Notify,
}

struct Making {
    is_under_way: bool,
    /// When the last one was begun.
    last: Instant,
    /// When that was begun whose connections are in use.
    used: Instant,
}

impl Link {
    pub fn new(connections: Connections) -> Self {
        Link {
            connections: RwLock::new(connections),
            making: Mutex::new(Making {
                is_under_way: false,
                last: Instant::now(),
                used: Instant::now(),
            }),
            replaced: Notify::new(),
        }
    }

    /// The connections to be used now.
    pub fn connections(&self) -> Connections {
        self.connections
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the caller is to make new ones: nobody is at it, and it was not just done. The caller has to [`end`](Self::end) it then.
    pub fn begin(&self) -> bool {
        let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if making.is_under_way || making.last.elapsed() < PAUSE {
            return false;
        }
        making.is_under_way = true;
        making.last = Instant::now();
        true
    }

    /// The making has ended. Where nothing came of it the old ones stay.
    pub fn end(&self, made: Option<Connections>) {
        let is_made = made.is_some();
        if let Some(made) = made {
            *self
                .connections
                .write()
                .unwrap_or_else(PoisonError::into_inner) = made;
        }
        {
            let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            making.is_under_way = false;
            if is_made {
                making.used = making.last;
            }
        }
        if is_made {
            self.replaced.notify_waiters();
        }
    }

    /// Whether the connections in use were begun to be made after this moment: they know what was known then.
    pub fn is_newer_than(&self, moment: Instant) -> bool {
        let making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        making.used > moment
    }
}
