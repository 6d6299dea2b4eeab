//! Event-driven: a change is made in Redis alone, by a script that writes an entry into the event's stream in the same moment; a worker brings the
//! entries into the ledger.
//!
//! # Guarantees
//!
//! - **Once.** An entry is applied in one transaction together with a row that says so. A worker that dies between that and telling Redis
//!   that it is done finds the row, or whoever comes after him does: the entry is given out again, and changes nothing.
//! - **In order.** The entries of an event are applied in the order in which its scripts wrote them. One worker at a time has an event's stream; that
//!   is decided in the ledger ([`Ledger::lease`]), and whoever has lost it is refused there, whatever he still has in hand. Between
//!   events there is no order, and no waiting.
//! - **Nothing is dropped in silence.** An entry that can't be applied is tried [`Options::tries`] times, and those behind it wait. Then it goes
//!   into the event's stream of dead letters, with the reason, and the others go on.
//! - **Nothing is kept for ever, and nothing is forgotten too early.** Entries that are older than [`Options::keep`] leave their stream, but never one that
//!   a group, whoever's it is, was not given yet or has not acknowledged, and never the last one that was applied. Only then do the rows leave that say
//!   that they were applied, and what is left is a mark in the stream's position: an entry from before it, should a replica that takes over
//!   have it still, is not applied again.
//! - **Sold once.** The ledger decides: a sale that it does not allow is written down there as cancelled, and the outbox tells Redis.
//!
//! # What can fail, and what is then
//!
//! | what fails | what is then |
//! |---|---|
//! | the worker | who notices first takes its streams, 5 seconds later at most; nothing is lost, nothing done twice |
//! | the ledger | the entries wait in Redis; who reserves and confirms notices nothing |
//! | Redis, with a failover that loses the last changes | a sale that the stream has lost never reaches the ledger, though its buyer was told; if it was applied before, the ledger has it and Redis does not, which [`reconcile`](super::reconcile) mends |
//! | somebody trims the stream | seen by the last applied entry, which is not there any more: told as a gap; [`reconcile`](super::reconcile) finds what is missing |
//! | two workers with one name | two instances of one consumer: the streams are shared among them as among any two |
//!
//! **The window.** Whoever is told by Redis that a reservation is confirmed has no more than the word of Redis until the worker has come by, some
//! milliseconds later. Who has to be sure takes [`WriteThrough`](super::WriteThrough).

use std::time::{Duration, Instant};

use crate::app::error::AppError;
use crate::app::event_id::EventId;
use crate::app::ledger::{Batch, Effect, Ledger, Line, Message, order};
use crate::app::request::{EventName, User};
use crate::app::store::{FLOOR_TIME, Store, StreamEntry, Taken, entry_ms};

/// How a worker works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Its name: that of the consumer.
    pub name: User,
    /// The events whose streams it drains; all, if none is named.
    pub events: Vec<EventId>,
    /// Entries that are applied in one transaction, at most.
    pub batch: u32,
    /// How often an entry is tried.
    pub tries: u32,
    /// How long an entry stays in its stream when every group has done with it, and the row that says that it was applied in the ledger. It has to be
    /// longer than what the clocks of the nodes differ by, and than what a failover may take back.
    pub keep: Duration,
    /// Ends after the first batch was applied and before Redis is told, as if it had been killed there: to see what that leaves.
    pub stop_before_ack: bool,
}

/// A stream, as the worker who has it knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// The event.
    pub event: EventId,
    /// The last entry that was applied.
    pub last_id: String,
    /// Entries that were applied, which Redis does not know yet.
    pub done: Vec<String>,
}

/// What came of one look at a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// Entries that are applied now.
    pub applied: u64,
    /// Entries that were, and were given out again.
    pub again: u64,
    /// Sales that the ledger did not allow.
    pub refused: u64,
    /// Entries that went to the dead letters.
    pub dead: u64,
    /// Gaps that were found.
    pub gaps: u64,
    /// How long each entry had waited until it was applied, in milliseconds.
    pub lags_ms: Vec<u64>,
    /// Why the next entry could not be applied.
    pub stuck: Option<String>,
    /// The stream is another worker's now.
    pub lost: bool,
    /// There was nothing.
    pub idle: bool,
    /// There may be more: it was as much as can be taken at once.
    pub full: bool,
}

/// Entries that are taken out of a stream at once, about.
const TRIMMED: u32 = 10_000;

/// Takes entries out of a stream that are older than [`Options::keep`] and that every group has done with, and has the ledger forget that they were
/// applied. Before which entry all are forgotten; nothing where none can be yet. `before`: what this was the last time.
///
/// # Errors
/// Redis or the ledger could not be asked. Whatever was done by then is safe: what Redis has forgotten and the ledger has not is forgotten
/// the next time.
pub async fn tidy(
    store: &Store,
    ledger: &Ledger,
    options: &Options,
    instance: &str,
    event: &EventId,
    last_id: &str,
    before: Option<String>,
) -> Result<Option<String>, AppError> {
    let trimmed = store.trim(event, last_id, options.keep, TRIMMED).await?;
    let (Some(first), true) = (&trimmed, trimmed != before) else {
        return Ok(before);
    };
    let source = event.stream_key();
    while let Some(rows) = ledger
        .forget(event.as_str(), &source, instance, first)
        .await?
        && rows > 0
    {}
    Ok(trimmed)
}

