//! What a cluster should look like.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::AdminError;
use crate::cluster::{LinkState, Node, NodeId, NodeName, SLOTS, SlotSet, Topology};
use crate::resp::AddressBook;

/// The cluster that `given` asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// `cluster-node-timeout`, rounded down to milliseconds; `None` leaves what the servers have.
    pub node_timeout: Option<Duration>,
    /// Every master and its slots. A master may have none.
    pub masters: BTreeMap<NodeName, SlotSet>,
    /// Every replica and its master.
    pub replicas: BTreeMap<NodeName, NodeName>,
}

impl Shape {
    /// All nodes: the masters, then the replicas, each in the order of their names.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeName> {
        self.masters.keys().chain(self.replicas.keys())
    }

    /// Whether some master has each of the 16384 slots. A cluster with a slot that nobody has is never
    /// `cluster_state:ok` (as long as `cluster-require-full-coverage` is at its default, yes).
    pub fn covers_all_slots(&self) -> bool {
        self.masters.values().map(SlotSet::len).sum::<usize>() == usize::from(SLOTS)
    }

    /// Refuses what no cluster can be.
    pub(super) fn check(&self, book: &AddressBook) -> Result<(), AdminError> {
        let impossible = |why: String| Err(AdminError::Impossible { why });
        for name in self.nodes() {
            if book.get(name).is_none() {
                return impossible(format!("there is no node {name} in this environment"));
            }
        }
        let mut owners: Vec<(&NodeName, &SlotSet)> = Vec::new();
        for (name, slots) in &self.masters {
            for (other, theirs) in &owners {
                let both = slots.intersection(theirs);
                if !both.is_empty() {
                    return impossible(format!("{other} and {name} are both to own {both}"));
                }
            }
            owners.push((name, slots));
        }
        for (replica, master) in &self.replicas {
            if self.masters.contains_key(replica) {
                return impossible(format!("{replica} is to be a master and a replica"));
            }
            if !self.masters.contains_key(master) {
                return impossible(format!(
                    "{replica} is to be a replica of {master}, which is not a master"
                ));
            }
        }
        Ok(())
    }

    /// How `view` differs from this shape, as the rest of a sentence that starts with the viewer's name; `None` if it
    /// does not.
    pub(super) fn difference(
        &self,
        view: &Topology,
        ids: &BTreeMap<NodeName, NodeId>,
    ) -> Option<String> {
        let members: BTreeSet<NodeId> = ids.values().copied().collect();
        for node in &view.nodes {
            if node.flags.handshake {
                return Some(format!("is still shaking hands with {}", node.endpoint));
            }
            if !members.contains(&node.id) {
                return Some(format!(
                    "knows {}, which is not part of this cluster",
                    node.endpoint
                ));
            }
        }
        for (name, id) in ids {
            let Some(node) = view.node(*id) else {
                return Some(format!("does not know {name} yet"));
            };
            if let Some(fault) = fault_of_line(name, node) {
                return Some(fault);
            }
            let fault = match (self.masters.get(name), self.replicas.get(name)) {
                (Some(slots), _) => master_fault(name, node, slots),
                (_, Some(master)) => replica_fault(name, node, master, ids.get(master).copied()),
                // Ids are collected for the shape's own nodes.
                (None, None) => None,
            };
            if fault.is_some() {
                return fault;
            }
        }
        None
    }
}

fn fault_of_line(name: &NodeName, node: &Node) -> Option<String> {
    if node.flags.failed {
        Some(format!("takes {name} for failed"))
    } else if node.flags.suspected {
        Some(format!("suspects {name} of having failed"))
    } else if node.flags.noaddr {
        Some(format!("has no address for {name}"))
    } else if node.link == LinkState::Disconnected {
        Some(format!("has no link to {name} yet"))
    } else {
        None
    }
}

fn master_fault(name: &NodeName, node: &Node, slots: &SlotSet) -> Option<String> {
    if !node.is_master() {
        return Some(format!("does not see {name} as a master"));
    }
    if node.slots != *slots {
        let (seen, wanted) = (shown(&node.slots), shown(slots));
        return Some(format!("sees {name} with {seen} instead of {wanted}"));
    }
    None
}

fn replica_fault(
    name: &NodeName,
    node: &Node,
    master: &NodeName,
    master_id: Option<NodeId>,
) -> Option<String> {
    (!node.is_replica() || node.master != master_id)
        .then(|| format!("does not see {name} as a replica of {master} yet"))
}

