//! A cluster client that shows its redirections.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::SetOnce;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::slot_map::{self, Owner, SlotMap};
use super::{AddressBook, Client, RespError, RouteError};
use crate::cluster::{ClusterError, NodeName, Reply, Slot, Topology};

/// Redirections in a row that are followed without a pause. One or two are normal; more means that two nodes send the
/// caller to each other, which a failover or a migration ends by itself after some milliseconds.
const FREE_REDIRECTIONS: u32 = 4;
/// The pause before asking the same thing again.
const PAUSE: Duration = Duration::from_millis(5);
/// The pause when the cluster is down or a node is gone, which takes longer to change.
const LONG_PAUSE: Duration = Duration::from_millis(20);
/// An attempt that has less left than this part of the deadline is not begun: on a busy machine it would end as "no
/// answer", and hide what was really the matter.
const LEAST_PART: u32 = 20;
/// From the beginning of one question to all nodes to that of the next. Many callers at once find out that what they were told is not so any more, and
/// while a master is gone there is nothing new for seconds.
const REFRESH_PAUSE: Duration = Duration::from_millis(20);
/// How long a node may take to say who has which slot.
const REFRESH_LIMIT: Duration = Duration::from_millis(300);
/// How long the other views are waited for after the first one.
const REFRESH_GRACE: Duration = Duration::from_millis(15);

/// On what terms a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The whole operation's time, redirections and retries included. No attempt is begun after it.
    pub deadline: Duration,
    /// How much longer the answer to the last attempt is awaited. Zero for everybody who does not count late answers.
    pub linger: Duration,
    /// Whether executing the command twice is the same as once. Only then it is sent again after its answer was lost.
    pub idempotent: bool,
}

/// What became of a call, and what was met on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Routed {
    /// The reply, which may be an error that has nothing to do with the cluster (`Reply::Error("WRONGTYPE …")`).
    pub result: Result<Reply, RouteError>,
    /// `ASK` redirections met.
    pub asked: u32,
    /// `MOVED` redirections met.
    pub moved: u32,
    /// `TRYAGAIN` answers met.
    pub tried_again: u32,
    /// Commands sent, or meant to be sent to nodes that could not be reached.
    pub attempts: u32,
    /// Attempts that were sent and whose answer did not come: each may have been executed.
    pub lost_answers: u32,
    /// From the call to its result.
    pub took: Duration,
}

/// A small cluster client. Cloning shares its connections and its map of the slots.
///
/// It sends a command to the node that has the key's slot; follows `MOVED` (and learns from it) and `ASK` (with `ASKING`
/// and the command in one write); waits out `TRYAGAIN`, `CLUSTERDOWN`, `MASTERDOWN`, `LOADING` and nodes that can't be
/// reached, until the call's deadline. It counts all of that, which client libraries hide.
///
/// A command whose answer was lost is sent again only if the caller says that it is idempotent.
#[derive(Clone, Debug)]
pub struct Router {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    book: AddressBook,
    /// In the book's order.
    clients: Vec<Client>,
    map: RwLock<SlotMap>,
    /// When the map was last made anew. Held while it is being made, so that many callers share one refresh.
    refreshed: tokio::sync::Mutex<Option<Instant>>,
    deadline: Duration,
}

/// Where the next attempt goes.
struct Target {
    node: usize,
    asking: bool,
}

/// What one attempt led to.
enum Step {
    Done(Reply),
    Go(Target),
    Again { pause: Duration, refresh: bool },
    Stop(RouteError),
}

impl Router {
    /// A router over the nodes of `book`. Connects to nothing yet; the first call asks who has which slot. `deadline` is
    /// for one [`call`](Self::call), retries included.
    pub fn new(book: AddressBook, deadline: Duration) -> Self {
        let clients = book
            .iter()
            .map(|address| Client::new(address.clone(), deadline))
            .collect();
        Router {
            inner: Arc::new(Inner {
                book,
                clients,
                map: RwLock::new(SlotMap::empty()),
                refreshed: tokio::sync::Mutex::new(None),
                deadline,
            }),
        }
    }

    /// The addresses it was made with.
    pub fn book(&self) -> &AddressBook {
        &self.inner.book
    }

    /// The time of one [`call`](Self::call).
    pub fn deadline(&self) -> Duration {
        self.inner.deadline
    }

    /// Sends `words`, which work on `key`, with the router's deadline; not again once an answer was lost.
    pub async fn call<A: AsRef<[u8]>>(&self, key: &[u8], words: &[A]) -> Routed {
        let terms = Terms {
            deadline: self.inner.deadline,
            linger: Duration::ZERO,
            idempotent: false,
        };
        self.call_with(key, words, terms).await
    }

    /// Sends `words`, which work on `key`, on these terms.
    pub async fn call_with<A: AsRef<[u8]>>(&self, key: &[u8], words: &[A], terms: Terms) -> Routed {
        self.call_watched(key, words, terms, &SetOnce::new()).await
    }

