//! A load test, told while it runs, audited afterwards by a process that had no part in it.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use super::exit;
use super::said::Said;
use crate::app::audit::{Audit, EventClaims};
use crate::app::load_test::{
    self, Answered, AuditCounts, AuditVerdict, HOLD, LoadReport, LoopReport, Plan, Redirects,
    Shape, live_line,
};
use crate::app::request::CreateEvent;
use crate::app::settings::duration;
use crate::app::{AppError, EventId, Settings, Store};
use crate::cli::output::Output;
use crate::load::Recorder;

/// Have many users ask for seats at once, and see whether all is right afterwards
///
/// Without --rate each of the users asks once and waits for the answer; with --for they come again after thinking. With --rate requests come
/// as they come, whatever becomes of those before. Percentiles count from when a request was due, so a server that stalls can't hide it.
///
/// Afterwards a process of its own reads every seat: sold, held and free have to be all of them, no seat may be sold twice, every success has to be
/// there and every failure not. If something is found, the exit code is 1.
#[derive(Debug, Args)]
pub struct Arguments {
    /// How many users
    #[arg(long, value_name = "N", default_value_t = 50)]
    users: u64,

    /// How many seats each of them asks for at a time
    #[arg(long, value_name = "N", default_value_t = 2)]
    seats: u32,

    /// Of this event [default: one of its own, with 100 seats]
    #[arg(long, value_name = "ID", conflicts_with_all = ["events", "capacity"])]
    event: Option<String>,

    /// Of so many events of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    events: u32,

    /// How many seats each of its own events has
    #[arg(long, value_name = "SEATS", default_value_t = 100)]
    capacity: u32,

    /// Put its own events where their keys are in one of these slots
    #[arg(long, value_name = "SLOTS", conflicts_with = "event")]
    on_slots: Option<String>,

    /// Requests a second, whatever becomes of those before
    #[arg(long, value_name = "N", requires = "lasting", conflicts_with_all = ["users", "think"])]
    rate: Option<u32>,

    /// For how long
    #[arg(long = "for", value_name = "TIME", id = "lasting")]
    lasting: Option<String>,

    /// From an answer to the user's next request
    #[arg(long, value_name = "TIME", requires = "lasting")]
    think: Option<String>,

    /// What is asked for, as in reserve=70,confirm=10,cancel=5,read=15
    #[arg(long, value_name = "MIX", default_value = "reserve=1")]
    mix: String,

    /// Leave out of the figures what is due within this time of the start
    #[arg(long, value_name = "TIME", default_value = "0s")]
    warm_up: String,

    /// Take seats by a check and then an act, without the script: how not to do it
    #[arg(long)]
    naive: bool,

    /// Write every latency, in HdrHistogram's log format
    #[arg(long, value_name = "FILE")]
    histogram: Option<PathBuf>,

