//! Names in the place of what is different in every run: ids and addresses.

use std::collections::BTreeMap;

use crate::stage::Place;

/// Who is who. Nodes are called `n1`, `n2` and so on, in the order of the ids that they began with: some of Redis's decisions go by that
/// order, and so fall the same way in every run.
pub struct Names {
    places: Vec<Place>,
    /// All ids that were ever seen, and whose they are.
    ids: BTreeMap<String, String>,
    current: Vec<String>,
}

impl Names {
    /// Of nodes in the order of their names.
    pub fn new(nodes: Vec<(String, Place)>) -> Names {
        let mut names = Names {
            places: nodes.iter().map(|(_, place)| *place).collect(),
            ids: BTreeMap::new(),
            current: vec![String::new(); nodes.len()],
        };
        for (node, (id, _)) in nodes.into_iter().enumerate() {
            names.learn(node, &id);
        }
        names
    }

    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// Takes note of a node's id. The one that it had until now is told apart by a prime.
    pub fn learn(&mut self, node: usize, id: &str) {
        if self.current[node] == id {
            return;
        }
        if let Some(before) = self.ids.get_mut(&self.current[node]) {
            before.push('\'');
        }
        self.current[node] = id.to_owned();
        self.ids.insert(id.to_owned(), name(node));
    }

    pub fn id(&self, node: usize) -> &str {
        &self.current[node]
    }

    pub fn place(&self, node: usize) -> Place {
        self.places[node]
    }

    /// The name of an id.
    pub fn of_id(&self, id: &str) -> String {
        match self.ids.get(id) {
            Some(name) => name.clone(),
            None if id == "-" => id.to_owned(),
            None => "unknown".to_owned(),
        }
    }

    /// The name of who is at an address. An empty one is told, as a new node does not know its own.
    pub fn of_address(&self, ip: &str, port: &str) -> String {
        let port_is = |place: &&Place| place.port.to_string() == port;
        let found = match ip {
            "" => self.places.iter().position(|place| port_is(&place)),
            ip => self
                .places
                .iter()
                .position(|place| place.ip.to_string() == ip && port_is(&place)),
        };
        match (found, ip) {
            (Some(_), "") => "(nowhere)".to_owned(),
            (Some(node), _) => name(node),
            // The name of a host.
            (None, _) if self.places.iter().any(|place| port_is(&place)) => ip.to_owned(),
            (None, _) => format!("{ip}:{port}"),
        }
    }

    /// The address of CLUSTER NODES, `ip:port@bus`.
    pub fn of_bus_address(&self, address: &str) -> String {
        let Some((client, bus)) = address.split_once('@') else {
            return address.to_owned();
        };
        let Some((ip, port)) = client.rsplit_once(':') else {
            return address.to_owned();
        };
        let known = self.of_address(ip, port);
        let right = self
            .places
            .iter()
            .any(|place| place.port.to_string() == port && place.bus.to_string() == bus);
        if right {
            known
        } else {
            format!("{known}@{bus}")
        }
    }

    /// Whether this is the address of a node without its port.
    pub fn is_ip(&self, text: &str) -> bool {
        self.places.iter().any(|place| place.ip.to_string() == text)
    }

    /// A text in which any ids and addresses may stand.
    pub fn of_text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (id, name) in &self.ids {
            text = text.replace(id, name);
        }
        for (node, place) in self.places.iter().enumerate() {
            let (ip, port, bus) = (place.ip, place.port, place.bus);
            text = text
                .replace(&format!("{ip}:{port}@{bus}"), &name(node))
                .replace(&format!("{ip}:{port}"), &name(node));
        }
        // After the name of a host, or nothing.
        for place in &self.places {
            text = text.replace(&format!(":{}", place.port), ":port");
        }
        text
    }
}

pub fn name(node: usize) -> String {
    format!("n{}", node + 1)
}
