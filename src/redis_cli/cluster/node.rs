//! A node of the cluster that is worked on.

use std::collections::BTreeMap;

use crate::cluster::{Slot, SlotSet};
use crate::redis_cli::link::{Link, Place};

use super::nodes_text::Line;

/// A node as it describes itself.
pub(super) struct Node {
    pub(super) host: String,
    pub(super) port: i64,
    pub(super) bus_port: i64,
    /// Empty until it is known.
    pub(super) id: String,
    pub(super) link: Option<Link>,
    pub(super) slots: SlotSet,
    pub(super) flags: Vec<String>,
    /// The id of its master.
    pub(super) replicates: Option<String>,
    pub(super) replicas: usize,
    /// Slots on their way to a node, and from a node, with that one's id.
    pub(super) migrating: Vec<(u16, String)>,
    pub(super) importing: Vec<(u16, String)>,
    /// It is to get the slots or the master that are written here, and has not yet.
    pub(super) dirty: bool,
    pub(super) weight: f32,
}

impl Node {
    /// Of which only the address is known.
    pub(super) fn new(host: String, port: i64) -> Node {
        Node {
            host,
            port,
            bus_port: 0,
            id: String::new(),
            link: None,
            slots: SlotSet::new(),
            flags: Vec::new(),
            replicates: None,
            replicas: 0,
            migrating: Vec::new(),
            importing: Vec::new(),
            dirty: false,
            weight: 1.0,
        }
    }

    /// `host:port`.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub(super) fn place(&self) -> Place {
        Place::Tcp(self.host.clone(), self.port)
    }

    pub(super) fn is_replica(&self) -> bool {
        self.has("slave")
    }

    pub(super) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|has| has == flag)
    }

    /// Takes over what it says of itself.
    pub(super) fn describe(&mut self, line: Line) {
        self.id = line.id;
        if line.bus_port != 0 {
            self.bus_port = line.bus_port;
        }
        self.flags = line.flags;
        self.replicates = self.is_replica().then_some(line.master);
        self.slots = line.slots;
        self.migrating = line.migrating;
        self.importing = line.importing;
        self.dirty = false;
    }

    /// Two or three lines for people, without the last line end.
    pub(super) fn lines(&self, indent: usize) -> String {
        let space = " ".repeat(indent);
        let (id, address) = (&self.id, self.address());
        let mut text = match &self.replicates {
            Some(_) if self.dirty => format!("S: {id} {address}"),
            _ => {
                let role = if self.is_replica() { 'S' } else { 'M' };
                let flags: Vec<&str> = self
                    .flags
                    .iter()
                    .map(String::as_str)
                    .filter(|flag| *flag != "myself")
                    .collect();
                format!(
                    "{role}: {id} {address}\n{space}   slots:{} ({} slots) {}",
                    slots_text(&self.slots),
                    self.slots.len(),
                    flags.join(",")
                )
            }
        };
        if let Some(master) = &self.replicates {
            text += &format!("\n{space}   replicates {master}");
        } else if self.replicas > 0 {
            text += &format!("\n{space}   {} additional replica(s)", self.replicas);
        }
        text
    }
}

/// `[0-1],[5]`.
pub(super) fn slots_text(slots: &SlotSet) -> String {
    let ranges = slots
        .ranges()
        .into_iter()
        .map(|range| match (range.start, range.end) {
            (start, end) if start == end => format!("[{start}]"),
            (start, end) => format!("[{start}-{end}]"),
        });
    ranges.collect::<Vec<_>>().join(",")
}

/// The open slots of all nodes, each once, in order.
pub(super) fn open_slots(nodes: &[Node]) -> Vec<Slot> {
    let mut open = BTreeMap::new();
    for node in nodes {
        for (slot, id) in node.migrating.iter().chain(&node.importing) {
            open.insert(*slot, id);
        }
    }
    open.into_keys()
        .filter_map(|slot| Slot::new(slot).ok())
        .collect()
}
