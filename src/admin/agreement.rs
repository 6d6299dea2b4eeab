//! Waiting until nodes see the same cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;

use super::AdminError;
use super::deadline::Deadline;
use crate::cluster::{ClusterInfo, Info, NodeId, NodeName, Reply, Topology};
use crate::resp::{AddressBook, Client, RespError};

/// The pause between two looks at all nodes.
pub(super) const POLL: Duration = Duration::from_millis(15);
/// How long one look at one node may take. A node that is slower counts as not answering in this look.
const LOOK: Duration = Duration::from_secs(1);
/// The least time that one look gets, also when the limit is nearer: the last look is the one that people read, and it
/// should not say of a healthy node that it did not answer within no time.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// What a node says of the cluster and of its own replication.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) topology: Topology,
    pub(super) cluster: ClusterInfo,
    pub(super) replication: Info,
}

/// Waits until these nodes agree with each other: every one of them answers, none is still shaking hands or suspects
/// another, all name the same members, roles and owners of slots, and all say the same `cluster_state`. (It may be
/// `fail`, and a node that all of them take for failed may be among the members: a cluster can agree on that.)
///
/// # Errors
/// [`AdminError::NoAgreement`] at the limit, with the last disagreement; [`AdminError::Impossible`] for a name that is
/// not in the book.
pub async fn await_agreement(
    book: &AddressBook,
    nodes: &[NodeName],
    limit: Duration,
) -> Result<(), AdminError> {
    let until = Deadline::after(limit, book);
    let mut clients = BTreeMap::new();
    for name in nodes {
        let Some(address) = book.get(name) else {
            return Err(AdminError::Impossible {
                why: format!("there is no node {name} in this environment"),
            });
        };
        clients.insert(name.clone(), Client::new(address.clone(), LOOK));
    }
    loop {
        let states = look(&clients, &until).await;
        match disagreement(&states) {
            None => return Ok(()),
            Some(why) if until.is_past_in(POLL) => {
                return Err(AdminError::NoAgreement { limit, why });
            }
            Some(_) => until.pause(POLL).await,
        }
    }
}

/// One look at all nodes, at the same time. Each is asked in one write.
pub(super) async fn look(
    clients: &BTreeMap<NodeName, Client>,
    until: &Deadline,
) -> BTreeMap<NodeName, Result<State, String>> {
    let _asking = until.hold();
    let limit = until.left().clamp(LAST_LOOK, LOOK);
    let mut looking = JoinSet::new();
    for (name, client) in clients {
        let (name, client) = (name.clone(), client.clone());
        looking.spawn(async move {
            let state = state(&client, limit).await;
            (name, state)
        });
    }
    let mut states = BTreeMap::new();
    while let Some(answer) = looking.join_next().await {
        if let Ok((name, state)) = answer {
            states.insert(name, state);
        }
    }
    states
}

async fn state(client: &Client, limit: Duration) -> Result<State, String> {
    let questions = [
        vec!["CLUSTER", "NODES"],
        vec!["CLUSTER", "INFO"],
        vec!["INFO", "replication"],
    ];
    let replies = client
        .pipeline_within(&questions, limit)
        .await
        .map_err(|error: RespError| error.to_string())?;
    let node = &client.address().name;
    let text = |place: usize, command: &str| match replies.get(place) {
        Some(Reply::Error(error)) => Err(format!("{node} refused {command}: {error}")),
        Some(reply) => Ok(reply.as_text().unwrap_or_default().into_owned()),
        None => Err(format!("{node} did not answer {command}")),
    };
    let unreadable = |error: crate::cluster::ParseError| {
        format!("{node} gave an answer that can't be read: {error}")
    };
    Ok(State {
        topology: Topology::parse(&text(0, "CLUSTER NODES")?).map_err(unreadable)?,
        cluster: ClusterInfo::parse(&text(1, "CLUSTER INFO")?).map_err(unreadable)?,
        replication: Info::parse(&text(2, "INFO")?).map_err(unreadable)?,
    })
}

