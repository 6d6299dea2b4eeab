//! One line of `CLUSTER NODES`: a node as another one, or itself, sees it.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::endpoint::Endpoint;
use super::error::{ParseError, number, quoted};
use super::flags::NodeFlags;
use super::node_id::NodeId;
use super::slot::Slot;
use super::slot_range::SlotRange;
use super::slot_set::SlotSet;

/// What a node's line is called in errors.
const LINE: &str = "node";

/// Whether the node that gave the answer has a link to this one over the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// There is a link, or the node is `myself`.
    Connected,
    /// There is none.
    Disconnected,
}

/// One line of `CLUSTER NODES`, in the form of Redis 4.0 and later:
///
/// ```text
/// id ip:port@bus[,hostname[,aux=value…]] flags master|- ping-sent pong-received epoch link slot… [slot->-id] [slot-<-id]
/// ```
///
/// Reading and then printing gives the same text for every line that a server prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its id; random while `flags.handshake`.
    pub id: NodeId,
    /// Where clients reach it. The host is empty on a fresh node's own line, and with `flags.noaddr` the port is 0 too.
    pub endpoint: Endpoint,
    /// Where other nodes reach it, by default its port + 10000; 0 with `flags.noaddr`.
    pub bus_port: u16,
    /// What `cluster-announce-hostname` says, from Redis 7.0.
    pub hostname: Option<String>,
    /// Further fields of the address, `shard-id=…`, `nodename=…`, `tls-port=…`, in their order. `nodes.conf` has them from Redis 7.2.
    pub aux: Vec<(String, String)>,
    /// What it is and how it does.
    pub flags: NodeFlags,
    /// Flags that are not known here, as a newer server may have them; printed after those that are.
    pub unknown_flags: Vec<String>,
    /// A replica's master.
    pub master: Option<NodeId>,
    /// When the ping was sent that is still unanswered, in milliseconds of Unix time; 0 if none is.
    pub ping_sent_ms: u64,
    /// When the last pong came, in milliseconds of Unix time; 0 if none did.
    pub pong_received_ms: u64,
    /// The epoch in which it took its slots; a replica shows its master's.
    pub config_epoch: u64,
    /// The bus link to it.
    pub link: LinkState,
    /// The slots that it owns.
    pub slots: SlotSet,
    /// Slots on their way from here to another node, by slot. Only on the `myself` line.
    pub migrating: Vec<(Slot, NodeId)>,
    /// Slots on their way to here from another node, by slot. Only on the `myself` line.
    pub importing: Vec<(Slot, NodeId)>,
}

impl Node {
    /// Whether it says that it is a master.
    pub fn is_master(&self) -> bool {
        self.flags.master
    }

    /// Whether it says that it is a replica.
    pub fn is_replica(&self) -> bool {
        self.flags.replica
    }

    fn read_address(&mut self, text: &str) -> Result<(), ParseError> {
        let (address, rest) = match text.split_once(',') {
            Some((address, rest)) => (address, Some(rest)),
            None => (text, None),
        };
        let Some((endpoint, bus_port)) = address.rsplit_once('@') else {
            return Err(wrong(format!(
                "the address {} has no @ with the bus port",
                quoted(address)
            )));
        };
        self.endpoint = endpoint
            .parse()
            .map_err(|e: ParseError| wrong(format!("address: {}", e.why)))?;
        self.bus_port = number(LINE, "the bus port", bus_port)?;

        let mut fields = rest.into_iter().flat_map(|rest| rest.split(','));
        self.hostname = fields
            .next()
            .filter(|name| !name.is_empty())
            .map(str::to_owned);
        for field in fields {
            let Some((name, value)) = field.split_once('=') else {
                return Err(wrong(format!(
                    "the address field {} has no =",
                    quoted(field)
                )));
            };
            self.aux.push((name.to_owned(), value.to_owned()));
        }
        Ok(())
    }

    /// Reads `5461`, `0-1364`, `[93->-id]` or `[77-<-id]`.
    fn read_slots(&mut self, word: &str) -> Result<(), ParseError> {
        let Some(open) = word.strip_prefix('[') else {
            let range: SlotRange = word
                .parse()
                .map_err(|e: ParseError| wrong(format!("slots: {}", e.why)))?;
            self.slots.insert_range(range);
            return Ok(());
        };
        let moves = open.strip_suffix(']').and_then(|inner| {
            let migrating = inner.split_once("->-").map(|(slot, id)| (true, slot, id));
            migrating.or_else(|| inner.split_once("-<-").map(|(slot, id)| (false, slot, id)))
        });
        let Some((migrating, slot, id)) = moves else {
            return Err(wrong(format!(
                "{} is not [slot->-id] or [slot-<-id]",
                quoted(word)
            )));
        };
        let within = |e: ParseError| wrong(format!("{}: {}", quoted(word), e.why));
        let open_slot = (slot.parse().map_err(within)?, id.parse().map_err(within)?);
        if migrating {
            self.migrating.push(open_slot)
        } else {
            self.importing.push(open_slot)
        }
        Ok(())
    }
}

