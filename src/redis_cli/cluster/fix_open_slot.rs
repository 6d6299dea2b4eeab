//! Closing a slot that was left open.

use crate::cluster::Slot;
use crate::redis_cli::halt::Flow;

use super::move_slot::Manner;
use super::work::Work;

const DOTS: Manner = Manner {
    dots: true,
    cold: false,
    fix: true,
    quiet: false,
};
const COLD: Manner = Manner { cold: true, ..DOTS };

/// Who says what of an open slot.
struct Open {
    slot: Slot,
    owner: Option<usize>,
    owners: Vec<usize>,
    migrating: Vec<usize>,
    /// Also nodes that have keys of it for no reason.
    importing: Vec<usize>,
}

impl Work<'_, '_> {
    /// Finds an owner for an open slot, moves its keys there and closes it. Whether that was possible.
    pub(super) fn fix_open_slot(&mut self, slot: Slot) -> Flow<bool> {
        self.refuse_blind_fix("open slots")?;
        self.info(format_args!(">>> Fixing open slot {slot}\n"))?;
        let mut open = self.survey(slot)?;
        let migrating = self.addresses(&open.migrating);
        let importing = self.addresses(&open.importing);
        for (what, addresses) in [("migrating", &migrating), ("importing", &importing)] {
            if !addresses.is_empty() {
                self.say(format_args!("Set as {what} in: {addresses}\n"))?;
            }
        }
        let owner = match open.owner {
            Some(owner) => owner,
            None => self.choose_owner(&mut open)?,
        };
        self.leave_one_owner(&mut open, owner)?;
        match (open.migrating.as_slice(), open.importing.as_slice()) {
            (&[source], &[target]) => {
                let (from, to) = (self.address(source), self.address(target));
                self.info(format_args!(
                    ">>> Case 1: Moving slot {slot} from {from} to {to}\n"
                ))?;
                Ok(self.move_slot(slot, source, target, DOTS)?.is_ok())
            }
            ([], [_, ..]) => self.gather_keys(&open, owner),
            (&[source], [_, _, ..]) => match self.close_all_but_one(&open, source)? {
                Some(done) => Ok(done),
                None => self.cannot_fix(owner, &migrating, &importing),
            },
            (migrating_in, importing_in) => {
                let closable = match migrating_in.first().filter(|_| importing_in.is_empty()) {
                    Some(&at) if at == owner => Some(at),
                    Some(&at) => {
                        let keys =
                            self.must(at, &["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "10"])?;
                        keys.items().is_some_and(<[_]>::is_empty).then_some(at)
                    }
                    None => None,
                };
                let Some(at) = closable else {
                    return self.cannot_fix(owner, &migrating, &importing);
                };
                let address = self.address(at);
                self.info(format_args!(
                    ">>> Case 4: Closing slot {slot} on {address}\n"
                ))?;
                self.settle(at, slot)?;
                Ok(true)
            }
        }
    }

    fn addresses(&self, nodes: &[usize]) -> String {
        let addresses: Vec<String> = nodes.iter().map(|at| self.address(*at)).collect();
        addresses.join(",")
    }

    /// Asks all masters about a slot.
    fn survey(&mut self, slot: Slot) -> Flow<Open> {
        let mut open = Open {
            slot,
            owner: None,
            owners: Vec::new(),
            migrating: Vec::new(),
            importing: Vec::new(),
        };
        let masters = self.masters();
        for &at in &masters {
            if self
                .nodes
                .get(at)
                .is_some_and(|node| node.slots.contains(slot))
            {
                open.owners.push(at);
            } else if self.count_keys(at, slot)? > 0 {
                let address = self.address(at);
                self.warn(format_args!(
                    "*** Found keys about slot {slot} in non-owner node {address}!\n"
                ))?;
                open.owners.push(at);
            }
        }
        if let &[owner] = open.owners.as_slice() {
            open.owner = Some(owner);
        }
        for &at in &masters {
            let has = |list: &[(u16, String)]| list.iter().any(|(number, _)| *number == slot.get());
            let Some(node) = self.nodes.get(at) else {
                continue;
            };
            if has(&node.migrating) {
                open.migrating.push(at);
            } else if has(&node.importing) {
                open.importing.push(at);
            } else if Some(at) != open.owner && self.count_keys(at, slot)? > 0 {
                let address = self.address(at);
                self.warn(format_args!(
                    "*** Found keys about slot {slot} in node {address}!\n"
                ))?;
                open.importing.push(at);
            }
        }
        Ok(open)
    }

    /// The node with the most keys becomes the owner.
    fn choose_owner(&mut self, open: &mut Open) -> Flow<usize> {
        self.info(">>> No single clear owner for the slot, selecting an owner by # of keys...\n")?;
        let masters = self.masters();
        let Some(owner) = self.most_keys(open.slot, &masters)? else {
            return self.fail("[ERR] Can't select a slot owner. Impossible to fix.\n");
        };
        let address = self.address(owner);
        self.warn(format_args!(
            "*** Configuring {address} as the slot owner\n"
        ))?;
        self.settle(owner, open.slot)?;
        self.own(owner, open.slot, false)?;
        open.migrating.retain(|at| *at != owner);
        open.importing.retain(|at| *at != owner);
        Ok(owner)
    }

    /// Other owners import the slot from now on, so that what is left is a case with one owner.
    fn leave_one_owner(&mut self, open: &mut Open, owner: usize) -> Flow {
        if open.owners.len() < 2 {
            return Ok(());
        }
        for at in open.owners.clone().into_iter().filter(|at| *at != owner) {
            self.disown(at, open.slot)?;
            self.must_set_slot(at, owner, open.slot, "node")?;
            self.must_set_slot(at, owner, open.slot, "importing")?;
            open.importing.retain(|other| *other != at);
            open.importing.push(at);
            open.migrating.retain(|other| *other != at);
        }
        Ok(())
    }

    /// Nobody gives the slot away, some have keys of it: all keys go to its owner.
    fn gather_keys(&mut self, open: &Open, owner: usize) -> Flow<bool> {
        let (slot, to) = (open.slot, self.address(owner));
        self.info(format_args!(
            ">>> Case 2: Moving all the {slot} slot keys to its owner {to}\n"
        ))?;
        for &at in open.importing.iter().filter(|at| **at != owner) {
            if self.move_slot(slot, at, owner, COLD)?.is_err() {
                return Ok(false);
            }
            let address = self.address(at);
            self.info(format_args!(">>> Setting {slot} as STABLE in {address}\n"))?;
            self.settle(at, slot)?;
        }
        for at in self.masters().into_iter().filter(|at| *at != owner) {
            self.must_set_slot(at, owner, slot, "NODE")?;
        }
        Ok(true)
    }

    /// One gives the slot away, several want it and none has keys of it. `None` where one has.
    fn close_all_but_one(&mut self, open: &Open, source: usize) -> Flow<Option<bool>> {
        let slot = open.slot;
        let wanted = self.nodes.get(source).and_then(|node| {
            let mut open = node.migrating.iter();
            open.find(|(number, _)| *number == slot.get())
                .map(|(_, id)| id.clone())
        });
        for &at in &open.importing {
            if self.count_keys(at, slot)? > 0 {
                return Ok(None);
            }
        }
        let target = open
            .importing
            .iter()
            .copied()
            .find(|at| Some(self.id(*at)) == wanted);
        match target {
            Some(target) => {
                let (from, to) = (self.address(source), self.address(target));
                self.info(format_args!(
                    ">>> Case 3: Moving slot {slot} from {from} to {to} and closing it on all the other importing nodes.\n"
                ))?;
                if self.move_slot(slot, source, target, DOTS)?.is_err() {
                    return Ok(Some(false));
                }
            }
            None => {
                self.info(format_args!(
                    ">>> Case 3: Closing slot {slot} on both migrating and importing nodes.\n"
                ))?;
                self.settle(source, slot)?;
            }
        }
        for &at in open.importing.iter().filter(|at| Some(**at) != target) {
            self.settle(at, slot)?;
        }
        Ok(Some(true))
    }

    fn cannot_fix(&mut self, owner: usize, migrating: &str, importing: &str) -> Flow<bool> {
        let address = self.address(owner);
        self.wrong(format_args!(
            "[ERR] Sorry, redis-cli can't fix this slot yet (work in progress). Slot is set as migrating in {migrating}, as importing in {importing}, owner is {address}\n"
        ))?;
        Ok(false)
    }
}
