//! Giving owners to slots that have none, or several.

use crate::cluster::{Slot, SlotSet};
use crate::redis_cli::halt::{Flow, Halt};
use crate::redis_cli::value::Value;
use rand::seq::IndexedRandom;

use super::check::Manner as Check;
use super::move_slot::Manner;
use super::node::slots_text;
use super::work::Work;

/// A slot without an owner, and the masters that have keys of it.
type Orphan = (Slot, Vec<usize>);

impl Work<'_, '_> {
    /// Refuses to decide over slots that a master may have that can't be asked.
    pub(super) fn refuse_blind_fix(&mut self, what: &str) -> Flow {
        if self.unreachable_masters == 0 || self.call.flags.fix_with_unreachable_masters {
            return Ok(());
        }
        let count = self.unreachable_masters;
        self.warn(format_args!(
            "*** Fixing {what} with {count} unreachable masters is dangerous: redis-cli will assume that slots about masters that are not reachable are not covered, and will try to reassign them to the reachable nodes. This can cause data loss and is rarely what you want to do. If you really want to proceed use the --cluster-fix-with-unreachable-masters option.\n"
        ))?;
        Err(Halt::Exit(1))
    }

    /// Gives every slot that is not in `covered` an owner, as far as the user agrees. Whether anything was done.
    pub(super) fn fix_coverage(&mut self, covered: &SlotSet) -> Flow<bool> {
        self.refuse_blind_fix("slots coverage")?;
        self.info(">>> Fixing slots coverage...\n")?;
        let mut orphans: [Vec<Orphan>; 3] = Default::default();
        for slot in SlotSet::all().difference(covered).iter() {
            let mut holders = Vec::new();
            for at in self.masters() {
                let keys = self.must(at, &["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "1"])?;
                if keys.items().is_some_and(|keys| !keys.is_empty()) {
                    holders.push(at);
                }
            }
            if let Some(list) = orphans.get_mut(holders.len().min(2)) {
                list.push((slot, holders));
            }
        }
        let [none, one, several] = orphans;
        let mut done = false;
        if self.agreed(
            &none,
            "have no keys across the cluster",
            "by covering with a random node",
        )? {
            for (slot, _) in none {
                let Some(&owner) = self.masters().choose(&mut rand::rng()) else {
                    return Err(Halt::Exit(1));
                };
                let address = self.address(owner);
                self.info(format_args!(">>> Covering slot {slot} with {address}\n"))?;
                self.own(owner, slot, false)?;
                done = true;
            }
        }
        if self.agreed(
            &one,
            "have keys in just one node",
            "by covering with those nodes",
        )? {
            for (slot, holders) in one {
                for owner in holders {
                    let address = self.address(owner);
                    self.info(format_args!(">>> Covering slot {slot} with {address}\n"))?;
                    self.own(owner, slot, false)?;
                    done = true;
                }
            }
        }
        if self.agreed(
            &several,
            "have keys in multiple nodes",
            "by moving keys into a single node",
        )? {
            for (slot, holders) in several {
                self.gather_slot(slot, &holders)?;
                done = true;
            }
        }
        Ok(done)
    }

    /// Whether there are such slots, and the user wants them put right so. A yes beforehand is not enough for that.
    fn agreed(&mut self, orphans: &[Orphan], what: &str, how: &str) -> Flow<bool> {
        if orphans.is_empty() {
            return Ok(false);
        }
        let slots: SlotSet = orphans.iter().map(|(slot, _)| *slot).collect();
        self.say(format_args!(
            "The following uncovered slots {what}:\n{}\n",
            slots_text(&slots)
        ))?;
        self.confirm(&format!("Fix these slots {how}?"), false)
    }

    /// Makes the node with the most keys of a slot its owner, and moves the others' keys there.
    fn gather_slot(&mut self, slot: Slot, holders: &[usize]) -> Flow {
        let Some(target) = self.most_keys(slot, holders)? else {
            return Err(Halt::Exit(1));
        };
        let address = self.address(target);
        self.info(format_args!(
            ">>> Covering slot {slot} moving keys to {address}\n"
        ))?;
        self.own(target, slot, true)?;
        for &source in holders.iter().filter(|at| **at != target) {
            self.must_set_slot(source, target, slot, "NODE")?;
            // Importing, although keys leave it: so that MIGRATE is not redirected.
            self.must_set_slot(source, target, slot, "IMPORTING")?;
            let manner = Manner {
                dots: true,
                cold: true,
                fix: true,
                quiet: false,
            };
            if self.move_slot(slot, source, target, manner)?.is_err() {
                return Err(Halt::Exit(0));
            }
            self.settle(source, slot)?;
        }
        Ok(())
    }

    /// Makes a node the owner of a slot, in an epoch of its own.
    pub(super) fn own(&mut self, owner: usize, slot: Slot, settle: bool) -> Flow {
        let text = slot.to_string();
        self.must(owner, &["MULTI"])?;
        self.ask(owner, &["CLUSTER", "DELSLOTS", &text])?;
        self.ask(owner, &["CLUSTER", "ADDSLOTS", &text])?;
        if settle {
            self.ask(owner, &["CLUSTER", "SETSLOT", &text, "STABLE"])?;
        }
        self.ask(owner, &["CLUSTER", "BUMPEPOCH"])?;
        let replies = self.must(owner, &["EXEC"])?;
        for (at, reply) in replies.items().unwrap_or_default().iter().enumerate() {
            // The first one fails where the slot had no owner, as it should.
            if let Some(error) = reply.error().filter(|_| at > 0) {
                let address = self.address(owner);
                self.replied_with(&address, error)?;
                return Err(Halt::Exit(1));
            }
        }
        if let Some(node) = self.nodes.get_mut(owner) {
            node.slots.insert(slot);
        }
        Ok(())
    }

    /// Closes a slot on a node.
    pub(super) fn settle(&mut self, at: usize, slot: Slot) -> Flow {
        self.must(at, &["CLUSTER", "SETSLOT", &slot.to_string(), "STABLE"])?;
        Ok(())
    }

    /// CLUSTER SETSLOT whose refusal ends the call.
    pub(super) fn must_set_slot(
        &mut self,
        at: usize,
        other: usize,
        slot: Slot,
        state: &str,
    ) -> Flow {
        match self.set_slot(at, other, slot, state)? {
            Ok(()) => Ok(()),
            Err(error) => {
                let address = self.address(at);
                self.replied_with(&address, error.as_bytes())?;
                Err(Halt::Exit(1))
            }
        }
    }

    /// How many keys of a slot a node has.
    pub(super) fn count_keys(&mut self, at: usize, slot: Slot) -> Flow<i64> {
        match self.must(at, &["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()])? {
            Value::Integer(count) => Ok(count),
            _ => Ok(0),
        }
    }

    /// The one of these with the most keys of a slot, the first of several.
    pub(super) fn most_keys(&mut self, slot: Slot, nodes: &[usize]) -> Flow<Option<usize>> {
        let mut most = None;
        for &at in nodes {
            let count = self.count_keys(at, slot)?;
            if most.is_none_or(|(_, highest)| count > highest) {
                most = Some((at, count));
            }
        }
        Ok(most.map(|(at, _)| at))
    }

    /// Looks for slots that several masters own or have keys of.
    pub(super) fn check_owners(&mut self, result: &mut bool, manner: Check) -> Flow {
        self.info(">>> Check for multiple slot owners...\n")?;
        let mut found = false;
        for slot in SlotSet::all().iter() {
            let mut owners = Vec::new();
            for at in self.masters() {
                let owns = self
                    .nodes
                    .get(at)
                    .is_some_and(|node| node.slots.contains(slot));
                if owns || self.count_keys(at, slot)? > 0 {
                    owners.push(at);
                }
            }
            if owners.len() < 2 {
                continue;
            }
            *result = false;
            self.wrong(format_args!(
                "[WARNING] Slot {slot} has {} owners:\n",
                owners.len()
            ))?;
            for at in &owners {
                let address = self.address(*at);
                self.wrong(format_args!("    {address}\n"))?;
            }
            if !manner.fix {
                found = true;
                continue;
            }
            *result = self.fix_owners(slot, &owners)?;
            if !*result {
                found = true;
                self.wrong(format_args!(
                    "Failed to fix multiple owners for slot {slot}\n"
                ))?;
                break;
            }
        }
        if !found {
            self.good("[OK] No multiple owners found.\n")?;
        }
        Ok(())
    }

    /// Makes the one with the most keys the owner, and moves the others' keys there.
    fn fix_owners(&mut self, slot: Slot, owners: &[usize]) -> Flow<bool> {
        self.info(format_args!(
            ">>> Fixing multiple owners for slot {slot}...\n"
        ))?;
        let Some(owner) = self.most_keys(slot, owners)? else {
            return Ok(false);
        };
        let address = self.address(owner);
        self.info(format_args!(">>> Setting slot {slot} owner: {address}\n"))?;
        self.own(owner, slot, false)?;
        for at in self.masters().into_iter().filter(|at| *at != owner) {
            let count = self.count_keys(at, slot)?;
            self.disown(at, slot)?;
            self.must_set_slot(at, owner, slot, "node")?;
            let manner = Manner {
                dots: true,
                cold: true,
                fix: true,
                quiet: false,
            };
            if count > 0 && self.move_slot(slot, at, owner, manner)?.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A node owns a slot no more. It may not have owned it.
    pub(super) fn disown(&mut self, at: usize, slot: Slot) -> Flow {
        let reply = self.ask(at, &["CLUSTER", "DELSLOTS", &slot.to_string()])?;
        if let Some(error) = reply.error() {
            let text = String::from_utf8_lossy(error).into_owned();
            if !text.contains("already unassigned") {
                let address = self.address(at);
                self.replied_with(&address, error)?;
                return Err(Halt::Exit(1));
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.slots.remove(slot);
        }
        Ok(())
    }
}
