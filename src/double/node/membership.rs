//! A node's place in a cluster.

use rand::rngs::StdRng;

use super::server::Server;
use crate::double::gossip::{Around, Settings, View};

/// What a node of a cluster has that one alone has not.
pub(in crate::double) struct Membership {
    /// What it knows of its cluster.
    pub view: View,
    /// Its share of chance.
    pub random: StdRng,
    /// The settings that the view goes by; taken from the node's own whenever one of them is set.
    pub settings: Settings,
}

impl Server {
    /// Has something done by the view of the cluster. `None`: this node is in none.
    pub(in crate::double) fn in_cluster<T>(
        &mut self,
        what: impl FnOnce(&mut View, &mut Around<'_>) -> T,
    ) -> Option<T> {
        let (now, offset, master_link) = (
            self.now,
            self.replication.offset(),
            self.replication.master_link(),
        );
        let member = self.cluster.as_deref_mut()?;
        let db = &self.dbs[0];
        let mut around = Around {
            now,
            settings: &member.settings,
            offset,
            master_link,
            keys_in: &|slot| db.count_in_slot(slot),
            random: &mut member.random,
        };
        Some(what(&mut member.view, &mut around))
    }
}
