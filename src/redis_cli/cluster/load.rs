//! Getting to know a cluster from one of its nodes.

use crate::redis_cli::halt::{Flow, Halt};
use crate::redis_cli::numbers::leading_integer;
use crate::redis_cli::value::Value;

use super::node::Node;
use super::nodes_text::{Line, lines};
use super::work::{Connected, Work};

impl Work<'_, '_> {
    /// Asks the node of this address which nodes there are, and each of those what it is. Nodes that can't be used are left out.
    pub(super) fn load(&mut self, (host, port): (String, i64)) -> Flow {
        let mut seed = Node::new(host, port);
        if self.connect(&mut seed)? == Connected::No {
            return Err(Halt::Exit(1));
        }
        self.load_from(seed)
    }

    /// The same from a node with a connection.
    pub(super) fn load_from(&mut self, mut seed: Node) -> Flow {
        self.must_be_of_cluster(&mut seed)?;
        let others = self.describe(&mut seed)?;
        self.nodes = vec![seed];
        for line in others {
            self.load_other(line)?;
        }
        self.count_replicas()
    }

    fn load_other(&mut self, line: Line) -> Flow {
        let mut node = Node::new(line.host.clone(), line.port);
        let seen_as_replica = line.flags.iter().any(|flag| flag == "slave");
        let unusable =
            |flags: &[String]| flags.iter().any(|flag| flag == "noaddr" || flag == "fail");
        // Also one that is said to have failed is called: whoever works on the cluster sees why it is left out.
        if line.port != 0 && self.connect(&mut node)? == Connected::Yes {
            let described = self.ask_node(&mut node, &["CLUSTER", "NODES"])?;
            let myself = described
                .text()
                .map(lines)
                .unwrap_or_default()
                .into_iter()
                .find(Line::is_myself);
            match myself {
                Some(myself) if !unusable(&line.flags) && !unusable(&myself.flags) => {
                    node.describe(myself);
                    self.nodes.push(node);
                    return Ok(());
                }
                Some(_) => {}
                None => {
                    let address = node.address();
                    self.wrong(format_args!(
                        "[ERR] Unable to load info for node {address}\n"
                    ))?;
                }
            }
        }
        self.unreachable_masters += usize::from(!seen_as_replica);
        Ok(())
    }

    fn count_replicas(&mut self) -> Flow {
        for at in 0..self.nodes.len() {
            let Some(master) = self.nodes.get(at).and_then(|node| node.replicates.clone()) else {
                continue;
            };
            match self
                .by_id(&master)
                .and_then(|place| self.nodes.get_mut(place))
            {
                Some(master) => master.replicas += 1,
                None => {
                    let address = self.address(at);
                    self.warn(format_args!(
                        "*** WARNING: {address} claims to be slave of unknown node ID {master}.\n"
                    ))?;
                }
            }
        }
        Ok(())
    }

    /// Reads what a node says of itself; returns what it says of the others.
    pub(super) fn describe(&mut self, node: &mut Node) -> Flow<Vec<Line>> {
        let reply = self.ask_node(node, &["CLUSTER", "NODES"])?;
        if let Some(error) = reply.error() {
            self.replied_with(&node.address(), error)?;
            return Err(Halt::Exit(1));
        }
        let mut others = Vec::new();
        for line in reply.text().map(lines).unwrap_or_default() {
            if line.is_myself() {
                node.describe(line);
            } else {
                others.push(line);
            }
        }
        Ok(others)
    }

    /// Ends the call where a node has no cluster mode.
    pub(super) fn must_be_of_cluster(&mut self, node: &mut Node) -> Flow {
        let info = self.ask_node(node, &["INFO"])?;
        self.info_or_end(node, &info)?;
        if field(&info, "cluster_enabled") == Some(1) {
            return Ok(());
        }
        let address = node.address();
        self.fail(format_args!(
            "[ERR] Node {address} is not configured as a cluster node.\n"
        ))
    }

    /// Ends the call where a node has keys or knows other nodes.
    pub(super) fn must_be_empty(&mut self, node: &mut Node) -> Flow {
        let info = self.ask_node(node, &["INFO"])?;
        self.info_or_end(node, &info)?;
        let has_keys = info
            .text()
            .unwrap_or_default()
            .windows(4)
            .any(|part| part == b"db0:");
        if !has_keys {
            let info = self.ask_node(node, &["CLUSTER", "INFO"])?;
            self.info_or_end(node, &info)?;
            if field(&info, "cluster_known_nodes") == Some(1) {
                return Ok(());
            }
        }
        let address = node.address();
        self.fail(format_args!(
            "[ERR] Node {address} is not empty. Either the node already knows other nodes (check with CLUSTER NODES) or contains some key in database 0.\n"
        ))
    }

    fn info_or_end(&mut self, node: &Node, info: &Value) -> Flow {
        match info.error() {
            None => Ok(()),
            Some(error) => {
                let (address, error) =
                    (node.address(), String::from_utf8_lossy(error).into_owned());
                self.fail(format_args!("[ERR] Node {address} {error}\n"))
            }
        }
    }
}

/// A number of INFO.
pub(super) fn field(info: &Value, name: &str) -> Option<i64> {
    let text = info.text()?;
    text.split(|byte| *byte == b'\n').find_map(|line| {
        let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
        Some(leading_integer(value))
    })
}
