//! What a node has to know of its surroundings to take part in its cluster.

use rand::rngs::StdRng;

use crate::cluster::Slot;

/// The settings that it goes by, as CONFIG has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::double) struct Settings {
    /// `cluster-node-timeout`, in milliseconds.
    pub node_timeout: i64,
    /// `cluster-replica-validity-factor`; 0: a replica's data is never too old for a failover.
    pub validity_factor: i64,
    /// `cluster-migration-barrier`.
    pub migration_barrier: usize,
    /// `cluster-allow-replica-migration`.
    pub replica_migration: bool,
    /// `cluster-require-full-coverage`.
    pub full_coverage: bool,
    /// `cluster-replica-no-failover`.
    pub no_failover: bool,
    /// `repl-ping-replica-period`, in seconds: what a failover allows its data to be older than the node timeouts.
    pub replica_ping_period: i64,
    /// `cluster-announce-hostname`; empty: none.
    pub hostname: String,
    /// `cluster-announce-ip`; empty: what others see.
    pub announced_ip: String,
}

/// How it stands with a replica's link to its master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) enum MasterLink {
    /// This node is a master.
    None,
    /// The link is up; something came from the master last at this moment, in milliseconds since 1970.
    Up { heard: i64 },
    /// It is down since this moment; `None`: it has never been up.
    Down { since: Option<i64> },
}

/// The surroundings at one moment.
pub(in crate::double) struct Around<'a> {
    /// The time, in milliseconds since 1970.
    pub now: i64,
    /// Its settings.
    pub settings: &'a Settings,
    /// Its replication offset: what it has written as a master, or read as a replica.
    pub offset: i64,
    /// Its link to its master.
    pub master_link: MasterLink,
    /// How many keys it has in a slot.
    pub keys_in: &'a dyn Fn(Slot) -> usize,
    /// Its own share of chance: seeded, so that the same history happens again.
    pub random: &'a mut StdRng,
}