/// Looks at a stream once: takes what is next and applies it.
///
/// # Errors
/// Redis or the ledger could not be asked; nothing is lost by that.
pub async fn step(
    store: &Store,
    ledger: &Ledger,
    options: &Options,
    instance: &str,
    course: &mut Course,
) -> Result<Step, AppError> {
    let event = course.event.clone();
    let asked = Instant::now();
    let taken = store
        .take(
            &event,
            options.name.as_str(),
            options.batch,
            &course.last_id,
            &course.done,
        )
        .await?;
    course.done.clear();
    let mut step = Step::default();
    let Some(taken) = taken else {
        step.idle = true;
        return Ok(step);
    };
    if let Some((from, to)) = gap(&course.last_id, &taken) {
        ledger.gap_found(event.as_str(), &from, &to).await?;
        step.gaps = 1;
    }
    if taken.entries.is_empty() {
        step.idle = true;
        return Ok(step);
    }
    step.full = taken.entries.len() >= options.batch as usize;
    let batch = Batch {
        event: event.as_str().to_owned(),
        source: event.stream_key(),
        messages: taken.entries.iter().map(message).collect(),
    };
    let intake = match ledger.take_in(&batch, instance).await {
        // One entry of them breaks a rule that nobody thought of. Which one, shows one by one.
        Err(AppError::Unexpected { what }) => one_by_one(ledger, &batch, instance, what).await?,
        other => other?,
    };
    if intake.lost {
        step.lost = true;
        return Ok(step);
    }
    let waited = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
    for entry in taken.entries.iter().take(intake.done) {
        let since = taken.now_ms.saturating_sub(entry_ms(&entry.id));
        step.lags_ms.push(since.saturating_add(waited));
        course.done.push(entry.id.clone());
        forward(&mut course.last_id, &entry.id);
    }
    step.again = intake.again as u64;
    step.applied = (intake.done - intake.again.min(intake.done)) as u64;
    step.refused = intake.refused as u64;
    if let Some(version) = intake.version {
        // The cache takes nothing older from now on. Where that fails, what it has ends at its time.
        let quick = Duration::from_millis(1);
        let _ = store.fill(&event, version, FLOOR_TIME, quick, "").await;
    }
    let Some(why) = intake.stuck else {
        return Ok(step);
    };
    let Some(entry) = taken.entries.get(intake.done) else {
        return Ok(step);
    };
    let tries = ledger
        .entry_failed(event.as_str(), instance, &entry.id, &why)
        .await?;
    if tries >= options.tries {
        store.bury(&event, entry, tries, &why).await?;
        ledger
            .entry_buried(event.as_str(), &event.stream_key(), instance, &entry.id)
            .await?;
        course.done.push(entry.id.clone());
        forward(&mut course.last_id, &entry.id);
        step.dead = 1;
    } else {
        step.stuck = Some(why);
    }
    Ok(step)
}

/// Applies a batch entry by entry, up to the one that fails.
async fn one_by_one(
    ledger: &Ledger,
    batch: &Batch,
    instance: &str,
    first: String,
) -> Result<crate::app::ledger::Intake, AppError> {
    let mut all = crate::app::ledger::Intake::default();
    for message in &batch.messages {
        let one = Batch {
            messages: vec![message.clone()],
            ..batch.clone()
        };
        match ledger.take_in(&one, instance).await {
            Err(AppError::Unexpected { what }) => {
                all.stuck = Some(what);
                return Ok(all);
            }
            Err(error) => return Err(error),
            Ok(done) if done.lost => return Ok(done),
            Ok(done) => {
                all.done += done.done;
                all.again += done.again;
                all.refused += done.refused;
                all.version = done.version.or(all.version);
                if done.stuck.is_some() {
                    all.stuck = done.stuck;
                    return Ok(all);
                }
            }
        }
    }
    match all.done == batch.messages.len() {
        true => Ok(all),
        false => Err(AppError::Unexpected { what: first }),
    }
}

/// Between which two entries some are missing. As long as the last applied one is there, none behind it can be: a stream is trimmed from its
/// beginning. And every stream begins with the making of its event.
fn gap(last_id: &str, taken: &Taken) -> Option<(String, String)> {
    if taken.has_last {
        return None;
    }
    if taken.vanished > 0 && taken.entries.is_empty() {
        return Some((last_id.to_owned(), taken.first.clone().unwrap_or_default()));
    }
    let first = taken.first.as_ref()?;
    let begins_anew = taken.entries.first().is_some_and(|entry| {
        entry.id == *first && value(entry, "type").is_some_and(|kind| kind == "created")
    });
    // Where nothing is new, nothing shows whether entries are missing.
    if begins_anew || taken.entries.is_empty() || order(first) <= order(last_id) {
        return None;
    }
    Some((last_id.to_owned(), first.clone()))
}

