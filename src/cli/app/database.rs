//! The ledger: its schema, what is in it, what Redis has not been told, and what was sold.

use clap::{Args, Subcommand};
use serde_json::json;

use super::exit;
use super::said::Said;
use crate::app::ledger::schema::{self, Step, StepState};
use crate::app::ledger::{Ledger, LedgerSettings};
use crate::app::patterns::WriteThrough;
use crate::app::{AppError, EventId, Settings, Store};

/// Entries of the history that are shown.
const HISTORY: u32 = 20;

#[derive(Debug, Args)]
pub struct Migrate {
    #[command(subcommand)]
    command: MigrateCommand,
}

#[derive(Debug, Subcommand)]
enum MigrateCommand {
    /// Make what is missing of the schema
    Up,
    /// Say how far the schema is
    Status,
    /// Take migrations back, with everything that is in their tables
    Down(Down),
}

#[derive(Debug, Args)]
struct Down {
    /// The last migration that stays; 0 for none
    #[arg(long, value_name = "N")]
    to: u32,

    /// Really: what is in the tables is gone then
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub struct LedgerArguments {
    #[command(subcommand)]
    command: LedgerCommand,
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    /// Say what is in the ledger, and what Redis has not been told; of an event, what happened
    Show(Show),
    /// Tell Redis what it has not been told
    Repair(Repair),
}

#[derive(Debug, Args)]
struct Show {
    /// The id of an event, to show its history
    #[arg(long, value_name = "ID")]
    event: Option<String>,
}

#[derive(Debug, Args)]
struct Repair {
    /// So many changes at most
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: u32,
}

#[derive(Debug, Args)]
pub struct Report {
    #[command(subcommand)]
    command: ReportCommand,
}

#[derive(Debug, Subcommand)]
enum ReportCommand {
    /// What every event has sold, to how many buyers
    Sales(Sales),
}

#[derive(Debug, Args)]
struct Sales {
    /// The id of an event, for this one alone
    #[arg(long, value_name = "ID")]
    event: Option<String>,
}

/// The settings of the ledger.
///
/// # Errors
/// No database is named.
pub fn settings_of(settings: &Settings, what: &'static str) -> Result<LedgerSettings, AppError> {
    settings.ledger().ok_or(AppError::NoLedger { what })
}

/// Does what was asked of the schema.
pub async fn migrate(arguments: Migrate, settings: &Settings) -> Result<Said, AppError> {
    let ledger = Ledger::open(&settings_of(settings, "the schema")?)?;
    match arguments.command {
        MigrateCommand::Status => {
            let steps = schema::status(&ledger).await?;
            let whole = steps.iter().all(|step| step.state == StepState::Applied);
            Ok(Said {
                text: format!("Database {}\n{}", ledger.place(), lines(&steps)),
                json: json!({"result": "schema", "whole": whole, "migrations": steps}),
                code: match whole {
                    true => exit::DONE,
                    false => exit::NOT_READY,
                },
            })
        }
        MigrateCommand::Up => {
            let made = schema::up(&ledger).await?;
            Ok(moved(&ledger, "migrated", &made))
        }
        MigrateCommand::Down(down) if !down.yes => Err(AppError::Invalid {
            what: format!(
                "this removes every table of the migrations after {} from the database {}, with all that is in them",
                down.to,
                ledger.place()
            ),
            help: "if that is wanted, say so: --yes".to_owned(),
        }),
        MigrateCommand::Down(down) => {
            let undone = schema::down(&ledger, i64::from(down.to)).await?;
            Ok(moved(&ledger, "taken_back", &undone))
        }
    }
}

fn moved(ledger: &Ledger, result: &str, steps: &[Step]) -> Said {
    let text = match steps.is_empty() {
        true => format!("Database {}: nothing to do", ledger.place()),
        false => format!("Database {}\n{}", ledger.place(), lines(steps)),
    };
    Said::done(text, json!({"result": result, "migrations": steps}))
}

fn lines(steps: &[Step]) -> String {
    let lines: Vec<String> = steps
        .iter()
        .map(|step| {
            let state = match step.state {
                StepState::Applied => "applied",
                StepState::Missing => "missing",
                StepState::HalfApplied => "half applied",
                StepState::Different => "different",
                StepState::Unknown => "unknown",
            };
            format!("  {:>4}  {state:<12}  {}", step.version, step.name)
        })
        .collect();
    lines.join("\n")
}

/// Does what was asked of the ledger.
pub async fn ledger(arguments: LedgerArguments, settings: Settings) -> Result<Said, AppError> {
    let of_ledger = settings_of(&settings, "the ledger")?;
    match arguments.command {
        LedgerCommand::Show(show) => {
            let event: Option<EventId> = show.event.as_deref().map(str::parse).transpose()?;
            let ledger = Ledger::connect(&of_ledger).await?;
            match event {
                None => state(&ledger).await,
                Some(event) => history(&ledger, &event).await,
            }
        }
        LedgerCommand::Repair(repair) => {
            let ledger = Ledger::connect(&of_ledger).await?;
            let store = Store::connect(settings).await?;
            let repaired = WriteThrough::new(store, ledger.clone())
                .repair(repair.limit, true)
                .await?;
            let mut lines = vec![format!("Redis was told {} changes", repaired.told)];
            for reservation in &repaired.evicted {
                lines.push(format!("  {reservation} has lost a seat that is another's"));
            }
            for (row, why) in &repaired.failed {
                lines.push(format!("  not that of row {row} of the outbox: {why}"));
            }
            let backlog = ledger.backlog().await?;
            let failed: Vec<_> = repaired
                .failed
                .iter()
                .map(|(row, why)| json!({"row": row, "why": why}))
                .collect();
            Ok(Said {
                text: lines.join("\n"),
                json: json!({
                    "result": "repaired", "told": repaired.told, "evicted": repaired.evicted, "failed": failed,
                    "outbox": backlog,
                }),
                code: match repaired.failed.is_empty() {
                    true => exit::DONE,
                    false => exit::AUDIT_FAILED,
                },
            })
        }
    }
}

async fn state(ledger: &Ledger) -> Result<Said, AppError> {
    let state = ledger.state().await?;
    let outbox = state.outbox;
    let mut lines = vec![
        format!("Ledger {}", ledger.place()),
        format!(
            "  {} events, {} reservations confirmed, {} cancelled, {} seats sold",
            state.events, state.confirmed, state.cancelled, state.sold
        ),
        format!("  {} entries in the history", state.history),
        match outbox.open {
            0 => "  Redis has been told everything".to_owned(),
            open => format!(
                "  {open} changes that Redis has not been told, the oldest for {} ms",
                outbox.oldest_ms
            ),
        },
    ];
    if outbox.given_up > 0 {
        lines.push(format!(
            "  {} given up: the table outbox says why, in last_error",
            outbox.given_up
        ));
    }
    let mut json = serde_json::to_value(&state).unwrap_or_default();
    if let Some(object) = json.as_object_mut() {
        object.insert("result".to_owned(), json!("ledger"));
    }
    Ok(Said::done(lines.join("\n"), json))
}

async fn history(ledger: &Ledger, event: &EventId) -> Result<Said, AppError> {
    let Some(sheet) = ledger.sheet(event).await? else {
        return Err(AppError::Refused(crate::app::Refusal::UnknownEvent {
            event: event.to_string(),
        }));
    };
    let history = ledger.history(event, HISTORY).await?;
    let mut lines = vec![
        format!("Event {event}: {}", sheet.name),
        format!("  {} of {} seats sold", sheet.sold, sheet.seats),
    ];
    lines.extend(history.iter().map(|entry| {
        format!(
            "  {:>5}  {:<9}  {}",
            entry.version,
            entry.kind,
            match (&entry.reservation, &entry.user) {
                (Some(reservation), Some(user)) =>
                    format!("{reservation}  {user}  {}", entry.seats.join(" ")),
                _ => String::new(),
            }
        )
        .trim_end()
        .to_owned()
    }));
    let json = json!({
        "result": "history", "event": event.as_str(), "name": sheet.name, "seats": sheet.seats,
        "sold": sheet.sold, "version": sheet.version, "history": history,
    });
    Ok(Said::done(lines.join("\n"), json))
}

/// Makes a report.
pub async fn report(arguments: Report, settings: &Settings) -> Result<Said, AppError> {
    let of_ledger = settings_of(settings, "a report")?;
    let ReportCommand::Sales(sales) = arguments.command;
    let event: Option<EventId> = sales.event.as_deref().map(str::parse).transpose()?;
    let ledger = Ledger::connect(&of_ledger).await?;
    let sales = ledger.sales(event.as_ref()).await?;
    if let (Some(event), true) = (&event, sales.is_empty()) {
        return Err(AppError::Refused(crate::app::Refusal::UnknownEvent {
            event: event.to_string(),
        }));
    }
    let mut lines: Vec<String> = sales
        .iter()
        .map(|sale| {
            format!(
                "{}  {:>5} of {:>5} seats sold, to {} buyers  {}",
                sale.event, sale.sold, sale.seats, sale.buyers, sale.name
            )
        })
        .collect();
    if lines.is_empty() {
        lines.push("No events.".to_owned());
    }
    let sold: u64 = sales.iter().map(|sale| u64::from(sale.sold)).sum();
    let json = json!({"result": "sales", "sold": sold, "events": sales});
    Ok(Said::done(lines.join("\n"), json))
}
