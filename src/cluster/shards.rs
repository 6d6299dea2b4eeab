//! The reply of `CLUSTER SHARDS`: masters with their replicas, as clients ask it from Redis 7.0 on.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Serialize;

use super::endpoint::Endpoint;
use super::error::{ParseError, quoted};
use super::node_id::NodeId;
use super::reply::Reply;
use super::slot::Slot;
use super::slot_range::SlotRange;
use super::slot_set::SlotSet;

const REPLY: &str = "CLUSTER SHARDS";

/// The reply of `CLUSTER SHARDS`. Failed nodes are in it too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Shards {
    /// The shards, in the order that the server gave.
    pub shards: Vec<Shard>,
}

/// A master and its replicas, which hold the same slots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shard {
    /// The shard's id, which its nodes share, where the server says it.
    pub id: Option<String>,
    /// Its slots; none for a master without slots. Redis 8.2 says none either for a shard all of whose nodes have failed, though `CLUSTER NODES` and
    /// `CLUSTER SLOTS` still name the owner.
    pub slots: SlotSet,
    /// Its nodes, in the order that the server gave. After a failover the failed master is still among them, as a master, from
    /// Redis 7.2 on; 7.0 gives it a shard of its own, without slots.
    pub nodes: Vec<ShardNode>,
}

/// A node of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShardNode {
    /// Its id.
    pub id: NodeId,
    /// As clients shall reach it: the host in the form that `cluster-preferred-endpoint-type` asks for, empty where the server sends nil; the plain
    /// port, or the TLS port where there is no plain one, or 0 where there is neither, as of a node without an address.
    pub endpoint: Endpoint,
    /// Its address.
    pub ip: String,
    /// Its host name, if it announces one.
    pub hostname: Option<String>,
    /// What it is.
    pub role: Role,
    /// How far its data is, in bytes of the stream of writes.
    pub replication_offset: u64,
    /// How it does.
    pub health: Health,
}

/// What a node of a shard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It owns the shard's slots, or did until it failed.
    Master,
    /// It follows the master.
    Replica,
}

/// How a node of a shard does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It is there, and has data.
    Online,
    /// A majority of masters could not reach it. (Servers print `fail`; their documentation says `failed`.)
    Failed,
    /// It is a replica whose replication offset is 0, so it has no data yet, or a master without any had nothing to send.
    Loading,
    /// A word that is not known here, as a newer server may have it.
    Other(String),
}

impl Shards {
    /// Reads a reply of `CLUSTER SHARDS`: maps in RESP3, flat arrays in RESP2. Keys that are not known here are passed over.
    ///
    /// # Errors
    /// It has another form; the error names the shard, counted from 1.
    pub fn parse(reply: &Reply) -> Result<Self, ParseError> {
        let shards = reply.elements(REPLY, "the reply")?.iter().zip(1..);
        let shards = shards.map(|(shard, number)| Shard::read(shard, &format!("shard {number}")));
        Ok(Shards {
            shards: shards.collect::<Result<_, _>>()?,
        })
    }

    /// Every owner with its slots. In a shard with more than one master, which is one after a failover, the owner is the one that has
    /// not failed.
    pub fn owners(&self) -> BTreeMap<NodeId, SlotSet> {
        let owned = self.shards.iter().filter(|shard| !shard.slots.is_empty());
        owned
            .filter_map(|shard| Some((shard.master()?.id, shard.slots.clone())))
            .collect()
    }
}

impl Shard {
    /// The shard's master: one that has not failed, else one that has.
    pub fn master(&self) -> Option<&ShardNode> {
        let masters = || self.nodes.iter().filter(|node| node.role == Role::Master);
        masters()
            .find(|node| node.health != Health::Failed)
            .or_else(|| masters().next())
    }