    /// As [`call_with`](Self::call_with), and sets `overdue` to the node that was asked if the deadline passes while its
    /// answer is outstanding: for a caller who then gives up the operation, but still wants to know whether the answer comes within `linger`.
    pub async fn call_watched<A: AsRef<[u8]>>(
        &self,
        key: &[u8],
        words: &[A],
        terms: Terms,
        overdue: &SetOnce<NodeName>,
    ) -> Routed {
        let started = Instant::now();
        let until = started + terms.deadline;
        let slot = Slot::of_key(key);
        let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
        let mut routed = Routed {
            result: Err(RouteError::NoNodes),
            asked: 0,
            moved: 0,
            tried_again: 0,
            attempts: 0,
            lost_answers: 0,
            took: Duration::ZERO,
        };
        if self.blank() {
            // Without an answer the first attempt says what is wrong.
            let _ = timeout_at(until, self.refresh(started)).await;
        }
        let mut target = None;
        let mut redirections = 0;
        let mut obstacle = None;
        loop {
            let now = match target.take() {
                Some(target) => Ok(target),
                None => self.target(slot, routed.attempts),
            };
            let Target { node, asking } = match now {
                Ok(target) => target,
                Err(error) => {
                    routed.result = Err(error);
                    break;
                }
            };
            let begun = Instant::now();
            routed.attempts += 1;
            let answer = self
                .attempt(node, &words, asking, until, terms.linger, overdue)
                .await;
            let (step, last) = self.judge(slot, node, answer, terms.idempotent, &mut routed);
            // What the caller hears should the time be over now: the reason, not the redirection that led to it.
            if matches!(step, Step::Go(_)) {
                routed.result = Err(obstacle.clone().unwrap_or(last));
            } else {
                obstacle = Some(last.clone());
                routed.result = Err(last);
            }
            let (mut pause, mut refresh) = (Duration::ZERO, false);
            match step {
                Step::Done(reply) => {
                    routed.result = Ok(reply);
                    break;
                }
                Step::Stop(error) => {
                    routed.result = Err(error);
                    break;
                }
                Step::Go(next) => {
                    redirections += 1;
                    if redirections > FREE_REDIRECTIONS {
                        pause = PAUSE;
                    }
                    target = Some(next);
                }
                Step::Again {
                    pause: long,
                    refresh: anew,
                } => {
                    redirections = 0;
                    pause = long;
                    refresh = anew;
                }
            }
            let grace = if refresh {
                REFRESH_GRACE
            } else {
                Duration::ZERO
            };
            if Instant::now() + grace + pause + terms.deadline / LEAST_PART >= until {
                break;
            }
            if refresh && timeout_at(until, self.refresh(begun)).await.is_err() {
                break;
            }
            if !pause.is_zero() {
                sleep(pause).await;
            }
            if Instant::now() >= until {
                break;
            }
        }
        routed.took = started.elapsed();
        routed
    }

    /// One command to one node. At the deadline the map is made anew beside it, so that others don't run into the same
    /// silent node; the answer itself is awaited for `linger` longer.
    async fn attempt(
        &self,
        node: usize,
        words: &[&[u8]],
        asking: bool,
        until: Instant,
        linger: Duration,
        overdue: &SetOnce<NodeName>,
    ) -> Result<Reply, RespError> {
        let Some(client) = self.inner.clients.get(node) else {
            // A target is always a place in the book, and the clients are made from the book.
            return Ok(Reply::Error("ERR no such node".into()));
        };
        let left = until.saturating_duration_since(Instant::now());
        let send = async {
            if asking {
                let commands = [vec![b"ASKING".as_slice()], words.to_vec()];
                let mut replies = client.pipeline_within(&commands, left + linger).await?;
                Ok(replies.pop().unwrap_or(Reply::Nil))
            } else {
                client.call_within(words, left + linger).await
            }
        };
        tokio::pin!(send);
        if let Ok(answer) = timeout(left, &mut send).await {
            return answer;
        }
        // Only the last attempt can be overdue, so it is set once.
        let _ = overdue.set(client.address().name.clone());
        let silent_since = Instant::now();
        let router = self.clone();
        // Ends by itself within REFRESH_PAUSE and REFRESH_LIMIT.
        tokio::spawn(async move { router.refresh(silent_since).await });
        send.await
    }

