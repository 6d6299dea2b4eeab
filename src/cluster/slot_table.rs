//! The reply of `CLUSTER SLOTS`: which nodes serve which slots, as clients ask it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::endpoint::Endpoint;
use super::error::ParseError;
use super::node_id::NodeId;
use super::reply::Reply;
use super::slot::Slot;
use super::slot_range::SlotRange;
use super::slot_set::SlotSet;

const REPLY: &str = "CLUSTER SLOTS";

/// The reply of `CLUSTER SLOTS`. Slots without an owner are not in it, nor are replicas that have failed or, from Redis 7.0 on, whose
/// replication offset is 0.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct SlotTable {
    /// A range each, in the order that the server gave.
    pub entries: Vec<SlotEntry>,
}

/// Neighbouring slots and the nodes that serve them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlotEntry {
    /// The slots.
    pub range: SlotRange,
    /// Their owner.
    pub master: SlotNode,
    /// The owner's replicas.
    pub replicas: Vec<SlotNode>,
}

/// A node, as clients shall reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlotNode {
    /// In the form that `cluster-preferred-endpoint-type` asks for: an address, a host name (`?` if the node has none), or an empty host where the
    /// server sends nil, which means "the host that you asked".
    pub endpoint: Endpoint,
    /// The node's id.
    pub id: NodeId,
    /// The other ways to reach it, `ip` or `hostname`, from Redis 7.0.
    pub metadata: Vec<(String, String)>,
}

impl SlotTable {
    /// Reads a reply of `CLUSTER SLOTS`, of RESP2 or RESP3.
    ///
    /// # Errors
    /// It has another form; the error names the entry, counted from 1.
    pub fn parse(reply: &Reply) -> Result<Self, ParseError> {
        let entries = reply.elements(REPLY, "the reply")?;
        let entries = entries
            .iter()
            .zip(1..)
            .map(|(entry, number)| SlotEntry::read(entry, &format!("entry {number}")));
        Ok(SlotTable {
            entries: entries.collect::<Result<_, _>>()?,
        })
    }

    /// The owner of a slot.
    pub fn owner(&self, slot: Slot) -> Option<&SlotNode> {
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.range.start <= slot && slot <= entry.range.end);
        entry.map(|entry| &entry.master)
    }

    /// Every owner with its slots.
    pub fn owners(&self) -> BTreeMap<NodeId, SlotSet> {
        let mut owners: BTreeMap<NodeId, SlotSet> = BTreeMap::new();
        for entry in &self.entries {
            owners
                .entry(entry.master.id)
                .or_default()
                .insert_range(entry.range);
        }
        owners
    }
}

impl SlotEntry {
    fn read(reply: &Reply, name: &str) -> Result<Self, ParseError> {
        let [start, end, master, replicas @ ..] = reply.elements(REPLY, name)? else {
            return Err(ParseError::new(
                REPLY,
                format!("{name} has fewer than two slots and a node"),
            ));
        };
        let slot = |reply: &Reply| Slot::new(reply.integer(REPLY, &format!("{name}: slot"))?);
        let range = slot(start).and_then(|start| SlotRange::new(start, slot(end)?));
        let replicas = replicas.iter().map(|node| SlotNode::read(node, name));
        Ok(SlotEntry {
            range: range.map_err(|e| {
                if e.what == REPLY {
                    e
                } else {
                    ParseError::new(REPLY, format!("{name}: {}", e.why))
                }
            })?,
            master: SlotNode::read(master, name)?,
            replicas: replicas.collect::<Result<_, _>>()?,
        })
    }
}

