//! One node's view of its cluster.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::Serialize;

use super::error::ParseError;
use super::node::Node;
use super::node_id::NodeId;
use super::slot::Slot;
use super::slot_set::SlotSet;

/// One node's view of its cluster: what `CLUSTER NODES` answers. Prints as a server does, a line a node, each ending in `\n`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Topology {
    /// The nodes that it knows, itself among them, in the order printed (which means nothing, and changes).
    pub nodes: Vec<Node>,
}

impl Topology {
    /// Reads a reply of `CLUSTER NODES`. The last line may lack its `\n`, and lines may end in `\r\n`.
    ///
    /// # Errors
    /// A line that is not a node's, a second line with the same id, or no line at all: every node knows at least itself. The
    /// error names the line, counted from 1.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        const REPLY: &str = "CLUSTER NODES";
        let mut nodes: Vec<Node> = Vec::new();
        let mut lines: BTreeMap<NodeId, usize> = BTreeMap::new();
        for (index, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_ascii().is_empty())
        {
            let at = |why: String| ParseError::new(REPLY, format!("line {}: {why}", index + 1));
            let node: Node = line.parse().map_err(|e: ParseError| at(e.why))?;
            match lines.entry(node.id) {
                Entry::Vacant(free) => free.insert(index + 1),
                Entry::Occupied(first) => {
                    return Err(at(format!(
                        "{} already stands on line {}",
                        node.id,
                        first.get()
                    )));
                }
            };
            nodes.push(node);
        }
        if nodes.is_empty() {
            return Err(ParseError::new(REPLY, "there is no line in it"));
        }
        Ok(Topology { nodes })
    }

    /// The node whose view this is.
    pub fn myself(&self) -> Option<&Node> {
        self.nodes.iter().find(|node| node.flags.myself)
    }

    /// The node with this id.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// All nodes but those still in handshake, which are not in the cluster yet and may never be.
    pub fn members(&self) -> impl Iterator<Item = &Node> + '_ {
        self.nodes.iter().filter(|node| !node.flags.handshake)
    }

    /// All masters, also failed ones and those without slots.
    pub fn masters(&self) -> impl Iterator<Item = &Node> + '_ {
        self.nodes.iter().filter(|node| node.is_master())
    }

    /// All replicas of this master, also failed ones.
    pub fn replicas_of(&self, id: NodeId) -> impl Iterator<Item = &Node> + '_ {
        self.nodes
            .iter()
            .filter(move |node| node.is_replica() && node.master == Some(id))
    }

    /// The node that owns the slot.
    pub fn owner(&self, slot: Slot) -> Option<&Node> {
        self.nodes.iter().find(|node| node.slots.contains(slot))
    }

    /// All slots that have an owner.
    pub fn assigned(&self) -> SlotSet {
        self.nodes
            .iter()
            .fold(SlotSet::new(), |all, node| all.union(&node.slots))
    }

    /// Whether both views have the same members, roles, masters of replicas, and slot owners. Times, links, epochs, health, addresses, open
    /// slots and nodes in handshake do not count.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.signature() == other.signature()
    }

    fn signature(&self) -> BTreeMap<NodeId, (bool, bool, Option<NodeId>, &SlotSet)> {
        self.members()
            .map(|node| {
                (
                    node.id,
                    (
                        node.is_master(),
                        node.is_replica(),
                        node.master,
                        &node.slots,
                    ),
                )
            })
            .collect()
    }
}

impl std::str::FromStr for Topology {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Topology::parse(text)
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nodes.iter().try_for_each(|node| writeln!(f, "{node}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: &str = "\
07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:30004@31004 slave e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 0 1426238317239 4 connected
67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 127.0.0.1:30002@31002 master,fail - 0 1426238316232 2 disconnected 5461-16383
e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 127.0.0.1:30001@31001 myself,master - 0 0 1 connected 0-5460 [93->-67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1]
";

    fn slot(n: u16) -> Slot {
        Slot::new(n).unwrap()
    }

    #[test]
    fn finds_nodes_by_what_they_are() {
        let view = Topology::parse(THREE).unwrap();
        let me = view.myself().unwrap();
        assert_eq!(me.endpoint.port, 30001);
        assert_eq!(view.node(me.id), Some(me));
        assert_eq!(
            view.masters()
                .map(|node| node.endpoint.port)
                .collect::<Vec<_>>(),
            [30002, 30001]
        );
        assert_eq!(
            view.replicas_of(me.id)
                .map(|node| node.endpoint.port)
                .collect::<Vec<_>>(),
            [30004]
        );
        assert_eq!(view.owner(slot(5461)).unwrap().endpoint.port, 30002);
        assert!(view.assigned().is_all());
        assert_eq!(view.to_string(), THREE);
        assert_eq!(THREE.parse::<Topology>().unwrap(), view);
    }

    #[test]
    fn line_ends_do_not_matter() {
        let view = Topology::parse(THREE).unwrap();
        assert_eq!(Topology::parse(THREE.trim_end()).unwrap(), view);
        assert_eq!(Topology::parse(&THREE.replace('\n', "\r\n")).unwrap(), view);
    }

    #[test]
    fn errors_name_the_line() {
        let error = Topology::parse(&THREE.replace("2 disconnected", "2 gone")).unwrap_err();
        insta::assert_snapshot!(error, @r#"CLUSTER NODES: line 2: the link state "gone" is not connected or disconnected"#);
        let error = Topology::parse(&format!("{THREE}\n{THREE}")).unwrap_err();
        insta::assert_snapshot!(error, @"CLUSTER NODES: line 5: 07c37dfeb235213a872192d90877d0cd55635b91 already stands on line 1");
        insta::assert_snapshot!(Topology::parse("\n").unwrap_err(), @"CLUSTER NODES: there is no line in it");
    }

    #[test]
    fn times_health_and_handshakes_are_no_disagreement() {
        let view = Topology::parse(THREE).unwrap();
        let mut other = view.clone();
        other.nodes.reverse();
        other.nodes[0].flags.myself = false;
        other.nodes[0].migrating.clear();
        other.nodes[1].flags.failed = false;
        other.nodes[2].config_epoch = 9;
        let handshake = "f7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 127.0.0.1:30009@31009 handshake - 0 0 0 disconnected";
        other.nodes.push(handshake.parse().unwrap());
        assert!(view.agrees_with(&other) && other.agrees_with(&view));
    }

    #[test]
    fn members_roles_masters_and_slots_are() {
        let view = Topology::parse(THREE).unwrap();
        let changes: [fn(&mut Topology); 4] = [
            |other| drop(other.nodes.remove(0)),
            |other| {
                other.nodes[0].flags.replica = false;
                other.nodes[0].flags.master = true;
            },
            |other| other.nodes[0].master = Some(other.nodes[1].id),
            |other| other.nodes[1].slots.remove(Slot::new(6000).unwrap()),
        ];
        for change in changes {
            let mut other = view.clone();
            change(&mut other);
            assert!(!view.agrees_with(&other) && !other.agrees_with(&view));
        }
    }
}