    fn read(reply: &Reply, name: &str) -> Result<Self, ParseError> {
        let fields = Fields::read(reply, name.to_owned())?;
        let mut slots = SlotSet::new();
        for pair in fields
            .get("slots")?
            .elements(REPLY, &format!("{name}: slots"))?
            .chunks(2)
        {
            let [start, end] = pair else {
                return Err(ParseError::new(
                    REPLY,
                    format!("{name}: slots have a start without an end"),
                ));
            };
            let slot = |reply: &Reply| -> Result<Slot, ParseError> {
                let slot = Slot::new(reply.integer(REPLY, &format!("{name}: slot"))?);
                slot.map_err(|e| ParseError::new(REPLY, format!("{name}: {}", e.why)))
            };
            let range = SlotRange::new(slot(start)?, slot(end)?);
            slots.insert_range(
                range.map_err(|e| ParseError::new(REPLY, format!("{name}: {}", e.why)))?,
            );
        }
        let nodes = fields
            .get("nodes")?
            .elements(REPLY, &format!("{name}: nodes"))?;
        let nodes = nodes
            .iter()
            .zip(1..)
            .map(|(node, number)| ShardNode::read(node, format!("{name}: node {number}")));
        Ok(Shard {
            id: fields.text_if_there("id")?,
            slots,
            nodes: nodes.collect::<Result<_, _>>()?,
        })
    }
}

impl ShardNode {
    fn read(reply: &Reply, name: String) -> Result<Self, ParseError> {
        let fields = Fields::read(reply, name)?;
        let port = ["port", "tls-port"]
            .into_iter()
            .find(|key| fields.find(key).is_some());
        Ok(ShardNode {
            id: fields.parse("id")?,
            endpoint: Endpoint::new(
                fields.text_if_there("endpoint")?.unwrap_or_default(),
                port.map_or(Ok(0), |key| fields.integer(key))?,
            ),
            ip: fields.text_if_there("ip")?.unwrap_or_default(),
            hostname: fields
                .text_if_there("hostname")?
                .filter(|name| !name.is_empty()),
            role: fields.parse("role")?,
            replication_offset: fields.integer("replication-offset")?,
            health: fields.parse("health")?,
        })
    }
}

impl FromStr for Role {
    type Err = ParseError;

    fn from_str(word: &str) -> Result<Self, ParseError> {
        match word {
            "master" => Ok(Role::Master),
            "replica" | "slave" => Ok(Role::Replica),
            other => Err(ParseError::new(
                "role",
                format!("{} is not master or replica", quoted(other)),
            )),
        }
    }
}

impl FromStr for Health {
    type Err = std::convert::Infallible;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(match word {
            "online" => Health::Online,
            "failed" | "fail" => Health::Failed,
            "loading" => Health::Loading,
            other => Health::Other(other.to_owned()),
        })
    }
}

/// The entries of one map of the reply, and what it is called in errors.
struct Fields<'a> {
    name: String,
    entries: Vec<(&'a Reply, &'a Reply)>,
}

impl<'a> Fields<'a> {
    fn read(reply: &'a Reply, name: String) -> Result<Self, ParseError> {
        Ok(Fields {
            entries: reply.entries(REPLY, &name)?,
            name,
        })
    }

