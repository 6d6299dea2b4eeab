//! The probe of a step: which slots it asks, when it starts and stops.

use std::time::Duration;

use super::event::Event;
use super::trouble::Trouble;
use super::world::World;
use crate::cluster::{NodeId, NodeName, SlotSet, Topology};
use crate::lab::model::{ProbeSpec, ProbeTarget, Step};
use crate::load::{Probe, ProbePlan, ProbeReport, ProbeSlots};

/// How long one operation may take before it counts as failed.
const OPERATION_DEADLINE: Duration = Duration::from_secs(1);
/// Fixed, so that two runs ask the same slots in the same order.
const SEED: u64 = 7;

/// Starts the probe of a step.
pub(super) async fn start(world: &World, step: &Step, spec: &ProbeSpec) -> Result<Probe, Trouble> {
    let slots = match &spec.slots {
        ProbeTarget::All => ProbeSlots::Fixed(SlotSet::all()),
        ProbeTarget::Slots(slots) => ProbeSlots::Fixed(slots.clone()),
        ProbeTarget::Moving => moving(world, step).await?,
    };
    let plan = ProbePlan {
        rate: spec.rate,
        slots,
        deadline: OPERATION_DEADLINE,
        seed: SEED,
    };
    Probe::start(world.book.clone(), plan).map_err(|error| Trouble::Stuck {
        what: format!("the probe did not start: {error}"),
        help: None,
    })
}

/// Stops a probe and tells what it counted. Reading all its keys back may take long where the cluster is not well; when the run is to end,
/// it is left as it is.
pub(super) async fn stop(world: &World, step: &Step, probe: Probe) -> Result<ProbeReport, Trouble> {
    let report = tokio::select! {
        biased;
        () = world.interrupt.soft.cancelled() => return Err(Trouble::Interrupted),
        report = probe.stop() => report,
    };
    world.emit(Event::Probed {
        step: step.id.value.clone(),
        report: report.clone(),
    });
    Ok(report)
}

/// The slots that the step's reshard takes, which are those that its source owns now.
async fn moving(world: &World, step: &Step) -> Result<ProbeSlots, Trouble> {
    let stuck = |what: String| Trouble::Stuck {
        what,
        help: Some(
            "`slots: moving` goes with `redis-cli --cluster reshard … --cluster-from ID`"
                .to_owned(),
        ),
    };
    let word = step
        .run
        .as_ref()
        .and_then(|line| line.value.redis_cli())
        .and_then(|cli| cli.moves_from());
    let template = word
        .map(|word| word.template())
        .ok_or_else(|| stuck("this step moves no slots away from a node".to_owned()))?;
    let text = world
        .in_scope(step.each.first(), |scope| scope.fill(template))
        .map_err(stuck)?;
    let id: NodeId = text
        .parse()
        .map_err(|_| stuck(format!("`{text}` is not a node id")))?;
    let observation = world.look_at_views().await;
    let own: Option<(NodeName, &Topology)> = observation.members().into_iter().find_map(|name| {
        let view = observation.topology(&name)?;
        (view.myself()?.id == id).then_some((name, view))
    });
    let (name, view) = own.ok_or_else(|| stuck(format!("the node {text} does not answer")))?;
    let slots = view
        .myself()
        .map(|myself| myself.slots.clone())
        .unwrap_or_default();
    Ok(ProbeSlots::Moving { slots, from: name })
}
