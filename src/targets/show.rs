//! `cluster-nodes` and `cluster-info`: what the cluster says of itself.

use super::refusal::Refusal;
use super::stage::Stage;
use super::state::{State, address, port};
use crate::backend::BackendError;
use crate::cluster::NodeName;
use crate::lab::action::Output;

/// `CLUSTER NODES`, as the first member sees it.
pub(super) async fn nodes(mut stage: Stage<'_>) -> Result<Output, BackendError> {
    let state = stage.look().await?;
    let asked = match whom_to_ask(&state) {
        Ok(asked) => asked,
        Err(refusal) => return Ok(stage.refuse(&refusal)),
    };
    let exit = stage
        .run(&format!("redis-cli -p {} CLUSTER NODES", port(&asked)))
        .await?;
    say_if_alone(&mut stage, &state, &asked);
    Ok(stage.end(exit))
}

/// `CLUSTER INFO`, as the first member sees it, and how many keys, slots and replicas each master has.
pub(super) async fn info(mut stage: Stage<'_>) -> Result<Output, BackendError> {
    let state = stage.look().await?;
    let asked = match whom_to_ask(&state) {
        Ok(asked) => asked,
        Err(refusal) => return Ok(stage.refuse(&refusal)),
    };
    let lines = [
        format!("redis-cli -p {} CLUSTER INFO", port(&asked)),
        format!("redis-cli --cluster info {}", address(&asked)),
    ];
    for line in &lines {
        let exit = stage.run(line).await?;
        if exit != Some(0) {
            return Ok(stage.end(exit));
        }
    }
    say_if_alone(&mut stage, &state, &asked);
    Ok(stage.end(Some(0)))
}

/// The first member, or else the first node that answers at all.
fn whom_to_ask(state: &State) -> Result<NodeName, Refusal> {
    if let Some((member, _)) = state.view() {
        return Ok(member);
    }
    let views = &state.observation.views;
    let answering = views.keys().find(|name| state.itself(name).is_some());
    answering.cloned().ok_or_else(|| {
        Refusal::new(
            "no node answers",
            "see which run: labrunner status; start them: labrunner up",
        )
    })
}

fn say_if_alone(stage: &mut Stage<'_>, state: &State, asked: &NodeName) {
    if state.view().is_none() {
        stage.note(&format!(
            "note: {asked} is in no cluster: it knows no other node and owns no slots"
        ));
    }
}
