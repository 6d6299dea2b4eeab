//! What an environment is like when a target decides: what every node says, and what the environment says of each.

use std::collections::BTreeMap;

use super::refusal::Refusal;
use crate::backend::Life;
use crate::cluster::{Node, NodeId, NodeName, Topology};
use crate::lab::environment::CourseNode;
use crate::observe::{Observation, Who};

/// One look at everything.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) observation: Observation,
    pub(super) lives: BTreeMap<NodeName, Life>,
    pub(super) who: Who,
}

/// The port of a node in the course.
pub(super) fn port(node: &NodeName) -> String {
    CourseNode::named(node.as_str())
        .map_or_else(|| node.to_string(), |node| node.port().to_string())
}

/// The address of a node in the course, as in `127.0.0.1:7001`.
pub(super) fn address(node: &NodeName) -> String {
    format!("127.0.0.1:{}", port(node))
}

/// `redis-1`, `redis-1 and redis-2`, `redis-1, redis-2 and redis-3`.
pub(super) fn listed<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    match names.as_slice() {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        names => names.concat(),
    }
}

/// `1 slot`, `1365 slots`.
pub(super) fn slots(number: usize) -> String {
    format!("{number} slot{}", if number == 1 { "" } else { "s" })
}

impl State {
    /// How a node is, by the word of the environment.
    pub(super) fn life(&self, node: &NodeName) -> Life {
        self.lives.get(node).copied().unwrap_or(Life::Absent)
    }

    /// The first node that answers as a member of a cluster, with what it sees.
    pub(super) fn view(&self) -> Option<(NodeName, &Topology)> {
        let first = self.observation.members().into_iter().next()?;
        let view = self.observation.topology(&first)?;
        Some((first, view))
    }

    /// Whom redis-cli asks for the others where something is done to `node`: redis-1, as in the course, or else the first other member.
    pub(super) fn seed_for(&self, node: &NodeName) -> NodeName {
        let members = self.observation.members();
        let other = members.into_iter().find(|member| member != node);
        other.unwrap_or_else(|| node.clone())
    }

    /// What a node that answers says of itself.
    pub(super) fn itself(&self, node: &NodeName) -> Option<&Node> {
        self.observation.topology(node)?.myself()
    }

    /// What the node with this id is called.
    pub(super) fn call(&self, id: NodeId) -> String {
        self.who.call(id)
    }

    /// How many slots a node owns, in the eyes of the first member; the node itself is asked first.
    pub(super) fn owned(&self, node: &NodeName) -> usize {
        let own = self.itself(node).map(|node| node.slots.len());
        let seen = || {
            let (_, view) = self.view()?;
            Some(self.who.line(node, view)?.slots.len())
        };
        own.or_else(seen).unwrap_or(0)
    }

    /// The replicas of a master in `view` that have not failed.
    pub(super) fn replicas_of(&self, master: NodeId, view: &Topology) -> Vec<String> {
        let mut replicas: Vec<String> = view
            .replicas_of(master)
            .filter(|node| !node.flags.failed)
            .map(|node| self.call(node.id))
            .collect();
        replicas.sort();
        replicas
    }

    /// The node's own line, if it runs, answers, and is a member of the cluster.
    ///
    /// # Errors
    /// Which of these it is not, and what makes it so.
    pub(super) fn member(&self, node: &NodeName) -> Result<&Node, Refusal> {
        if !self.observation.views.contains_key(node) {
            return Err(Refusal::new(
                format!("there is no node {node} in this environment"),
                format!("there are {}", listed(self.observation.views.keys())),
            ));
        }
        self.running(node)?;
        let Some(itself) = self.itself(node) else {
            return Err(Refusal::new(
                format!("{node} runs and does not answer{}", self.excuse(node)),
                format!(
                    "see what it logged: docker logs --tail 20 {node}; give it a moment if it has only just started"
                ),
            ));
        };
        if self.observation.members().contains(node) {
            Ok(itself)
        } else {
            Err(Refusal::new(
                format!("{node} is in no cluster: it knows no other node and owns no slots"),
                match self.view() {
                    Some(_) => "make cluster-nodes shows who is in it".to_owned(),
                    None => "labrunner up makes a cluster".to_owned(),
                },
            ))
        }
    }

