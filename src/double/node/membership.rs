//! A node's place in a cluster.

use rand::rngs::StdRng;

use super::config::Config;
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

impl Settings {
    /// What a node's configuration says.
    pub(in crate::double::node) fn of(config: &Config) -> Settings {
        let number = |name| config.get(name).parse().unwrap_or_default();
        let is_on = |name| config.get(name) == "yes";
        Settings {
            node_timeout: number("cluster-node-timeout"),
            validity_factor: number("cluster-replica-validity-factor"),
            migration_barrier: number("cluster-migration-barrier").max(0) as usize,
            replica_migration: is_on("cluster-allow-replica-migration"),
            full_coverage: is_on("cluster-require-full-coverage"),
            no_failover: is_on("cluster-replica-no-failover"),
            replica_ping_period: number("repl-ping-replica-period"),
            hostname: config.get("cluster-announce-hostname").to_owned(),
            announced_ip: config.get("cluster-announce-ip").to_owned(),
        }
    }
}

impl Server {
    /// Makes this node one of a cluster, which it is until its end.
    pub(in crate::double) fn join(&mut self, view: View, random: StdRng) {
        self.dbs[0].index_slots();
        let settings = Settings::of(&self.config);
        self.cluster = Some(Box::new(Membership {
            view,
            random,
            settings,
        }));
    }

    /// One of its settings may have been changed.
    pub(super) fn take_settings(&mut self) {
        if let Some(member) = self.cluster.as_deref_mut() {
            member.settings = Settings::of(&self.config);
        }
    }

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
