//! Changes that wait for a replica.
//!
//! `WAIT` counts for the connection that it is sent on, and holds up everything behind it there. So a durable change has a connection of its own
//! for as long as it takes: it goes out with a second write behind it (the time to live of its own record, set again) and `WAIT`. The second write is
//! there for a repeated request: that changes nothing, and `WAIT` would have nothing to wait for and say yes at once.
//!
//! What it costs: a round trip more, and the replica's. What it does not promise: that the replica which has the change is the one that takes
//! over; a replica that lags may win an election, and the change is lost in spite of it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value, from_redis_value};
use tokio::time::{Instant, timeout};

use super::diagnose::connect_one;
use super::failure::Failure;
use super::{OPERATION_RECORD_TIME, Store, call, flat};
use crate::app::error::AppError;
use crate::app::scripts::AppScript;
use crate::cluster::{Endpoint, Slot};

/// How long a replica may take to have the change.
pub(super) const REPLICA_TIME: Duration = Duration::from_secs(1);
/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_millis(400);
/// Between attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Connections that nobody uses just now, by node.
#[derive(Default)]
pub(super) struct Spare {
    by_node: Mutex<HashMap<Endpoint, Vec<MultiplexedConnection>>>,
}

impl Spare {
    fn take(&self, node: &Endpoint) -> Option<MultiplexedConnection> {
        let mut by_node = self.by_node.lock().unwrap_or_else(PoisonError::into_inner);
        by_node.get_mut(node)?.pop()
    }

    fn put(&self, node: Endpoint, connection: MultiplexedConnection) {
        let mut by_node = self.by_node.lock().unwrap_or_else(PoisonError::into_inner);
        by_node.entry(node).or_default().push(connection);
    }
}

/// Where the next attempt goes, by the last one's answer.
enum Where {
    Master,
    Moved(Endpoint),
    Ask(Endpoint),
}

impl Store {
    /// Runs a transition's script until it is answered, and its change is on a replica. The last key is that of the operation's record.
    pub(super) async fn durably(
        &self,
        script: &AppScript,
        slot: Slot,
        keys: &[String],
        arguments: &[String],
    ) -> Result<Vec<String>, AppError> {
        let deadline = Instant::now() + self.client.settings().deadline;
        let lane = self.client.lanes().of(slot);
        let _turn = lane.permits.acquire().await;
        let mut whither = Where::Master;
        let mut in_full = false;
        loop {
            let failure = match self
                .durable_attempt(&whither, in_full, script, slot, keys, arguments)
                .await
            {
                Ok((answer, replicas))
                    if replicas > 0 || answer.first().is_some_and(|word| word == "no_event") =>
                {
                    return Ok(answer);
                }
                Ok(_) => {
                    return Err(AppError::NotDurable {
                        within: REPLICA_TIME,
                    });
                }
                Err(failure) => failure,
            };
            let (failure, next) = failure;
            in_full = failure.is_no_script();
            // In full to the very node that lacks it, wherever the slot is.
            if !in_full {
                whither = next;
            }
            if let Failure::Final(error) = failure {
                return Err(error);
            }
            if Instant::now() + PAUSE >= deadline {
                return Err(self.client.gave_up(failure).await);
            }
            if matches!(whither, Where::Master) && !in_full {
                // Whoever has the slot by now, if anybody does.
                self.client.look_for_slots().await;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// One attempt: the answer, and how many replicas have it.
    async fn durable_attempt(
        &self,
        whither: &Where,
        in_full: bool,
        script: &AppScript,
        slot: Slot,
        keys: &[String],
        arguments: &[String],
    ) -> Result<(Vec<String>, u64), (Failure, Where)> {
        let lost = |failure| (failure, Where::Master);
        let settings = self.client.settings();
        let node = match whither {
            Where::Master => self.client.lanes().master(slot),
            Where::Moved(node) | Where::Ask(node) => Some(node.clone()),
        };
        let node = node.ok_or_else(|| {
            lost(Failure::ClusterDown(format!(
                "no master of slot {slot} is known"
            )))
        })?;
        let reachable = settings.reachable(&node);
        let mut connection = match self.spare.take(&reachable) {
            Some(connection) => connection,
            None => connect_one(settings, &reachable, CONNECT_TIME)
                .await
                .map_err(|error| lost(error.into()))?,
        };
        let mut pipeline = redis::pipe();
        let asks = matches!(whither, Where::Ask(_));
        if asks {
            pipeline.cmd("ASKING");
        }
        pipeline.add_command(call(script, in_full, keys, arguments));
        if asks {
            pipeline.cmd("ASKING");
        }
        if let Some(record) = keys.last() {
            let time = OPERATION_RECORD_TIME.as_millis().to_string();
            pipeline.cmd("PEXPIRE").arg(record).arg(time);
        }
        pipeline
            .cmd("WAIT")
            .arg(1)
            .arg(u64::try_from(REPLICA_TIME.as_millis()).unwrap_or(u64::MAX));
        // Of a pipeline's errors the library tells neither code nor where a slot has gone; of a single reply's it does.
        pipeline.ignore_errors();
        let time = settings.attempt + REPLICA_TIME;
        connection.set_response_timeout(time);
        let values = timeout(
            time * 2,
            pipeline.query_async::<Vec<RedisResult<Value>>>(&mut connection),
        )
        .await;
        let values = values.map_err(|_| lost(Failure::TimedOut))?;
        let values: RedisResult<Vec<Value>> =
            values.and_then(|values| values.into_iter().collect());
        let values = match values {
            Err(error) => {
                let next = match error.redirect_node() {
                    Some((node, _)) if error.code() == Some("ASK") => {
                        node.parse().ok().map(Where::Ask)
                    }
                    Some((node, _)) => node.parse().ok().map(Where::Moved),
                    None => None,
                };
                let failure = Failure::from(error);
                // A connection that answered is as good as before.
                if !failure.is_silence() {
                    self.spare.put(reachable, connection);
                }
                return Err((failure, next.unwrap_or(Where::Master)));
            }
            Ok(values) => values,
        };
        self.spare.put(reachable, connection);
        let mut values = values.into_iter().skip(usize::from(asks));
        let answer = values.next().unwrap_or(Value::Nil);
        let replicas = values.next_back().unwrap_or(Value::Nil);
        let strange = |error| lost(Failure::Final(error));
        let answer = flat(answer).map_err(strange)?;
        let replicas: u64 = from_redis_value(replicas).map_err(|error| {
            strange(AppError::Unexpected {
                what: format!("WAIT gave something else than a number: {error}"),
            })
        })?;
        Ok((answer, replicas))
    }
}