/// Who sees what differently, in one sentence; `None` when all agree.
fn disagreement(states: &BTreeMap<NodeName, Result<State, String>>) -> Option<String> {
    let mut names: BTreeMap<NodeId, String> = BTreeMap::new();
    let mut answers = Vec::new();
    for (name, state) in states {
        match state {
            Ok(state) => answers.push((name, state)),
            Err(why) => return Some(why.clone()),
        }
    }
    for (name, state) in &answers {
        if let Some(myself) = state.topology.myself() {
            names.insert(myself.id, name.to_string());
        }
        for node in &state.topology.nodes {
            if node.flags.handshake {
                return Some(format!(
                    "{name} is still shaking hands with {}",
                    node.endpoint
                ));
            }
        }
    }
    let call = |id: NodeId| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
    for (name, state) in &answers {
        if let Some(node) = state
            .topology
            .nodes
            .iter()
            .find(|node| node.flags.suspected)
        {
            return Some(format!(
                "{name} suspects {} of having failed",
                call(node.id)
            ));
        }
    }
    let ((first_name, first), others) = answers.split_first()?;
    for (name, state) in others {
        if let Some(difference) = first.topology.difference(&state.topology, &call) {
            return Some(format!("seen from {first_name}: {difference}"));
        }
        if first.cluster.ok != state.cluster.ok {
            let says = |ok: bool| if ok { "ok" } else { "fail" };
            return Some(format!(
                "{first_name} says cluster_state:{}, {name} says cluster_state:{}",
                says(first.cluster.ok),
                says(state.cluster.ok)
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    fn state(view: &str, ok: bool) -> Result<State, String> {
        let view = view.replace("ONE", ONE).replace("TWO", TWO);
        let state = if ok { "ok" } else { "fail" };
        Ok(State {
            topology: Topology::parse(&view).unwrap(),
            cluster: ClusterInfo::parse(&format!(
                "cluster_state:{state}\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\ncluster_slots_pfail:0\r\n\
                 cluster_slots_fail:0\r\ncluster_known_nodes:2\r\ncluster_size:1\r\ncluster_current_epoch:2\r\ncluster_my_epoch:1\r\n"
            ))
            .unwrap(),
            replication: Info::parse("# Replication\r\nrole:master\r\n").unwrap(),
        })
    }

    fn states(
        one: Result<State, String>,
        two: Result<State, String>,
    ) -> BTreeMap<NodeName, Result<State, String>> {
        BTreeMap::from([
            (NodeName::new("redis-1"), one),
            (NodeName::new("redis-2"), two),
        ])
    }

    const AT_ONE: &str = "ONE 10.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-16383\n\
                          TWO 10.0.0.2:7002@17002 slave ONE 0 0 1 connected\n";
    const AT_TWO: &str = "ONE 10.0.0.1:7001@17001 master - 0 5 1 connected 0-16383\n\
                          TWO 10.0.0.2:7002@17002 myself,slave ONE 0 0 1 connected\n";

    #[test]
    fn two_views_of_the_same_agree() {
        assert_eq!(
            disagreement(&states(state(AT_ONE, true), state(AT_TWO, true))),
            None
        );
        assert_eq!(disagreement(&BTreeMap::new()), None);
    }

    #[test]
    fn a_disagreement_names_both_sides() {
        let not_yet = AT_ONE.replace("slave ONE", "master -");
        let sentence = disagreement(&states(state(&not_yet, true), state(AT_TWO, true))).unwrap();
        assert!(
            sentence.starts_with("seen from redis-1: redis-2 "),
            "{sentence}"
        );
        assert!(sentence.contains("redis-2"), "{sentence}");
        assert_eq!(
            disagreement(&states(state(AT_ONE, true), state(AT_TWO, false))).unwrap(),
            "redis-1 says cluster_state:ok, redis-2 says cluster_state:fail"
        );
    }

    #[test]
    fn unrest_is_no_agreement() {
        let suspected = AT_TWO.replace(
            "10.0.0.1:7001@17001 master",
            "10.0.0.1:7001@17001 master,fail?",
        );
        assert_eq!(
            disagreement(&states(state(AT_ONE, true), state(&suspected, true))).unwrap(),
            "redis-2 suspects redis-1 of having failed"
        );
        let silent = Err("redis-2: no answer within 1s".to_owned());
        assert_eq!(
            disagreement(&states(state(AT_ONE, true), silent)).unwrap(),
            "redis-2: no answer within 1s"
        );
    }
}
