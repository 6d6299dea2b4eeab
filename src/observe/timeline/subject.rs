//! The master whose failover is to be timed, as it is before it fails.

use std::collections::BTreeSet;

use crate::cluster::{NodeId, NodeName, Slot, SlotSet};
use crate::observe::Observation;

/// Why the failover of a node can't be timed. Each is a sentence for the author of a lab.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecorderError {
    /// No node has this name.
    #[error("{node} is no node of this environment, so no failover of it can be timed")]
    Unknown {
        /// The name.
        node: NodeName,
    },
    /// It does not answer, or not with what can be read.
    #[error(
        "{node} does not answer before the command already, so no failover of it can be timed: {why}"
    )]
    Silent {
        /// The node.
        node: NodeName,
        /// What came instead of an answer.
        why: String,
    },
    /// It is a replica.
    #[error("{node} is a replica, of {master}, so nobody takes over from it")]
    Replica {
        /// The node.
        node: NodeName,
        /// Its master: its name, or its id if nobody answers by it.
        master: String,
    },
    /// It is a master, and owns nothing that somebody could take over.
    #[error("{node} is a master without slots, so nobody takes over from it")]
    NoSlots {
        /// The node.
        node: NodeName,
    },
    /// Somebody calls it failing already.
    #[error(
        "{by} calls {node} `{flag}` before the command already, so when that began can't be timed"
    )]
    Suspected {
        /// The node.
        node: NodeName,
        /// Who says so.
        by: NodeName,
        /// `fail?` or `fail`.
        flag: &'static str,
    },
    /// There is nobody to take over.
    #[error("{node} has no replica that answers, so nobody can take over from it")]
    NoReplica {
        /// The node.
        node: NodeName,
    },
    /// The node that is to take over can't.
    #[error("{to} is no replica of {node}, so it can't take over from it; {replicas}")]
    NoSuccessor {
        /// The node that is to fail.
        node: NodeName,
        /// The node that is to take over.
        to: NodeName,
        /// Who could: `its replica is redis-4`.
        replicas: String,
    },
}

impl RecorderError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            RecorderError::Unknown { .. } | RecorderError::Replica { .. } => {
                "name a master that owns slots and has a replica"
            }
            RecorderError::Silent { .. } => {
                "the step before has to leave it running, and wait until it answers"
            }
            RecorderError::NoSlots { .. } => "name a master that owns slots",
            RecorderError::Suspected { .. } => {
                "the step before has to wait until every node calls it well"
            }
            RecorderError::NoReplica { .. } => {
                "give it a replica, and wait until the replica's link is up"
            }
            RecorderError::NoSuccessor { .. } => "name one of its replicas, or leave `to` out",
        }
    }
}

/// The master that is to fail and everybody who has a say in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    /// What people call it.
    pub node: NodeName,
    pub id: NodeId,
    /// What it owns.
    pub slots: SlotSet,
    /// One of its slots, and none that is on its way to another node if there is such a one.
    pub slot: Slot,
    /// Its replicas that answer, by their own word.
    pub replicas: BTreeSet<NodeName>,
    /// The nodes of its cluster that answer, itself among them.
    pub members: BTreeSet<NodeName>,
}

impl Subject {
    /// What there is of `node` in a look at all nodes' views.
    pub fn of(seen: &Observation, node: &NodeName) -> Result<Subject, RecorderError> {
        let node = node.clone();
        let own = match seen.views.get(&node) {
            None => return Err(RecorderError::Unknown { node }),
            Some(Err(why)) => {
                let why = why.to_string();
                let why = why.strip_prefix(&format!("{node}: ")).unwrap_or(&why);
                let why = why.to_owned();
                return Err(RecorderError::Silent { node, why });
            }
            Some(Ok(_)) => seen.topology(&node),
        };
        let Some((own, myself)) = own.and_then(|view| Some((view, view.myself()?))) else {
            let why = "it does not know itself".to_owned();
            return Err(RecorderError::Silent { node, why });
        };
        if let Some(master) = myself.master {
            let names = seen.names();
            let master = names
                .get(&master)
                .map_or(master.to_string(), ToString::to_string);
            return Err(RecorderError::Replica { node, master });
        }
        let open = |slot: &Slot| myself.migrating.iter().any(|(open, _)| open == slot);
        let settled = myself.slots.iter().find(|slot| !open(slot));
        let Some(slot) = settled.or_else(|| myself.slots.first()) else {
            return Err(RecorderError::NoSlots { node });
        };
        let known = |name: &NodeName| {
            let view = seen.topology(name)?.myself()?;
            own.members()
                .any(|member| member.id == view.id)
                .then_some(view)
        };
        let (mut members, mut replicas) = (BTreeSet::new(), BTreeSet::new());
        for name in seen.members() {
            let Some(itself) = known(&name) else { continue };
            let flags = seen
                .topology(&name)
                .and_then(|view| view.node(myself.id))
                .map(|line| line.flags)
                .unwrap_or_default();
            if name != node && (flags.suspected || flags.failed) {
                let flag = if flags.failed { "fail" } else { "fail?" };
                return Err(RecorderError::Suspected {
                    node,
                    by: name,
                    flag,
                });
            }
            if itself.master == Some(myself.id) {
                replicas.insert(name.clone());
            }
            members.insert(name);
        }
        if replicas.is_empty() {
            return Err(RecorderError::NoReplica { node });
        }
        Ok(Subject {
            id: myself.id,
            slots: myself.slots.clone(),
            slot,
            replicas,
            members,
            node,
        })
    }

