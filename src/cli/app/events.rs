//! Events: making one, looking at one, listing them.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::pattern;
use super::said::Said;
use crate::app::answer::{Availability, Created, ReservationState};
use crate::app::patterns::WriteThrough;
use crate::app::patterns::cache_aside::Ages;
use crate::app::request::{CreateEvent, OperationId};
use crate::app::settings::duration;
use crate::app::{AppError, EventId, Pattern, Seat, Settings, Store};
use crate::cluster::SlotSet;

/// The longest that a reader may wait before it fills the cache.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub struct Create {
    /// Its name
    #[arg(long)]
    name: String,

    /// How many seats it has: 1 to 50000
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seats: i64,

    /// Put it where its keys are in one of these slots, as in 0-5460
    #[arg(long, value_name = "SLOTS")]
    on_slots: Option<String>,

    /// Where it is written: plain (Redis alone), event-driven (Redis, and a worker tells the ledger), or write-through (the ledger, then Redis), which it is where a database is named
    #[arg(long, value_name = "PATTERN")]
    pub pattern: Option<String>,
}

impl Create {
    /// The request.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn request(&self) -> Result<CreateEvent, AppError> {
        let request = CreateEvent {
            name: self.name.parse()?,
            seats: count(self.seats, "an event")?,
            on_slots: self.on_slots.as_deref().map(slots).transpose()?,
        };
        request.check()?;
        Ok(request)
    }
}

/// A number of seats, which the request checks further.
pub fn count(number: i64, what: &str) -> Result<u32, AppError> {
    u32::try_from(number).map_err(|_| AppError::Invalid {
        what: format!("{what} can't have {number} seats"),
        help: "a whole number of 1 or more".to_owned(),
    })
}

/// Slots as they are typed.
pub fn slots(text: &str) -> Result<SlotSet, AppError> {
    text.replace(',', " ")
        .parse()
        .map_err(|error| AppError::Invalid {
            what: format!("--on-slots: {error}"),
            help: "slots from 0 to 16383, as in 0-5460 or 478".to_owned(),
        })
}

/// One event, by its id.
#[derive(Debug, Args)]
pub struct One {
    /// The id of the event, as `create-event` printed it
    #[arg(long, value_name = "ID")]
    event: String,
}

impl One {
    /// The id.
    ///
    /// # Errors
    /// It is none.
    pub fn event(&self) -> Result<EventId, AppError> {
        self.event.parse()
    }
}

/// One event, and how it is read.
#[derive(Debug, Args)]
pub struct Look {
    #[command(flatten)]
    one: One,

    /// Where it is read: plain (Redis, as it is now), or cache-aside (what is sold, by a cache of the ledger)
    #[arg(long, value_name = "PATTERN")]
    pattern: Option<String>,

    /// With cache-aside: have so many read at once, and say how often the ledger was asked
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    readers: Option<u32>,

    /// With cache-aside: how long what is read from the ledger stays in the cache [default: 30s]
    #[arg(long, value_name = "TIME")]
    ttl: Option<String>,

    /// With cache-aside: wait so long between reading the ledger and filling the cache, as a slow reader would
    #[arg(long, value_name = "TIME")]
    pause_before_fill: Option<String>,
}

impl Look {
    /// The event, and the pattern.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn check(&self) -> Result<(EventId, Pattern), AppError> {
        self.ages()?;
        let (event, pattern) = (self.one.event()?, pattern::of_read(&self.pattern)?);
        let of_a_cache =
            self.readers.is_some() || self.ttl.is_some() || self.pause_before_fill.is_some();
        if pattern == Pattern::Plain && of_a_cache {
            return Err(AppError::Invalid {
                what: "--readers, --ttl and --pause-before-fill are for a cache, and nothing is read through one"
                    .to_owned(),
                help: "with --pattern cache-aside".to_owned(),
            });
        }
        Ok((event, pattern))
    }

    fn ages(&self) -> Result<Ages, AppError> {
        let mut ages = Ages::default();
        if let Some(ttl) = &self.ttl {
            ages.ttl = duration(ttl)?;
        }
        if let Some(pause) = &self.pause_before_fill {
            ages.pause = duration(pause)?;
            if ages.pause > LONGEST_PAUSE {
                return Err(AppError::Invalid {
                    what: format!("a reader can't be {:?} late", ages.pause),
                    help: format!("{LONGEST_PAUSE:?} at most"),
                });
            }
        }
        Ok(ages)
    }

    /// Reads it through the cache.
    pub async fn through_cache(
        &self,
        settings: Settings,
        event: &EventId,
    ) -> Result<Said, AppError> {
        pattern::read(settings, event, self.readers.unwrap_or(1), self.ages()?).await
    }
}

