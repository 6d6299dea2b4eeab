//! The client library, made reliable: bounded in flight, a time limit on every attempt, attempts until a deadline, and a new client when
//! the one there is gets nowhere.
//!
//! The library (`redis`, cluster-async) finds out for itself where slots have gone to. What it does not do: give up an attempt by itself,
//! come back from every failover, or follow redirections well while very many are under way. So it is left no attempts of its own.
//! A request that was sent on is followed here ([`Detours`]), and whatever fails is tried again until the deadline, which is safe since
//! every change carries an operation id. A streak of failures makes a new client, which begins with what a node that answers says of
//! the cluster.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Cmd, Pipeline, Value};
use tokio::time::{Instant, timeout, timeout_at};

use super::diagnose::diagnose;
use super::elsewhere::{Detours, Elsewhere};
use super::failure::{Failure, sent_on};
use super::lanes::{Lane, Lanes};
use super::link::{Connections, Link};
use crate::app::error::AppError;
use crate::app::settings::{ReadFrom, Settings};
use crate::cluster::{Endpoint, Slot, SlotTable};
use crate::resp::reply;

/// Attempts in a row that came to nothing before a new client is made.
const STREAK: u32 = 3;
/// The longest that an attempt may take which was given more time than others: as long as a node needs that is busy, for all that it has of one event.
const LONGEST: Duration = Duration::from_secs(8);
/// Pauses between attempts: the first, and the longest. After a promotion, no longer than this passes until the next attempt.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));
/// The longest while a slot moves: what moves it may soon begin again with the next, and the time between is short.
const MOVING_PAUSE: Duration = Duration::from_millis(25);
/// How often in a row a request goes where it was sent on to without a pause: nodes may disagree for a moment on who has a slot.
const MOST_DETOURS: u32 = 4;
/// How old what is known of the slots may be while all goes well. It decides which lane a request takes, no more.
const TABLE_AGE: Duration = Duration::from_secs(5);

/// What is sent.
#[derive(Debug, Clone)]
pub(super) enum Request {
    /// One command, to the master.
    Change(Cmd),
    /// Reads of one slot, one after the other, from whom the settings say.
    Reads(Pipeline),
    /// Reads of one slot that see one and the same moment, from the master.
    Transaction(Pipeline),
    /// Commands of one slot, one after the other, to the master.
    Pipeline(Pipeline),
}

/// Counts of what went on, since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Attempts after the first one of a request.
    pub retries: AtomicU64,
    /// New clients made because the one there was got nowhere.
    pub rebuilds: AtomicU64,
}

/// See the module.
pub(super) struct Client {
    settings: Settings,
    /// For what is not much: a lane with traffic has a link of its own.
    link: Arc<Link>,
    lanes: Lanes,
    detours: Detours,
    table_from: Mutex<Instant>,
    /// The nodes that the connections in use were made with.
    made_with: Mutex<Vec<Endpoint>>,
    pub counts: Counts,
}

