//! A whole Redis Cluster in the process.

mod builder;
mod look;
#[cfg(test)]
mod resting;
#[cfg(test)]
mod sabotaged;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

pub use self::builder::ClusterBuilder;
pub use self::look::Look;
use super::Clock;
use super::node::host::Host;
use super::node::world::{Ending, Life, Weather, World};
use crate::cluster::{NodeId, Reply};

/// A Redis Cluster, simulated: nodes on real ports of the loopback interface, each with its own keys and its own view of the others, on a bus between them whose delays, losses
/// and partitions are this value's. It stops when this value is dropped.
///
/// Nodes are named by their number, from 0 on: first the masters, then their replicas.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use std::time::Duration;
///
/// use labrunner::double::{Clock, Cluster};
///
/// let cluster = Cluster::builder().masters(3).replicas(1).seed(7).clock(Clock::leaping()).start().await.unwrap();
/// cluster.run(0, ["SET", "{A}seat", "free"]);
///
/// // A master dies, and its replica takes over. That takes seconds of the cluster's time, and next to none of ours.
/// cluster.kill(0);
/// assert!(cluster.until(Duration::from_secs(60), |look| look.is_master(3)).await);
/// # });
/// ```
#[derive(Debug)]
pub struct Cluster {
    host: Host,
    clock: Clock,
    seed: u64,
}

impl Cluster {
    /// A cluster that is to be told more about before it is started.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// Three masters with a replica each, on free ports.
    ///
    /// # Errors
    /// No ports could be had.
    pub async fn start() -> io::Result<Cluster> {
        Cluster::builder().start().await
    }

    /// The seed from which all chance in it comes.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The time that it lives in.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How many nodes there are, stopped ones included.
    pub fn len(&self) -> usize {
        self.world(|world| world.len()).unwrap_or_default()
    }

    /// Whether it has no nodes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where a node listens.
    ///
    /// # Panics
    /// There is no such node; so it is with all functions that name one.
    pub fn address(&self, node: usize) -> SocketAddr {
        self.of(node, move |world| world.address(node))
    }

