//! A lane for each master: what may be under way there at a time, and how it fares.
//!
//! The bound is what keeps the client library well: with thousands of requests in flight when a master dies, it can stay wedged for
//! all of the cluster. And it is a bound for each master, so that one that hangs does not hold up the requests for the others.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::link::Link;
use crate::cluster::{Endpoint, Slot, SlotTable};

/// The lane of one master.
pub(super) struct Lane {
    /// What may be under way.
    pub permits: Semaphore,
    /// Attempts that came to nothing since the last one that was answered.
    failures: AtomicU32,
    /// Requests that wait until they try it again.
    waiting: AtomicU32,
    /// Wakes them: something was answered, or the master is another one.
    news: Notify,
    /// Attempts that were answered, until it was enough for a link of its own.
    answers: AtomicU32,
    /// Connections that it shares with no other lane, once there is traffic.
    link: RwLock<Option<Arc<Link>>>,
    /// Whether somebody looks for the master that will take over.
    is_watched: AtomicBool,
    /// Whether the master has changed since the connections in use were made, so that it is asked directly.
    is_direct: AtomicBool,
}

/// Between two attempts at a master that is silent, of however many requests they are: it would not be sooner found out that it is back, and hundreds of them that
/// ask ten times a second each take a processor for themselves.
const APART: Duration = Duration::from_millis(10);
/// The longest that a request waits for the attempts of others.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Answers after which a lane gets a link of its own. A command that asks once or twice has no use for one.
const TRAFFIC: u32 = 50;

impl Lane {
    fn new(in_flight: usize) -> Self {
        Lane {
            permits: Semaphore::new(in_flight),
            failures: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            news: Notify::new(),
            answers: AtomicU32::new(0),
            link: RwLock::new(None),
            is_watched: AtomicBool::new(false),
            is_direct: AtomicBool::new(false),
        }
    }