fn forward(last_id: &mut String, id: &str) {
    if order(id) > order(last_id) {
        id.clone_into(last_id);
    }
}

fn value<'a>(entry: &'a StreamEntry, field: &str) -> Option<&'a str> {
    let found = entry.fields.iter().find(|(name, _)| name == field);
    found.map(|(_, value)| value.as_str())
}

/// What an entry means for the ledger.
fn message(entry: &StreamEntry) -> Message {
    Message {
        id: entry.id.clone(),
        effect: effect(entry).unwrap_or_else(Effect::Unreadable),
    }
}

fn effect(entry: &StreamEntry) -> Result<Effect, String> {
    let text =
        |field: &str| value(entry, field).ok_or_else(|| format!("it has no field `{field}`"));
    let number = |field: &str| -> Result<i64, String> {
        let text = text(field)?;
        text.parse()
            .map_err(|_| format!("its field `{field}` is no number: {text:?}"))
    };
    let line = || -> Result<Line, String> {
        let user: User = text("user")?
            .parse()
            .map_err(|error: AppError| error.to_string())?;
        let token = number("token")?;
        if token < 1 {
            return Err(format!("its token is {token}"));
        }
        let reservation: crate::app::request::ReservationId = text("reservation")?
            .parse()
            .map_err(|error: AppError| error.to_string())?;
        Ok(Line {
            reservation: reservation.as_str().to_owned(),
            user: user.as_str().to_owned(),
            seats: text("seats")?
                .split(',')
                .filter(|seat| !seat.is_empty())
                .map(str::to_owned)
                .collect(),
            token,
        })
    };
    Ok(match text("type")? {
        "created" => {
            let name: EventName = text("name")?
                .parse()
                .map_err(|error: AppError| error.to_string())?;
            Effect::Created {
                name: name.as_str().to_owned(),
                seats: u32::try_from(number("total")?)
                    .ok()
                    .filter(|seats| (1..=crate::app::request::MOST_SEATS).contains(seats))
                    .ok_or("no event has so many seats")?,
                at_ms: number("at_ms")?.unsigned_abs(),
            }
        }
        "held" | "expired" | "lost" => Effect::Nothing,
        // Where the ledger had a part in it, it was the first to know.
        "confirmed" | "cancelled" if number("version")? > 0 => Effect::Nothing,
        "confirmed" => Effect::Confirmed(line()?),
        "cancelled" => Effect::Cancelled(line()?),
        other => return Err(format!("its type is none of ours: {other:?}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn entry(id: &str, text: &str) -> StreamEntry {
        StreamEntry {
            id: id.to_owned(),
            fields: text
                .split_whitespace()
                .filter_map(|pair| pair.split_once('='))
                .map(|(field, value)| (field.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    #[rstest]
    #[case("type=held", "Nothing")]
    #[case("type=confirmed version=3", "Nothing")]
    #[case(
        "type=confirmed version=0 reservation=r1 user=ann seats=A1,A2 token=4",
        "Confirmed"
    )]
    #[case(
        "type=cancelled version=0 reservation=r1 user=ann seats= token=4",
        "Cancelled"
    )]
    #[case("type=created name=N total=5 at_ms=7", "Created")]
    #[case("type=created name=N total=0 at_ms=7", "so many seats")]
    #[case(
        "type=confirmed version=0 reservation=r1 user=ann seats=A1 token=x",
        "no number"
    )]
    #[case(
        "type=confirmed version=0 reservation=r1 user=ann seats=A1 token=0",
        "token is 0"
    )]
    #[case(
        "type=confirmed version=0 reservation=r1 seats=A1 token=1",
        "no field `user`"
    )]
    #[case("kind=held", "no field `type`")]
    #[case("type=sold", "none of ours")]
    fn entries_are_read_with_care(#[case] fields: &str, #[case] meaning: &str) {
        let told = format!("{:?}", message(&entry("1-0", fields)).effect);
        assert!(told.contains(meaning), "{told}");
    }

    #[test]
    fn a_gap_shows_by_the_last_entry_that_was_applied() {
        let taken = |first: &str, has_last: bool, entries: Vec<StreamEntry>| Taken {
            first: Some(first.to_owned()),
            has_last,
            entries,
            ..Taken::default()
        };
        let held = |id| vec![entry(id, "type=held")];
        let made = vec![entry("5-0", "type=created")];
        assert_eq!(gap("4-0", &taken("1-0", true, held("5-0"))), None);
        assert_eq!(gap("0-0", &taken("5-0", false, made.clone())), None);
        assert_eq!(gap("4-0", &taken("5-0", false, made)), None);
        assert_eq!(gap("10-0", &taken("9-0", false, held("11-0"))), None);
        assert_eq!(
            gap("4-0", &taken("9-0", false, held("9-0"))),
            Some(("4-0".to_owned(), "9-0".to_owned()))
        );
        assert_eq!(
            gap("0-0", &taken("9-0", false, held("9-0"))),
            Some(("0-0".to_owned(), "9-0".to_owned()))
        );
    }
}
