//! What a node refuses because it is a replica, or because it has too few of them.

use crate::double::node::client::ClientKey;
use crate::double::node::failure::Failure;
use crate::double::node::server::Server;
use crate::double::node::table::{Flags, Spec, Table};

impl Server {
    /// What stands against a client's command.
    pub(in crate::double) fn refused_by_role(
        &self,
        key: ClientKey,
        args: &[&[u8]],
        spec: &Spec,
    ) -> Option<Failure> {
        let settings = &self.config.replication;
        let replica = self.replication.is_replica();
        if !replica && settings.least_replicas == 0 {
            return None;
        }
        let client = self.clients.get(key.0)?;
        let queue = client.transaction.as_ref().filter(|_| spec.name == "exec");
        let any = |has: &dyn Fn(&Spec, &[&[u8]]) -> bool| {
            let table = Table::redis_7_0();
            has(spec, args)
                || queue.is_some_and(|it| {
                    it.queue.iter().any(|queued| {
                        let words: Vec<&[u8]> = queued.words.iter().map(|word| &**word).collect();
                        has(table.spec(queued.command), &words)
                    })
                })
        };
        let writes = any(&|spec, args| self.may_write(spec, args));
        if writes && self.lacks_replicas() {
            return Some(Failure::text(
                "NOREPLICAS Not enough good replicas to write.",
            ));
        }
        if replica && settings.read_only && writes {
            return Some(Failure::text(
                "READONLY You can't write against a read only replica.",
            ));
        }
        if self.is_stale() && any(&|spec, _| !spec.flags.has(Flags::STALE)) {
            return Some(STALE);
        }
        None
    }

    /// The link to the master is down, and nothing is told of the data meanwhile.
    pub(in crate::double) fn is_stale(&self) -> bool {
        let down = !self.replication.is_up();
        self.replication.is_replica() && !self.config.replication.serves_stale && down
    }

    /// A master with fewer replicas near it than it needs to write.
    pub(in crate::double) fn lacks_replicas(&self) -> bool {
        let settings = &self.config.replication;
        !self.replication.is_replica()
            && settings.least_replicas > 0
            && settings.most_lag > 0
            && self.good_replicas() < settings.least_replicas
    }

    /// What stands against a script's command that writes. `wrote`: the script has written before.
    pub(in crate::double) fn script_may_not_write(&self, wrote: bool) -> Option<&'static str> {
        if wrote {
            return None;
        }
        if self.replication.is_replica() && self.config.replication.read_only {
            return Some("READONLY You can't write against a read only replica.");
        }
        self.lacks_replicas()
            .then_some("NOREPLICAS Not enough good replicas to write.")
    }

    /// What stands against a script, or a function. `None`: it has not declared what it needs.
    pub(in crate::double) fn script_may_not_run(&self, needs: Option<Needs>) -> Option<Failure> {
        let Some(needs) = needs else {
            return self.is_stale().then_some(STALE);
        };
        if needs.fresh_data && self.is_stale() {
            return Some(Failure::text(
                "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' and 'allow-stale' flag is not set on the script.",
            ));
        }
        if !needs.writing {
            return None;
        }
        if self.replication.is_replica() && self.config.replication.read_only {
            return Some(Failure::text(
                "READONLY Can not run script with write flag on readonly replica",
            ));
        }
        self.lacks_replicas().then_some(Failure::text(
            "NOREPLICAS Not enough good replicas to write.",
        ))
    }
}

/// What a script has declared that it needs.
#[derive(Debug, Clone, Copy)]
pub(in crate::double) struct Needs {
    /// To write.
    pub writing: bool,
    /// Data that is not out of date.
    pub fresh_data: bool,
}

const STALE: Failure = Failure::text(
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
);