    /// What to do after an answer, and what to say if there is no time left to do it.
    fn judge(
        &self,
        slot: Slot,
        node: usize,
        answer: Result<Reply, RespError>,
        idempotent: bool,
        routed: &mut Routed,
    ) -> (Step, RouteError) {
        let reply = match answer {
            Ok(Reply::Error(reply)) => reply,
            Ok(reply) => return (Step::Done(reply), RouteError::NoNodes),
            Err(error) => {
                let sent = error.may_have_been_sent();
                let last = RouteError::NoAnswer(error);
                routed.lost_answers += u32::from(sent);
                return if sent && !idempotent {
                    (Step::Stop(last.clone()), last)
                } else {
                    (
                        Step::Again {
                            pause: LONG_PAUSE,
                            refresh: true,
                        },
                        last,
                    )
                };
            }
        };
        let said_by = self
            .inner
            .clients
            .get(node)
            .map(|client| client.address().name.clone());
        let last = match said_by {
            Some(node) => RouteError::NotServed {
                node,
                reply: reply.clone(),
            },
            None => RouteError::NoNodes,
        };
        let step = match ClusterError::parse(&reply) {
            ClusterError::Moved { to, .. } => {
                routed.moved += 1;
                match slot_map::find(&to, None, node, &self.inner.book) {
                    Owner::Known(node) => {
                        self.inner
                            .map
                            .write()
                            .unwrap_or_else(PoisonError::into_inner)
                            .set(slot, node);
                        Step::Go(Target {
                            node,
                            asking: false,
                        })
                    }
                    Owner::Stranger { announced, said_by } => {
                        Step::Stop(RouteError::UnknownAddress { announced, said_by })
                    }
                }
            }
            ClusterError::Ask { to, .. } => {
                routed.asked += 1;
                match slot_map::find(&to, None, node, &self.inner.book) {
                    Owner::Known(node) => Step::Go(Target { node, asking: true }),
                    Owner::Stranger { announced, said_by } => {
                        Step::Stop(RouteError::UnknownAddress { announced, said_by })
                    }
                }
            }
            ClusterError::TryAgain => {
                routed.tried_again += 1;
                Step::Again {
                    pause: PAUSE,
                    refresh: false,
                }
            }
            ClusterError::Down(_) | ClusterError::Loading | ClusterError::MasterDown => {
                Step::Again {
                    pause: LONG_PAUSE,
                    refresh: true,
                }
            }
            ClusterError::CrossSlot | ClusterError::Other(_) => Step::Done(Reply::Error(reply)),
        };
        (step, last)
    }

    /// The node to send to by the map; where the map knows none, a node that answered before, or each in turn.
    fn target(&self, slot: Slot, attempts: u32) -> Result<Target, RouteError> {
        let map = self
            .inner
            .map
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let count = self.inner.clients.len();
        let node = match map.owner(slot) {
            Some(Owner::Known(node)) => *node,
            Some(Owner::Stranger { announced, said_by }) => {
                return Err(RouteError::UnknownAddress {
                    announced: announced.clone(),
                    said_by: said_by.clone(),
                });
            }
            None if count == 0 => return Err(RouteError::NoNodes),
            None => map.answered().unwrap_or(attempts as usize % count),
        };
        Ok(Target {
            node,
            asking: false,
        })
    }

    fn blank(&self) -> bool {
        self.inner
            .map
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_blank()
    }

    /// The node that the map names for `slot`, by its place in the book; `None` if it names none that can be reached.
    pub(super) fn known_owner(&self, slot: Slot) -> Option<usize> {
        match self
            .inner
            .map
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .owner(slot)
        {
            Some(Owner::Known(node)) => Some(*node),
            _ => None,
        }
    }

    /// The client of the node with this place in the book.
    pub(super) fn client(&self, node: usize) -> Option<&Client> {
        self.inner.clients.get(node)
    }

    /// Asks all nodes who has which slot, unless somebody did since `stale_since`. Takes the views that are there soon
    /// after the first one; leaves the map as it is when nobody answers. Takes [`REFRESH_PAUSE`] and [`REFRESH_LIMIT`] at most.
    pub(super) async fn refresh(&self, stale_since: Instant) {
        let mut refreshed = self.inner.refreshed.lock().await;
        if refreshed.is_some_and(|at| at >= stale_since) {
            return;
        }
        if let Some(before) = *refreshed {
            sleep_until(before + REFRESH_PAUSE).await;
        }
        let begun = Instant::now();
        let mut asking = JoinSet::new();
        for (place, client) in self.inner.clients.iter().cloned().enumerate() {
            asking.spawn(async move {
                let reply = client
                    .call_within(&["CLUSTER", "NODES"], REFRESH_LIMIT)
                    .await
                    .ok()?;
                let view = Topology::parse(&reply.as_text()?).ok()?;
                Some((place, view))
            });
        }
        let mut views = Vec::new();
        let mut until = begun + REFRESH_LIMIT;
        while let Ok(Some(answer)) = timeout_at(until, asking.join_next()).await {
            if let Ok(Some(view)) = answer {
                views.push(view);
                until = until.min(Instant::now() + REFRESH_GRACE);
            }
        }
        if !views.is_empty() {
            let map = SlotMap::merged(&views, &self.inner.book);
            *self
                .inner
                .map
                .write()
                .unwrap_or_else(PoisonError::into_inner) = map;
        }
        // Views asked for before somebody's map went stale may be stale too, so the beginning counts.
        *refreshed = Some(begun);
    }
}
