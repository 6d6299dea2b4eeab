//! Which pattern a command follows, and what it needs for that.

use serde_json::{Value, json};

use super::database::settings_of;
use super::said::Said;
use crate::app::patterns::cache_aside::{Ages, Counts, Source};
use crate::app::patterns::{CacheAside, Pattern, WriteThrough};
use crate::app::{AppError, EventId, Ledger, Refusal, Settings, Store};

/// The pattern of a change: what was said, or else write-through where a database is named.
///
/// # Errors
/// It is none, or one for reads.
pub fn of_change(said: &Option<String>, settings: &Settings) -> Result<Pattern, AppError> {
    match said.as_deref().map(str::parse).transpose()? {
        None if settings.database_url.is_some() => Ok(Pattern::WriteThrough),
        None => Ok(Pattern::Plain),
        Some(pattern @ (Pattern::Plain | Pattern::WriteThrough | Pattern::EventDriven)) => {
            Ok(pattern)
        }
        Some(other) => Err(AppError::Invalid {
            what: format!("{other} is a pattern for reads"),
            help: "plain, write-through or event-driven".to_owned(),
        }),
    }
}

/// The pattern of a read: what was said, or else plain.
///
/// # Errors
/// It is none, or one for changes.
pub fn of_read(said: &Option<String>) -> Result<Pattern, AppError> {
    match said.as_deref().map(str::parse).transpose()? {
        None => Ok(Pattern::Plain),
        Some(pattern @ (Pattern::Plain | Pattern::CacheAside)) => Ok(pattern),
        Some(other) => Err(AppError::Invalid {
            what: format!("{other} is a pattern for changes"),
            help: "plain or cache-aside".to_owned(),
        }),
    }
}

/// Redis and the ledger, written through.
///
/// # Errors
/// One of them can't be reached, or no database is named.
pub async fn write_through(
    settings: Settings,
    stop_between: bool,
) -> Result<WriteThrough, AppError> {
    let (store, ledger) = both(settings).await?;
    let through = WriteThrough::new(store, ledger);
    Ok(match stop_between {
        true => through.stopping_between(),
        false => through,
    })
}

async fn both(settings: Settings) -> Result<(Store, Ledger), AppError> {
    let of_ledger = settings_of(&settings, "this pattern")?;
    let (ledger, store) = tokio::join!(Ledger::connect(&of_ledger), Store::connect(settings));
    Ok((store?, ledger?))
}

/// What is said besides of a change that was written through.
pub fn behind(behind: &Option<String>) -> (String, Value) {
    match behind {
        None => (String::new(), json!({"redis": "told"})),
        Some(why) => (
            format!("\n  Redis does not have it yet, and will be told: {why}"),
            json!({"redis": "behind", "why": why}),
        ),
    }
}

/// Reads an event through the cache, by so many at once, and says where from.
pub async fn read(
    settings: Settings,
    event: &EventId,
    readers: u32,
    ages: Ages,
) -> Result<Said, AppError> {
    // What the cache has is read without the ledger: it is connected to when it is asked.
    let ledger = Ledger::open(&settings_of(&settings, "this pattern")?)?;
    let store = Store::connect(settings).await?;
    let cache = CacheAside::new(store, ledger, ages);
    let reading: Vec<_> = (0..readers)
        .map(|_| {
            let (cache, event) = (cache.clone(), event.clone());
            tokio::spawn(async move { cache.sheet(&event).await })
        })
        .collect();
    let mut from_cache = 0_u32;
    let mut oldest = None;
    let mut newest: Option<crate::app::ledger::Sheet> = None;
    let mut nothing = false;
    for read in reading {
        let read = read.await.map_err(|error| AppError::Unexpected {
            what: format!("a reader came to no end: {error}"),
        })?;
        let (sheet, source) = read?;
        from_cache += u32::from(source == Source::Cache);
        match sheet {
            None => nothing = true,
            Some(sheet) => {
                oldest =
                    Some(oldest.map_or(sheet.version, |version: u64| version.min(sheet.version)));
                if newest
                    .as_ref()
                    .is_none_or(|newest| newest.version <= sheet.version)
                {
                    newest = Some(sheet);
                }
            }
        }
    }
    let Counts { queries, .. } = cache.counts();
    let Some(sheet) = newest.filter(|_| !nothing) else {
        return Err(AppError::Refused(Refusal::UnknownEvent {
            event: event.to_string(),
        }));
    };
    let source = match queries {
        0 => Source::Cache,
        _ => Source::Ledger,
    };
    let mut text = format!(
        "Event {event}: {}\n  {} of {} seats sold, version {}, from the {}",
        sheet.name,
        sheet.sold,
        sheet.seats,
        sheet.version,
        match source {
            Source::Cache => "cache",
            Source::Ledger => "ledger",
        }
    );
    if readers > 1 {
        text.push_str(&format!(
            "\n  {readers} readers, {from_cache} of them served by the cache; {queries} queries"
        ));
    }
    let json = json!({
        "result": "available", "event": event.as_str(), "name": sheet.name, "seats": sheet.seats,
        "sold": sheet.sold, "unsold": sheet.seats.saturating_sub(sheet.sold), "version": sheet.version,
        "created_ms": sheet.created_ms, "source": source, "readers": readers, "from_cache": from_cache,
        "queries": queries, "oldest_version": oldest, "counts": cache.counts(),
    });
    Ok(Said::done(text, json))
}