impl Client {
    /// Connects to the cluster. Where a node answers and no connection came about all the same, on a machine that is busy or while a master fails
    /// over, it is tried again until the deadline.
    ///
    /// # Errors
    /// Why that is not possible, found out by asking each node that was named.
    pub async fn connect(settings: Settings) -> Result<Arc<Self>, AppError> {
        settings.check()?;
        let deadline = Instant::now() + settings.deadline;
        loop {
            let failure = match Client::attempt_to_connect(&settings).await {
                Ok(client) => return Ok(client),
                Err(failure) => failure,
            };
            let found = diagnose(&settings, &failure).await;
            let wait = jittered(PAUSES.1);
            if !found.may_pass || Instant::now() + wait >= deadline {
                return Err(found.error);
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt_to_connect(settings: &Settings) -> Result<Arc<Self>, Failure> {
        let connections = Connections::make(settings, &settings.nodes).await?;
        let client = Arc::new(Client {
            lanes: Lanes::new(settings.in_flight),
            detours: Detours::default(),
            link: Arc::new(Link::new(connections)),
            table_from: Mutex::new(Instant::now()),
            made_with: Mutex::default(),
            counts: Counts::default(),
            settings: settings.clone(),
        });
        client.learn_slots(&client.link).await;
        *lock(&client.made_with) = client.lanes.nodes();
        match client.lanes.nodes().is_empty() {
            // Whom the library connected to has no slot and knows of none, or did not say in time.
            true => Err(Failure::NoSlots),
            false => Ok(client),
        }
    }

    /// The settings that it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Who has which slots, as far as it is known.
    pub fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// Sends a request for `slot` until it is answered or the deadline has passed. `request` is asked for each attempt, with what the one
    /// before came to.
    ///
    /// # Errors
    /// What no further attempt would change, at once; everything else when the deadline has passed.
    pub async fn send(
        self: &Arc<Self>,
        slot: Slot,
        mut request: impl FnMut(Option<&Failure>) -> Request,
    ) -> Result<Value, AppError> {
        self.keep_slots_fresh();
        let deadline = Instant::now() + self.settings.deadline;
        let mut pause = PAUSES.0;
        let mut last: Option<Failure> = None;
        let mut elsewhere: Option<Elsewhere> = None;
        let mut detours = 0;
        let mut time = self.settings.attempt;
        let mut silences = 0;
        loop {
            let lane = self.lanes.of(slot);
            let Ok(permit) = timeout_at(deadline, lane.permits.acquire()).await else {
                return Err(self.gave_up(last.unwrap_or(Failure::NoTurn)).await);
            };
            let link = lane.link().unwrap_or_else(|| self.link.clone());
            let replaced = link.replaced.notified();
            tokio::pin!(replaced);
            // From here on it is heard that the connections, which are taken next, are replaced.
            replaced.as_mut().enable();
            // What takes longer than the library waits for anything is asked directly, too.
            let is_longer = silences >= STREAK;
            if elsewhere.is_none() && (lane.is_direct() || is_longer) {
                let master = self.lanes.master(slot);
                elsewhere = master.map(|node| Elsewhere {
                    node,
                    asking: false,
                });
            }
            let attempt = self.attempt(
                &link,
                slot,
                elsewhere.as_ref(),
                time,
                request(last.as_ref()),
            );
            let limit = deadline.min(Instant::now() + time * 2);
            let in_vain = async {
                replaced.await;
                // Whoever has more time is not on those connections, and waits as long as the master stays.
                let asked = elsewhere.as_ref().map(|to| &to.node);
                while is_longer && self.lanes.master(slot).as_ref() == asked {
                    link.replaced.notified().await;
                }
            };
            let outcome = tokio::select! {
                outcome = timeout_at(limit, attempt) => Some(outcome),
                () = in_vain => None,
            };
            drop(permit);
            let failure = match outcome {
                Some(Ok(Ok(value))) => {
                    // What was answered elsewhere says nothing on the link.
                    match elsewhere {
                        None if lane.answered() => self.give_own_link(lane),
                        Some(_) if is_longer => lane.answered_directly(),
                        _ => {}
                    }
                    return Ok(value);
                }
                Some(Ok(Err(error))) => Failure::from(error),
                Some(Err(_)) => Failure::TimedOut,
                None => {
                    // Asked again on the new ones at once.
                    self.counts.retries.fetch_add(1, Ordering::Relaxed);
                    (elsewhere, last) = (None, Some(Failure::TimedOut));
                    continue;
                }
            };
            if let Failure::Final(error) = failure {
                return Err(error);
            }
            // What was only sent on, or lacked the script, is asked again at once, and is no trouble that anybody would count. One that lacked
            // the script goes where it was, whoever that is, and what is sent on goes on as it was.
            match failure {
                Failure::NoScript => {
                    last = Some(failure);
                    continue;
                }
                Failure::SentOn(to) if detours < MOST_DETOURS => {
                    detours += 1;
                    elsewhere = Some(to);
                    continue;
                }
                _ => {}
            }
            if matches!(failure, Failure::TimedOut) {
                silences += 1;
                // With no more time than before it would come to no end at a node that is busy, and keep it busy.
                if silences >= STREAK {
                    time = (time * 2).min(LONGEST.max(self.settings.attempt));
                }
            }
            // How it fared elsewhere says nothing on the client, but a master that is asked directly because it is silent is silent.
            if elsewhere.take().is_none() || is_longer {
                self.note(slot, &lane, &link, &failure);
            }
            detours = 0;
            self.counts.retries.fetch_add(1, Ordering::Relaxed);
            if matches!(failure, Failure::Moving(_)) {
                pause = pause.min(MOVING_PAUSE);
            }
            let wait = jittered(pause);
            last = Some(failure);
            if Instant::now() + wait >= deadline {
                return Err(self.gave_up(last.unwrap_or(Failure::NoTurn)).await);
            }
            lane.pause(wait, deadline - wait).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    async fn attempt(
        &self,
        link: &Link,
        slot: Slot,
        elsewhere: Option<&Elsewhere>,
        time: Duration,
        request: Request,
    ) -> redis::RedisResult<Value> {
        match (elsewhere, &request) {
            (Some(to), Request::Reads(all) | Request::Pipeline(all)) if to.asking => {
                return self.one_by_one(link, slot, time, all).await;
            }
            // Its keys are in two places; it waits until they are not.
            (Some(to), Request::Transaction(_)) if to.asking => {}
            (Some(to), _) => return self.detours.send(&self.settings, to, time, request).await,
            (None, _) => {}
        }
        let connections = link.connections();
        match request {
            Request::Change(command) => at_master(connections.changes, slot, command).await,
            Request::Reads(pipeline) => {
                let whom = match self.settings.read_from {
                    ReadFrom::Master => SlotAddr::Master,
                    ReadFrom::Replicas | ReadFrom::Random => SlotAddr::ReplicaOptional,
                };
                let route = Route::new(slot.get(), whom);
                let route = SingleNodeRoutingInfo::SpecificNode(route);
                let count = pipeline.cmd_iter().count();
                let mut connection = connections.reads;
                let values = connection.route_pipeline(pipeline, 0, count, route).await?;
                Value::Array(values).extract_error()
            }
            Request::Pipeline(pipeline) => {
                let route = Route::new(slot.get(), SlotAddr::Master);
                let route = SingleNodeRoutingInfo::SpecificNode(route);
                let count = pipeline.cmd_iter().count();
                let mut connection = connections.changes;
                let values = connection.route_pipeline(pipeline, 0, count, route).await?;
                Value::Array(values).extract_error()
            }
            Request::Transaction(pipeline) => {
                let route = Route::new(slot.get(), SlotAddr::Master);
                let route = SingleNodeRoutingInfo::SpecificNode(route);
                // Of the replies of a transaction (OK, QUEUED …, and that of EXEC) the last one is the result.
                let last = pipeline.cmd_iter().count() + 1;
                let mut connection = connections.changes;
                let mut values = connection.route_pipeline(pipeline, last, 1, route).await?;
                values.pop().unwrap_or(Value::Nil).extract_error()
            }
        }
    }

    /// Commands of a slot that is on its way, each where its key is: some keys have gone, and some have not. A node that was asked for all of
    /// them would say of the others that there are none.
    async fn one_by_one(
        &self,
        link: &Link,
        slot: Slot,
        time: Duration,
        commands: &Pipeline,
    ) -> redis::RedisResult<Value> {
        let mut values = Vec::new();
        for command in commands.cmd_iter() {
            let connection = link.connections().changes;
            let value = match at_master(connection, slot, command.clone()).await {
                Err(error) => {
                    let to = sent_on(&error).ok_or(error)?;
                    let request = Request::Change(command.clone());
                    self.detours
                        .send(&self.settings, &to, time, request)
                        .await?
                }
                Ok(value) => value,
            };
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    /// Heeds a failed attempt: a streak of them makes new connections, and has somebody look for a master that takes over.
    fn note(self: &Arc<Self>, slot: Slot, lane: &Arc<Lane>, link: &Arc<Link>, failure: &Failure) {
        if failure.is_silence() && lane.failed() >= STREAK {
            self.rebuild(link);
            self.watch(slot, lane, link);
        }
    }

    /// Makes new connections for a link beside what goes on, unless that is being done or was just done.
    pub fn rebuild(self: &Arc<Self>, link: &Arc<Link>) {
        if !link.begin() {
            return;
        }
        let (client, link) = (Arc::clone(self), Arc::clone(link));
        tokio::spawn(async move {
            let made = Connections::make(&client.settings, &client.seeds())
                .await
                .ok();
            let is_made = made.is_some();
            link.end(made);
            if is_made {
                client.counts.rebuilds.fetch_add(1, Ordering::Relaxed);
                client.learn_slots(&link).await;
                *lock(&client.made_with) = client.lanes.nodes();
            }
        });
    }

    /// Asks one node who has which slots. Whether it said so in time.
    pub async fn ask_for_slots(&self, node: &Endpoint, time: Duration) -> bool {
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let to = Elsewhere {
            node: node.clone(),
            asking: false,
        };
        let request = Request::Change(command);
        let asked = timeout(time, self.detours.send(&self.settings, &to, time, request));
        let Ok(Ok(value)) = asked.await else {
            return false;
        };
        let table = SlotTable::parse(&reply(value));
        table.is_ok_and(|table| {
            self.lanes.learn(table);
            true
        })
    }

    /// Gives a lane connections that it shares with no other, so that a master that hangs, or is looked for, holds up its own requests alone: the
    /// library serves nobody while it looks for slots anew, and asks the nodes that it knows one after the other.
    fn give_own_link(self: &Arc<Self>, lane: Arc<Lane>) {
        let client = Arc::clone(self);
        tokio::spawn(async move {
            let made = Connections::make(&client.settings, &client.seeds()).await;
            lane.own(made.ok().map(|made| Arc::new(Link::new(made))));
        });
    }

    /// Where to begin: the nodes that were named, and those that are known.
    fn seeds(&self) -> Vec<Endpoint> {
        let mut seeds = self.settings.nodes.clone();
        let known = self.lanes.nodes();
        seeds.extend(known.iter().map(|node| self.settings.reachable(node)));
        seeds.sort();
        seeds.dedup();
        seeds
    }

    /// Asks again who has which slots, now and then, beside what goes on.
    fn keep_slots_fresh(self: &Arc<Self>) {
        {
            let mut from = lock(&self.table_from);
            if from.elapsed() < TABLE_AGE {
                return;
            }
            *from = Instant::now();
        }
        let client = Arc::clone(self);
        tokio::spawn(async move {
            client.learn_slots(&client.link).await;
            // The library finds new masters by being redirected; of a new replica nobody tells it.
            let is_new = *lock(&client.made_with) != client.lanes.nodes();
            if is_new && client.settings.read_from != ReadFrom::Master {
                client.rebuild(&client.link);
                for link in client.lanes.links() {
                    client.rebuild(&link);
                }
            }
        });
    }

    /// Asks who has which slots, and begins anew where the client there is gets nowhere.
    pub async fn look_for_slots(self: &Arc<Self>) {
        self.learn_slots(&self.link).await;
        self.rebuild(&self.link);
    }

    /// Asks who has which slots.
    pub async fn look_again(&self) {
        self.learn_slots(&self.link).await;
    }

    /// Asks any node who has which slots. Where none says, what was known stays.
    async fn learn_slots(&self, link: &Link) {
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let mut connection = link.connections().changes;
        let route = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
        let asked = timeout(
            self.settings.attempt,
            connection.route_command(command, route),
        )
        .await;
        if let Ok(Ok(value)) = asked
            && let Ok(table) = SlotTable::parse(&reply(value))
        {
            self.lanes.learn(table);
        }
    }

    /// Why a request is given up. Where nobody answered, the nodes are asked whether the cluster as a whole is the reason.
    pub async fn gave_up(&self, last: Failure) -> AppError {
        if let Failure::ClusterDown(what) = last {
            return AppError::ClusterDown { what };
        }
        if last.is_silence() {
            let found = diagnose(&self.settings, &last).await.error;
            // That some node can be reached, or none by now, says nothing on whether the request was done.
            if matches!(
                found,
                AppError::ClusterDown { .. } | AppError::WrongPassword { .. }
            ) {
                return found;
            }
        }
        AppError::Unknown {
            within: self.settings.deadline,
            last: last.to_string(),
        }
    }
}

/// One command, where the library knows the slot's master to be.
async fn at_master(
    mut connection: ClusterConnection,
    slot: Slot,
    command: Cmd,
) -> redis::RedisResult<Value> {
    let route = Route::new(slot.get(), SlotAddr::Master);
    let route = RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(route));
    let value = connection.route_command(command, route).await?;
    value.extract_error()
}

/// Half of it to one and a half, so that those who failed together don't come again together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + rand::random::<f64>())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
