//! `scale-add-replica`: redis-8 joins as a replica of redis-7.

use super::refusal::Refusal;
use super::stage::Stage;
use super::state::{State, address, listed};
use crate::backend::{BackendError, Life};
use crate::cluster::{NodeId, NodeName};
use crate::lab::action::Output;
use crate::lab::environment::CourseNode;

/// Who joins.
const REPLICA: &str = "redis-8";
/// Whose replica it becomes.
const MASTER: &str = "redis-7";

/// Adds the replica.
pub(super) async fn add_replica(mut stage: Stage<'_>) -> Result<Output, BackendError> {
    let (replica, master) = (NodeName::new(REPLICA), NodeName::new(MASTER));
    // A node that was started a moment ago does not answer yet; nodes that were just told something do not agree yet.
    let state = stage
        .look_until(|state| {
            let starting = state.running(&replica).is_ok() && state.itself(&replica).is_none();
            !starting && state.observation.agrees()
        })
        .await?;
    let explicit = match may_join(&state, &replica, &master) {
        Ok(explicit) => explicit,
        Err(refusal) => return Ok(stage.refuse(&refusal)),
    };
    let mut line = format!(
        "redis-cli --cluster add-node {} {} --cluster-slave",
        announced(REPLICA),
        announced(MASTER)
    );
    if let Some((id, others)) = explicit {
        stage.note(&format!(
            "note: of itself redis-cli would choose the master with the fewest replicas, and {} fewer than {master}; so it is told which",
            match others.as_slice() {
                [one] => format!("{one} has"),
                several => format!("{} have", listed(several)),
            }
        ));
        line = format!("{line} --cluster-master-id {id}");
    }
    let exit = stage.run(&line).await?;
    if exit != Some(0) {
        return Ok(stage.end(exit));
    }
    let joined = |state: &State| {
        let mine = state.itself(&replica)?;
        mine.master.filter(|_| mine.is_replica())
    };
    let state = stage.look_until(|state| joined(state).is_some()).await?;
    match joined(&state).map(|id| state.call(id)) {
        Some(of) if of == MASTER => {
            stage.note(&format!(
                "note: {replica} is a replica of {of}; within seconds it has all its data, and redis-cli -p 7008 INFO replication says master_link_status:up"
            ));
            Ok(stage.end(Some(0)))
        }
        other => {
            let what = other.map_or_else(
                || "is no replica".to_owned(),
                |of| format!("is a replica of {of}, not of {master}"),
            );
            stage.note(&format!("{replica} {what}; make cluster-nodes shows all"));
            Ok(stage.end(Some(1)))
        }
    }
}

/// Whether the node is there and can't be asked to join: it was stopped or paused, or it hangs.
fn is_stopped(state: &State, node: &NodeName) -> bool {
    state.life(node) != Life::Absent && state.itself(node).is_none()
}

/// Where the course says that a node is.
fn announced(node: &str) -> String {
    CourseNode::named(node).map_or_else(|| node.to_owned(), CourseNode::address)
}

/// The master's id and who has fewer replicas than it, where redis-cli would choose one of those; nothing where it chooses the right
/// one by itself.
///
/// # Errors
/// It can't join, and what to do first.
pub(super) fn may_join(
    state: &State,
    replica: &NodeName,
    master: &NodeName,
) -> Result<Option<(NodeId, Vec<String>)>, Refusal> {
    state.running(replica)?;
    if state.observation.members().contains(replica) {
        let what = match state.itself(replica) {
            Some(node) if node.is_replica() => {
                let of = node
                    .master
                    .map_or_else(|| "nobody".to_owned(), |id| state.call(id));
                format!("a replica of {of}")
            }
            _ => "a master".to_owned(),
        };
        return Err(Refusal::new(
            format!("{replica} is in the cluster already, as {what}"),
            "make cluster-nodes shows it",
        ));
    }
    if state.itself(replica).is_none() {
        return Err(Refusal::new(
            format!(
                "{replica} runs and does not answer{}",
                state.excuse(replica)
            ),
            format!("see what it logged: docker logs --tail 20 {replica}"),
        ));
    }
    let itself = state.member(master).map_err(|refusal| Refusal {
        what: format!("{}, and {replica} is to be its replica", refusal.what),
        help: match state.view() {
            Some((seed, _)) if !is_stopped(state, master) => format!(
                "{}redis-cli --cluster add-node {} {}",
                match state.life(master) {
                    Life::Absent => format!("docker compose up -d {master}, then "),
                    _ => String::new(),
                },
                announced(master.as_str()),
                announced(seed.as_str())
            ),
            _ => refusal.help,
        },
    })?;
    let Some(view) = state.observation.topology(master) else {
        return Ok(None);
    };
    if let Some(of) = itself.master.filter(|_| itself.is_replica()) {
        let id = itself.id;
        return Err(Refusal::new(
            format!(
                "{master} is a replica of {}, and only a master can have replicas",
                state.call(of)
            ),
            format!(
                "let it leave and join anew: redis-cli --cluster del-node {} {id}, then redis-cli --cluster add-node {} SEED",
                address(&state.seed_for(master)),
                announced(master.as_str())
            ),
        ));
    }
    state.well()?;
    state.nothing_under_way()?;
    state.masters_answer(view)?;
    state.agreed()?;
    // As redis-cli counts: failed nodes are no nodes to it.
    let count = |id: NodeId| {
        view.replicas_of(id)
            .filter(|node| !node.flags.failed)
            .count()
    };
    let own = count(itself.id);
    let mut fewer: Vec<String> = view
        .masters()
        .filter(|node| !node.flags.failed && count(node.id) < own)
        .map(|node| state.call(node.id))
        .collect();
    fewer.sort();
    Ok((!fewer.is_empty()).then_some((itself.id, fewer)))
}
