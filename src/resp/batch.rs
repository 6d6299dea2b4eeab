//! Thousands of commands at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{RouteError, Routed, Router, Terms};
use crate::cluster::{ClusterError, Reply, Slot};

/// Commands in one write. Large enough that the round trip does not count, small enough that a node is not held up and a
/// reply is not outstanding for long.
const CHUNK: usize = 500;
/// Redirected commands in flight.
const SINGLES: usize = 64;

/// What became of a batch.
#[derive(Debug, Clone)]
pub struct Batch {
    /// One result a command, in the order given.
    pub results: Vec<Result<Reply, RouteError>>,
    /// `ASK` redirections met.
    pub asked: u64,
    /// `MOVED` redirections met.
    pub moved: u64,
    /// `TRYAGAIN` answers met.
    pub tried_again: u64,
    /// From the call to the last result.
    pub took: Duration,
}

type Command = Vec<Vec<u8>>;

impl Router {
    /// Sends many commands, each of one key, which is its first argument (`GET key`, `SET key value`): grouped by node,
    /// pipelined in chunks, all nodes at the same time. Commands that a node redirects or can't serve now are then sent
    /// one by one as by [`call_with`](Self::call_with). The deadline of `terms` is the whole batch's.
    pub async fn batch(&self, commands: Vec<Command>, terms: Terms) -> Batch {
        let started = Instant::now();
        let until = started + terms.deadline;
        let commands: Arc<Vec<Command>> = Arc::new(commands);
        let mut batch = Batch {
            results: vec![Err(RouteError::NotAsked); commands.len()],
            asked: 0,
            moved: 0,
            tried_again: 0,
            took: Duration::ZERO,
        };
        // A map that is stale costs a redirection a command; asking first costs one round trip.
        self.refresh(started).await;
        let singles = self
            .send_in_chunks(&commands, until, terms, &mut batch)
            .await;
        self.send_one_by_one(&commands, singles, until, terms, &mut batch)
            .await;
        batch.took = started.elapsed();
        batch
    }

    /// Returns the commands, by their place, that have to be sent one by one.
    async fn send_in_chunks(
        &self,
        commands: &Arc<Vec<Command>>,
        until: Instant,
        terms: Terms,
        batch: &mut Batch,
    ) -> Vec<usize> {
        let mut singles = Vec::new();
        let mut by_node: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, command) in commands.iter().enumerate() {
            match self.known_owner(Slot::of_key(key(command))) {
                Some(node) => by_node.entry(node).or_default().push(place),
                None => singles.push(place),
            }
        }
        let mut sending = JoinSet::new();
        for (node, places) in by_node {
            let Some(client) = self.client(node).cloned() else {
                continue;
            };
            let commands = commands.clone();
            sending.spawn(async move {
                let mut answers = Vec::with_capacity(places.len());
                for chunk in places.chunks(CHUNK) {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    let words: Vec<Command> = chunk
                        .iter()
                        .filter_map(|place| commands.get(*place).cloned())
                        .collect();
                    match client.pipeline_within(&words, left).await {
                        Ok(replies) => {
                            answers.extend(chunk.iter().copied().zip(replies.into_iter().map(Ok)))
                        }
                        Err(error) => {
                            answers.extend(chunk.iter().map(|place| (*place, Err(error.clone()))))
                        }
                    }
                }
                answers
            });
        }
        while let Some(answers) = sending.join_next().await {
            // A task that was cancelled with its runtime leaves `NotAsked`.
            for (place, answer) in answers.unwrap_or_default() {
                let again = match &answer {
                    Ok(Reply::Error(error)) => counted(error, batch),
                    Ok(_) => false,
                    Err(error) => terms.idempotent || !error.may_have_been_sent(),
                };
                if again {
                    singles.push(place);
                }
                if let Some(result) = batch.results.get_mut(place) {
                    *result = answer.map_err(RouteError::NoAnswer);
                }
            }
        }
        singles
    }

    async fn send_one_by_one(
        &self,
        commands: &Arc<Vec<Command>>,
        singles: Vec<usize>,
        until: Instant,
        terms: Terms,
        batch: &mut Batch,
    ) {
        let mut waiting = singles.into_iter();
        let mut sending: JoinSet<(usize, Routed)> = JoinSet::new();
        loop {
            while sending.len() < SINGLES {
                let Some(place) = waiting.next() else { break };
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    // What the chunk was told stays as the reason.
                    continue;
                }
                let (router, commands) = (self.clone(), commands.clone());
                let terms = Terms {
                    deadline: left,
                    linger: Duration::ZERO,
                    ..terms
                };
                sending.spawn(async move {
                    let empty = Vec::new();
                    let command = commands.get(place).unwrap_or(&empty);
                    (place, router.call_with(key(command), command, terms).await)
                });
            }
            let Some(done) = sending.join_next().await else {
                break;
            };
            let Ok((place, routed)) = done else { continue };
            batch.asked += u64::from(routed.asked);
            batch.moved += u64::from(routed.moved);
            batch.tried_again += u64::from(routed.tried_again);
            if let Some(result) = batch.results.get_mut(place) {
                *result = routed.result;
            }
        }
    }
}

/// Counts a chunk's redirection. Returns whether the command has to be sent again by itself.
fn counted(error: &str, batch: &mut Batch) -> bool {
    match ClusterError::parse(error) {
        ClusterError::Moved { .. } => batch.moved += 1,
        ClusterError::Ask { .. } => batch.asked += 1,
        ClusterError::TryAgain => batch.tried_again += 1,
        ClusterError::Down(_) | ClusterError::Loading | ClusterError::MasterDown => {}
        ClusterError::CrossSlot | ClusterError::Other(_) => return false,
    }
    true
}

fn key(command: &[Vec<u8>]) -> &[u8] {
    command.get(1).map(Vec::as_slice).unwrap_or_default()
}