    fn find(&self, key: &str) -> Option<&'a Reply> {
        self.entries
            .iter()
            .find(|(k, _)| k.as_text().as_deref() == Some(key))
            .map(|(_, value)| *value)
    }

    fn get(&self, key: &str) -> Result<&'a Reply, ParseError> {
        self.find(key)
            .ok_or_else(|| ParseError::new(REPLY, format!("{} has no {key}", self.name)))
    }

    fn integer<N: TryFrom<i64>>(&self, key: &str) -> Result<N, ParseError> {
        self.get(key)?
            .integer(REPLY, &format!("{}: {key}", self.name))
    }

    fn parse<T: FromStr<Err: std::fmt::Display>>(&self, key: &str) -> Result<T, ParseError> {
        let name = format!("{}: {key}", self.name);
        let text = self.get(key)?.text(REPLY, &name)?;
        text.parse()
            .map_err(|e| ParseError::new(REPLY, format!("{}: {e}", self.name)))
    }

    fn text_if_there(&self, key: &str) -> Result<Option<String>, ParseError> {
        match self.find(key) {
            None | Some(Reply::Nil) => Ok(None),
            Some(value) => Ok(Some(
                value
                    .text(REPLY, &format!("{}: {key}", self.name))?
                    .into_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.as_bytes().to_vec())
    }

    /// A map as RESP2 sends it, or as RESP3 does.
    fn map(resp3: bool, entries: Vec<(&str, Reply)>) -> Reply {
        let entries = entries.into_iter().map(|(key, value)| (bulk(key), value));
        if resp3 {
            Reply::Map(entries.collect())
        } else {
            Reply::Array(entries.flat_map(|(key, value)| [key, value]).collect())
        }
    }

    fn node(resp3: bool, digit: &str, role: &str, health: &str) -> Reply {
        map(
            resp3,
            vec![
                ("id", bulk(&digit.repeat(40))),
                ("port", Reply::Int(7001)),
                ("ip", bulk("127.0.0.1")),
                ("endpoint", bulk("redis-1")),
                ("hostname", bulk("redis-1")),
                ("role", bulk(role)),
                ("replication-offset", Reply::Int(72156)),
                ("health", bulk(health)),
                ("availability-zone", bulk("")),
            ],
        )
    }

    fn shard(resp3: bool, slots: &[i64], nodes: Vec<Reply>) -> Reply {
        let slots = slots.iter().copied().map(Reply::Int).collect();
        map(
            resp3,
            vec![
                ("slots", Reply::Array(slots)),
                ("nodes", Reply::Array(nodes)),
            ],
        )
    }

    #[test]
    fn flat_arrays_and_maps_read_the_same() {
        let reply = |resp3| {
            let nodes = vec![
                node(resp3, "1", "master", "failed"),
                node(resp3, "4", "master", "online"),
                node(resp3, "5", "replica", "loading"),
            ];
            Reply::Array(vec![
                shard(resp3, &[0, 1364, 5461, 5461], nodes),
                shard(resp3, &[], vec![node(resp3, "7", "replica", "napping")]),
            ])
        };
        let shards = Shards::parse(&reply(true)).unwrap();
        assert_eq!(Shards::parse(&reply(false)).unwrap(), shards);

        let id = |digit: &str| digit.repeat(40).parse::<NodeId>().unwrap();
        let [one, two] = shards.shards.as_slice() else {
            panic!("{shards:?}")
        };
        assert_eq!(one.slots.to_string(), "0-1364 5461");
        assert_eq!(
            one.master().unwrap().id,
            id("4"),
            "the master that has not failed"
        );
        assert_eq!(one.nodes[2].role, Role::Replica);
        assert_eq!(one.nodes[2].health, Health::Loading);
        assert_eq!(
            one.nodes[0],
            ShardNode {
                id: id("1"),
                endpoint: Endpoint::new("redis-1", 7001),
                ip: "127.0.0.1".into(),
                hostname: Some("redis-1".into()),
                role: Role::Master,
                replication_offset: 72156,
                health: Health::Failed,
            }
        );
        assert_eq!(
            (two.master(), &two.nodes[0].health),
            (None, &Health::Other("napping".into()))
        );
        assert_eq!(
            shards.owners(),
            BTreeMap::from([(id("4"), "0-1364 5461".parse().unwrap())])
        );
    }

    #[test]
    fn errors_name_the_shard_and_the_node() {
        let error = |shard: Reply| {
            Shards::parse(&Reply::Array(vec![shard]))
                .unwrap_err()
                .to_string()
        };
        insta::assert_snapshot!(error(Reply::Nil), @"CLUSTER SHARDS: shard 1 is nil, not a map");
        insta::assert_snapshot!(error(map(true, vec![])), @"CLUSTER SHARDS: shard 1 has no slots");
        insta::assert_snapshot!(error(shard(false, &[1], vec![])), @"CLUSTER SHARDS: shard 1: slots have a start without an end");
        insta::assert_snapshot!(error(shard(false, &[5, 1], vec![])), @"CLUSTER SHARDS: shard 1: 5-1 runs backwards");
        insta::assert_snapshot!(error(shard(true, &[], vec![node(true, "1", "boss", "online")])), @r#"CLUSTER SHARDS: shard 1: node 1: role: "boss" is not master or replica"#);
        insta::assert_snapshot!(error(shard(true, &[], vec![map(true, vec![("id", bulk("x"))])])), @"CLUSTER SHARDS: shard 1: node 1: node id: \"x\" has 1 characters, an id has 40 hex digits");
    }
}