    /// As many members as are more than half of all.
    pub fn majority(&self) -> usize {
        self.members.len() / 2 + 1
    }

    /// Whether `to` could take over, as far as can be known before.
    pub fn expect_successor(&self, to: &NodeName) -> Result<(), RecorderError> {
        if self.replicas.contains(to) {
            return Ok(());
        }
        let names: Vec<&str> = self.replicas.iter().map(NodeName::as_str).collect();
        let are = if names.len() == 1 {
            "its replica is"
        } else {
            "its replicas are"
        };
        Err(RecorderError::NoSuccessor {
            node: self.node.clone(),
            to: to.clone(),
            replicas: format!("{are} {}", names.join(", ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::recorded::Recorded;
    use super::*;
    use crate::observe::View;
    use crate::resp::RespError;

    fn of(seen: &Observation, node: &str) -> Result<Subject, RecorderError> {
        Subject::of(seen, &node.into())
    }

    #[rstest]
    fn a_master_with_a_replica(
        #[values("redis-6.2.5", "redis-7.0.15", "redis-8.2.3", "valkey-9.1.2")] server: &str,
    ) {
        let recorded = Recorded::of(server);
        let subject = of(&recorded.before(), "redis-2").unwrap();
        assert_eq!(subject.slots.to_string(), "5461-10922");
        assert_eq!(subject.slot.to_string(), "5461");
        assert_eq!(subject.replicas, ["redis-5".into()].into());
        assert_eq!((subject.members.len(), subject.majority()), (5, 3));
        assert_eq!(subject.expect_successor(&"redis-5".into()), Ok(()));
        let error = subject.expect_successor(&"redis-4".into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "redis-4 is no replica of redis-2, so it can't take over from it; its replica is redis-5"
        );
    }

    #[test]
    fn a_slot_that_is_on_its_way_is_not_written_to() {
        let mut seen = Recorded::of("redis-7.0.15").before();
        let own = seen
            .views
            .get_mut(&"redis-2".into())
            .unwrap()
            .as_mut()
            .unwrap();
        let topology = &mut own.topology.as_mut().unwrap().value;
        let other = topology.nodes[0].id;
        let myself = topology
            .nodes
            .iter_mut()
            .find(|node| node.flags.myself)
            .unwrap();
        myself.migrating = vec![("5461".parse().unwrap(), other)];
        assert_eq!(of(&seen, "redis-2").unwrap().slot.to_string(), "5462");
    }

    #[test]
    fn what_can_t_be_timed_is_said_in_a_sentence_with_what_to_do() {
        let recorded = Recorded::of("redis-7.0.15");
        let silent = RespError::NoConnection {
            node: "redis-2".into(),
            why: "127.0.0.1:7002: connection refused".into(),
        };
        let mut suspected = recorded.before();
        suspected.views.insert(
            "redis-1".into(),
            Ok(recorded.view_of("redis-1", "suspected")),
        );
        let without = |names: &[&str]| {
            let mut seen = recorded.before();
            seen.views.retain(|name, _| !names.contains(&name.as_str()));
            seen
        };
        let mut gone = recorded.before();
        gone.views.insert("redis-2".into(), Err(silent));
        let fresh = recorded.alone("fresh");
        let told: Vec<String> = [
            (recorded.before(), "redis-9"),
            (gone, "redis-2"),
            (recorded.before(), "redis-5"),
            (without(&["redis-2"]), "redis-5"),
            (fresh, "redis-1"),
            (suspected, "redis-2"),
            (recorded.before(), "redis-3"),
            (without(&["redis-5"]), "redis-2"),
        ]
        .iter()
        .map(|(seen, node)| {
            let error = of(seen, node).unwrap_err();
            format!("{error}\n    {}", error.help())
        })
        .collect();
        let told = told.join("\n");
        insta::assert_snapshot!(told.replace(&recorded.id("redis-2").to_string(), "ITS-ID"), @r"
        redis-9 is no node of this environment, so no failover of it can be timed
            name a master that owns slots and has a replica
        redis-2 does not answer before the command already, so no failover of it can be timed: no connection: 127.0.0.1:7002: connection refused
            the step before has to leave it running, and wait until it answers
        redis-5 is a replica, of redis-2, so nobody takes over from it
            name a master that owns slots and has a replica
        redis-5 is a replica, of ITS-ID, so nobody takes over from it
            name a master that owns slots and has a replica
        redis-1 is a master without slots, so nobody takes over from it
            name a master that owns slots
        redis-1 calls redis-2 `fail?` before the command already, so when that began can't be timed
            the step before has to wait until every node calls it well
        redis-3 has no replica that answers, so nobody can take over from it
            give it a replica, and wait until the replica's link is up
        redis-2 has no replica that answers, so nobody can take over from it
            give it a replica, and wait until the replica's link is up
        ");
    }

    #[test]
    fn a_node_that_does_not_know_itself_answers_nothing() {
        let mut seen = Recorded::of("redis-7.0.15").before();
        seen.views.insert("redis-2".into(), Ok(View::default()));
        let error = of(&seen, "redis-2").unwrap_err();
        assert!(matches!(error, RecorderError::Silent { .. }), "{error}");
    }

    #[test]
    fn nodes_of_another_cluster_have_no_say() {
        let recorded = Recorded::of("redis-7.0.15");
        let mut seen = recorded.before();
        let other = Recorded::of("redis-8.2.3").before();
        seen.views
            .insert("redis-7".into(), other.views[&"redis-2".into()].clone());
        assert_eq!(
            of(&seen, "redis-2").unwrap(),
            of(&recorded.before(), "redis-2").unwrap()
        );
    }
}
