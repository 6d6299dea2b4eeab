//! Which node a node id belongs to, by what was seen so far. A node that is gone can't say its id any more; what it said before
//! still counts.

use std::collections::BTreeMap;

use crate::cluster::{Node, NodeId, NodeName};
use crate::observe::Observation;
use crate::resp::AddressBook;

/// Ids and the names that people use.
#[derive(Debug, Clone, Default)]
pub struct Names {
    by_id: BTreeMap<NodeId, NodeName>,
    /// The id that each node had when it last said it.
    latest: BTreeMap<NodeName, NodeId>,
    book: AddressBook,
}

impl Names {
    /// Knows no id yet.
    pub fn new(book: AddressBook) -> Self {
        Names {
            by_id: BTreeMap::new(),
            latest: BTreeMap::new(),
            book,
        }
    }

    /// Takes note of ids.
    pub fn learn(&mut self, ids: impl IntoIterator<Item = (NodeId, NodeName)>) {
        for (id, name) in ids {
            self.latest.insert(name.clone(), id);
            self.by_id.insert(id, name);
        }
    }

    /// Takes note of what nodes say of themselves.
    pub fn learn_from(&mut self, observation: &Observation) {
        self.learn(observation.names());
    }

    /// The id of a node, if it was ever heard; the latest, should it have had several.
    pub fn id(&self, name: &NodeName) -> Option<NodeId> {
        self.latest.get(name).copied()
    }

    /// The name for an id: the node's, or a short form of the id.
    pub fn call(&self, id: NodeId) -> String {
        self.by_id.get(&id).map_or_else(
            || format!("node {:.8}", id.to_string()),
            ToString::to_string,
        )
    }

    /// Which node a line of CLUSTER NODES is about.
    pub fn name_of(&self, node: &Node) -> Option<&NodeName> {
        self.by_id.get(&node.id).or_else(|| {
            self.book
                .by_announced(&node.endpoint)
                .map(|address| &address.name)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::cluster::{Endpoint, Topology};
    use crate::resp::Address;

    fn id(digit: char) -> NodeId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn name(number: u16) -> NodeName {
        NodeName::new(format!("redis-{number}"))
    }

    fn book() -> AddressBook {
        let entry = |number: u16| Address {
            name: name(number),
            announced: Endpoint::new(format!("172.30.0.1{number}"), 7000 + number),
            reachable: SocketAddr::from(([127, 0, 0, 1], 7000 + number)),
        };
        AddressBook::new((1..=3).map(entry).collect())
    }

    fn node(digit: char, address: &str) -> Node {
        let line = format!("{} {address} master - 0 0 1 connected\n", id(digit));
        Topology::parse(&line).unwrap().nodes.remove(0)
    }

    #[test]
    fn the_latest_id_of_a_node_is_its_id_whatever_it_looks_like() {
        for ids in [['f', '1'], ['1', 'f']] {
            let mut names = Names::new(book());
            names.learn(ids.map(|digit| (id(digit), name(1))));
            assert_eq!(names.id(&name(1)), Some(id(ids[1])));
            // The id that it had is still its own.
            assert_eq!(names.call(id(ids[0])), "redis-1");
        }
        assert_eq!(Names::new(book()).id(&name(1)), None);
    }

    #[test]
    fn a_line_is_about_whoever_said_that_id_or_else_who_has_that_address() {
        let mut names = Names::new(book());
        names.learn([(id('1'), name(1))]);
        // Redis-1 has been seen at an address of another node, as after a restart of all containers.
        assert_eq!(
            names.name_of(&node('1', "172.30.0.12:7002@17002")),
            Some(&name(1))
        );
        assert_eq!(
            names.name_of(&node('2', "172.30.0.12:7002@17002")),
            Some(&name(2))
        );
        assert_eq!(names.name_of(&node('4', "172.30.0.99:7002@17002")), None);
        assert_eq!(names.name_of(&node('4', ":0@0")), None);
    }

    #[test]
    fn an_id_that_nobody_said_is_shown_short() {
        assert_eq!(Names::new(book()).call(id('a')), "node aaaaaaaa");
    }
}