    /// Decides what is asked of which event
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Arguments {
    fn plan(&self, events: Vec<EventId>) -> Result<Plan, AppError> {
        let warm_up = duration(&self.warm_up)?;
        let length = self.lasting.as_deref().map(duration).transpose()?;
        let length = length.map(|length| length + warm_up);
        let plan = Plan {
            shape: match (self.rate, length) {
                (Some(rate), Some(length)) => Shape::Open { rate, length },
                _ => Shape::Closed {
                    users: self.users,
                    think: self.think.as_deref().map_or(Ok(Duration::ZERO), duration)?,
                    length,
                },
            },
            seats: self.seats,
            events,
            mix: self.mix.parse()?,
            hold: HOLD,
            warm_up,
            naive: self.naive,
            seed: self.seed,
        };
        plan.check()?;
        Ok(plan)
    }

    /// What its own events are like.
    fn own_event(&self) -> Result<CreateEvent, AppError> {
        let request = CreateEvent {
            name: "Load Test Event".parse()?,
            seats: self.capacity,
            on_slots: self
                .on_slots
                .as_deref()
                .map(super::events::slots)
                .transpose()?,
        };
        request.check()?;
        if self.events == 0 || self.events > 1000 {
            return Err(AppError::Invalid {
                what: format!("a load test can't have {} events", self.events),
                help: "1 to 1000".to_owned(),
            });
        }
        Ok(request)
    }
}

/// Does what was asked. Ctrl-C ends the load early; what was done until then is audited and told.
pub async fn run(
    arguments: Arguments,
    settings: Settings,
    output: Output,
    json: bool,
    stop: &CancellationToken,
) -> Result<Said, AppError> {
    let named = arguments.event.as_deref().map(str::parse).transpose()?;
    let own = arguments.own_event()?;
    // A plan that makes no sense is told before anything is made.
    arguments.plan(Vec::new())?;
    let histogram = arguments.histogram.as_ref().map(create).transpose()?;
    let store = Store::connect(settings.clone()).await?;
    let mut events: Vec<EventId> = named.into_iter().collect();
    match events.first() {
        Some(event) => {
            store.availability(event).await?;
        }
        None => {
            for _ in 0..arguments.events {
                events.push(store.create_event(&own).await?.event);
            }
        }
    }
    let plan = arguments.plan(events)?;
    let recorder = Arc::new(Recorder::new(plan.warm_up));
    let aftermath = {
        let load = load_test::run(&store, &plan, &recorder, stop);
        let live = live(&recorder, output, json);
        tokio::pin!(load, live);
        tokio::select! {
            done = &mut load => done?,
            () = &mut live => load.await?,
        }
    };
    if output.live && !json {
        let _ = console::Term::stdout().clear_line();
    }
    if let Some((mut file, path)) = histogram {
        recorder
            .write_log(&mut file)
            .and_then(|()| file.flush())
            .map_err(|error| not_written(&path, &error))?;
    }
    let shape = match plan.shape {
        Shape::Closed { users, think, .. } => LoopReport::Closed {
            users,
            think_ms: think.as_secs_f64() * 1000.0,
        },
        Shape::Open { rate, .. } => LoopReport::Open {
            rate,
            in_flight: store.settings().in_flight * store.masters().len(),
        },
    };
    let mut report = LoadReport::measured(&recorder.summary(), shape);
    report.served(
        aftermath
            .nodes
            .iter()
            .filter(|(_, counts)| counts.requests > 0)
            .map(|(node, counts)| (node.to_string(), counts.requests))
            .collect(),
    );
    let mut redirects = Redirects::default();
    for counts in aftermath.nodes.values() {
        redirects.moved += counts.moved;
        redirects.ask += counts.ask;
        redirects.tryagain += counts.tryagain;
    }
    report.redirects = redirects;
    report.retries = aftermath.retries;
    let mut counts = AuditCounts::default();
    let audits = audit_apart(&aftermath.answered, &settings).await?;
    for (answered, audit) in aftermath.answered.iter().zip(&audits) {
        counts.add(audit, answered.failed_over);
    }
    let verdict = AuditVerdict::of(counts);
    report.audit = Some(verdict);
    let mut told = serde_json::to_value(&report).map_err(|error| AppError::Unexpected {
        what: format!("the report can't be written as JSON: {error}"),
    })?;
    if let Some(object) = told.as_object_mut() {
        let events = aftermath
            .answered
            .iter()
            .map(|answered| answered.event.as_str());
        object.insert("result".to_owned(), "load_test".into());
        object.insert("events".to_owned(), events.collect());
        object.insert("unknown_outcome".to_owned(), aftermath.unknown.into());
        object.insert("clients_made_anew".to_owned(), aftermath.rebuilds.into());
    }
    Ok(Said {
        text: report.text().trim_end().to_owned(),
        json: told,
        code: match verdict.is_clean() {
            true => exit::DONE,
            false => exit::AUDIT_FAILED,
        },
    })
}

fn create(path: &PathBuf) -> Result<(File, PathBuf), AppError> {
    File::create(path)
        .map(|file| (file, path.clone()))
        .map_err(|error| not_written(path, &error))
}

fn not_written(path: &std::path::Path, error: &std::io::Error) -> AppError {
    AppError::Invalid {
        what: format!(
            "the histogram can't be written to {}: {error}",
            path.display()
        ),
        help: "choose another place: --histogram FILE".to_owned(),
    }
}

/// Draws one line, again and again, where lines can be redrawn. Never ends.
async fn live(recorder: &Recorder, output: Output, json: bool) {
    if !output.live || json {
        return std::future::pending().await;
    }
    let terminal = console::Term::stdout();
    loop {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let line = live_line(&recorder.progress(), output.width.saturating_sub(1));
        let _ = terminal.clear_line();
        let _ = terminal.write_str(&line);
        let _ = terminal.flush();
    }
}

/// Audits all events in a process of its own, which knows nothing but what it is told, and reads the rest. The audits are in the order of the events.
async fn audit_apart(answered: &[Answered], settings: &Settings) -> Result<Vec<Audit>, AppError> {
    #[derive(Deserialize)]
    struct Told {
        audits: Vec<Audit>,
    }
    let failed = |what: String| AppError::Unexpected {
        what: format!("the audit could not be made: {what}"),
    };
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut command = tokio::process::Command::new(&program);
    // Both programs have it.
    if program.file_stem().is_none_or(|name| name != "app") {
        command.arg("app");
    }
    let nodes: Vec<String> = settings.nodes.iter().map(|node| node.to_string()).collect();
    let map: Vec<String> = settings
        .map
        .iter()
        .map(|(announced, reachable)| format!("{announced}={reachable}"))
        .collect();
    command
        .args(["audit-many", "--json", "-"])
        .env("APP_NODES", nodes.join(","))
        .env("APP_MAP", map.join(","))
        .env(
            "APP_PASSWORD",
            settings.password.as_deref().unwrap_or_default(),
        )
        .env(
            "APP_USERNAME",
            settings.username.as_deref().unwrap_or_default(),
        )
        .env("APP_READ_FROM", "master")
        .env("APP_DEADLINE", "30s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let claims = answered.iter().map(|answered| EventClaims {
        event: answered.event.to_string(),
        claims: answered.claims.clone(),
    });
    let claims: Vec<EventClaims> = claims.collect();
    let claims = serde_json::to_vec(&claims).map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Where it has ended early, its exit code and words say why.
        let _ = stdin.write_all(&claims).await;
    }
    let ended = child
        .wait_with_output()
        .await
        .map_err(|error| failed(error.to_string()))?;
    let stdout = String::from_utf8_lossy(&ended.stdout);
    match ended.status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(exit::DONE | exit::AUDIT_FAILED) => {
            let told: Told =
                serde_json::from_str(&stdout).map_err(|error| failed(error.to_string()))?;
            match told.audits.len() == answered.len() {
                true => Ok(told.audits),
                false => Err(failed(format!(
                    "{} events of {}",
                    told.audits.len(),
                    answered.len()
                ))),
            }
        }
        _ => {
            let stderr = String::from_utf8_lossy(&ended.stderr);
            Err(failed(format!("{}{}", stdout.trim(), stderr.trim())))
        }
    }
}
