//! The worker, and how far the streams are.

use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::database::settings_of;
use super::exit;
use super::said::Said;
use crate::app::flow::Flow;
use crate::app::ledger::Ledger;
use crate::app::patterns::event_driven::Options;
use crate::app::payment::{Manner, TestGateway};
use crate::app::request::User;
use crate::app::settings::duration;
use crate::app::worker::{StreamState, Tally, Until, Worker, status};
use crate::app::{AppError, EventId, Settings, Store};

/// Bring what happened in Redis into the ledger, and tell Redis what the ledger has decided
///
/// Drains the stream of every event, in order and each entry once, until it is stopped (Ctrl-C): then what is under way comes to its end. Any number of
/// workers share the streams. An entry that can't be applied is tried again, and then put into the event's stream of dead letters.
#[derive(Debug, Args)]
pub struct Arguments {
    /// End when every stream was looked at once
    #[arg(long, conflicts_with_all = ["drain", "status"])]
    once: bool,

    /// End when nothing is left
    #[arg(long, conflicts_with = "status")]
    drain: bool,

    /// End after this time
    #[arg(long = "for", value_name = "TIME", conflicts_with = "status")]
    lasting: Option<String>,

    /// Only say how far the streams are; the exit code is 1 where an entry can't be applied, or entries are missing
    #[arg(long)]
    status: bool,

    /// The worker's name; two of one name share the streams as any two do
    #[arg(long, value_name = "NAME", default_value = "worker")]
    name: String,

    /// Only the streams of these events
    #[arg(long, value_name = "ID,…")]
    events: Option<String>,

    /// Entries that are applied in one transaction, at most
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=2000))]
    batch: u32,

    /// How often an entry is tried before it is put aside
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    max_tries: u32,

    /// How long an entry stays in its stream when everybody has done with it, and for how long it is known that it was applied
    #[arg(long, value_name = "TIME", default_value = "24h")]
    keep: String,

    /// After how long a payment without a sale is given back, once its hold has ended; longer than anybody waits for the gateway
    #[arg(long, value_name = "TIME", default_value = "1m")]
    refund_after: String,

    /// End when entries were applied and Redis was not told, as if the program had been killed there (exit code 5)
    #[arg(long, conflicts_with = "status")]
    stop_before_ack: bool,
}

/// Events by their ids, with commas between them.
///
/// # Errors
/// One is no id.
pub fn events(text: &Option<String>) -> Result<Vec<EventId>, AppError> {
    let ids = text.as_deref().unwrap_or_default().split(',');
    ids.map(str::trim)
        .filter(|id| !id.is_empty())
        .map(str::parse)
        .collect()
}

/// Does what was asked.
pub async fn run(
    arguments: Arguments,
    settings: Settings,
    stop: &CancellationToken,
) -> Result<Said, AppError> {
    let name: User = arguments.name.parse()?;
    let events = events(&arguments.events)?;
    let lasting = arguments.lasting.as_deref().map(duration).transpose()?;
    let keep = duration(&arguments.keep)?;
    let refund_after = duration(&arguments.refund_after)?;
    let of_ledger = settings_of(&settings, "a worker")?;
    let (ledger, store) = tokio::join!(Ledger::connect(&of_ledger), Store::connect(settings));
    let (ledger, store) = (ledger?, store?);
    if arguments.status {
        return Ok(states(&status(&store, &ledger, &events).await?));
    }
    let options = Options {
        name,
        events,
        batch: arguments.batch,
        tries: arguments.max_tries,
        keep,
        stop_before_ack: arguments.stop_before_ack,
    };
    let until = match (arguments.once, arguments.drain) {
        (true, _) => Until::Once,
        (_, true) => Until::Drained,
        _ => Until::Stopped,
    };
    let stop = stop.child_token();
    if let Some(lasting) = lasting {
        let stop = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(lasting).await;
            stop.cancel();
        });
    }
    let gateway = TestGateway::new(Manner::Ok, std::time::Duration::ZERO);
    let flow = Flow::new(store.clone(), ledger.clone(), gateway);
    let tally = Worker::new(store, ledger, options)
        .sweeping(flow, refund_after)
        .run(until, &stop)
        .await?;
    Ok(done(&tally))
}

fn done(tally: &Tally) -> Said {
    let mut lines = vec![format!(
        "Applied {} entries of {} streams; they had waited {} ms, 99 of 100 no longer than {} ms",
        tally.applied, tally.streams, tally.lag_p50_ms, tally.lag_p99_ms
    )];
    for (count, what) in [
        (tally.again, "given out again, and applied before"),
        (tally.refused, "sales that the ledger did not allow"),
        (tally.dead, "that can't be applied, and are dead letters"),
        (tally.gaps, "gaps, where entries are missing"),
        (tally.told, "changes of the ledger that Redis was told"),
        (
            tally.swept,
            "payments without a sale that were given back, or called off",
        ),
    ] {
        if count > 0 {
            lines.push(format!("  {count} {what}"));
        }
    }
    if let Some(why) = &tally.last_failure {
        lines.push(format!(
            "  {} looks failed, the last: {why}",
            tally.failures
        ));
    }
    let mut json = serde_json::to_value(tally).unwrap_or_default();
    if let Some(object) = json.as_object_mut() {
        object.insert("result".to_owned(), json!("drained"));
    }
    Said::done(lines.join("\n"), json)
}

fn states(states: &[StreamState]) -> Said {
    let mut lines = Vec::new();
    let mut pending = 0;
    let mut lag_ms = 0;
    let mut is_well = true;
    for state in states {
        let at = &state.position;
        pending += state.pending;
        lag_ms = lag_ms.max(state.lag_ms);
        is_well &= state.dead_letters == 0 && at.gaps == 0 && at.tries == 0;
        lines.push(format!(
            "{}  {:>6} applied  {:>6} pending  {:>6} ms behind  {}",
            at.event,
            at.applied,
            state.pending,
            state.lag_ms,
            at.worker.as_deref().unwrap_or("no worker")
        ));
        if at.tries > 0
            && let Some(why) = &at.last_error
        {
            lines.push(format!("  tried {} times: {why}", at.tries));
        }
        if state.dead_letters > 0 {
            lines.push(format!("  {} dead letters", state.dead_letters));
        }
        if let (true, Some((from, to))) = (at.gaps > 0, &at.gap) {
            lines.push(format!(
                "  entries are missing between {from} and {to}: `reconcile --repair` mends what they changed"
            ));
        }
    }
    if lines.is_empty() {
        lines.push("No streams.".to_owned());
    }
    Said {
        text: lines.join("\n"),
        json: json!({
            "result": "streams", "pending": pending, "lag_ms": lag_ms, "well": is_well, "streams": states,
        }),
        code: match is_well {
            true => exit::DONE,
            false => exit::AUDIT_FAILED,
        },
    }
}