/// Makes an event in the ledger, and then in Redis.
pub async fn create_through(
    through: &WriteThrough,
    request: &CreateEvent,
) -> Result<Said, AppError> {
    let written = through.create_event(request).await?;
    let (more, json) = pattern::behind(&written.behind);
    Ok(said_of(&written.done, None).and(&more, json))
}

/// Makes an event.
pub async fn create(store: &Store, request: &CreateEvent) -> Result<Said, AppError> {
    let created = store.create_event(request).await?;
    let node = store.master_of(created.slot).map(|node| node.to_string());
    Ok(said_of(&created, node))
}

/// What is said of an event that was made.
fn said_of(created: &Created, node: Option<String>) -> Said {
    let slot = created.slot.get();
    let last = Seat::at(created.seats.saturating_sub(1));
    let seats = match created.seats {
        1 => "1 seat, A1".to_owned(),
        more => format!("{more} seats, A1 to {last}"),
    };
    let place = match &node {
        Some(node) => format!("slot {slot}, on {node}"),
        None => format!("slot {slot}"),
    };
    let text = format!(
        "Event {}: {}\n  {seats}\n  {place}",
        created.event, created.name
    );
    let json = json!({
        "result": "created", "event": created.event.as_str(), "name": created.name,
        "seats": created.seats, "slot": slot, "node": node, "created_ms": created.created_ms,
    });
    Said::done(text, json)
}

/// Counts an event's seats.
pub async fn availability(store: &Store, event: &EventId) -> Result<Said, AppError> {
    let found = store.availability(event).await?;
    let text = format!("Event {event}: {}\n{}", found.name, counts(&found));
    Ok(Said::done(text, counted(event, &found)))
}

/// The counts on one line.
pub fn counts(found: &Availability) -> String {
    format!(
        "  {} of {} seats free, {} held, {} sold",
        found.free, found.seats, found.held, found.sold
    )
}

/// The counts for programs.
pub fn counted(event: &EventId, found: &Availability) -> Value {
    json!({
        "result": "available", "event": event.as_str(), "name": found.name, "seats": found.seats,
        "free": found.free, "held": found.held, "sold": found.sold,
    })
}

/// Shows all of an event.
pub async fn show(store: &Store, event: &EventId) -> Result<Said, AppError> {
    let views = match store.view(event, &OperationId::random()).await {
        Ok(views) => views,
        Err(error) => return Err(error),
    };
    let details = store.details(event).await?;
    let mut lines = vec![
        format!("Event {event}: {}", details.availability.name),
        counts(&details.availability),
        match views {
            1 => "  shown once".to_owned(),
            more => format!("  shown {more} times"),
        },
    ];
    for reservation in &details.reservations {
        let state = match reservation.state {
            ReservationState::Held => "held",
            ReservationState::Confirmed => "sold",
            ReservationState::Cancelled => "cancelled",
            ReservationState::Expired => "expired",
            ReservationState::Lost => "lost",
        };
        lines.push(format!(
            "  {}  {state:<9}  {}  {}",
            reservation.id,
            reservation.user,
            reservation.seats.join(" ")
        ));
    }
    let json = json!({
        "result": "shown", "event": event.as_str(), "name": details.availability.name,
        "seats": details.availability.seats, "free": details.availability.free,
        "held": details.availability.held, "sold": details.availability.sold,
        "views": views, "created_ms": details.created_ms, "reservations": details.reservations,
    });
    Ok(Said::done(lines.join("\n"), json))
}

/// Lists the events.
pub async fn list(store: &Store) -> Result<Said, AppError> {
    let events = store.events().await?;
    let lines: Vec<String> = events
        .iter()
        .map(|(event, found)| {
            format!(
                "{event}  {:>5} of {:>5} free  {}",
                found.free, found.seats, found.name
            )
        })
        .collect();
    let text = match lines.is_empty() {
        true => "There are no events.".to_owned(),
        false => lines.join("\n"),
    };
    let events: Vec<Value> = events
        .iter()
        .map(|(event, found)| counted(event, found))
        .collect();
    Ok(Said::done(
        text,
        json!({"result": "events", "events": events}),
    ))
}
