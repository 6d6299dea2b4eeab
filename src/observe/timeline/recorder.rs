//! Recording a failover: a look before, tasks that ask while it happens, the moments at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::moments::Moments;
use super::poll::{Shared, Write, poll, remove};
use super::subject::{RecorderError, Subject};
use crate::cluster::{NodeName, Timeline};
use crate::observe::{Needs, Observer};
use crate::resp::{AddressBook, Client, Clock, hash_tag};

/// How long the look before may take: a node that hangs costs that much, once.
const LOOK: Duration = Duration::from_millis(500);

/// Ready to record the failover of a master. Asks nothing until it [begins](Self::begin).
#[derive(Debug)]
pub struct Recorder {
    subject: Subject,
    clients: BTreeMap<NodeName, Client>,
    clock: Arc<dyn Clock>,
}

impl Recorder {
    /// Looks at all nodes of `book` once: who the members are, what `node` owns, who its replicas are.
    ///
    /// The members are the nodes of its cluster that answer now. `failed` is when a majority of them say so, the failing node
    /// counted among them: of six, four.
    ///
    /// # Errors
    /// [`RecorderError`] when there is nothing to be timed: `node` is no master with slots, has no replica, or somebody calls it
    /// failing already.
    pub async fn prepare(book: &AddressBook, node: &NodeName) -> Result<Recorder, RecorderError> {
        let all: BTreeSet<NodeName> = book.iter().map(|address| address.name.clone()).collect();
        let needs = Needs {
            cluster: all,
            ..Needs::default()
        };
        let seen = Observer::new(book.clone(), LOOK).look(&needs).await;
        let subject = Subject::of(&seen, node)?;
        // The failing node is not asked: what it thinks of itself counts for nothing, and a write that it accepts is no recovery.
        let clients = book
            .iter()
            .filter(|address| address.name != *node && subject.members.contains(&address.name))
            .map(|address| (address.name.clone(), Client::new(address.clone(), LOOK)))
            .collect();
        Ok(Recorder {
            subject,
            clients,
            clock: book.clock().clone(),
        })
    }

    /// The master that is to fail.
    pub fn node(&self) -> &NodeName {
        &self.subject.node
    }

    /// Whether `to` can take over, as far as can be known before.
    ///
    /// # Errors
    /// [`RecorderError::NoSuccessor`] when it is no replica of the master.
    pub fn expect_successor(&self, to: &NodeName) -> Result<(), RecorderError> {
        self.subject.expect_successor(to)
    }

    /// Begins: zero is now. To be called right before the command that breaks something, within a Tokio runtime.
    ///
    /// Every member but the failing one is asked for its view every 8 ms, over a connection of its own, and every replica of the failing
    /// one to accept a write for one of its slots.
    pub fn begin(self) -> Recording {
        let Recorder {
            subject,
            clients,
            clock,
        } = self;
        let key = format!(
            "timeline:{{{}}}:{:08x}",
            hash_tag(subject.slot),
            rand::random::<u32>()
        );
        let node = subject.node.clone();
        let (successors, others): (Vec<_>, Vec<_>) = clients
            .into_iter()
            .partition(|(name, _)| subject.replicas.contains(name));
        let successors: Vec<Client> = successors.into_iter().map(|(_, client)| client).collect();
        let zero_unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let shared = Arc::new(Shared {
            zero: clock.now(),
            clock,
            moments: watch::Sender::new(Moments::new(subject)),
            answers: AtomicU64::new(0),
        });
        let mut tasks = JoinSet::new();
        for client in &successors {
            tasks.spawn(poll(client.clone(), Some(Write::of(&key)), shared.clone()));
        }
        for (_, client) in others {
            tasks.spawn(poll(client, None, shared.clone()));
        }
        Recording {
            node,
            zero_unix,
            shared,
            successors,
            key,
            tasks,
        }
    }
}

/// A failover being recorded. Dropped, it asks no more, and leaves its key to the server, which forgets it after a minute.
#[derive(Debug)]
pub struct Recording {
    node: NodeName,
    zero_unix: Duration,
    shared: Arc<Shared>,
    successors: Vec<Client>,
    key: String,
    tasks: JoinSet<()>,
}

impl Recording {
    /// The master that is to fail.
    pub fn node(&self) -> &NodeName {
        &self.node
    }

    /// When it began, in milliseconds since 1970 (UTC), by this machine's clock.
    pub fn zero_unix_ms(&self) -> u64 {
        u64::try_from(self.zero_unix.as_millis()).unwrap_or(u64::MAX)
    }

    /// How often a node has answered until now.
    pub fn answers(&self) -> u64 {
        self.shared.answers.load(Ordering::Relaxed)
    }

    /// How long it has been recording.
    pub fn elapsed(&self) -> Duration {
        self.shared.elapsed()
    }

    /// What was seen until now.
    pub fn timeline(&self) -> Timeline {
        self.shared.moments.borrow().timeline().clone()
    }

    /// Returns when `enough` is true of what was seen, which is asked now and after every new moment.
    pub async fn until(&self, mut enough: impl FnMut(&Timeline) -> bool) {
        let mut moments = self.shared.moments.subscribe();
        // The sender is `shared`'s, and outlives this.
        let _ = moments.wait_for(|moments| enough(moments.timeline())).await;
    }

    /// Asks no more, removes its key, and says what was seen. Takes 0.3 s at most.
    pub async fn stop(mut self) -> Timeline {
        self.tasks.shutdown().await;
        let timeline = self.timeline();
        if timeline.promoted.is_some() || timeline.recovered.is_some() {
            let mut removing = JoinSet::new();
            for client in self.successors {
                removing.spawn(remove(client, self.key.clone()));
            }
            removing.join_all().await;
        }
        timeline
    }
}