impl SlotNode {
    fn read(reply: &Reply, name: &str) -> Result<Self, ParseError> {
        let [host, port, id, more @ ..] = reply.elements(REPLY, &format!("{name}: node"))? else {
            return Err(ParseError::new(
                REPLY,
                format!("{name}: a node has fewer than host, port and id"),
            ));
        };
        let host = match host {
            Reply::Nil => String::new(),
            host => host.text(REPLY, &format!("{name}: host"))?.into_owned(),
        };
        let id = id.text(REPLY, &format!("{name}: id"))?;
        let mut metadata = Vec::new();
        if let Some(more) = more.first() {
            let metadata_name = format!("{name}: metadata");
            for (key, value) in more.entries(REPLY, &metadata_name)? {
                let text = |reply: &Reply| {
                    reply
                        .text(REPLY, &metadata_name)
                        .map(|text| text.into_owned())
                };
                metadata.push((text(key)?, text(value)?));
            }
        }
        Ok(SlotNode {
            endpoint: Endpoint::new(host, port.integer(REPLY, &format!("{name}: port"))?),
            id: id.parse().map_err(|e: ParseError| {
                ParseError::new(REPLY, format!("{name}: id: {}", e.why))
            })?,
            metadata,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.as_bytes().to_vec())
    }

    fn node(host: Reply, port: i64, digit: &str, more: &[Reply]) -> Reply {
        let fixed = [host, Reply::Int(port), bulk(&digit.repeat(40))];
        Reply::Array(fixed.into_iter().chain(more.iter().cloned()).collect())
    }

    fn id(digit: &str) -> NodeId {
        digit.repeat(40).parse().unwrap()
    }

    #[test]
    fn reads_all_three_forms_of_a_node() {
        let plain = node(bulk("127.0.0.1"), 7001, "1", &[]);
        let flat = node(
            bulk("redis-4"),
            7004,
            "4",
            &[Reply::Array(vec![bulk("ip"), bulk("127.0.0.1")])],
        );
        let map = node(
            Reply::Nil,
            7005,
            "5",
            &[Reply::Map(vec![(bulk("hostname"), bulk("redis-5"))])],
        );
        let reply = Reply::Array(vec![
            Reply::Array(vec![
                Reply::Int(0),
                Reply::Int(5460),
                plain.clone(),
                flat,
                map,
            ]),
            Reply::Array(vec![Reply::Int(5462), Reply::Int(5462), plain]),
        ]);
        let table = SlotTable::parse(&reply).unwrap();
        assert_eq!(
            table.entries[0].replicas[0].endpoint,
            Endpoint::new("redis-4", 7004)
        );
        assert_eq!(
            table.entries[0].replicas[0].metadata,
            [("ip".to_owned(), "127.0.0.1".to_owned())]
        );
        assert_eq!(
            table.entries[0].replicas[1].endpoint,
            Endpoint::new("", 7005)
        );
        assert_eq!(
            table.entries[0].replicas[1].metadata,
            [("hostname".to_owned(), "redis-5".to_owned())]
        );
        assert_eq!(table.owner(Slot::wrapping(5460)).unwrap().id, id("1"));
        assert_eq!(table.owner(Slot::wrapping(5461)), None);
        assert_eq!(
            table.owners(),
            BTreeMap::from([(id("1"), "0-5460 5462".parse().unwrap())])
        );
    }

    #[test]
    fn errors_name_the_entry() {
        let error = |reply: &Reply| SlotTable::parse(reply).unwrap_err().to_string();
        let one = |start, end, node| {
            Reply::Array(vec![Reply::Array(vec![
                Reply::Int(start),
                Reply::Int(end),
                node,
            ])])
        };
        let good = || node(bulk("a"), 1, "1", &[]);
        assert!(SlotTable::parse(&one(1, 2, good())).is_ok());
        insta::assert_snapshot!(error(&Reply::Int(1)), @"CLUSTER SLOTS: the reply is an integer, not an array");
        insta::assert_snapshot!(
            error(&Reply::Error("ERR This instance has cluster support disabled".into())),
            @r#"CLUSTER SLOTS: the reply is the error "ERR This instance has cluster support disabled""#
        );
        insta::assert_snapshot!(error(&Reply::Array(vec![Reply::Array(vec![])])), @"CLUSTER SLOTS: entry 1 has fewer than two slots and a node");
        insta::assert_snapshot!(error(&one(2, 1, good())), @"CLUSTER SLOTS: entry 1: 2-1 runs backwards");
        insta::assert_snapshot!(error(&one(-2, 1, good())), @"CLUSTER SLOTS: entry 1: slot -2 is out of range");
        insta::assert_snapshot!(error(&one(1, 16384, good())), @"CLUSTER SLOTS: entry 1: 16384 is more than 16383, the last slot");
        insta::assert_snapshot!(error(&one(1, 2, node(bulk("a"), 70000, "1", &[]))), @"CLUSTER SLOTS: entry 1: port 70000 is out of range");
        insta::assert_snapshot!(error(&one(1, 2, node(Reply::Int(1), 1, "1", &[]))), @"CLUSTER SLOTS: entry 1: host is an integer, not a text");
        insta::assert_snapshot!(
            error(&one(1, 2, node(bulk("a"), 1, "1", &[Reply::Array(vec![bulk("ip")])]))),
            @"CLUSTER SLOTS: entry 1: metadata has a key without a value"
        );
    }
}