fn shown(slots: &SlotSet) -> String {
    if slots.is_empty() {
        "no slots".into()
    } else {
        format!("slots {slots}")
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rstest::rstest;

    use super::*;
    use crate::cluster::Endpoint;
    use crate::resp::Address;

    fn name(text: &str) -> NodeName {
        NodeName::new(text)
    }

    fn shape(masters: &[(&str, &str)], replicas: &[(&str, &str)]) -> Shape {
        Shape {
            node_timeout: None,
            masters: masters
                .iter()
                .map(|(node, slots)| (name(node), slots.parse().unwrap()))
                .collect(),
            replicas: replicas
                .iter()
                .map(|(node, master)| (name(node), name(master)))
                .collect(),
        }
    }

    fn book() -> AddressBook {
        let address = |n: u16| Address {
            name: name(&format!("redis-{n}")),
            announced: Endpoint {
                host: "10.0.0.1".into(),
                port: 7000 + n,
            },
            reachable: SocketAddr::from(([127, 0, 0, 1], 7000 + n)),
        };
        AddressBook::new((1..=4).map(address).collect())
    }

    #[rstest]
    #[case(&[("redis-1", "0-100"), ("redis-2", "100-200")], &[], "redis-1 and redis-2 are both to own 100")]
    #[case(&[("redis-1", "0-100")], &[("redis-2", "redis-3")], "redis-2 is to be a replica of redis-3, which is not a master")]
    #[case(&[("redis-1", "0-100")], &[("redis-1", "redis-1")], "redis-1 is to be a master and a replica")]
    #[case(&[("redis-9", "0-100")], &[], "there is no node redis-9 in this environment")]
    fn the_impossible_is_refused(
        #[case] masters: &[(&str, &str)],
        #[case] replicas: &[(&str, &str)],
        #[case] expected: &str,
    ) {
        let error = shape(masters, replicas).check(&book()).unwrap_err();
        assert_eq!(
            error,
            AdminError::Impossible {
                why: expected.into()
            }
        );
    }

    #[test]
    fn a_shape_may_leave_slots_out_but_knows_it() {
        let whole = shape(
            &[
                ("redis-1", "0-8191"),
                ("redis-2", "8192-16383"),
                ("redis-3", ""),
            ],
            &[("redis-4", "redis-3")],
        );
        assert_eq!(whole.check(&book()), Ok(()));
        assert!(whole.covers_all_slots());
        assert!(!shape(&[("redis-1", "0-16382")], &[]).covers_all_slots());
    }

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";
    const SIX: &str = "6666666666666666666666666666666666666666";

    #[rstest]
    #[case(&[ONE, TWO], &["myself,master - 0 0 1 connected 0-99", "slave ONE 0 0 1 connected"], None)]
    #[case(&[ONE, TWO], &["myself,master - 0 0 1 connected 0-98", "slave ONE 0 0 1 connected"],
        Some("sees redis-1 with slots 0-98 instead of slots 0-99"))]
    #[case(&[ONE, TWO], &["myself,master - 0 0 1 connected", "slave ONE 0 0 1 connected"],
        Some("sees redis-1 with no slots instead of slots 0-99"))]
    #[case(&[ONE, TWO], &["myself,master - 0 0 1 connected 0-99", "master - 0 0 2 connected"],
        Some("does not see redis-2 as a replica of redis-1 yet"))]
    #[case(&[ONE, TWO], &["myself,master - 0 0 1 connected 0-99", "slave ONE 0 0 1 disconnected"],
        Some("has no link to redis-2 yet"))]
    #[case(&[ONE, TWO], &["myself,master - 0 0 1 connected 0-99", "slave,fail? ONE 0 0 1 connected"],
        Some("suspects redis-2 of having failed"))]
    #[case(&[ONE, SIX], &["myself,master - 0 0 1 connected 0-99", "handshake - 0 0 0 disconnected"],
        Some("is still shaking hands with 10.0.0.1:7002"))]
    #[case(&[ONE, SIX], &["myself,master - 0 0 1 connected 0-99", "master - 0 0 0 connected"],
        Some("knows 10.0.0.1:7002, which is not part of this cluster"))]
    #[case(&[ONE], &["myself,master - 0 0 1 connected 0-99"], Some("does not know redis-2 yet"))]
    fn a_view_is_compared_with_the_shape(
        #[case] ids: &[&str],
        #[case] lines: &[&str],
        #[case] expected: Option<&str>,
    ) {
        let text: String = ids
            .iter()
            .zip(lines)
            .zip(7001..)
            .map(|((id, line), port)| {
                format!(
                    "{id} 10.0.0.1:{port}@1{port} {}\n",
                    line.replace("ONE", ONE)
                )
            })
            .collect();
        let view = Topology::parse(&text).unwrap();
        let known = BTreeMap::from([
            (name("redis-1"), ONE.parse().unwrap()),
            (name("redis-2"), TWO.parse().unwrap()),
        ]);
        let difference =
            shape(&[("redis-1", "0-99")], &[("redis-2", "redis-1")]).difference(&view, &known);
        assert_eq!(difference.as_deref(), expected);
    }
}