    /// Where all of them listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let all = self.world(|world| (0..world.len()).map(|at| world.address(at)).collect());
        all.unwrap_or_default()
    }

    /// The same as client libraries like it: `redis://127.0.0.1:40123`.
    pub fn urls(&self) -> Vec<String> {
        let addresses = self.addresses().into_iter();
        addresses.map(|at| format!("redis://{at}")).collect()
    }

    /// A node's id.
    pub fn id(&self, node: usize) -> NodeId {
        self.of(node, move |world| Look(world).id(node))
    }

    /// Executes a command at a node as if a client had sent it that has all rights, and without a connection. The reply is as RESP3 has it. A node that does not run
    /// answers with an error.
    pub fn run<W: AsRef<[u8]>>(&self, node: usize, words: impl IntoIterator<Item = W>) -> Reply {
        self.run_by_hand(node, words, false)
    }

    /// The same after ASKING: what a client does that was told `ASK`.
    pub fn run_asking<W: AsRef<[u8]>>(
        &self,
        node: usize,
        words: impl IntoIterator<Item = W>,
    ) -> Reply {
        self.run_by_hand(node, words, true)
    }

    fn run_by_hand<W: AsRef<[u8]>>(
        &self,
        node: usize,
        words: impl IntoIterator<Item = W>,
        asking: bool,
    ) -> Reply {
        let words = words.into_iter().map(|word| word.as_ref().to_vec());
        let words: Vec<Vec<u8>> = words.collect();
        let reply = self.of(node, move |world| world.run_by_hand(node, &words, asking));
        match reply {
            Some(bytes) => super::wire::reply(&bytes),
            None => Reply::Error("ERR the node does not run".to_owned()),
        }
    }

    /// Adds an empty node, which is in nobody's cluster until it is met. Its number.
    ///
    /// # Errors
    /// No port could be had.
    pub fn add_node(&self) -> io::Result<usize> {
        let newcomer = builder::newcomer_like_first(self)?;
        let added = self.world(move |world| world.add(newcomer));
        added.unwrap_or_else(|| Err(gone()))
    }

    /// Adds an empty node at this address, with these settings, which are those that it has again whenever it is started again.
    /// It saves nothing at its end where `save` is empty. Its number.
    ///
    /// # Errors
    /// The address can't be had; or there is no such setting.
    pub fn add_node_at(&self, address: SocketAddr, settings: &[(&str, &str)]) -> io::Result<usize> {
        let newcomer = builder::newcomer_at(address, settings)?;
        let added = self.world(move |world| world.add(newcomer));
        added.unwrap_or_else(|| Err(gone()))
    }

    /// Ends a node for good: it has been. Its number stays taken, its address is free.
    pub fn remove(&self, node: usize) {
        self.of(node, move |world| world.remove(node));
    }

    /// Stops a node in good order: it saves its keys. Its clients and the other nodes see their connections end.
    pub fn stop(&self, node: usize) {
        self.of(node, move |world| world.stop(node, Ending::Orderly));
    }

    /// Ends a node from one moment to the next. It forgets its keys unless `appendonly` is set, but not its cluster.
    pub fn kill(&self, node: usize) {
        self.of(node, move |world| world.stop(node, Ending::Abrupt));
    }

    /// Starts a node again, at its old address, as what it was.
    ///
    /// # Errors
    /// Somebody else has taken its port.
    pub fn start_again(&self, node: usize) -> io::Result<()> {
        self.of(node, move |world| world.start_again(node))
    }

    /// A node does nothing any more, but keeps its connections: what SIGSTOP does.
    pub fn freeze(&self, node: usize) {
        self.of(node, move |world| world.freeze(node));
    }

    /// It goes on, with all that has come to it meanwhile.
    pub fn thaw(&self, node: usize) {
        self.of(node, move |world| world.thaw(node));
    }

    /// Whether a node runs: it is neither stopped nor frozen.
    pub fn is_running(&self, node: usize) -> bool {
        self.of(node, move |world| world.life(node) == Life::Running)
    }

    /// Whether a node is frozen.
    pub fn is_frozen(&self, node: usize) -> bool {
        self.of(node, move |world| world.life(node) == Life::Frozen)
    }

    /// Nobody reaches a node any more, neither nodes nor clients, and it reaches nobody: its cable is pulled.
    pub fn isolate(&self, node: usize) {
        self.of(node, move |world| world.isolate(node));
    }

    /// Ends [`isolate`](Self::isolate).
    ///
    /// # Errors
    /// Somebody else has taken its port.
    pub fn rejoin(&self, node: usize) -> io::Result<()> {
        self.of(node, move |world| world.rejoin(node))
    }

    /// Parts the nodes: those of each group reach only each other. Those that are in no group make one more. Clients still reach all of them.
    pub fn partition(&self, groups: &[&[usize]]) {
        let groups: Vec<Vec<usize>> = groups.iter().map(|group| group.to_vec()).collect();
        self.world(move |world| world.partition(&groups));
    }

    /// What one node sends does not reach the other any more; the other way it does.
    pub fn cut(&self, from: usize, to: usize) {
        self.of(from.max(to), move |world| world.cut(from, to));
    }

    /// All nodes reach each other again, and what was held comes now, as TCP does it.
    pub fn heal(&self) {
        self.world(World::heal);
    }

    /// What goes to or comes from a node takes so much longer.
    pub fn slow(&self, node: usize, by: Duration) {
        self.of(node, move |world| world.slow(node, by));
    }

    /// This share of the messages on the cluster bus is lost from now on, 0 to 1. A link that has lost one ends a second later, and is made anew. What masters tell replicas is never lost: that is a stream, and breaks or holds.
    pub fn lose(&self, share: f64) {
        self.world(move |world| world.set_loss(share.clamp(0.0, 1.0)));
    }

    /// How long what nodes send each other takes from now on: any time of this range.
    pub fn delay(&self, range: Range<Duration>) {
        self.world(move |world| world.set_delay(range));
    }

    /// Moves a stepped clock on; all that is due until then happens, each thing at its own moment. On other clocks it does nothing.
    pub fn advance(&self, by: Duration) {
        self.world(move |world| world.advance(by));
    }

    /// Leaps to a moment of a leaping clock, or a stepped one; all that is due until then happens, each thing at its own moment, before any client is heard again. A natural
    /// clock can't be moved: then it does nothing.
    pub fn leap_to(&self, moment: Duration) {
        let until = self.clock.unix_at(moment).as_micros() as i64;
        self.world(move |world| world.leap_until(until));
    }

    /// Waits until something is so, for at most this much of the cluster's time. Whether it is. A leaping clock leaps meanwhile from one thing that happens to the next, a stepped one
    /// steps; on a natural one that takes as long as it takes.
    pub async fn until(
        &self,
        within: Duration,
        mut condition: impl FnMut(&Look<'_>) -> bool + Send + 'static,
    ) -> bool {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let look = Box::new(move |world: &World| condition(&Look(world)));
        let asked = self.world(move |world| {
            let until = world.clock_now().saturating_add(within.as_micros() as i64);
            world.wait_for(until, look, tell);
        });
        let told = async move { tokio::task::spawn_blocking(move || told.recv()).await };
        asked.is_some() && matches!(told.await, Ok(Ok(true)))
    }

    /// Lets this much of the cluster's time pass.
    pub async fn sleep(&self, time: Duration) {
        self.until(time, |_| false).await;
    }

    /// Looks at all nodes at one moment.
    #[expect(
        clippy::expect_used,
        reason = "the thread ends with this value, and not before"
    )]
    pub fn look<T: Send + 'static>(&self, what: impl FnOnce(&Look<'_>) -> T + Send + 'static) -> T {
        let seen = self.world(|world| what(&Look(world)));
        seen.expect("the cluster's thread lives as long as the cluster")
    }

    /// What a node has logged, in the words of Redis, oldest first.
    pub fn log(&self, node: usize) -> Vec<String> {
        self.of(node, move |world| {
            world.seen(node, |server| {
                server.log.iter().map(|(_, line)| line.clone()).collect()
            })
        })
    }

    /// Puts a bug of the protocol into all nodes that there are.
    #[cfg(any(test, fuzzing))]
    #[doc(hidden)]
    pub fn sabotage(&self, bug: super::gossip::Sabotage) {
        self.world(move |world| {
            for place in 0..world.len() {
                world.at(place, |server| {
                    if let Some(member) = server.cluster.as_deref_mut() {
                        member.view.sabotage = Some(bug);
                    }
                });
            }
        });
    }

    fn world<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut World) -> T + Send + 'static,
    ) -> Option<T> {
        self.host.with_world(job)
    }

    /// Has something done that names a node.
    #[expect(
        clippy::panic,
        reason = "a test that names a node that is not there is wrong, and is told so at once"
    )]
    fn of<T: Send + 'static>(
        &self,
        node: usize,
        job: impl FnOnce(&mut World) -> T + Send + 'static,
    ) -> T {
        let done = self.world(move |world| (node < world.len()).then(|| job(world)));
        match done {
            Some(Some(done)) => done,
            _ => panic!("the cluster has no node {node}"),
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the cluster's thread has ended")
}

fn weather(delay: &Range<Duration>, loss: f64) -> Weather {
    Weather {
        delay: delay.start.as_micros() as u64..delay.end.as_micros() as u64,
        loss,
    }
}
