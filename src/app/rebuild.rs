//! Filling an empty Redis from the ledger: what a disaster leaves of the events, their sales and the seats that can be had.
//!
//! Holds are gone, since they were in Redis alone; so are sessions, locks and counts of views. An event is built beside its place, in as few round trips as
//! it takes, and put there by one script: nobody ever sees half of it, and one that was made there in the meantime stays.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use redis::pipe;
use serde::Serialize;
use tokio::task::JoinSet;

use super::error::AppError;
use super::event_id::EventId;
use super::ledger::{Ledger, Whole};
use super::patterns::reconcile::look::Kept;
use super::request::OperationId;
use super::seat::Seat;
use super::store::{Store, read_as};

/// Events that are built at the same time.
const AT_ONCE: usize = 8;
/// Items of one command: what keeps a node busy for less than a millisecond.
const ITEMS: usize = 500;
/// Commands that are sent before their answers are waited for.
const COMMANDS: usize = 16;
/// How long what was built lives where nobody puts it into its place.
const BUILT_TIME: Duration = Duration::from_secs(3600);

/// An event, what the ledger has of it, and whether it was put into its place.
type Built = Result<(EventId, Option<Whole>, bool), AppError>;

/// What was rebuilt.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Rebuilt {
    /// Events.
    pub events: u64,
    /// Reservations of theirs.
    pub reservations: u64,
    /// Seats of theirs that are sold.
    pub sold: u64,
    /// Events that were there, and were left as they are.
    pub left: Vec<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Fills Redis from the ledger: with all events, or one. `over`: also where something is there, which is lost then, with all holds.
///
/// # Errors
/// Redis is not empty ([`AppError::Invalid`]); no such event; those of Redis and of the ledger.
pub async fn rebuild(
    store: &Store,
    ledger: &Ledger,
    event: Option<&EventId>,
    over: bool,
) -> Result<Rebuilt, AppError> {
    let begun = Instant::now();
    let ids: Vec<String> = match event {
        Some(event) => vec![event.to_string()],
        None => ledger.event_ids().await?,
    };
    if !over {
        refuse_what_is_there(store, event, &ids).await?;
    }
    let mut rebuilt = Rebuilt::default();
    let mut building: JoinSet<Built> = JoinSet::new();
    let mut waiting = ids.into_iter();
    loop {
        while building.len() < AT_ONCE
            && let Some(id) = waiting.next()
        {
            let (store, ledger) = (store.clone(), ledger.clone());
            building.spawn(async move {
                let event: EventId = id.parse()?;
                let whole = ledger.whole(&id).await?;
                let installed = match &whole {
                    Some(whole) => fill(&store, &event, whole, over).await?,
                    None => false,
                };
                Ok((event, whole, installed))
            });
        }
        let Some(built) = building.join_next().await else {
            break;
        };
        let built = built.map_err(|error| AppError::Unexpected {
            what: format!("building an event came to no end: {error}"),
        })?;
        match built? {
            (event, None, _) => {
                return Err(AppError::Refused(super::Refusal::UnknownEvent {
                    event: event.to_string(),
                }));
            }
            (event, Some(_), false) => rebuilt.left.push(event.to_string()),
            (_, Some(whole), true) => {
                rebuilt.events += 1;
                rebuilt.reservations += whole.reservations.len() as u64;
                rebuilt.sold += u64::from(whole.sold);
            }
        }
    }
    rebuilt.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(rebuilt)
}

async fn refuse_what_is_there(
    store: &Store,
    event: Option<&EventId>,
    ids: &[String],
) -> Result<(), AppError> {
    let mut there = Vec::new();
    let candidates: BTreeSet<String> = match event {
        Some(_) => ids.iter().cloned().collect(),
        None => store
            .listed()
            .await?
            .into_iter()
            .chain(ids.iter().cloned())
            .collect(),
    };
    for id in candidates {
        let Ok(event) = id.parse::<EventId>() else {
            continue;
        };
        let mut command = redis::cmd("EXISTS");
        command.arg(event.event_key());
        if store.plain::<u64>(event.slot(), command).await? > 0 {
            there.push(id);
        }
    }
    match there.first() {
        None => Ok(()),
        Some(first) => Err(AppError::invalid(
            format!(
                "Redis is not empty: it has {} of these events, {first} among them",
                there.len()
            ),
            "`reconcile --repair` mends what differs and keeps holds; to replace what is there, say --over: all holds are lost then",
        )),
    }
}

/// Builds an event as the ledger has it, and puts it into its place. `false`: it is there, and is not to be replaced.
///
/// # Errors
/// Those of Redis.
pub(super) async fn fill(
    store: &Store,
    event: &EventId,
    whole: &Whole,
    over: bool,
) -> Result<bool, AppError> {
    let draw = OperationId::random();
    let built = ["seats", "free", "reservations"]
        .map(|what| format!("event:{{{event}}}:built:{draw}:{what}"));
    let [seats_key, free_key, reservations_key] = &built;
    let mut owners: Vec<[String; 2]> = Vec::new();
    let mut sold = BTreeSet::new();
    let mut texts: Vec<[String; 2]> = Vec::new();
    for (id, written) in &whole.reservations {
        // Of a hold that was cancelled nobody knows the seats.
        if written.seats.is_empty() {
            continue;
        }
        let kept = Kept {
            user: written.user.clone(),
            seats: written.seats.values().cloned().collect(),
            positions: written.seats.keys().copied().collect(),
            state: if written.is_confirmed {
                "confirmed"
            } else {
                "cancelled"
            }
            .to_owned(),
            expires_ms: 0,
            token: written.token,
            version: Some(written.version),
        };
        texts.push([id.clone(), kept.text()]);
        if written.is_confirmed {
            for (position, seat) in &written.seats {
                sold.insert(*position);
                owners.push([seat.clone(), id.clone()]);
            }
        }
    }
    let free: Vec<[String; 2]> = (0..whole.seats)
        .filter(|position| !sold.contains(position))
        .map(|position| [position.to_string(), Seat::at(position).to_string()])
        .collect();
    let mut commands = Vec::new();
    for (command, key, items) in [
        ("ZADD", free_key, &free),
        ("HSET", seats_key, &owners),
        ("HSET", reservations_key, &texts),
    ] {
        for chunk in items.chunks(ITEMS) {
            let mut command = redis::cmd(command);
            command.arg(key);
            for pair in chunk {
                command.arg(pair);
            }
            commands.push(command);
        }
        let mut ends = redis::cmd("EXPIRE");
        ends.arg(key).arg(BUILT_TIME.as_secs());
        commands.push(ends);
    }
    for chunk in commands.chunks(COMMANDS) {
        let mut pipeline = pipe();
        for command in chunk {
            pipeline.add_command(command.clone());
        }
        let answers = store.pipelined(event.slot(), pipeline).await?;
        read_as::<Vec<redis::Value>>(answers)?;
    }
    let highest = whole
        .reservations
        .values()
        .map(|written| written.token)
        .max();
    let meta = [
        whole.name.clone(),
        whole.seats.to_string(),
        whole.created_ms.to_string(),
        highest.unwrap_or(0).to_string(),
        sold.len().to_string(),
    ];
    let installed = store.install(event, built, meta, over).await?;
    store.list(event, whole.created_ms).await?;
    Ok(installed)
}