impl FromStr for Node {
    type Err = ParseError;

    fn from_str(line: &str) -> Result<Self, ParseError> {
        let mut words = line.split_ascii_whitespace();
        let mut word = |name: &str| {
            words
                .next()
                .ok_or_else(|| wrong(format!("it ends before the {name}")))
        };

        let id = word("id")?
            .parse()
            .map_err(|e: ParseError| wrong(format!("id: {}", e.why)))?;
        let address = word("address")?;
        let (flags, unknown_flags) = NodeFlags::parse(word("flags")?);
        let master = match word("master's id")? {
            "-" => None,
            id => Some(
                id.parse()
                    .map_err(|e: ParseError| wrong(format!("master's id: {}", e.why)))?,
            ),
        };
        let ping_sent_ms = number(LINE, "ping-sent", word("ping-sent")?)?;
        let pong_received_ms = number(LINE, "pong-received", word("pong-received")?)?;
        let config_epoch = number(LINE, "the epoch", word("epoch")?)?;
        let link = match word("link state")? {
            "connected" => LinkState::Connected,
            "disconnected" => LinkState::Disconnected,
            other => {
                return Err(wrong(format!(
                    "the link state {} is not connected or disconnected",
                    quoted(other)
                )));
            }
        };
        let mut node = Node {
            id,
            endpoint: Endpoint::new("", 0),
            bus_port: 0,
            hostname: None,
            aux: Vec::new(),
            flags,
            unknown_flags,
            master,
            ping_sent_ms,
            pong_received_ms,
            config_epoch,
            link,
            slots: SlotSet::new(),
            migrating: Vec::new(),
            importing: Vec::new(),
        };
        node.read_address(address)?;
        words.try_for_each(|slots| node.read_slots(slots))?;
        Ok(node)
    }
}