    /// An attempt was answered. Whether it is now time for a link of its own; that is said once, see [`own`](Self::own).
    pub fn answered(&self) -> bool {
        // Most answers come while all is well; then there is nothing to write.
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.news.notify_waiters();
        }
        self.answers.load(Ordering::Relaxed) <= TRAFFIC
            && self.answers.fetch_add(1, Ordering::Relaxed) == TRAFFIC
    }

    /// Whether an attempt came to something since the last streak of those that did not.
    pub fn is_well(&self) -> bool {
        self.failures.load(Ordering::Relaxed) == 0
    }

    /// Whether the caller is to look for the master that will take over: nobody does yet. The caller has to say
    /// [`unwatched`](Self::unwatched) when it ends.
    pub fn watch(&self) -> bool {
        !self.is_watched.swap(true, Ordering::SeqCst)
    }

    /// Nobody looks any more.
    pub fn unwatched(&self) {
        self.is_watched.store(false, Ordering::SeqCst);
    }

    /// Whether the master that is known is to be asked directly, past the library's client.
    pub fn is_direct(&self) -> bool {
        self.is_direct.load(Ordering::Relaxed)
    }

    /// From now on it is, or is not any more, which is a new beginning.
    pub fn set_direct(&self, direct: bool) {
        self.is_direct.store(direct, Ordering::Relaxed);
        if !direct {
            self.failures.store(0, Ordering::Relaxed);
        }
        self.news.notify_waiters();
    }

    /// Something was answered past the connections of this lane: whoever waits need not wait any longer.
    pub fn answered_directly(&self) {
        self.news.notify_waiters();
    }

    /// Passes the time until a request is tried again: as long as `pause`. Where the master is silent it is longer, the more requests wait, since the attempt of one
    /// tells all of them; but never longer than until `latest`, and no longer than until somebody is answered.
    pub async fn pause(&self, pause: Duration, latest: Instant) {
        let now = Instant::now();
        let news = self.news.notified();
        tokio::pin!(news);
        // From here on it is heard, whatever is found out in between.
        news.as_mut().enable();
        if self.is_well() || self.is_direct() {
            return sleep_until(now + pause).await;
        }
        let waiting = Waiting::among(&self.waiting);
        let turn = turn(waiting.number, rand::random());
        tokio::select! {
            () = sleep_until((now + pause.max(turn)).min(latest)) => {}
            () = news => {}
        }
    }

    /// From now on this link is the lane's. `None`: none came about, and it is to be tried again after some more answers.
    pub fn own(&self, link: Option<Arc<Link>>) {
        match link {
            Some(link) => {
                *self.link.write().unwrap_or_else(PoisonError::into_inner) = Some(link);
            }
            None => self.answers.store(0, Ordering::Relaxed),
        }
    }

    /// The lane's own link.
    pub fn link(&self) -> Option<Arc<Link>> {
        self.link
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// An attempt came to nothing: no answer in time, or a broken connection. Says how many there were in a row.
    pub fn failed(&self) -> u32 {
        self.failures.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// How long a request waits where, with it, so many wait. By `chance`, 0 to 1, half to one and a half of it, so that those who were woken together don't come again
/// together.
fn turn(waiting: u32, chance: f64) -> Duration {
    (APART * waiting).min(LONGEST_WAIT).mul_f64(0.5 + chance)
}

/// One of those that wait, as long as it does.
struct Waiting<'a> {
    all: &'a AtomicU32,
    /// How many there were with it when it came.
    number: u32,
}

impl<'a> Waiting<'a> {
    fn among(all: &'a AtomicU32) -> Self {
        let number = all.fetch_add(1, Ordering::Relaxed) + 1;
        Waiting { all, number }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The lanes, by slot.
pub(super) struct Lanes {
    in_flight: usize,
    state: RwLock<State>,
}

struct State {
    by_master: HashMap<Endpoint, Arc<Lane>>,
    /// Slots without a known master have this one.
    stray: Arc<Lane>,
    table: Option<SlotTable>,
}

impl Lanes {
    pub fn new(in_flight: usize) -> Self {
        Lanes {
            in_flight,
            state: RwLock::new(State {
                by_master: HashMap::new(),
                stray: Arc::new(Lane::new(in_flight)),
                table: None,
            }),
        }
    }

    /// The lane for a slot.
    pub fn of(&self, slot: Slot) -> Arc<Lane> {
        let state = self.read();
        let owner = state.table.as_ref().and_then(|table| table.owner(slot));
        let lane = owner.and_then(|owner| state.by_master.get(&owner.endpoint));
        lane.unwrap_or(&state.stray).clone()
    }

    /// The master that a slot is known to have, by the address that it announces.
    pub fn master(&self, slot: Slot) -> Option<Endpoint> {
        let state = self.read();
        let owner = state.table.as_ref()?.owner(slot)?;
        Some(owner.endpoint.clone())
    }

    /// The replicas of that master.
    pub fn replicas(&self, slot: Slot) -> Vec<Endpoint> {
        let state = self.read();
        let entries = state.table.iter().flat_map(|table| &table.entries);
        let mut entries =
            entries.filter(|entry| entry.range.start <= slot && slot <= entry.range.end);
        let nodes = entries.next().map(|entry| &entry.replicas);
        nodes
            .into_iter()
            .flatten()
            .map(|node| node.endpoint.clone())
            .collect()
    }

    /// All masters, by the addresses that they announce.
    pub fn masters(&self) -> Vec<Endpoint> {
        let mut masters: Vec<Endpoint> = self.read().by_master.keys().cloned().collect();
        masters.sort();
        masters
    }

    /// Every node of the cluster, replicas too.
    pub fn nodes(&self) -> Vec<Endpoint> {
        let state = self.read();
        let entries = state.table.iter().flat_map(|table| &table.entries);
        let mut nodes: Vec<Endpoint> = entries
            .flat_map(|entry| std::iter::once(&entry.master).chain(&entry.replicas))
            .map(|node| node.endpoint.clone())
            .collect();
        nodes.sort();
        nodes.dedup();
        nodes
    }

    /// The links that lanes have of their own.
    pub fn links(&self) -> Vec<Arc<Link>> {
        let state = self.read();
        let lanes = state.by_master.values();
        lanes.filter_map(|lane| lane.link()).collect()
    }

    /// Takes over what the cluster says of its slots. A master that was known keeps its lane, with what is under way on it. A replica that has
    /// taken over from a master gets that one's lane: who waited there has had its connections made anew, until they led to the new master.
    pub fn learn(&self, table: SlotTable) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let masters: HashSet<&Endpoint> = table
            .entries
            .iter()
            .map(|entry| &entry.master.endpoint)
            .collect();
        let mut by_master = HashMap::new();
        for endpoint in &masters {
            let known = state.by_master.get(*endpoint).or_else(|| {
                let before = state.table.iter().flat_map(|table| &table.entries);
                let mut before = before.filter(|entry| {
                    !masters.contains(&entry.master.endpoint)
                        && entry
                            .replicas
                            .iter()
                            .any(|node| node.endpoint == **endpoint)
                });
                let master = before.next().map(|entry| &entry.master.endpoint);
                master.and_then(|master| state.by_master.get(master))
            });
            let lane = known.cloned();
            let lane = lane.unwrap_or_else(|| Arc::new(Lane::new(self.in_flight)));
            by_master.insert((*endpoint).clone(), lane);
        }
        state.by_master = by_master;
        state.table = Some(table);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Reply;

    /// `first` has the slots up to 8191, with `replica`; `second` the others.
    fn table(first: u16, replica: u16, second: u16) -> SlotTable {
        let node = |port: u16| {
            let id = format!("{port:040x}");
            Reply::Array(vec![
                Reply::from("127.0.0.1"),
                Reply::from(i64::from(port)),
                Reply::from(id.as_str()),
            ])
        };
        let half = |from: i64, to: i64, nodes: Vec<Reply>| {
            let range = [Reply::from(from), Reply::from(to)];
            Reply::Array(range.into_iter().chain(nodes).collect())
        };
        let reply = Reply::Array(vec![
            half(0, 8191, vec![node(first), node(replica)]),
            half(8192, 16383, vec![node(second)]),
        ]);
        SlotTable::parse(&reply).unwrap()
    }

    fn slot(number: u16) -> Slot {
        Slot::new(number).unwrap()
    }

    #[test]
    fn each_master_has_a_lane_with_its_own_bound() {
        let lanes = Lanes::new(2);
        lanes.learn(table(1, 3, 2));
        let (low, high) = (lanes.of(slot(5)), lanes.of(slot(9000)));
        let _under_way = (
            low.permits.try_acquire().unwrap(),
            lanes.of(slot(6)).permits.try_acquire().unwrap().forget(),
        );
        assert!(lanes.of(slot(7)).permits.try_acquire().is_err());
        // That one hangs holds nobody up at the other.
        assert!(high.permits.try_acquire().is_ok());
        assert_eq!(lanes.masters().len(), 2);
        assert_eq!(lanes.nodes().len(), 3);
        assert_eq!(lanes.replicas(slot(5))[0].port, 3);
        assert!(lanes.replicas(slot(9000)).is_empty());
    }

    #[test]
    fn a_master_keeps_its_lane_and_an_heir_takes_it_over() {
        let lanes = Lanes::new(1);
        lanes.learn(table(1, 3, 2));
        lanes.of(slot(5)).permits.try_acquire().unwrap().forget();
        assert_eq!(lanes.of(slot(5)).failed(), 1);
        assert_eq!(lanes.of(slot(5)).failed(), 2);
        lanes.learn(table(1, 3, 4));
        assert!(lanes.of(slot(5)).permits.try_acquire().is_err());
        lanes.of(slot(5)).answered();
        assert_eq!(lanes.of(slot(5)).failed(), 1);
        lanes.learn(table(3, 1, 4));
        assert_eq!(lanes.master(slot(5)).unwrap().port, 3);
        assert!(lanes.of(slot(5)).permits.try_acquire().is_err());
        // Somebody who was no replica of it begins anew.
        lanes.learn(table(5, 1, 4));
        assert!(lanes.of(slot(5)).permits.try_acquire().is_ok());
    }

    #[test]
    fn a_lane_with_traffic_is_to_have_a_link_of_its_own() {
        let lane = Lane::new(1);
        let said = (0..1000).filter(|_| lane.answered()).count();
        assert_eq!(said, 1);
        // None came about.
        lane.own(None);
        assert_eq!((0..1000).filter(|_| lane.answered()).count(), 1);
    }

    #[test]
    fn at_a_silent_master_many_requests_try_no_more_often_together_than_some() {
        let attempts_a_second = |waiting: u32| {
            let turns = (0..10).map(|tenth| turn(waiting, f64::from(tenth) / 10.0).as_secs_f64());
            f64::from(waiting) / (turns.sum::<f64>() / 10.0)
        };
        for waiting in [1, 2, 20, 100] {
            let attempts = attempts_a_second(waiting);
            assert!((95.0..110.0).contains(&attempts), "{waiting}: {attempts}");
        }
        // Each of them tries once in one and a half seconds at least, however many there are.
        assert_eq!(turn(100_000, 1.0), Duration::from_millis(1500));
    }

    #[tokio::test]
    async fn an_answer_ends_the_waiting_of_all_and_where_all_is_well_nobody_waits_for_others() {
        const SOON: Duration = Duration::from_secs(20);
        let far = Instant::now() + SOON * 30;
        let wait_all = async |lane: &Arc<Lane>, pause| {
            let all = (0..200).map(|_| lane.pause(pause, far));
            let all = futures_util::future::join_all(all);
            tokio::time::timeout(SOON, all).await.unwrap();
        };
        let lane = Arc::new(Lane::new(1));
        wait_all(&lane, Duration::from_millis(1)).await;
        for news in [
            (|lane| _ = lane.answered()) as fn(&Lane),
            |lane| lane.answered_directly(),
            |lane| lane.set_direct(true),
        ] {
            lane.failed();
            lane.set_direct(false);
            lane.failed();
            let told = async {
                while lane.waiting.load(Ordering::Relaxed) < 200 {
                    tokio::task::yield_now().await;
                }
                news(&lane);
            };
            tokio::join!(wait_all(&lane, SOON * 2), told);
            assert_eq!(lane.waiting.load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn before_anything_is_known_there_is_one_lane() {
        let lanes = Lanes::new(1);
        lanes.of(slot(5)).permits.try_acquire().unwrap().forget();
        assert!(lanes.of(slot(9000)).permits.try_acquire().is_err());
        assert_eq!(lanes.master(slot(5)), None);
    }
}
