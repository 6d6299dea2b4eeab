//! From nodes that may not even listen yet to a cluster of a wanted shape.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;

use super::agreement::{POLL, State, look};
use super::deadline::Deadline;
use super::fresh::{self, Plan, Taken};
use super::settings::Settings;
use super::{AdminError, Shape};
use crate::cluster::{Endpoint, NodeId, NodeName, Reply};
use crate::resp::{AddressBook, Client};

/// The time of a single command once a node is up.
const COMMAND: Duration = Duration::from_secs(2);
/// The least `cluster-node-timeout` that a node heeds when it waits before it rejoins, in milliseconds.
const REJOIN: &str = "500";

/// Where the nodes that a cluster is made of come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// All of them were just started.
    Started,
    /// Some of them were part of a cluster before, and were [`reset`](super::reset()).
    Reset,
}

/// A cluster that was made.
#[derive(Debug, Clone, Default)]
pub struct Created {
    /// Every node's id.
    pub ids: BTreeMap<NodeName, NodeId>,
    /// Every node's settings as they were found, before any of them was set.
    pub settings: BTreeMap<NodeName, Settings>,
}

type Clients = BTreeMap<NodeName, Client>;
type Ids = BTreeMap<NodeName, NodeId>;

/// Makes `shape` out of fresh, empty nodes, and returns their ids. The nodes may still be starting up: each is polled
/// until it answers. `on_phase` hears short present-tense words: `waiting for redis-3`, `waiting for the replicas' links`.
///
/// Returns when every node's view is the shape (so all agree), every node says `cluster_state:ok`, every replica says
/// `master_link_status:up` and every master has its replicas online. A shape that leaves slots out can't be
/// `cluster_state:ok`, so that is not awaited then. An empty shape is made already.
///
/// How it is as fast as Redis allows: every node is told all it can know alone (slots, epoch, settings) as soon as it
/// answers; every node meets every other as soon as both answer, at their announced addresses, instead of hearing of each
/// other by gossip; replicas are attached as soon as they know their master. What then remains is the 2 s for which a
/// new master refuses to be writable.
///
/// # Errors
/// [`AdminError::Impossible`] and [`AdminError::NotFresh`] at once; [`AdminError::Refused`] if a node refuses a command;
/// [`AdminError::Resp`] if a node breaks off while it is told what it can know alone, which can't be told twice;
/// [`AdminError::NoAgreement`] at the limit, saying which node does not answer or what it sees differently.
pub async fn create(
    book: &AddressBook,
    shape: &Shape,
    limit: Duration,
    on_phase: &(dyn Fn(String) + Sync),
) -> Result<BTreeMap<NodeName, NodeId>, AdminError> {
    let created = create_of(book, shape, Origin::Started, limit, on_phase).await?;
    Ok(created.ids)
}

/// As [`create`], of nodes of a known origin; returns also the settings that they started with.
///
/// A node that was reset was, for a moment, a master of no slots, which is a minority of its own. When it has slots again it waits
/// for as long as `cluster-node-timeout`, 5 s at most, before it says `cluster_state:ok`. Nothing but that is missing by then, so the
/// timeout is set to the least that counts, until all say ok.
///
/// # Errors
/// As `create`.
pub async fn create_of(
    book: &AddressBook,
    shape: &Shape,
    origin: Origin,
    limit: Duration,
    on_phase: &(dyn Fn(String) + Sync),
) -> Result<Created, AdminError> {
    shape.check(book)?;
    let until = Deadline::after(limit, book);
    let clients: Clients = shape
        .nodes()
        .filter_map(|name| book.get(name))
        .map(|address| (address.name.clone(), Client::new(address.clone(), COMMAND)))
        .collect();
    if clients.is_empty() {
        return Ok(Created::default());
    }
    let created = take_and_introduce(&clients, shape, limit, &until, on_phase).await?;
    settle(&clients, shape, &created, origin, limit, &until, on_phase).await?;
    Ok(created)
}

