//! The probe of a step: which slots it asks, when it starts and stops.

use std::fmt;
use std::time::Duration;

use super::event::Event;
use super::scope::Scope;
use super::trouble::Trouble;
use super::world::World;
use crate::cluster::{NodeId, NodeName, SlotSet, Topology};
use crate::lab::line::Task;
use crate::lab::model::{ProbeSpec, ProbeTarget, Step};
use crate::lab::target::Target;
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

/// The slots that the step moves, which are those that their source owns now.
async fn moving(world: &World, step: &Step) -> Result<ProbeSlots, Trouble> {
    let stuck = |what: String| {
        Trouble::Stuck {
        what,
        help: Some(
            "`slots: moving` goes with `make scale-down NODE=…` and with `redis-cli --cluster reshard … --cluster-from ID`"
                .to_owned(),
        ),
    }
    };
    let source = world
        .in_scope(step.each.first(), |scope| source(step, scope))
        .map_err(stuck)?;
    let observation = world.look_at_views().await;
    let own: Option<(NodeName, &Topology)> = observation.members().into_iter().find_map(|name| {
        let view = observation.topology(&name)?;
        let is_it = match &source {
            Source::Id(id) => view.myself()?.id == *id,
            Source::Name(wanted) => name == *wanted,
        };
        is_it.then_some((name, view))
    });
    let (name, view) = own.ok_or_else(|| stuck(format!("the node {source} does not answer")))?;
    let slots = view
        .myself()
        .map(|myself| myself.slots.clone())
        .unwrap_or_default();
    Ok(ProbeSlots::Moving { slots, from: name })
}

/// The node that slots are moved away from, as the step's line names it.
enum Source {
    Id(NodeId),
    Name(NodeName),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Id(id) => id.fmt(f),
            Source::Name(name) => name.fmt(f),
        }
    }
}

fn source(step: &Step, scope: &Scope<'_>) -> Result<Source, String> {
    const MOVES_NOTHING: &str = "this step moves no slots away from a node";
    let line = step.run.as_ref().ok_or(MOVES_NOTHING)?;
    let line = &line.value;
    if let Some(word) = line.redis_cli().and_then(|cli| cli.moves_from()) {
        let text = scope.fill(word.template())?;
        let id = text
            .parse()
            .map_err(|_| format!("`{text}` is not a node id"))?;
        return Ok(Source::Id(id));
    }
    match line.fill(|reference| scope.value(reference))?.task {
        Task::Target(Target::ScaleDown { node }) => Ok(Source::Name(node)),
        _ => Err(MOVES_NOTHING.to_owned()),
    }
}
