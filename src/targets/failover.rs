//! `failover` and `recover`: a master is stopped, and started again.

use super::refusal::Refusal;
use super::stage::Stage;
use super::state::{State, listed, port, slots};
use crate::backend::{BackendError, Life};
use crate::cluster::{Node, NodeName, Topology};
use crate::lab::action::Output;

/// Stops a master, if a replica can take over from it.
pub(super) async fn failover(
    mut stage: Stage<'_>,
    node: &NodeName,
) -> Result<Output, BackendError> {
    let state = stage.look().await?;
    let heirs = match heirs(&state, node) {
        Ok(heirs) => heirs,
        Err(refusal) => return Ok(stage.refuse(&refusal)),
    };
    let exit = stage.run(&format!("docker stop {node}")).await?;
    if exit == Some(0) {
        stage.note(&format!(
            "note: {node} is stopped; {} can take over; make watch-cluster shows how it goes",
            listed(heirs)
        ));
    }
    Ok(stage.end(exit))
}

/// Starts a node again that was stopped.
pub(super) async fn recover(mut stage: Stage<'_>, node: &NodeName) -> Result<Output, BackendError> {
    let state = stage.look().await?;
    if let Err(refusal) = may_recover(&state, node) {
        return Ok(stage.refuse(&refusal));
    }
    let exit = stage.run(&format!("docker start {node}")).await?;
    Ok(stage.end(exit))
}

/// The replicas that can take over from `node`.
///
/// # Errors
/// Nobody can, or it should not be tried now.
pub(super) fn heirs(state: &State, node: &NodeName) -> Result<Vec<NodeName>, Refusal> {
    let itself = state.member(node)?;
    let Some(view) = state.observation.topology(node) else {
        return Ok(Vec::new());
    };
    if let Some(master) = itself.master.filter(|_| itself.is_replica()) {
        let master = state.call(master);
        return Err(Refusal::new(
            format!("{node} is a replica of {master}: nobody has to take over from it"),
            format!("name a master: {}", masters(state, view)),
        ));
    }
    if itself.slots.is_empty() {
        return Err(Refusal::new(
            format!("{node} is a master without slots: nobody would take over from it"),
            format!("name a master with slots: {}", masters(state, view)),
        ));
    }
    state.well()?;
    enough_voters(state, node, view)?;
    let (mut heirs, mut why_not) = (Vec::new(), Vec::new());
    for replica in view.replicas_of(itself.id) {
        match ready(state, replica) {
            Ok(name) => heirs.push(name),
            Err(why) => why_not.push(why),
        }
    }
    heirs.sort();
    why_not.sort();
    if !heirs.is_empty() {
        return Ok(heirs);
    }
    let Some((_, help)) = why_not.first().cloned() else {
        return Err(without_replicas(node, itself));
    };
    let why: Vec<String> = why_not.into_iter().map(|(why, _)| why).collect();
    Err(Refusal::new(
        format!("nobody could take over from {node}: {}", why.join("; ")),
        help,
    ))
}

fn without_replicas(node: &NodeName, itself: &Node) -> Refusal {
    let help = if node.as_str() == "redis-7" {
        "give it one: docker compose up -d redis-8, then make scale-add-replica".to_owned()
    } else {
        format!(
            "name another master, or give it a replica: redis-cli -p PORT CLUSTER REPLICATE {}, at a node that owns no slots",
            itself.id
        )
    };
    Refusal::new(
        format!(
            "{node} has no replica: nobody could take over from it, and the cluster would be without its {}",
            slots(itself.slots.len())
        ),
        help,
    )
}

/// # Errors
/// Why this replica can't take over, and what to do about it.
fn ready(state: &State, replica: &Node) -> Result<NodeName, (String, String)> {
    let name = state.call(replica.id);
    let watch = || "make watch-cluster shows how it is".to_owned();
    let Some(node) = state.who.name(replica.id) else {
        return Err((format!("{name} is not of this environment"), watch()));
    };
    let not_running = match state.life(node) {
        Life::Running => None,
        Life::Paused => Some(("is paused", format!("docker unpause {node}"))),
        Life::Exited(_) => Some(("is stopped", format!("docker start {node}"))),
        Life::Absent => Some(("was removed", format!("docker compose up -d {node}"))),
    };
    if let Some((how, help)) = not_running {
        return Err((format!("{name} {how}"), help));
    }
    if replica.flags.failed {
        return Err((format!("{name} has failed"), watch()));
    }
    let Some(itself) = state.itself(node) else {
        let why = format!("{name} does not answer{}", state.excuse(node));
        return Err((
            why,
            format!("see what it logged: docker logs --tail 20 {node}"),
        ));
    };
    if itself.flags.nofailover {
        return Err((
            format!("{name} is told not to take over (cluster-replica-no-failover)"),
            format!(
                "allow it: redis-cli -p {} CONFIG SET cluster-replica-no-failover no",
                port(node)
            ),
        ));
    }
    let view = state.observation.view(node);
    let info = view.and_then(|view| view.info.as_ref());
    let status = info.and_then(|seen| seen.value.get("master_link_status"));
    if status == Some("up") {
        return Ok(node.clone());
    }
    Err((
        format!(
            "{name} is not in sync (master_link_status:{})",
            status.unwrap_or("unknown")
        ),
        format!(
            "it mostly is within seconds; redis-cli -p {} INFO replication says when",
            port(node)
        ),
    ))
}

/// # Errors
/// Without `node` no majority of masters is left that could elect its successor.
fn enough_voters(state: &State, node: &NodeName, view: &Topology) -> Result<(), Refusal> {
    let voters = view.masters().filter(|master| !master.slots.is_empty());
    let (mut all, mut left) = (0, Vec::new());
    for voter in voters {
        all += 1;
        if let Some(name) = state.who.name(voter.id)
            && name != node
            && state.life(name) == Life::Running
            && !voter.flags.failed
        {
            left.push(name.clone());
        }
    }
    if left.len() > all / 2 {
        return Ok(());
    }
    if all == 1 {
        return Err(Refusal::new(
            format!("{node} is the only master with slots: nobody is left to elect its successor"),
            "a failover takes three masters or more",
        ));
    }
    let help = if left.len() + 1 == all {
        "a failover takes three masters or more"
    } else {
        "start the masters that are down first; make watch-cluster shows which"
    };
    let left = match left.as_slice() {
        [] => "none would be left".to_owned(),
        left => format!("only {} would be left", listed(left)),
    };
    Err(Refusal::new(
        format!(
            "without {node} nobody could elect its successor: that takes {} of {all} masters, and {left}",
            all / 2 + 1
        ),
        help,
    ))
}

/// The masters with slots, with their ports.
fn masters(state: &State, view: &Topology) -> String {
    let mut names: Vec<String> = view
        .masters()
        .filter(|node| !node.slots.is_empty() && !node.flags.failed)
        .filter_map(|node| state.who.name(node.id))
        .map(|name| format!("NODE={} ({name})", port(name)))
        .collect();
    names.sort();
    match names.as_slice() {
        [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        names => names.concat(),
    }
}

pub(super) fn may_recover(state: &State, node: &NodeName) -> Result<(), Refusal> {
    match state.life(node) {
        Life::Exited(_) => Ok(()),
        Life::Running => Err(Refusal::new(
            format!("{node} is running already"),
            format!("make failover NODE={} stops it", port(node)),
        )),
        Life::Paused | Life::Absent => state.running(node),
    }
}
