//! Moving one slot with its keys.

use crate::cluster::Slot;
use crate::redis_cli::halt::{Flow, Halt};
use crate::redis_cli::value::Value;

use super::work::Work;

/// How a slot is moved.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    /// Nothing is said about it.
    pub(super) quiet: bool,
    /// A dot for every key.
    pub(super) dots: bool,
    /// Only the keys: who owns the slot is settled already.
    pub(super) cold: bool,
    /// Missing owners are put right, and what can't be is told where it happens.
    pub(super) fix: bool,
}

/// A node's refusal, as text; or that the reason is told already.
pub(super) type Refusal = Option<String>;

/// From a source that has become a replica because it gave its last slot away.
const NO_MASTER_ANY_MORE: &str = "ERR Please use SETSLOT only with masters.";

/// The error that a node answers with, if it does.
fn refusal(reply: &Value) -> Option<String> {
    let error = reply.error()?;
    Some(String::from_utf8_lossy(error).into_owned())
}

impl Work<'_, '_> {
    /// Moves a slot, and tells every master. What the slots of `nodes` are is brought up to date.
    pub(super) fn move_slot(
        &mut self,
        slot: Slot,
        source: usize,
        target: usize,
        manner: Manner,
    ) -> Flow<Result<(), Refusal>> {
        if !manner.quiet {
            let (from, to) = (self.address(source), self.address(target));
            self.progress(format_args!("Moving slot {slot} from {from} to {to}: "))?;
        }
        let keys = self.keys_asked_for(slot);
        let first = if manner.cold {
            self.ask(source, &keys)?
        } else {
            if let Err(error) = self.set_slot(target, source, slot, "importing")? {
                return self.refused(target, error, manner);
            }
            // Both are for the source, and most slots have no keys: one trip for two.
            let migrating = self.setting_of(target, slot, "migrating");
            let (set, first) = self.ask_both(source, &migrating, &keys)?;
            if let Some(error) = refusal(&set) {
                return self.refused(source, error, manner);
            }
            first
        };
        let moved = self.move_keys(first, slot, source, target, manner)?;
        if !manner.quiet {
            self.say("\n")?;
        }
        if moved.is_err() || manner.cold {
            return Ok(moved);
        }
        // The target first: should this end in the middle, a slot with two owners is better than one with none.
        if let Err(error) = self.set_slot(target, target, slot, "node")? {
            return self.refused(target, error, manner);
        }
        match self.set_slot(source, target, slot, "node")? {
            Err(error) if !error.starts_with(NO_MASTER_ANY_MORE) => {
                return self.refused(source, error, manner);
            }
            _ => {}
        }
        for node in self.masters() {
            if node != source
                && node != target
                && let Err(error) = self.set_slot(node, target, slot, "node")?
            {
                return self.refused(node, error, manner);
            }
        }
        if let Some(node) = self.nodes.get_mut(source) {
            node.slots.remove(slot);
        }
        if let Some(node) = self.nodes.get_mut(target) {
            node.slots.insert(slot);
        }
        Ok(Ok(()))
    }

    /// A node would not. A fix tells it here, others in their own words.
    fn refused(&mut self, node: usize, error: String, manner: Manner) -> Flow<Result<(), Refusal>> {
        if manner.fix {
            let address = self.address(node);
            self.replied_with(&address, error.as_bytes())?;
        }
        Ok(Err(Some(error)))
    }

    /// CLUSTER SETSLOT on `node`, with the id of `other`; the error of the node.
    pub(super) fn set_slot(
        &mut self,
        node: usize,
        other: usize,
        slot: Slot,
        state: &str,
    ) -> Flow<Result<(), String>> {
        let reply = self.ask(node, &self.setting_of(other, slot, state))?;
        Ok(refusal(&reply).map_or(Ok(()), Err))
    }

    /// CLUSTER SETSLOT, with the id of `other`.
    fn setting_of(&self, other: usize, slot: Slot, state: &str) -> Vec<String> {
        let (slot, id) = (slot.to_string(), self.id(other));
        let words = ["CLUSTER", "SETSLOT", &slot, state, &id];
        words.map(str::to_owned).to_vec()
    }

    /// The question for some keys of a slot.
    fn keys_asked_for(&self, slot: Slot) -> Vec<String> {
        let (slot, pipeline) = (slot.to_string(), self.call.pipeline.to_string());
        let words = ["CLUSTER", "GETKEYSINSLOT", &slot, &pipeline];
        words.map(str::to_owned).to_vec()
    }

    /// Moves the keys that the source has told of at `first`, and all others.
    fn move_keys(
        &mut self,
        first: Value,
        slot: Slot,
        source: usize,
        target: usize,
        manner: Manner,
    ) -> Flow<Result<(), Refusal>> {
        let address = self.address(source);
        let mut reply = first;
        loop {
            if let Some(error) = refusal(&reply) {
                self.replied_with(&address, error.as_bytes())?;
                return Ok(Err(Some(error)));
            }
            let keys: Vec<&[u8]> = reply
                .items()
                .unwrap_or_default()
                .iter()
                .filter_map(Value::text)
                .collect();
            if keys.is_empty() {
                return Ok(Ok(()));
            }
            let moved = self.migrate(source, target, &keys, false)?;
            if let Some(error) = refusal(&moved) {
                let refused = match self.overcome(&error, slot, source, target, &keys, manner)? {
                    Overcome::Retry { replace } => {
                        refusal(&self.migrate(source, target, &keys, replace)?)
                    }
                    Overcome::No => Some(error),
                    Overcome::Told => return Ok(Err(None)),
                };
                if let Some(error) = refused {
                    self.say("\n")?;
                    self.replied_with(&address, error.as_bytes())?;
                    return Ok(Err(Some(error)));
                }
            }
            // What went only at the second try gets none.
            if manner.dots && moved.error().is_none() {
                self.progress(".".repeat(keys.len()))?;
            }
            reply = self.ask(source, &self.keys_asked_for(slot))?;
        }
    }