    /// What came instead of an answer, in brackets behind a word; nothing, if an answer came.
    pub(super) fn excuse(&self, node: &NodeName) -> String {
        match self.observation.views.get(node) {
            Some(Err(error)) => {
                let error = error.to_string();
                let why = error.strip_prefix(&format!("{node}: ")).unwrap_or(&error);
                format!(" ({why})")
            }
            _ => String::new(),
        }
    }

    /// # Errors
    /// The node does not run.
    pub(super) fn running(&self, node: &NodeName) -> Result<(), Refusal> {
        match self.life(node) {
            Life::Running => Ok(()),
            Life::Paused => Err(Refusal::new(
                format!("{node} is paused"),
                format!("docker unpause {node}"),
            )),
            Life::Exited(code) => Err(Refusal::new(
                format!("{node} is not running: it ended with exit code {code}"),
                format!(
                    "docker start {node}, which make recover NODE={} does",
                    port(node)
                ),
            )),
            Life::Absent => Err(Refusal::new(
                format!("{node} is not started"),
                format!("docker compose up -d {node}"),
            )),
        }
    }

    /// # Errors
    /// There is no cluster, or one of its members says `cluster_state:fail`.
    pub(super) fn well(&self) -> Result<(), Refusal> {
        let members = self.observation.members();
        if members.is_empty() {
            return Err(Refusal::new(
                "there is no cluster: no node that answers knows another",
                "labrunner up makes one",
            ));
        }
        let failing: Vec<&NodeName> = members
            .iter()
            .filter(|name| {
                self.observation
                    .view(name)
                    .and_then(|view| view.cluster_info.as_ref())
                    .is_some_and(|seen| !seen.value.ok)
            })
            .collect();
        if failing.is_empty() {
            return Ok(());
        }
        let verb = if failing.len() == 1 { "says" } else { "say" };
        Err(Refusal::new(
            format!(
                "the cluster is not ok already: {} {verb} cluster_state:fail",
                listed(failing)
            ),
            "make watch-cluster shows what is missing; make recover NODE=PORT starts a node that is stopped",
        ))
    }

    /// redis-cli asks all of them before it changes anything, and goes no further when one that has not failed does not answer.
    ///
    /// # Errors
    /// A master of `view` that has not failed does not answer.
    pub(super) fn masters_answer(&self, view: &Topology) -> Result<(), Refusal> {
        let masters = view.masters().filter(|node| !node.flags.failed);
        let mut names: Vec<&NodeName> = masters.filter_map(|node| self.who.name(node.id)).collect();
        names.sort();
        match names.into_iter().find(|name| self.itself(name).is_none()) {
            None => Ok(()),
            Some(down) => Err(Refusal::new(
                format!("{down}, a master, does not answer{}", self.excuse(down)),
                "start it, or wait until the others have noticed and a replica has taken over; make watch-cluster shows when",
            )),
        }
    }

    /// # Errors
    /// Members see different clusters.
    pub(super) fn agreed(&self) -> Result<(), Refusal> {
        if self.observation.agrees() {
            return Ok(());
        }
        let why = self
            .observation
            .disagreement(&|id| self.call(id))
            .unwrap_or_default();
        Err(Refusal::new(
            format!("the nodes do not agree on the cluster: {why}"),
            "they mostly do within seconds: try again, and look at make watch-cluster",
        ))
    }

    /// # Errors
    /// A slot is on its way from one node to another.
    pub(super) fn nothing_under_way(&self) -> Result<(), Refusal> {
        for name in self.observation.members() {
            let Some(itself) = self.itself(&name) else {
                continue;
            };
            let open = itself.migrating.iter().map(|(slot, to)| {
                let to = self.call(*to);
                (
                    itself.migrating.len(),
                    format!("slot {slot} from {name} to {to}"),
                )
            });
            let opening = itself.importing.iter().map(|(slot, from)| {
                let from = self.call(*from);
                (
                    itself.importing.len(),
                    format!("slot {slot} from {from} to {name}"),
                )
            });
            if let Some((of, first)) = open.chain(opening).next() {
                let more = match of {
                    1 => String::new(),
                    more => format!(", and {} more", more - 1),
                };
                return Err(Refusal::new(
                    format!("slots are on their way already: {first}{more}"),
                    format!(
                        "let whoever moves them finish; if nobody does any more: redis-cli --cluster fix {}",
                        address(&name)
                    ),
                ));
            }
        }
        Ok(())
    }
}
