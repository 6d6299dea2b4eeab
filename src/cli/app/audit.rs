//! An audit of events, by a process that had no part in what it audits.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::events::One;
use super::exit;
use super::said::Said;
use crate::app::audit::{Audit, Claims, EventClaims};
use crate::app::{AppError, EventId, Settings, Store};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    event: One,

    /// What was answered, as JSON ({"successes": [{"reservation", "user", "seats", "state"}], "failures": ["user"]}); `-` reads standard input
    #[arg(long, value_name = "FILE")]
    claims: Option<PathBuf>,
}

/// Many events: what a load test asks of the process that had no part in it.
#[derive(Debug, Args)]
pub struct Many {
    /// JSON ([{"event": "ID", "claims": as for audit}]); `-` reads standard input
    #[arg(value_name = "FILE")]
    events: PathBuf,
}

/// Does what was asked.
pub async fn run(arguments: Arguments, settings: Settings) -> Result<Said, AppError> {
    let event = arguments.event.event()?;
    let claims = match &arguments.claims {
        None => Claims::default(),
        Some(path) => read(path)?,
    };
    let store = Store::connect(settings).await?;
    one(&store, &event, &claims).await
}

/// Does it for many. Clean is what is clean in all of them.
pub async fn run_many(arguments: Many, settings: Settings) -> Result<Said, AppError> {
    let mut events = Vec::new();
    for event in read::<Vec<EventClaims>>(&arguments.events)? {
        events.push((event.event.parse::<EventId>()?, event.claims));
    }
    let store = Store::connect(settings).await?;
    let (mut text, mut audits, mut code) = (Vec::new(), Vec::new(), exit::DONE);
    for (event, claims) in events {
        let said = one(&store, &event, &claims).await?;
        text.push(said.text);
        audits.push(said.json);
        code = code.max(said.code);
    }
    Ok(Said {
        text: text.join("\n"),
        json: json!({"result": "audits", "audits": audits}),
        code,
    })
}

async fn one(store: &Store, event: &EventId, claims: &Claims) -> Result<Said, AppError> {
    let audit = store.audit(event, claims).await?;
    let mut json = serde_json::to_value(&audit).unwrap_or(Value::Null);
    if let Some(object) = json.as_object_mut() {
        object.insert("result".to_owned(), json!("audit"));
        object.insert("event".to_owned(), json!(event.as_str()));
    }
    Ok(Said {
        text: format!("Event {event}\n{}", lines(&audit)),
        json,
        code: match audit.clean {
            true => exit::DONE,
            false => exit::AUDIT_FAILED,
        },
    })
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, AppError> {
    let wrong = |why: String| AppError::Invalid {
        what: format!("the claims in {} can't be used: {why}", path.display()),
        help: "a file of JSON, as `app help audit` shows it, or `-`".to_owned(),
    };
    let mut text = String::new();
    match path.as_os_str() == "-" {
        true => std::io::stdin().lock().read_to_string(&mut text),
        false => std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text)),
    }
    .map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
}

/// What an audit found, for people.
fn lines(audit: &Audit) -> String {
    let mut lines = vec![format!(
        "  {} seats: {} free, {} held, {} sold",
        audit.seats, audit.free, audit.held, audit.sold
    )];
    let found = [
        (audit.astray, "seats in no place, or in two"),
        (audit.sold_twice, "seats that two were told to have"),
        (audit.successes_missing, "successes that are not there"),
        (audit.failures_present, "failures that have seats"),
    ];
    for (number, what) in found.iter().filter(|(number, _)| *number > 0) {
        lines.push(format!("  {number} {what}"));
    }
    lines.push(match audit.clean {
        true => "  clean: every seat is in one place, and as it was answered".to_owned(),
        false => "  not clean".to_owned(),
    });
    lines.join("\n")
}