fn wrong(why: String) -> ParseError {
    ParseError::new(LINE, why)
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}@{}", self.id, self.endpoint, self.bus_port)?;
        if self.hostname.is_some() || !self.aux.is_empty() {
            write!(f, ",{}", self.hostname.as_deref().unwrap_or_default())?;
        }
        for (name, value) in &self.aux {
            write!(f, ",{name}={value}")?;
        }

        let known = self.flags.words().next().is_some();
        if known || self.unknown_flags.is_empty() {
            write!(f, " {}", self.flags)?;
        }
        for (index, word) in self.unknown_flags.iter().enumerate() {
            let gap = if index == 0 && !known { ' ' } else { ',' };
            write!(f, "{gap}{word}")?;
        }

        match self.master {
            Some(master) => write!(f, " {master}")?,
            None => f.write_str(" -")?,
        }
        let link = match self.link {
            LinkState::Connected => "connected",
            LinkState::Disconnected => "disconnected",
        };
        write!(
            f,
            " {} {} {} {link}",
            self.ping_sent_ms, self.pong_received_ms, self.config_epoch
        )?;
        for range in self.slots.ranges() {
            write!(f, " {range}")?;
        }

        // Redis walks the slots once and prints whatever is open, so both kinds stand in one order of slots.
        let migrating = self.migrating.iter().map(|(slot, id)| (slot, "->-", id));
        let importing = self.importing.iter().map(|(slot, id)| (slot, "-<-", id));
        let mut open: Vec<_> = migrating.chain(importing).collect();
        open.sort_by_key(|(slot, ..)| **slot);
        for (slot, arrow, id) in open {
            write!(f, " [{slot}{arrow}{id}]")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const A: &str = "07c37dfeb235213a872192d90877d0cd55635b91";
    const B: &str = "67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1";

    #[rstest]
    #[case::master("A 172.30.0.11:7001@17001 myself,master - 0 1426238317239 4 connected 0-5460")]
    #[case::replica("A 172.30.0.11:7001@17001 slave B 0 1426238317239 4 connected")]
    #[case::fresh(r"A :7001@17001 myself,master - 0 0 0 connected")]
    #[case::no_address("A :0@0 master,noaddr - 1426238317239 1426238317239 4 disconnected 5")]
    #[case::handshake("A 127.0.0.1:7001@17001 handshake - 0 0 0 disconnected")]
    #[case::suspected("A 127.0.0.1:7001@17001 master,fail? - 5 4 3 connected 1-2 9")]
    #[case::host_name("A 127.0.0.1:7001@17001,redis-1.lab master - 0 0 1 connected")]
    #[case::aux_without_host_name(
        "A 127.0.0.1:7001@17001,,tls-port=0,shard-id=B master - 0 0 1 connected"
    )]
    #[case::aux("A 127.0.0.1:7001@17001,redis-1,nodename=one master - 0 0 1 connected")]
    #[case::ipv6("A ::1:7001@17001 master - 0 0 1 connected")]
    #[case::open_slots(
        "A ::1:7001@17001 myself,master - 0 0 1 connected 0-9 [3->-B] [77-<-B] [93->-B]"
    )]
    #[case::flags_of_the_future("A ::1:7001@17001 myself,master,witness,calm - 0 0 1 connected")]
    #[case::only_flags_of_the_future("A ::1:7001@17001 witness,calm - 0 0 1 connected")]
    #[case::no_flags("A ::1:7001@17001 noflags - 0 0 1 connected")]
    fn prints_what_it_read(#[case] pattern: &str) {
        let line = pattern.replace('A', A).replace('B', B);
        assert_eq!(line.parse::<Node>().unwrap().to_string(), line);
    }

    #[test]
    fn reads_every_field() {
        let line = format!(
            "{A} fd00::2:7001@17001,redis-1,shard-id={B} myself,slave,fail?,soon {B} 1 2 3 disconnected 7 9-11 [9->-{B}] [5-<-{A}]"
        );
        let node: Node = line.parse().unwrap();
        assert_eq!(
            (node.id.to_string(), node.master.unwrap().to_string()),
            (A.to_owned(), B.to_owned())
        );
        assert_eq!(
            (node.endpoint, node.bus_port),
            (Endpoint::new("fd00::2", 7001), 17001)
        );
        assert_eq!(node.hostname.as_deref(), Some("redis-1"));
        assert_eq!(node.aux, [("shard-id".to_owned(), B.to_owned())]);
        assert!(
            node.flags.myself && node.flags.replica && node.flags.suspected && !node.flags.master
        );
        assert_eq!(node.unknown_flags, ["soon"]);
        assert_eq!(
            (node.ping_sent_ms, node.pong_received_ms, node.config_epoch),
            (1, 2, 3)
        );
        assert_eq!(node.link, LinkState::Disconnected);
        assert_eq!(node.slots.to_string(), "7 9-11");
        assert_eq!(node.migrating, [(Slot::wrapping(9), B.parse().unwrap())]);
        assert_eq!(node.importing, [(Slot::wrapping(5), A.parse().unwrap())]);
    }

    #[rstest]
    #[case("A", "node: it ends before the address")]
    #[case(
        "A ::1:7001@17001 master - 0 0 1",
        "node: it ends before the link state"
    )]
    #[case(
        "x ::1:7001@17001 master - 0 0 1 connected",
        r#"node: id: "x" has 1 characters, an id has 40 hex digits"#
    )]
    #[case(
        "A 1.2.3.4:7001 master - 0 0 1 connected",
        r#"node: the address "1.2.3.4:7001" has no @ with the bus port"#
    )]
    #[case(
        "A 1.2.3.4:7001@x master - 0 0 1 connected",
        r#"node: the bus port "x" is not a number"#
    )]
    #[case(
        "A 1.2.3.4@5 master - 0 0 1 connected",
        r#"node: address: "1.2.3.4" has no port"#
    )]
    #[case(
        "A 1.2.3.4:1@5,h,aux master - 0 0 1 connected",
        r#"node: the address field "aux" has no ="#
    )]
    #[case("A 1.2.3.4:1@5 slave B1 0 0 1 connected", "node: master's id: ")]
    #[case(
        "A ::1:7001@17001 master - 0 -1 1 connected",
        r#"node: pong-received "-1" is not a number"#
    )]
    #[case(
        "A ::1:7001@17001 master - 0 0 1 up",
        r#"node: the link state "up" is not connected or disconnected"#
    )]
    #[case(
        "A ::1:7001@17001 master - 0 0 1 connected 9-3",
        "node: slots: 9-3 runs backwards"
    )]
    #[case(
        "A ::1:7001@17001 master - 0 0 1 connected [5]",
        r#"node: "[5]" is not [slot->-id] or [slot-<-id]"#
    )]
    #[case(
        "A ::1:7001@17001 master - 0 0 1 connected [16384->-B]",
        "node: \"[16384->-"
    )]
    fn refuses(#[case] pattern: &str, #[case] why: &str) {
        let line = pattern.replace('A', A).replace('B', B);
        let error = line.parse::<Node>().unwrap_err().to_string();
        assert!(error.starts_with(why), "{error}");
    }
}