/// Takes each node when it answers, introduces it to all that answered before, and attaches the replicas.
async fn take_and_introduce(
    clients: &Clients,
    shape: &Shape,
    limit: Duration,
    until: &Deadline,
    on_phase: &(dyn Fn(String) + Sync),
) -> Result<Created, AdminError> {
    let mut taking = JoinSet::new();
    for (epoch, name) in (1..).zip(shape.nodes()) {
        let Some(client) = clients.get(name).cloned() else {
            continue;
        };
        let slots = shape.masters.get(name).cloned().unwrap_or_default();
        let plan = Plan {
            node_timeout: shape.node_timeout,
            epoch,
            slots,
        };
        let until = until.clone();
        taking.spawn(async move {
            let taken = fresh::take(&client, &plan, &until).await;
            (client.address().name.clone(), taken)
        });
    }
    let (mut ids, mut settings) = (Ids::new(), BTreeMap::new());
    let mut introducing = JoinSet::new();
    say_who_is_awaited(clients, &ids, on_phase);
    while let Some(taken) = taking.join_next().await {
        // A task that was cancelled with its runtime has nobody left to hear of it.
        let Ok((name, taken)) = taken else { continue };
        let Taken {
            id,
            settings: found,
        } = match taken {
            Ok(taken) => taken,
            // No answer by the limit. This is where a node that never starts ends.
            Err(AdminError::Resp(error)) if until.is_past_in(POLL) => {
                return Err(AdminError::NoAgreement {
                    limit,
                    why: error.to_string(),
                });
            }
            Err(error) => return Err(error),
        };
        for other in ids.keys() {
            for (from, to) in [(&name, other), (other, &name)] {
                if let (Some(from), Some(to)) = (clients.get(from).cloned(), clients.get(to)) {
                    let announced = to.address().announced.clone();
                    let until = until.clone();
                    introducing.spawn(async move { meet(&from, &announced, &until).await });
                }
            }
        }
        ids.insert(name.clone(), id);
        settings.insert(name.clone(), found);
        let attach: Vec<(&NodeName, &NodeName)> = shape
            .replicas
            .iter()
            .filter(|(replica, master)| {
                (**replica == name && ids.contains_key(*master))
                    || (**master == name && ids.contains_key(*replica))
            })
            .collect();
        for (replica, master) in attach {
            if let (Some(client), Some(master)) =
                (clients.get(replica).cloned(), ids.get(master).copied())
            {
                let until = until.clone();
                introducing.spawn(async move { replicate(&client, master, &until).await });
            }
        }
        say_who_is_awaited(clients, &ids, on_phase);
    }
    on_phase("introducing the nodes to each other".into());
    while let Some(Some(done)) = until.or_past(introducing.join_next()).await {
        if let Ok(result) = done {
            result?;
        }
    }
    Ok(Created { ids, settings })
}

fn say_who_is_awaited(clients: &Clients, ids: &Ids, on_phase: &(dyn Fn(String) + Sync)) {
    let awaited: Vec<&str> = clients
        .keys()
        .filter(|name| !ids.contains_key(*name))
        .map(NodeName::as_str)
        .collect();
    if !awaited.is_empty() {
        on_phase(format!("waiting for {}", awaited.join(", ")));
    }
}

/// Nodes meet on their own network, at the announced address.
async fn meet(from: &Client, to: &Endpoint, until: &Deadline) -> Result<(), AdminError> {
    let command = ["CLUSTER", "MEET", &to.host, &to.port.to_string()];
    introduce(from, &command, &|_| false, until).await
}

/// Tells a replica whom to follow, again and again until it knows that node.
async fn replicate(replica: &Client, master: NodeId, until: &Deadline) -> Result<(), AdminError> {
    let command = ["CLUSTER", "REPLICATE", &master.to_string()];
    introduce(replica, &command, &is_unknown_node, until).await
}

/// Tells a node of another, again and again while it says something that passes, or nothing: to be told twice is the same as once.
/// Gives up at the limit without an error: whoever awaits agreement says then what is missing.
async fn introduce(
    node: &Client,
    command: &[&str],
    passes: &(dyn Fn(&str) -> bool + Sync),
    until: &Deadline,
) -> Result<(), AdminError> {
    loop {
        let asking = until.hold();
        let reply = node.call(command).await;
        drop(asking);
        match reply {
            Ok(Reply::Error(reply)) if !passes(&reply) => {
                return Err(AdminError::Refused {
                    node: node.address().name.clone(),
                    command: command.join(" "),
                    reply,
                });
            }
            Ok(Reply::Error(_)) | Err(_) if !until.is_past_in(POLL) => until.pause(POLL).await,
            _ => return Ok(()),
        }
    }
}

/// `ERR Unknown node 07c37…`: not met yet.
fn is_unknown_node(error: &str) -> bool {
    error.to_ascii_lowercase().contains("unknown node")
}

