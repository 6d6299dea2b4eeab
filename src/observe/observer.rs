//! Asking nodes what they see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Observation, Seen, View};
use crate::cluster::{ClusterInfo, Info, NodeName, ParseError, Reply, Topology};
use crate::resp::{AddressBook, Client, Clock, RespError};

/// What has to be asked, so that a check of one INFO field costs one round trip to one node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The nodes whose `CLUSTER NODES` and `CLUSTER INFO` are needed.
    pub cluster: BTreeSet<NodeName>,
    /// The nodes whose `INFO` is needed.
    pub info: BTreeSet<NodeName>,
    /// The nodes whose number of keys (`DBSIZE`) is needed.
    pub keys: BTreeSet<NodeName>,
}

impl Needs {
    /// Adds what somebody else needs, so that one look serves both.
    pub fn merge(&mut self, other: Needs) {
        self.cluster.extend(other.cluster);
        self.info.extend(other.info);
        self.keys.extend(other.keys);
    }

    /// Whether nothing is to be asked.
    pub fn is_empty(&self) -> bool {
        self.cluster.is_empty() && self.info.is_empty() && self.keys.is_empty()
    }

    fn nodes(&self) -> BTreeSet<&NodeName> {
        self.cluster
            .iter()
            .chain(&self.info)
            .chain(&self.keys)
            .collect()
    }
}

/// Watches the nodes of one environment. Cloning shares the connections.
#[derive(Debug, Clone)]
pub struct Observer {
    clients: BTreeMap<NodeName, Client>,
    deadline: Duration,
    clock: Arc<dyn Clock>,
}

impl Observer {
    /// An observer of the nodes of `book`. Connects to each when it is first asked. `deadline` is for one look, so it
    /// is how long a look takes when a node hangs.
    pub fn new(book: AddressBook, deadline: Duration) -> Self {
        let clients = book
            .iter()
            .map(|address| (address.name.clone(), Client::new(address.clone(), deadline)))
            .collect();
        Observer {
            clients,
            deadline,
            clock: book.clock().clone(),
        }
    }

    /// Asks what is needed: all nodes at the same time, each node in one write.
    ///
    /// Never fails as a whole: a node that does not answer, or answers what can't be read, has its error in the
    /// observation; so has a node that the book does not have.
    pub async fn look(&self, needs: &Needs) -> Observation {
        let _asking = self.clock.hold();
        let started = self.clock.now();
        let mut nodes = needs.nodes().into_iter();
        let mut observation = Observation::default();
        if let (Some(name), None) = (nodes.next(), nodes.next()) {
            // The common case of a poll that waits for one node; it needs no task.
            observation
                .views
                .insert(name.clone(), self.ask(name, needs).await);
        } else {
            let mut asking = JoinSet::new();
            for name in needs.nodes() {
                let asked = self.ask(name, needs);
                let name = name.clone();
                asking.spawn(async move { (name, asked.await) });
            }
            while let Some(asked) = asking.join_next().await {
                if let Ok((name, view)) = asked {
                    observation.views.insert(name, view);
                }
            }
        }
        observation.took = self.clock.now().saturating_sub(started);
        observation
    }

    /// The future owns all it needs.
    fn ask(
        &self,
        name: &NodeName,
        needs: &Needs,
    ) -> impl Future<Output = Result<View, RespError>> + Send + use<> {
        let (name, client, deadline) =
            (name.clone(), self.clients.get(name).cloned(), self.deadline);
        let mut questions: Vec<Vec<&'static str>> = Vec::new();
        if needs.cluster.contains(&name) {
            questions.push(vec!["CLUSTER", "NODES"]);
            questions.push(vec!["CLUSTER", "INFO"]);
        }
        if needs.info.contains(&name) {
            questions.push(vec!["INFO"]);
        }
        if needs.keys.contains(&name) {
            questions.push(vec!["DBSIZE"]);
        }
        async move {
            let Some(client) = client else {
                let why = "there is no such node in this environment".into();
                return Err(RespError::NoConnection { node: name, why });
            };
            let replies = client.pipeline_within(&questions, deadline).await?;
            let mut view = View::default();
            for (question, reply) in questions.iter().zip(replies) {
                let command = question.join(" ");
                if let Err(why) = note(&mut view, &command, reply) {
                    return Err(RespError::Broken {
                        node: name,
                        why: format!("{command}: {why}"),
                    });
                }
            }
            Ok(view)
        }
    }
}

/// Puts one reply into the view.
fn note(view: &mut View, command: &str, reply: Reply) -> Result<(), String> {
    if let Reply::Error(error) = reply {
        return Err(error);
    }
    if command == "DBSIZE" {
        let Reply::Int(keys) = reply else {
            return Err(format!("not a number: {reply:?}"));
        };
        let keys = u64::try_from(keys).map_err(|_| format!("not a number of keys: {keys}"))?;
        view.keys = Some(keys);
        return Ok(());
    }
    let Some(raw) = reply.as_text().map(std::borrow::Cow::into_owned) else {
        return Err(format!("not a text: {reply:?}"));
    };
    match command {
        "CLUSTER NODES" => view.topology = Some(seen(raw, Topology::parse)?),
        "CLUSTER INFO" => view.cluster_info = Some(seen(raw, ClusterInfo::parse)?),
        _ => view.info = Some(seen(raw, Info::parse)?),
    }
    Ok(())
}

fn seen<T>(raw: String, parse: impl Fn(&str) -> Result<T, ParseError>) -> Result<Seen<T>, String> {
    let value = parse(&raw).map_err(|error| error.to_string())?;
    Ok(Seen { value, raw })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<NodeName> {
        names.iter().map(|name| NodeName::new(*name)).collect()
    }

    #[test]
    fn needs_add_up() {
        let mut needs = Needs {
            cluster: names(&["redis-1"]),
            ..Needs::default()
        };
        needs.merge(Needs {
            cluster: names(&["redis-2"]),
            info: names(&["redis-1"]),
            keys: names(&["redis-3"]),
        });
        assert_eq!(needs.cluster, names(&["redis-1", "redis-2"]));
        assert_eq!(needs.nodes().len(), 3);
        assert!(!needs.is_empty());
        assert!(Needs::default().is_empty());
    }

    #[test]
    fn a_reply_that_can_t_be_read_is_an_error_and_not_a_view() {
        let mut view = View::default();
        let error = note(
            &mut view,
            "CLUSTER NODES",
            Reply::Bulk(b"not a line of it\n".to_vec()),
        )
        .unwrap_err();
        assert!(!error.is_empty());
        assert!(note(&mut view, "CLUSTER NODES", Reply::Error("LOADING x".into())).is_err());
        assert!(note(&mut view, "DBSIZE", Reply::Nil).is_err());
        assert_eq!(view, View::default());
        assert_eq!(note(&mut view, "DBSIZE", Reply::Int(7)), Ok(()));
        assert_eq!(view.keys, Some(7));
    }
}
