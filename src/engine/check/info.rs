//! The `info` and `lag` checks: fields of INFO.

use super::Judged;
use crate::cluster::{Info, NodeName};
use crate::engine::scope::Scope;
use crate::lab::fault::nearest;
use crate::lab::quantity::{Comparison, Unit};
use crate::lab::template::Template;
use crate::observe::Observation;

pub(super) fn judge(
    node: &NodeName,
    fields: &[(String, Template)],
    observation: &Observation,
    scope: &Scope<'_>,
) -> Judged {
    let info = match info_of(node, observation) {
        Ok(info) => info,
        Err(why) => return Judged::new(false, why),
    };
    Judged::all(
        fields
            .iter()
            .map(|(field, wanted)| judge_field(node, info, field, wanted, scope))
            .collect(),
    )
}

fn judge_field(
    node: &NodeName,
    info: &Info,
    field: &str,
    wanted: &Template,
    scope: &Scope<'_>,
) -> Judged {
    let Some(actual) = info.get(field) else {
        let near = nearest(field, info.fields().map(|(name, _)| name));
        let hint = near.map_or(String::new(), |near| format!(" (there is `{near}`)"));
        return Judged::new(
            false,
            format!("INFO of {node} has no `{field}` at the moment{hint}"),
        );
    };
    let seen = format!("{field} is {actual} on {node}");
    match scope.fill(wanted) {
        Err(why) => Judged::new(false, why),
        Ok(wanted) => match (
            Comparison::parse(&wanted, Unit::Count),
            // INFO has values that are no numbers, `nan` and `inf`; a comparison with those would hold or not by accident.
            actual
                .parse::<f64>()
                .ok()
                .filter(|actual| actual.is_finite()),
        ) {
            (Ok(comparison), Some(actual)) => Judged::new(comparison.holds(actual), seen),
            _ => Judged::new(actual == wanted, seen),
        },
    }
}

pub(super) fn judge_lag(
    replica: &NodeName,
    bytes: &Comparison,
    observation: &Observation,
) -> Judged {
    let lag = || -> Result<Judged, String> {
        let info = info_of(replica, observation)?;
        if info.get("role") != Some("slave") {
            return Err(format!("{replica} is not a replica"));
        }
        let port = info.get("master_port").unwrap_or_default();
        let host = info.get("master_host").unwrap_or_default();
        let view = observation
            .topology(replica)
            .ok_or_else(|| format!("{replica} does not tell its view"))?;
        let master_id = view
            .myself()
            .and_then(|myself| myself.master)
            .ok_or_else(|| format!("{replica} does not know its master"))?;
        let names = observation.names();
        let master = names
            .get(&master_id)
            .ok_or_else(|| format!("the master of {replica}, {host}:{port}, does not answer"))?;
        let its_master = info_of(master, observation)?;
        // Offsets count the bytes of one history. A replica that has not synchronised has another one than its master, and so has one
        // whose old master came back: their difference means nothing then.
        let history = |info: &Info| info.get("master_replid").map(str::to_owned);
        if history(its_master).is_none() || history(its_master) != history(info) {
            let link = info.get("master_link_status").unwrap_or("not told");
            return Err(format!(
                "{replica} has not synchronised with {master} (its link is {link})"
            ));
        }
        let offset =
            |info: &Info, field: &str| info.number::<i64>(field).map_err(|error| error.to_string());
        let ahead = offset(its_master, "master_repl_offset")?;
        let behind = offset(info, "slave_repl_offset")?;
        // The two are asked one moment apart, so that the replica may seem to be ahead; that is no lag.
        let lag = (ahead - behind).max(0);
        Ok(Judged::new(
            bytes.holds(lag as f64),
            format!("{replica} is {lag} bytes behind {master}"),
        ))
    };
    lag().unwrap_or_else(|why| Judged::new(false, why))
}

fn info_of<'a>(node: &NodeName, observation: &'a Observation) -> Result<&'a Info, String> {
    match observation.views.get(node) {
        Some(Ok(view)) => view
            .info
            .as_ref()
            .map(|seen| &seen.value)
            .ok_or_else(|| format!("{node} was not asked for INFO")),
        Some(Err(why)) => Err(format!("{node} does not answer ({why})")),
        None => Err(format!("{node} is not a node of this environment")),
    }
}
