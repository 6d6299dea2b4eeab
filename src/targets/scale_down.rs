//! `scale-down`: all slots of a master go to the others.

use super::refusal::Refusal;
use super::shares::shares;
use super::stage::Stage;
use super::state::{State, address, listed, port, slots};
use crate::backend::BackendError;
use crate::cluster::{NodeId, NodeName};
use crate::lab::action::Output;

/// So many masters are needed for the others to be a majority when one fails.
const ELECTORATE: usize = 3;

/// What is to be moved where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// A member that redis-cli asks for the others.
    pub(super) seed: NodeName,
    /// The node to be emptied.
    pub(super) from: NodeId,
    /// Who gets how many.
    pub(super) moves: Vec<(NodeName, NodeId, usize)>,
    /// How many masters have slots afterwards.
    pub(super) left: usize,
    /// The replicas that are left without a master of their own.
    pub(super) replicas: Vec<String>,
}

/// Moves all slots of `node` to the other masters.
pub(super) async fn scale_down(
    mut stage: Stage<'_>,
    node: &NodeName,
) -> Result<Output, BackendError> {
    // Right after another command the nodes do not agree yet.
    let state = stage.look_until(|state| state.observation.agrees()).await?;
    let plan = match plan(&state, node) {
        Ok(plan) => plan,
        Err(refusal) => return Ok(stage.refuse(&refusal)),
    };
    if !plan.replicas.is_empty() {
        let (follow, them, they) = match plan.replicas.as_slice() {
            [_] => ("replicates", "it", "it"),
            _ => ("replicate", "them", "they"),
        };
        stage.note(&format!(
            "note: {} {follow} {node}: remove {them} first, or {they} will follow the slots",
            listed(&plan.replicas),
        ));
    }
    if plan.left < ELECTORATE {
        let masters = match plan.left {
            1 => "1 master with slots is left".to_owned(),
            more => format!("{more} masters with slots are left"),
        };
        stage.note(&format!(
            "note: {masters} then, and when one of fewer than {ELECTORATE} fails, no majority is there to elect its successor"
        ));
    }
    for (at, (to, id, share)) in plan.moves.iter().enumerate() {
        if at > 0 {
            // redis-cli refuses to reshard while the nodes do not agree, as they don't right after it did.
            stage
                .look_until(|state| state.observation.agrees() && state.nothing_under_way().is_ok())
                .await?;
        }
        let line = format!(
            "redis-cli --cluster reshard {} --cluster-from {} --cluster-to {id} --cluster-slots {share} --cluster-yes",
            address(&plan.seed),
            plan.from,
        );
        match stage.run(&line).await {
            Ok(Some(0)) => {}
            Ok(exit) => {
                let why = match exit {
                    Some(code) => format!("moving slots to {to} failed with exit code {code}"),
                    None => format!("the time was over while slots were moved to {to}"),
                };
                say_how_far(&mut stage, node, &plan, &why).await;
                return Ok(stage.end(exit.map(|_| 1)));
            }
            Err(error) => {
                let why = format!("it was broken off while slots were moved to {to}");
                say_how_far(&mut stage, node, &plan, &why).await;
                return Err(error);
            }
        }
    }
    let empty = |state: &State| state.observation.agrees() && state.owned(node) == 0;
    let state = stage.look_until(empty).await?;
    let left = state.owned(node);
    if left > 0 {
        let why = format!("{node} still owns {}", slots(left));
        say_how_far(&mut stage, node, &plan, &why).await;
        return Ok(stage.end(Some(1)));
    }
    let got: Vec<String> = plan
        .moves
        .iter()
        .map(|(to, _, share)| format!("{to} got {share} and owns {}", state.owned(to)))
        .collect();
    stage.note(&format!(
        "{node} owns no slots any more: {}",
        got.join("; ")
    ));
    say_who_follows(&mut stage, &state, node, &plan);
    Ok(stage.end(Some(0)))
}

