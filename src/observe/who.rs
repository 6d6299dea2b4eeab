//! Which node an id belongs to, as far as one look shows.

use std::collections::BTreeMap;

use super::Observation;
use crate::cluster::{Node, NodeId, NodeName, Topology};
use crate::resp::AddressBook;

/// Ids and the names that people use.
///
/// A node that answers says its own id. One that does not is known by the address at which others saw it last, unless another id answers
/// there now: then it was an earlier life of that node, which has no name any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    names: BTreeMap<NodeId, NodeName>,
}

impl Who {
    /// Who is who in this look. `book` has the addresses at which nodes announce themselves.
    pub fn of(observation: &Observation, book: &AddressBook) -> Who {
        let mut names = observation.names();
        let said: Vec<NodeName> = names.values().cloned().collect();
        let lines = observation
            .views
            .keys()
            .filter_map(|name| observation.topology(name))
            .flat_map(|view| &view.nodes);
        for node in lines {
            if let Some(address) = book.by_announced(&node.endpoint)
                && !said.contains(&address.name)
            {
                names.entry(node.id).or_insert_with(|| address.name.clone());
            }
        }
        Who { names }
    }

    /// The name of the node with this id.
    pub fn name(&self, id: NodeId) -> Option<&NodeName> {
        self.names.get(&id)
    }

    /// The id of the node with this name.
    pub fn id(&self, name: &NodeName) -> Option<NodeId> {
        let mut found = self.names.iter().filter(|(_, known)| *known == name);
        found.next().map(|(id, _)| *id)
    }

    /// What to call the node with this id: its name, or a short form of the id.
    pub fn call(&self, id: NodeId) -> String {
        self.name(id)
            .map_or_else(|| format!("node {id:.8}"), ToString::to_string)
    }

    /// The line of a view that is about this node.
    pub fn line<'v>(&self, name: &NodeName, view: &'v Topology) -> Option<&'v Node> {
        view.nodes
            .iter()
            .find(|node| self.name(node.id) == Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::recorded::{book, fresh, moved, name, view};

    fn observation(views: &[(u16, crate::observe::View)]) -> Observation {
        let views = views
            .iter()
            .map(|(number, view)| (name(*number), Ok(view.clone())));
        Observation {
            views: views.collect(),
            ..Observation::default()
        }
    }

    #[test]
    fn a_node_that_does_not_answer_is_known_by_its_address() {
        let seen = observation(&[(1, view("promoted"))]);
        let who = Who::of(&seen, &book());
        let topology = seen.topology(&name(1)).unwrap();
        for number in 1..=5 {
            let line = who.line(&name(number), topology).unwrap();
            assert_eq!(line.endpoint.port, 21000 + number);
            assert_eq!(who.id(&name(number)), Some(line.id));
            assert_eq!(who.call(line.id), format!("redis-{number}"));
        }
        assert_eq!(who.id(&name(6)), None);
    }

    #[test]
    fn an_earlier_life_of_a_node_has_no_name() {
        // redis-4 was reset: it says another id now, and is still seen at its old address.
        let seen = observation(&[(1, view("normal")), (4, fresh(4))]);
        let who = Who::of(&seen, &book());
        let topology = seen.topology(&name(1)).unwrap();
        let old = topology
            .nodes
            .iter()
            .find(|node| node.endpoint.port == 21004)
            .unwrap();
        assert_eq!(who.name(old.id), None);
        assert_eq!(who.call(old.id), format!("node {:.8}", old.id.to_string()));
        // Where it says the old one, it is the old one.
        let seen = observation(&[(1, view("normal")), (4, moved("normal", 4))]);
        assert_eq!(Who::of(&seen, &book()).name(old.id), Some(&name(4)));
    }
}
