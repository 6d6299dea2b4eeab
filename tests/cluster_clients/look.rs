//! The nodes asked directly: what is really there, whatever a client library believes.

use std::collections::BTreeMap;
use std::time::Duration;

use labrunner::cluster::{NodeId, NodeName, Reply, Slot, Topology};
use labrunner::resp::{AddressBook, Client};

use crate::servers::eventually;

/// The nodes, by name.
pub struct Nodes {
    clients: BTreeMap<NodeName, Client>,
    ids: BTreeMap<NodeName, NodeId>,
    book: AddressBook,
}

impl Nodes {
    /// All of them have to answer.
    pub async fn of(book: AddressBook) -> Nodes {
        let clients = book
            .iter()
            .map(|address| {
                (
                    address.name.clone(),
                    Client::new(address.clone(), Duration::from_secs(5)),
                )
            })
            .collect();
        let mut nodes = Nodes {
            clients,
            ids: BTreeMap::new(),
            book,
        };
        for name in nodes.clients.keys().cloned().collect::<Vec<_>>() {
            let id = nodes.text(name.as_str(), &["CLUSTER", "MYID"]).await;
            nodes.ids.insert(name, id.parse().unwrap());
        }
        nodes
    }

    /// A node's reply, which may be an error.
    pub async fn call(&self, node: &str, words: &[&str]) -> Reply {
        let client = &self.clients[&NodeName::new(node)];
        client.call(words).await.unwrap()
    }

    /// Tells a node what has to be answered by `OK`.
    pub async fn tell(&self, node: &str, words: &[&str]) {
        let reply = self.call(node, words).await;
        assert!(reply.is_ok(), "{node}: {words:?}: {reply:?}");
    }

    /// A node's reply, which is text.
    pub async fn text(&self, node: &str, words: &[&str]) -> String {
        let reply = self.call(node, words).await;
        let text = reply.as_text();
        text.unwrap_or_else(|| panic!("{node}: {words:?}: {reply:?}"))
            .into_owned()
    }

    /// A node's id as text.
    pub fn id(&self, node: &str) -> String {
        self.ids[&NodeName::new(node)].to_string()
    }

    /// Which node is meant by an id, or by an address.
    pub fn named(&self, told: &str) -> String {
        let by_id = self.ids.iter().find(|(_, id)| id.to_string() == told);
        let by_address = self.book.iter().find(|address| {
            told == address.announced.to_string() || told == address.reachable.to_string()
        });
        by_id
            .map(|(name, _)| name)
            .or(by_address.map(|address| &address.name))
            .unwrap_or_else(|| panic!("no node is {told}"))
            .to_string()
    }

    /// The cluster as one node sees it.
    pub async fn seen_by(&self, node: &str) -> Topology {
        Topology::parse(&self.text(node, &["CLUSTER", "NODES"]).await).unwrap()
    }

    /// Who owns a key's slot, as a node sees it.
    pub fn owner(&self, view: &Topology, key: &str) -> String {
        let owner = view.owner(Slot::of_key(key.as_bytes()));
        self.named(&owner.unwrap().id.to_string())
    }

    /// The values of keys, each asked at its slot's owner, as `witness` sees the owners.
    pub async fn values(&self, witness: &str, keys: &[String]) -> Vec<Option<String>> {
        let view = self.seen_by(witness).await;
        let mut by_owner: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, key) in keys.iter().enumerate() {
            by_owner.entry(self.owner(&view, key)).or_default().push(at);
        }
        let mut values = vec![None; keys.len()];
        for (owner, places) in by_owner {
            let commands: Vec<Vec<&str>> =
                places.iter().map(|at| vec!["GET", &keys[*at]]).collect();
            let client = &self.clients[&NodeName::new(owner.as_str())];
            // A node may come to know later than the witness that all is well.
            let replies = eventually(&format!("{owner} serves"), crate::LIMIT, async || {
                let replies = client.pipeline(&commands).await.unwrap();
                let errors = replies.iter().filter_map(Reply::as_error);
                let down = errors.filter(|why| why.starts_with("CLUSTERDOWN")).count() > 0;
                (!down).then_some(replies)
            })
            .await;
            for (at, reply) in places.into_iter().zip(replies) {
                assert!(
                    reply.as_error().is_none(),
                    "{owner}: {}: {reply:?}",
                    keys[at]
                );
                values[at] = reply.as_text().map(|text| text.into_owned());
            }
        }
        values
    }

    /// How often a node has replied with an error that begins with this word.
    pub async fn errors(&self, node: &str, word: &str) -> u64 {
        let info = self.text(node, &["INFO", "errorstats"]).await;
        let field = format!("errorstat_{word}:count=");
        info.lines()
            .find_map(|line| line.strip_prefix(&field))
            .map_or(0, |count| count.trim().parse().unwrap())
    }

    /// How often a node has been given a command.
    pub async fn calls(&self, node: &str, command: &str) -> u64 {
        let info = self.text(node, &["INFO", "commandstats"]).await;
        let field = format!("cmdstat_{command}:calls=");
        info.lines()
            .find_map(|line| line.strip_prefix(&field))
            .map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    }

    /// How far a node's replication has come, in bytes.
    pub async fn offset(&self, node: &str) -> u64 {
        let info = self.text(node, &["INFO", "replication"]).await;
        let field = if info.contains("role:slave") {
            "slave_repl_offset:"
        } else {
            "master_repl_offset:"
        };
        info.lines()
            .find_map(|line| line.strip_prefix(field))
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    /// Whether a node says that it is a master.
    pub async fn is_master(&self, node: &str) -> bool {
        let role = self.call(node, &["ROLE"]).await;
        role.as_array().unwrap()[0].as_text().unwrap() == "master"
    }
}