    /// MIGRATE of these keys. A key may be gone by now: that is no error.
    fn migrate(
        &mut self,
        source: usize,
        target: usize,
        keys: &[&[u8]],
        replace: bool,
    ) -> Flow<Value> {
        let Some((host, port)) = self
            .nodes
            .get(target)
            .map(|node| (node.host.clone(), node.port.to_string()))
        else {
            return Err(Halt::Exit(1));
        };
        let timeout = self.call.timeout.to_string();
        let mut words: Vec<&[u8]> = vec![
            b"MIGRATE",
            host.as_bytes(),
            port.as_bytes(),
            b"",
            b"0",
            timeout.as_bytes(),
        ];
        if replace {
            words.push(b"REPLACE");
        }
        let login = &self.options.login;
        match (&login.user, &login.password) {
            (Some(user), Some(password)) => words.extend([b"AUTH2".as_slice(), user, password]),
            (None, Some(password)) => words.extend([b"AUTH".as_slice(), password]),
            _ => {}
        }
        words.push(b"KEYS");
        words.extend_from_slice(keys);
        self.ask(source, &words)
    }

    /// What can be done about an error of MIGRATE.
    fn overcome(
        &mut self,
        error: &str,
        slot: Slot,
        source: usize,
        target: usize,
        keys: &[&[u8]],
        manner: Manner,
    ) -> Flow<Overcome> {
        if error.contains("BUSYKEY") {
            self.warn("\n*** Target key exists\n")?;
            if !self.call.flags.replace {
                self.warn("*** Checking key values on both nodes...\n")?;
                let Some(different) = self.different(source, target, keys)? else {
                    self.wrong("*** Value check failed!\n")?;
                    return Ok(Overcome::Told);
                };
                if !different.is_empty() {
                    self.tell_different(source, target, &different)?;
                    return Ok(Overcome::Told);
                }
            }
            self.warn("*** Replacing target keys...\n")?;
            return Ok(Overcome::Retry { replace: true });
        }
        // Nobody serves it, as far as the source knows: that is why it would not let the keys go.
        if !self.is_served(source, slot)? {
            if manner.fix {
                let address = self.address(target);
                self.warn(format_args!(
                    "*** Slot was not served, setting owner to node {address}.\n"
                ))?;
                if let Err(error) = self.set_slot(source, target, slot, "node")? {
                    let address = self.address(source);
                    self.replied_with(&address, error.as_bytes())?;
                }
            }
            return Ok(Overcome::Retry { replace: false });
        }
        Ok(Overcome::No)
    }

    /// Whether a node knows an owner of a slot, one of the nodes that are worked on.
    fn is_served(&mut self, at: usize, slot: Slot) -> Flow<bool> {
        let table = self.ask(at, &["CLUSTER", "SLOTS"])?;
        if let Some(error) = table.error() {
            let address = self.address(at);
            self.replied_with(&address, error)?;
            return Ok(true);
        }
        let slot = i64::from(slot.get());
        let is_owned = |entry: &Value| match entry.items() {
            Some([Value::Integer(start), Value::Integer(end), owner, ..]) => {
                let id = owner.items().and_then(|parts| parts.get(2)?.text());
                (*start..=*end).contains(&slot)
                    && id.is_some_and(|id| self.by_id(&String::from_utf8_lossy(id)).is_some())
            }
            _ => false,
        };
        Ok(table.items().unwrap_or_default().iter().any(is_owned))
    }

    /// The keys whose values on the two nodes are not the same; `None` where that can't be found out.
    fn different(
        &mut self,
        source: usize,
        target: usize,
        keys: &[&[u8]],
    ) -> Flow<Option<Vec<String>>> {
        let mut words: Vec<&[u8]> = vec![b"DEBUG", b"DIGEST-VALUE"];
        words.extend_from_slice(keys);
        let mut digests = Vec::new();
        for node in [source, target] {
            let reply = self.ask(node, &words)?;
            if let Some(error) = reply.error() {
                let address = self.address(node);
                self.replied_with(&address, error)?;
                return Ok(None);
            }
            digests.push(reply);
        }
        let [Some(here), Some(there)] =
            [digests.first(), digests.get(1)].map(|reply| reply.and_then(Value::items))
        else {
            return Ok(None);
        };
        let pairs = keys.iter().zip(here.iter().zip(there));
        let different = pairs.filter(|(_, (here, there))| here != there);
        Ok(Some(
            different
                .map(|(key, _)| String::from_utf8_lossy(key).into_owned())
                .collect(),
        ))
    }

    fn tell_different(&mut self, source: usize, target: usize, keys: &[String]) -> Flow {
        let (from, to) = (self.address(source), self.address(target));
        self.wrong(format_args!(
            "*** Found {} key(s) in both source node and target node having different values.\n    Source node: {from}\n    Target node: {to}\n    Keys(s):\n",
            keys.len()
        ))?;
        for key in keys {
            self.wrong(format_args!("    - {key}\n"))?;
        }
        self.wrong(
            "Please fix the above key(s) manually and try again or relaunch the command \nwith --cluster-replace option to force key overriding.\n",
        )
    }
}

/// What is to be done after an error of MIGRATE.
enum Overcome {
    /// The same once more.
    Retry { replace: bool },
    /// Nothing.
    No,
    /// Nothing, and all is said.
    Told,
}
