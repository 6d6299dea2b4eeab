//! What a worker does beside draining streams, each at its times and one of a kind at a time, so that no stream waits for any of it: it says that it lives and learns
//! which streams it has, tells Redis what the outbox has for it, looks after
//! payments without a sale, and takes out of the streams what nobody can ask for any more.

use std::pin::Pin;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::app::error::AppError;
use crate::app::event_id::EventId;
use crate::app::ledger::Lease;
use crate::app::sweep::Swept;

/// How often a worker says that it lives, and looks for new streams.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);
/// How often each is done: that, the outbox, payments, and a stream, of which another is taken each time.
const EVERY: [Duration; 4] = [
    HEARTBEAT,
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_millis(500),
];

/// Work of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chore {
    Lease,
    Relay,
    Sweep,
    Tidy,
}

impl Chore {
    pub(super) const ALL: [Chore; 4] = [Chore::Lease, Chore::Relay, Chore::Sweep, Chore::Tidy];
}

/// What came of it.
pub(super) enum Done {
    /// The streams that it has, and how many others have.
    Leased(Vec<Lease>, u64),
    /// So many changes were told.
    Told(u64),
    /// Payments.
    Swept(Swept),
    /// Of this stream everything before this entry is forgotten.
    Tidied(EventId, Option<String>),
}

/// Work, to be awaited.
pub(super) type Doing = Pin<Box<dyn Future<Output = Result<Done, AppError>> + Send>>;

/// See the module.
pub(super) struct Chores {
    due: [Instant; 4],
    is_running: [bool; 4],
    running: JoinSet<(Chore, Result<Done, AppError>)>,
}

impl Chores {
    pub(super) fn new() -> Self {
        Chores {
            due: [Instant::now(); 4],
            is_running: [false; 4],
            running: JoinSet::new(),
        }
    }

    /// Begins what is due; `work` is asked for it, and has perhaps nothing to do.
    pub(super) fn begin(&mut self, mut work: impl FnMut(Chore) -> Option<Doing>) {
        let now = Instant::now();
        for chore in Chore::ALL {
            let at = chore as usize;
            if self.is_running[at] || self.due[at] > now {
                continue;
            }
            self.due[at] = now + EVERY[at];
            if let Some(doing) = work(chore) {
                self.is_running[at] = true;
                self.running.spawn(async move { (chore, doing.await) });
            }
        }
    }

    /// When there is something to begin. What is under way is not begun again before it has ended.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let idle = Chore::ALL.iter().map(|chore| *chore as usize);
        idle.filter(|at| !self.is_running[*at])
            .map(|at| self.due[at])
            .min()
    }

    /// Whether this is under way.
    pub(super) fn is_running(&self, chore: Chore) -> bool {
        self.is_running[chore as usize]
    }

    /// Waits for the next that ends; nothing where nothing is under way.
    pub(super) async fn next(&mut self) -> Option<Result<Done, AppError>> {
        while let Some(ended) = self.running.join_next().await {
            // What was called off has no answer.
            if let Ok((chore, done)) = ended {
                self.is_running[chore as usize] = false;
                return Some(done);
            }
        }
        None
    }
}