/// Polls until nothing is missing any more.
async fn settle(
    clients: &Clients,
    shape: &Shape,
    created: &Created,
    origin: Origin,
    limit: Duration,
    until: &Deadline,
    on_phase: &(dyn Fn(String) + Sync),
) -> Result<(), AdminError> {
    let (mut said, mut hurried) = ("", false);
    loop {
        let states = look(clients, until).await;
        let Some(missing) = missing(&states, shape, &created.ids) else {
            if hurried {
                set_node_timeouts(clients, shape, |name| created.node_timeout(shape, name)).await?;
            }
            return Ok(());
        };
        if missing.phase == FOR_STATE && origin == Origin::Reset && !hurried {
            hurried = true;
            set_node_timeouts(clients, shape, |_| Some(REJOIN.to_owned())).await?;
        }
        if missing.phase != said {
            said = missing.phase;
            on_phase(said.to_owned());
        }
        if until.is_past_in(POLL) {
            return Err(AdminError::NoAgreement {
                limit,
                why: missing.why,
            });
        }
        until.pause(POLL).await;
    }
}

impl Created {
    /// The `cluster-node-timeout` that a node is to have in the end, in milliseconds.
    fn node_timeout(&self, shape: &Shape, name: &NodeName) -> Option<String> {
        let own = self.settings.get(name)?.get("cluster-node-timeout");
        shape
            .node_timeout
            .map(|timeout| timeout.as_millis().to_string())
            .or_else(|| own.map(str::to_owned))
    }
}

/// Sets `cluster-node-timeout` of all masters.
async fn set_node_timeouts(
    clients: &Clients,
    shape: &Shape,
    timeout: impl Fn(&NodeName) -> Option<String>,
) -> Result<(), AdminError> {
    for name in shape.masters.keys() {
        let (Some(client), Some(timeout)) = (clients.get(name), timeout(name)) else {
            continue;
        };
        let command = ["CONFIG", "SET", "cluster-node-timeout", &timeout];
        if let Reply::Error(reply) = client.call(&command).await? {
            return Err(AdminError::Refused {
                node: name.clone(),
                command: command.join(" "),
                reply,
            });
        }
    }
    Ok(())
}

/// What is waited for last, when the nodes agree.
const FOR_STATE: &str = "waiting for cluster_state:ok";

/// The first thing that still has to happen, and what that waiting is called.
struct Missing {
    phase: &'static str,
    why: String,
}

fn missing(
    states: &BTreeMap<NodeName, Result<State, String>>,
    shape: &Shape,
    ids: &Ids,
) -> Option<Missing> {
    let agreeing = |why: String| {
        Some(Missing {
            phase: "waiting for the nodes to agree",
            why,
        })
    };
    let mut answers = Vec::new();
    for name in ids.keys() {
        match states.get(name) {
            Some(Ok(state)) => answers.push((name, state)),
            Some(Err(why)) => return agreeing(why.clone()),
            None => return agreeing(format!("{name} was not asked")),
        }
    }
    for (name, state) in &answers {
        if let Some(difference) = shape.difference(&state.topology, ids) {
            return agreeing(format!("{name} {difference}"));
        }
    }
    for (name, state) in &answers {
        if shape.covers_all_slots() && !state.cluster.ok {
            return Some(Missing {
                phase: FOR_STATE,
                why: format!("{name} says cluster_state:fail"),
            });
        }
    }
    answers.iter().find_map(|(name, state)| {
        let why = missing_link(name, state, shape)?;
        Some(Missing {
            phase: "waiting for the replicas' links",
            why,
        })
    })
}

fn missing_link(name: &NodeName, state: &State, shape: &Shape) -> Option<String> {
    if shape.replicas.contains_key(name) {
        let status = state
            .replication
            .get("master_link_status")
            .unwrap_or("unknown");
        return (status != "up").then(|| format!("{name} says master_link_status:{status}"));
    }
    let wanted = shape
        .replicas
        .values()
        .filter(|master| *master == name)
        .count();
    let replicas = match state.replication.replicas() {
        Ok(replicas) => replicas,
        Err(error) => {
            return Some(format!(
                "{name} lists its replicas in a way that can't be read: {error}"
            ));
        }
    };
    let online = replicas
        .iter()
        .filter(|replica| replica.state == "online")
        .count();
    (online < wanted).then(|| format!("{name} has {online} of its {wanted} replicas online"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ERR Unknown node 07c37dfeb235213a872192d90877d0cd55635b91", true)]
    #[case("ERR I can only replicate a master, not a replica.", false)]
    fn only_an_unknown_node_is_waited_for(#[case] error: &str, #[case] expected: bool) {
        assert_eq!(is_unknown_node(error), expected);
    }
}
