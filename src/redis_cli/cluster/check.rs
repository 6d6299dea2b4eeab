//! `--cluster check`, `info`, and the check that other subcommands begin with.

use crate::cluster::SlotSet;
use crate::redis_cli::halt::Flow;
use crate::redis_cli::value::Value;

use super::node::open_slots;
use super::nodes_text::signature;
use super::work::Work;

/// How a check is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Manner {
    /// The nodes are not shown.
    pub(super) quiet: bool,
    /// What is wrong is put right.
    pub(super) fix: bool,
}

impl Manner {
    pub(super) const PLAIN: Manner = Manner {
        quiet: false,
        fix: false,
    };
    pub(super) const QUIET: Manner = Manner {
        quiet: true,
        fix: false,
    };
    pub(super) const FIX: Manner = Manner {
        quiet: false,
        fix: true,
    };
}

impl Work<'_, '_> {
    /// `check` and `fix`. Whether all is well.
    pub(super) fn run_check(&mut self, manner: Manner) -> Flow<bool> {
        let cluster = self.cluster_of(&self.call.arguments)?;
        self.load(cluster)?;
        self.show_sizes()?;
        self.check(manner)
    }

    /// `info`.
    pub(super) fn run_info(&mut self) -> Flow<bool> {
        let cluster = self.cluster_of(&self.call.arguments)?;
        self.load(cluster)?;
        self.show_sizes()?;
        Ok(true)
    }

    /// A line a master: keys, slots, replicas.
    fn show_sizes(&mut self) -> Flow {
        let (mut keys, mut masters) = (0, 0);
        for at in self.masters() {
            let size = match self.ask(at, &["DBSIZE"])? {
                Value::Integer(size) => size,
                other => {
                    let address = self.address(at);
                    return self.replied_with(&address, other.error().unwrap_or_default());
                }
            };
            let Some(node) = self.nodes.get(at) else {
                continue;
            };
            let id = &node.id;
            let replicas = self
                .nodes
                .iter()
                .filter(|other| other.replicates.as_ref() == Some(id))
                .count();
            let line = format!(
                "{} ({}...) -> {size} keys | {} slots | {replicas} slaves.\n",
                node.address(),
                id.get(..8).unwrap_or(id),
                node.slots.len()
            );
            self.say(line)?;
            masters += 1;
            keys += size;
        }
        self.good(format_args!("[OK] {keys} keys in {masters} masters.\n"))?;
        // In 32 bits, as what is compared with.
        self.say(format_args!(
            "{:.2} keys per slot on average.\n",
            keys as f32 / 16384.0
        ))
    }

    /// Looks whether the nodes agree, no slot is open and every slot has an owner. Whether all is well, or was put right.
    pub(super) fn check(&mut self, manner: Manner) -> Flow<bool> {
        let address = self.address(0);
        self.info(format_args!(
            ">>> Performing Cluster Check (using node {address})\n"
        ))?;
        if !manner.quiet {
            self.show_nodes()?;
        }
        let mut result = true;
        if self.agree()? {
            self.good("[OK] All nodes agree about slots configuration.\n")?;
        } else {
            self.problem("[ERR] Nodes don't agree about configuration!")?;
            result = false;
        }
        self.info(">>> Check for open slots...\n")?;
        result = self.check_open_slots(manner)?.unwrap_or(result);
        self.info(">>> Check slots coverage...\n")?;
        let mut covered = SlotSet::new();
        for node in &self.nodes {
            covered = covered.union(&node.slots);
        }
        if covered.is_all() {
            self.good("[OK] All 16384 slots covered.\n")?;
        } else {
            self.problem("[ERR] Not all 16384 slots are covered by nodes.\n")?;
            result = manner.fix && self.fix_coverage(&covered)?;
        }
        if self.call.flags.search_multiple_owners {
            self.check_owners(&mut result, manner)?;
        }
        Ok(result)
    }

    /// Shows all nodes.
    pub(super) fn show_nodes(&mut self) -> Flow {
        let text: Vec<String> = self.nodes.iter().map(|node| node.lines(0) + "\n").collect();
        self.say(text.concat())
    }

    /// Whether all nodes see the same owners of the same slots.
    pub(super) fn agree(&mut self) -> Flow<bool> {
        if self.nodes.len() <= 1 {
            return Ok(!self.nodes.is_empty());
        }
        let mut first = None;
        for at in 0..self.nodes.len() {
            let reply = self.ask(at, &["CLUSTER", "NODES"])?;
            let Some(seen) = reply.text().and_then(signature) else {
                return Ok(false);
            };
            match &first {
                None => first = Some(seen),
                Some(first) if *first != seen => return Ok(false),
                Some(_) => {}
            }
        }
        Ok(true)
    }

    /// Whether open slots were closed; `None` where there are none.
    fn check_open_slots(&mut self, manner: Manner) -> Flow<Option<bool>> {
        let mut warnings = Vec::new();
        for node in &self.nodes {
            for (open, state) in [
                (&node.migrating, "migrating"),
                (&node.importing, "importing"),
            ] {
                if !open.is_empty() {
                    let slots: Vec<String> =
                        open.iter().map(|(slot, _)| slot.to_string()).collect();
                    let address = node.address();
                    warnings.push(format!(
                        "[WARNING] Node {address} has slots in {state} state {}.",
                        slots.join(",")
                    ));
                }
            }
        }
        for warning in warnings {
            self.problem(warning)?;
        }
        let open = open_slots(&self.nodes);
        if open.is_empty() {
            return Ok(None);
        }
        let slots: Vec<String> = open.iter().map(ToString::to_string).collect();
        self.wrong(format_args!(
            "[WARNING] The following slots are open: {}.\n",
            slots.join(",")
        ))?;
        if manner.fix {
            for slot in open {
                if !self.fix_open_slot(slot)? {
                    return Ok(Some(false));
                }
            }
        }
        Ok(Some(manner.fix))
    }
}