/// What is to be moved, decided on what is so.
///
/// # Errors
/// Why nothing is, and what to do first.
pub(super) fn plan(state: &State, node: &NodeName) -> Result<Plan, Refusal> {
    let itself = state.member(node)?;
    let Some(view) = state.observation.topology(node) else {
        return Err(Refusal::new(format!("{node} does not answer"), "try again"));
    };
    if let Some(master) = itself.master.filter(|_| itself.is_replica()) {
        let only = state.replicas_of(master, view).len() == 1;
        let master = state.call(master);
        let and = if only {
            format!(", and it is the only replica of {master}")
        } else {
            String::new()
        };
        return Err(Refusal::new(
            format!("{node} is a replica of {master}: it owns no slots{and}"),
            format!(
                "a node without slots can be removed as it is: redis-cli --cluster del-node {} {}",
                address(&state.seed_for(node)),
                itself.id
            ),
        ));
    }
    state.well()?;
    state.nothing_under_way()?;
    if itself.slots.is_empty() {
        return Err(Refusal::new(
            format!("{node} owns no slots already"),
            format!(
                "it can be removed: redis-cli --cluster del-node {} {}",
                address(&state.seed_for(node)),
                itself.id
            ),
        ));
    }
    let others: Vec<_> = view
        .masters()
        .filter(|other| other.id != itself.id && !other.flags.failed)
        .filter_map(|other| Some((state.who.name(other.id)?.clone(), other)))
        .collect();
    // An empty master may be one that is about to leave; it is given slots only if there is nobody else.
    let with_slots: Vec<_> = others
        .iter()
        .filter(|(_, other)| !other.slots.is_empty())
        .cloned()
        .collect();
    let mut takers = if with_slots.is_empty() {
        others
    } else {
        with_slots
    };
    takers.sort_by(|(one, _), (other, _)| one.cmp(other));
    if takers.is_empty() {
        return Err(Refusal::new(
            format!("{node} is the only master: there is nobody to move its slots to"),
            "add a master first: docker compose up -d redis-7, then redis-cli --cluster add-node 172.30.0.17:7007 172.30.0.11:7001",
        ));
    }
    let replicas = state.replicas_of(itself.id, view);
    let spared = view
        .masters()
        .filter(|other| other.id != itself.id)
        .any(|other| !state.replicas_of(other.id, view).is_empty());
    if !replicas.is_empty() && !spared {
        return Err(last_replicas(state, node, &replicas, &takers[0].0));
    }
    state.masters_answer(view)?;
    state.agreed()?;
    let owned: Vec<usize> = takers.iter().map(|(_, other)| other.slots.len()).collect();
    let moves = takers
        .into_iter()
        .zip(shares(&owned, itself.slots.len()))
        .filter(|(_, share)| *share > 0)
        .map(|((name, other), share)| (name, other.id, share))
        .collect();
    Ok(Plan {
        left: owned.len(),
        seed: state.seed_for(node),
        from: itself.id,
        moves,
        replicas,
    })
}

fn last_replicas(state: &State, node: &NodeName, replicas: &[String], taker: &NodeName) -> Refusal {
    let id = |name: &NodeName| {
        state
            .who
            .id(name)
            .map_or_else(|| format!("ID-OF-{name}"), |id| id.to_string())
    };
    let names: Vec<NodeName> = replicas.iter().map(NodeName::new).collect();
    let moves = names.iter().map(|name| {
        format!(
            "redis-cli -p {} CLUSTER REPLICATE {}",
            port(name),
            id(taker)
        )
    });
    let removals = names.iter().map(|name| {
        let seed = address(&state.seed_for(node));
        format!("redis-cli --cluster del-node {seed} {}", id(name))
    });
    let lines = |commands: Vec<String>| commands.join("\n  ");
    Refusal::new(
        format!(
            "{node} has the last of the cluster's replicas, {}: once its slots are gone, nothing is left that could take over where it was planned",
            listed(replicas)
        ),
        format!(
            "let another master have them first:\n  {}\nor remove them first:\n  {}",
            lines(moves.collect()),
            lines(removals.collect()),
        ),
    )
}

/// What became of the node and its replicas.
fn say_who_follows(stage: &mut Stage<'_>, state: &State, node: &NodeName, plan: &Plan) {
    let names = plan.replicas.iter().map(NodeName::new);
    for name in names.chain([node.clone()]) {
        let follows = state
            .itself(&name)
            .filter(|itself| itself.is_replica())
            .and_then(|itself| itself.master)
            .filter(|master| *master != plan.from);
        if let Some(master) = follows {
            stage.note(&format!(
                "note: {name} is a replica of {} now",
                state.call(master)
            ));
        }
    }
}

/// How far it came, where it did not come to its end.
async fn say_how_far(stage: &mut Stage<'_>, node: &NodeName, plan: &Plan, why: &str) {
    let mut text = format!("{why}\n");
    // Whoever called it off still wants to know.
    if let Ok(state) = stage.look().await {
        let others = plan.moves.iter().map(|(to, ..)| to);
        let owned: Vec<String> = [node]
            .into_iter()
            .chain(others)
            .map(|name| format!("{name} owns {}", slots(state.owned(name))))
            .collect();
        text += &format!("{}\n", owned.join(", "));
        if let Err(refusal) = state.nothing_under_way() {
            text += &refusal.to_string().replace("refused: ", "");
        }
    }
    text += &format!(
        "make scale-down NODE={} goes on from there, once what stopped it is mended",
        port(node)
    );
    stage.note(&text);
}
