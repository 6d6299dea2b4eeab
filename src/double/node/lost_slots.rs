//! What a node of a cluster owes to clients that listen or wait at a slot which it serves no longer.

use super::client::ClientKey;
use super::failure::Failure;
use super::routing::Redirect;
use super::server::Server;
use super::table::{Flags, Table};
use crate::cluster::Slot;

impl Server {
    /// To be said when who serves what may have changed: clients that listen to a shard's channel whose slot has gone listen to it no longer, and are told so;
    /// those that wait for a key of it are sent on.
    pub(in crate::double) fn look_at_slots(&mut self) {
        if self.cluster.is_none() {
            return;
        }
        if !self.shard_channels.is_empty() {
            self.end_lost_channels();
        }
        if !self.dbs[0].waiting.is_empty() {
            self.redirect_waiting();
        }
    }

    fn end_lost_channels(&mut self) {
        let Some(member) = self.cluster.as_deref() else {
            return;
        };
        let view = &member.view;
        let myself = view.myself();
        let is_here = |channel: &[u8]| {
            let owner = view.owner(Slot::of_key(channel));
            owner.is_some() && (owner == Some(view.me) || owner == myself.replica_of)
        };
        let lost: Vec<Box<[u8]>> = self
            .shard_channels
            .keys()
            .filter(|channel| !is_here(channel))
            .cloned()
            .collect();
        for channel in lost {
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
