//! Comparing Redis with the ledger, and filling an empty Redis from it.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::database::settings_of;
use super::exit;
use super::said::{self, Said};
use super::worker::events;
use crate::app::ledger::Ledger;
use crate::app::patterns::Reconcile;
use crate::app::patterns::reconcile::{Asked, Outcome, Report, every};
use crate::app::rebuild::rebuild;
use crate::app::settings::duration;
use crate::app::{AppError, EventId, Refusal, Settings, Store};

/// Lines of differences that are shown; all are in the ledger, and with --json.
const SHOWN: usize = 50;

/// Compare Redis with the ledger, event by event
///
/// The exit code is 25 where something differs and was not repaired.
#[derive(Debug, Args)]
pub struct Compare {
    /// Repair what differs: the ledger is right on events and sales, Redis on holds
    #[arg(long)]
    repair: bool,

    /// Again and again, from one beginning to the next so long, until Ctrl-C
    #[arg(long, value_name = "TIME")]
    every: Option<String>,

    /// Only this event
    #[arg(long, value_name = "ID")]
    event: Option<String>,

    /// How long a difference has to last to be one
    #[arg(long, value_name = "TIME", default_value = "3s")]
    settle: String,

    /// How long the lock of a repair that was killed keeps others out
    #[arg(long, value_name = "TIME", default_value = "15s")]
    lock: String,
}

/// Fill an empty Redis from the ledger
#[derive(Debug, Args)]
pub struct Rebuild {
    /// Only this event
    #[arg(long, value_name = "ID")]
    event: Option<String>,

    /// Replace what is there, with the loss of all holds
    #[arg(long)]
    over: bool,
}

async fn both(settings: Settings, what: &'static str) -> Result<(Store, Ledger), AppError> {
    let of_ledger = settings_of(&settings, what)?;
    let (ledger, store) = tokio::join!(Ledger::connect(&of_ledger), Store::connect(settings));
    Ok((store?, ledger?))
}

/// Compares.
pub async fn compare(
    arguments: Compare,
    settings: Settings,
    json: bool,
    stop: &CancellationToken,
) -> Result<Said, AppError> {
    let asked = Asked {
        events: events(&arguments.event)?,
        repair: arguments.repair,
        settle: duration(&arguments.settle)?,
        lock: duration(&arguments.lock)?.max(Duration::from_millis(500)),
    };
    let pause = arguments.every.as_deref().map(duration).transpose()?;
    let (store, ledger) = both(settings, "a comparison").await?;
    let reconcile = Reconcile::new(store, ledger);
    let Some(pause) = pause else {
        return Ok(told(&patient(&reconcile, &asked).await?));
    };
    let mut last = None;
    let looking = every(&reconcile, &asked, pause, |done| {
        match done {
            Ok(report) => {
                let said = told(&report);
                said.tell(json);
                last = Some(said.code);
            }
            Err(error) => last = Some(said::tell_error(&error, json)),
        }
        !stop.is_cancelled()
    });
    tokio::select! {
        ended = looking => ended?,
        () = stop.cancelled() => {}
    }
    Ok(Said {
        text: String::new(),
        json: json!({"result": "ended"}),
        code: last.unwrap_or(exit::DONE),
    })
}

/// Waits for somebody else's lock once as long as it lasts: he may have been killed.
async fn patient(reconcile: &Reconcile, asked: &Asked) -> Result<Report, AppError> {
    let until = Instant::now() + asked.lock + Duration::from_secs(1);
    loop {
        match reconcile.run(asked).await {
            Err(AppError::Refused(Refusal::Locked { .. })) if Instant::now() < until => {
                sleep(Duration::from_millis(200)).await;
            }
            other => return other,
        }
    }
}

fn told(report: &Report) -> Said {
    let mut lines = vec![format!(
        "{} events compared: {}",
        report.events,
        match report.outcome {
            Outcome::Clean => "nothing differs".to_owned(),
            Outcome::Repaired => format!("{} differences, all repaired", report.found.len()),
            Outcome::Drift => format!(
                "{} differences, {} of them repaired",
                report.found.len(),
                report.found.iter().filter(|one| one.repaired).count()
            ),
        }
    )];
    for (kind, count) in &report.counts {
        lines.push(format!("  {count:>5}  {kind}"));
    }
    for one in report.found.iter().take(SHOWN) {
        let what = &one.difference;
        let about = [
            Some(&one.event),
            what.reservation.as_ref(),
            what.seat.as_ref(),
        ];
        let about: Vec<&str> = about
            .into_iter()
            .flatten()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        lines.push(format!(
            "  {} {}: {}{}",
            what.kind,
            about.join(" "),
            what.details,
            if one.repaired { "  (repaired)" } else { "" }
        ));
    }
    if report.found.len() > SHOWN {
        lines.push(format!(
            "  … and {} more, in the table drift_findings, run {}",
            report.found.len() - SHOWN,
            report.run
        ));
    }
    let mut json = serde_json::to_value(report).unwrap_or_default();
    if let Some(object) = json.as_object_mut() {
        let result = object.get("outcome").cloned().unwrap_or_default();
        object.insert("result".to_owned(), result);
        object.insert("differences".to_owned(), json!(report.found.len()));
    }
    Said {
        text: lines.join("\n"),
        json,
        code: match report.outcome {
            Outcome::Drift => exit::DRIFT,
            Outcome::Clean | Outcome::Repaired => exit::DONE,
        },
    }
}

/// Fills an empty Redis.
pub async fn fill(arguments: Rebuild, settings: Settings) -> Result<Said, AppError> {
    let event: Option<EventId> = arguments.event.as_deref().map(str::parse).transpose()?;
    let (store, ledger) = both(settings, "a rebuild").await?;
    let rebuilt = rebuild(&store, &ledger, event.as_ref(), arguments.over).await?;
    let mut lines = vec![format!(
        "{} events rebuilt, with {} reservations and {} sold seats, in {} ms",
        rebuilt.events, rebuilt.reservations, rebuilt.sold, rebuilt.took_ms
    )];
    for event in &rebuilt.left {
        lines.push(format!(
            "  {event} was made there in the meantime, and was left as it is"
        ));
    }
    let mut json = serde_json::to_value(&rebuilt).unwrap_or_default();
    if let Some(object) = json.as_object_mut() {
        object.insert("result".to_owned(), json!("rebuilt"));
    }
    Ok(Said::done(lines.join("\n"), json))
}
