//! Who serves which slots.

use std::sync::Arc;

use super::around::Around;
use super::effect::Effect;
use super::message::{Body, Header, Message};
use super::peer::PeerKey;
use super::sabotage::Sabotage;
use super::view::View;
use crate::cluster::{Slot, SlotSet};

impl View {
    /// A slot has this owner from now on, or none: `clusterAddSlot`, `clusterDelSlot`. Does not look at `migrating` and `importing`.
    pub fn give_slot(&mut self, slot: Slot, owner: Option<PeerKey>) {
        if self.owner(slot) == owner {
            return;
        }
        self.unbind(slot);
        if let Some(owner) = owner {
            self.bind(slot, owner);
        }
        self.todo.state = true;
    }

    /// A node that has no slots yet serves these, of which nobody has any: for a cluster that is there from the start. All views may share the set.
    pub fn give_slots(&mut self, slots: &Arc<SlotSet>, owner: PeerKey) {
        for slot in slots.iter() {
            self.owners[usize::from(slot.get())] = Some(owner);
        }
        self.peer_mut(owner).slots = Arc::clone(slots);
        self.todo.state = true;
    }

    /// CLUSTER SETSLOT NODE, with all that it brings: the ends of `migrating` and `importing`, a new epoch for a slot that was imported, a master that has lost
    /// its last slot.
    pub fn assign_slot(&mut self, slot: Slot, owner: PeerKey, around: &mut Around<'_>) {
        self.todo.state = true;
        if self.migrating.contains_key(&slot) && (around.keys_in)(slot) == 0 {
            self.migrating.remove(&slot);
        }
        let was_mine = self.owner(slot) == Some(self.me);
        if was_mine && owner != self.me && self.sabotaged(Sabotage::SourceKeepsSlot) {
            return;
        }
        self.unbind(slot);
        self.bind(slot, owner);
        if was_mine
            && owner != self.me
            && !self.myself().serves()
            && around.settings.replica_migration
        {
            self.log_new_master(owner);
            self.set_master(owner);
        }
        if owner == self.me && self.importing.contains_key(&slot) {
            if !self.sabotaged(Sabotage::ImportKeepsEpoch) && self.bump_without_consensus() {
                self.log(format!("configEpoch updated after importing slot {slot}"));
            }
            self.importing.remove(&slot);
            self.broadcast_pong(false, around);
        }
    }

    fn log_new_master(&mut self, master: PeerKey) {
        let id = self.peer(master).id;
        self.log(format!(
            "Configuration change detected. Reconfiguring myself as a replica of {id}"
        ));
    }

    /// Gives a slot that is nobody's to a node.
    pub(super) fn bind(&mut self, slot: Slot, key: PeerKey) {
        if self.owner(slot).is_some() {
            return;
        }
        let first = !self.peer(key).serves();
        Arc::make_mut(&mut self.peer_mut(key).slots).insert(slot);
        self.owners[usize::from(slot.get())] = Some(key);
        // Unless the whole cluster has no replicas, they may move to a new master of slots.
        if first
            && self
                .peers
                .iter()
                .any(|(_, peer)| !peer.flags.replica && !peer.replicas.is_empty())
        {
            self.peer_mut(key).flags.migrate_to = true;
        }
    }

    /// Makes a slot nobody's.
    pub(super) fn unbind(&mut self, slot: Slot) {
        let Some(key) = self.owners[usize::from(slot.get())].take() else {
            return;
        };
        Arc::make_mut(&mut self.peer_mut(key).slots).remove(slot);
        // Whoever has it next is not the one that has ceased to claim it.
        self.unclaimed.remove(slot);
        if key == self.me || self.myself().replica_of == Some(key) {
            self.lost.get_or_insert_default().insert(slot);
        }
    }

    /// Whether nobody claims a slot, as far as known.
    pub(super) fn is_unclaimed(&self, slot: Slot) -> bool {
        self.owner(slot).is_none() || self.unclaimed.contains(slot)
    }

    /// A master claims these slots by this epoch: they are its own where nobody has a newer claim. A node that loses its last slot by that follows the new owner.
    pub(super) fn hear_claim(
        &mut self,
        master: PeerKey,
        epoch: u64,
        claimed: &Arc<SlotSet>,
        around: &Around<'_>,
    ) {
        if master == self.me {
            self.log("Discarding UPDATE message about myself.");
            return;
        }
        let me = self.myself();
        let leader = if me.flags.master {
            Some(self.me)
        } else {
            me.replica_of
        };
        let before = self.peer(master).slots.clone();
        self.unclaimed = self
            .unclaimed
            .difference(&before.intersection(claimed))
            .union(&before.difference(claimed));
        let mut taken_from_leader = 0;
        let mut dirty = Vec::new();
        for slot in claimed.difference(&before).iter() {
            if self.importing.contains_key(&slot) {
                continue;
            }
            let owner = self.owner(slot);
            let newer = self.is_unclaimed(slot)
                || owner.is_some_and(|key| self.peer(key).config_epoch < epoch);
            let newer = match self.sabotage {
                Some(Sabotage::OldClaimsTaken) => true,
                Some(Sabotage::NewClaimsIgnored) => owner.is_none(),
                _ => newer,
            };
            if !newer {
                continue;
            }
            if owner == Some(self.me) && (around.keys_in)(slot) > 0 {
                dirty.push(slot);
            }
            if owner.is_some() && owner == leader {
                taken_from_leader += 1;
            }
            self.unbind(slot);
            self.bind(slot, master);
            self.unclaimed.remove(slot);
            self.todo.state = true;
        }
        let new_master = taken_from_leader > 0
            && leader.is_some_and(|key| !self.peer(key).serves())
            && (around.settings.replica_migration || claimed.len() == taken_from_leader);
        let master_of_master = self
            .myself()
            .replica_of
            .and_then(|key| self.peer(key).replica_of)
            .filter(|key| *key != self.me);
        if new_master && !self.sabotaged(Sabotage::DeposedStaysMaster) {
            self.log_new_master(master);
            self.set_master(master);
            self.todo.state = true;
        } else if let Some(grand) = master_of_master {
            let id = self.peer(grand).id;
            self.log(format!(
                "I'm a sub-replica! Reconfiguring myself as a replica of grandmaster {id}"
            ));
            self.set_master(grand);
            self.todo.state = true;
        } else if !self.sabotaged(Sabotage::LostKeysStay) {
            self.effects.extend(dirty.into_iter().map(Effect::DropKeys));
        }
    }

    /// A node claims slots that another one serves by a newer epoch: it is told.
    pub(super) fn correct_claim(&mut self, sender: PeerKey, header: &Header, around: &Around<'_>) {
        let Some(link) = self.peer(sender).link else {
            return;
        };
        // Of those that are the sender's here as well nothing is to be said, and they are nearly all.
        let others = header.slots.difference(&self.peer(sender).slots);
        let newer = others.iter().find_map(|slot| {
            let owner = self.owner(slot)?;
            let newer =
                !self.is_unclaimed(slot) && self.peer(owner).config_epoch > header.config_epoch;
            newer.then_some(owner)
        });
        if let Some(owner) = newer
            && !self.sabotaged(Sabotage::StaleNotCorrected)
        {
            let peer = self.peer(owner);
            let body = Body::Update {
                node: peer.id,
                config_epoch: peer.config_epoch,
                slots: Arc::new(peer.slots.difference(&self.unclaimed)),
            };
            let header = self.header(false, around);
            self.send(link.id, Message { header, body });
        }
    }
}
