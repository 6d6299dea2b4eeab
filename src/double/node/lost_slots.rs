//! What a node of a cluster owes to clients that listen or wait at a slot which it serves no longer.

use super::client::ClientKey;
use super::failure::Failure;
use super::routing::Redirect;
use super::server::Server;
use super::table::{Flags, Table};
use crate::cluster::{Slot, SlotSet};

impl Server {
    /// To be said when who serves what may have changed, or whether the cluster is well: clients that wait for a key that others serve are sent on.
    pub(in crate::double) fn look_at_slots(&mut self) {
        if self.cluster.is_some() && !self.dbs[0].waiting.is_empty() {
            self.redirect_waiting();
        }
    }

    /// Ends all that clients listen to of these slots.
    pub(in crate::double) fn drop_channels(&mut self, slots: &SlotSet) {
        let channels = self.shard_channels.keys();
        let dropped: Vec<Box<[u8]>> = channels
            .filter(|channel| slots.contains(Slot::of_key(channel)))
            .cloned()
            .collect();
        for channel in dropped {
            self.end_shard_channel(&channel);
        }
    }

    /// Sends those on who wait for keys that others serve.
    fn redirect_waiting(&mut self) {
        let clients = self.clients.iter();
        let redirected: Vec<(ClientKey, Redirect)> = clients
            .map(|(at, _)| ClientKey(at))
            .filter_map(|key| Some((key, self.waits_in_vain(key)?)))
            .collect();
        for (key, redirect) in redirected {
            let words = self.redirect_words(redirect);
            self.unblock_with_error(key, &Failure::told(words));
        }
    }

    /// Where a client that waits for a key is to be sent, if this node can't serve it any more.
    fn waits_in_vain(&self, key: ClientKey) -> Option<Redirect> {
        let client = self.clients.get(key.0)?;
        let blocked = client.blocked.as_ref()?;
        // Not every wait is one for keys.
        let waited = blocked.keys.first()?;
        let view = &self.cluster.as_deref()?.view;
        if !view.ok {
            return Some(Redirect::Down);
        }
        let slot = Slot::of_key(waited);
        let owner = view.owner(slot);
        let writes = Table::redis_7_0()
            .spec(blocked.again.command)
            .flags
            .has(Flags::WRITE);
        let myself = view.myself();
        let from_master = owner.is_some() && owner == myself.replica_of && myself.flags.replica;
        if owner == Some(view.me)
            || client.read_only && !writes && from_master
            || view.importing.contains_key(&slot)
        {
            return None;
        }
        Some(match owner {
            None => Redirect::Unbound,
            Some(owner) => Redirect::Moved(slot, owner),
        })
    }
}
