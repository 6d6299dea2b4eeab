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
