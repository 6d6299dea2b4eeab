//! What was seen in one look.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::cluster::{ClusterInfo, Info, NodeId, NodeName, Topology};
use crate::resp::RespError;

/// What the nodes that were asked said, all at about the same time.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// By node: what it said, or why it did not answer. A node that nothing was asked of is not in it.
    pub views: BTreeMap<NodeName, Result<View, RespError>>,
    /// From the first question to the last answer.
    pub took: Duration,
}

/// What one node said. What was not asked is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// `CLUSTER NODES`.
    pub topology: Option<Seen<Topology>>,
    /// `CLUSTER INFO`.
    pub cluster_info: Option<Seen<ClusterInfo>>,
    /// `INFO`.
    pub info: Option<Seen<Info>>,
    /// `DBSIZE`: on a replica, the keys of its copy.
    pub keys: Option<u64>,
}

/// A value together with the reply that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen<T> {
    /// The reply, understood.
    pub value: T,
    /// The reply as the server sent it.
    pub raw: String,
}

impl Observation {
    /// The view of this node, if it was asked and answered.
    pub fn view(&self, node: &NodeName) -> Option<&View> {
        self.views.get(node).and_then(|view| view.as_ref().ok())
    }

    /// The view of the cluster that this node has, if it was asked for it and answered.
    pub fn topology(&self, node: &NodeName) -> Option<&Topology> {
        self.view(node)
            .and_then(|view| view.topology.as_ref())
            .map(|seen| &seen.value)
    }

    /// The nodes that belong to the cluster by what they say themselves: they answered, and know other nodes or own
    /// slots. A fresh node, a node that was reset and a node that does not answer are none.
    pub fn members(&self) -> BTreeSet<NodeName> {
        self.topologies()
            .filter(|(_, view)| {
                view.nodes.len() > 1 || view.myself().is_some_and(|myself| !myself.slots.is_empty())
            })
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The ids of the nodes that answered, by their own word, with the names that people use. For the `call` of
    /// [`disagreement`](Self::disagreement).
    pub fn names(&self) -> BTreeMap<NodeId, NodeName> {
        self.topologies()
            .filter_map(|(name, view)| Some((view.myself()?.id, name.clone())))
            .collect()
    }

    /// One sentence on who sees what differently; `None` when all members agree. Compared are members, roles, masters,
    /// owners of slots and flags such as `fail?`, not times, links, epochs or open slots. The first member is compared
    /// with each of the others. `call` gives a node the name that people use.
    ///
    /// Nodes that did not answer have no view, so they disagree with nobody; look at [`views`](Self::views) for them.
    pub fn disagreement(&self, call: &dyn Fn(NodeId) -> String) -> Option<String> {
        let members = self.members();
        let mut views = self
            .topologies()
            .filter(|(name, _)| members.contains(*name));
        let (first_name, first) = views.next()?;
        views.find_map(|(_, view)| {
            let difference = first.difference(view, call)?;
            Some(format!("seen from {first_name}: {difference}"))
        })
    }

    /// Whether all members see the same members, roles, masters of replicas and owners of slots. What they think of each
    /// other's health may differ.
    pub fn agrees(&self) -> bool {
        let members = self.members();
        let mut views = self
            .topologies()
            .filter(|(name, _)| members.contains(*name))
            .map(|(_, view)| view);
        let Some(first) = views.next() else {
            return true;
        };
        views.all(|view| first.agrees_with(view))
    }

    fn topologies(&self) -> impl Iterator<Item = (&NodeName, &Topology)> {
        self.views
            .keys()
            .filter_map(|name| Some((name, self.topology(name)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";
    const SIX: &str = "6666666666666666666666666666666666666666";

    fn view(raw: &str) -> Result<View, RespError> {
        let raw = raw
            .replace("ONE", ONE)
            .replace("TWO", TWO)
            .replace("SIX", SIX);
        Ok(View {
            topology: Some(Seen {
                value: Topology::parse(&raw).unwrap(),
                raw,
            }),
            ..View::default()
        })
    }

    fn observation(views: &[(&str, Result<View, RespError>)]) -> Observation {
        let views = views
            .iter()
            .map(|(name, view)| (NodeName::new(*name), view.clone()))
            .collect();
        Observation {
            views,
            took: Duration::ZERO,
        }
    }

    const AT_ONE: &str = "ONE 10.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-99\n\
                          TWO 10.0.0.2:7002@17002 master - 0 0 2 connected 100-16383\n";
    const AT_TWO: &str = "ONE 10.0.0.1:7001@17001 master - 0 0 1 connected 0-99\n\
                          TWO 10.0.0.2:7002@17002 myself,master - 0 0 2 connected 100-16383\n";
    const FRESH: &str = "SIX :7006@17006 myself,master - 0 0 0 connected\n";

    #[test]
    fn members_are_who_knows_others_or_owns_slots() {
        let gone = RespError::NoConnection {
            node: NodeName::new("redis-3"),
            why: "connection refused".into(),
        };
        let seen = observation(&[
            ("redis-1", view(AT_ONE)),
            ("redis-2", view(AT_TWO)),
            ("redis-3", Err(gone)),
            ("redis-6", view(FRESH)),
            ("redis-7", Ok(View::default())),
        ]);
        let members: Vec<String> = seen.members().iter().map(ToString::to_string).collect();
        assert_eq!(members, ["redis-1", "redis-2"]);
        let alone = observation(&[(
            "redis-1",
            view("ONE :7001@17001 myself,master - 0 0 1 connected 0-16383\n"),
        )]);
        assert_eq!(alone.members().len(), 1);
    }

    #[test]
    fn a_fresh_node_disagrees_with_nobody() {
        let seen = observation(&[
            ("redis-1", view(AT_ONE)),
            ("redis-2", view(AT_TWO)),
            ("redis-6", view(FRESH)),
        ]);
        assert_eq!(seen.disagreement(&|id| id.to_string()), None);
    }

    #[test]
    fn a_disagreement_names_both_sides() {
        let moved = AT_TWO
            .replace("0-99", "0-98")
            .replace("100-16383", "99-16383");
        let seen = observation(&[("redis-1", view(AT_ONE)), ("redis-2", view(&moved))]);
        let names = seen.names();
        let call = |id: NodeId| {
            names
                .get(&id)
                .map_or_else(|| id.to_string(), ToString::to_string)
        };
        let sentence = seen.disagreement(&call).unwrap();
        assert!(
            sentence.starts_with("seen from redis-1: redis-2 "),
            "{sentence}"
        );
        assert!(sentence.contains("99"), "{sentence}");
    }
}
