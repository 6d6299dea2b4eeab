//! How far the streams are.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::app::error::AppError;
use crate::app::event_id::EventId;
use crate::app::ledger::{Ledger, Position};
use crate::app::store::{Store, StreamLag};

/// How a stream stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamState {
    /// How far it is in the ledger.
    #[serde(flatten)]
    pub position: Position,
    /// Entries that it has.
    pub entries: u64,
    /// Entries that wait to be applied.
    pub pending: u64,
    /// For how long the oldest of them has, in milliseconds.
    pub lag_ms: u64,
    /// Dead letters.
    pub dead_letters: u64,
}

/// How every stream stands, or those of some events.
///
/// # Errors
/// Redis or the ledger could not be asked.
pub async fn status(
    store: &Store,
    ledger: &Ledger,
    events: &[EventId],
) -> Result<Vec<StreamState>, AppError> {
    let ids = streams(store, ledger, events).await?;
    let mut positions: BTreeMap<String, Position> = ledger
        .positions(Some(&ids))
        .await?
        .into_iter()
        .map(|position| (position.event.clone(), position))
        .collect();
    let mut states = Vec::with_capacity(ids.len());
    for id in ids {
        let event: EventId = id.parse()?;
        let position = positions.remove(&id).unwrap_or_else(|| Position {
            event: id.clone(),
            worker: None,
            last_id: "0-0".to_owned(),
            applied: 0,
            refused: 0,
            dead: 0,
            tries: 0,
            last_error: None,
            gaps: 0,
            gap: None,
        });
        let StreamLag {
            entries,
            waiting,
            lag_ms,
            dead,
        } = store.stream_lag(&event, &position.last_id).await?;
        states.push(StreamState {
            position,
            entries,
            pending: waiting,
            lag_ms,
            dead_letters: dead,
        });
    }
    Ok(states)
}

/// The events whose streams there may be.
pub(super) async fn streams(
    store: &Store,
    ledger: &Ledger,
    events: &[EventId],
) -> Result<Vec<String>, AppError> {
    if !events.is_empty() {
        let named: BTreeSet<String> = events.iter().map(EventId::to_string).collect();
        return Ok(named.into_iter().collect());
    }
    let (listed, written) = tokio::join!(store.listed(), ledger.event_ids());
    let all: BTreeSet<String> = listed?
        .into_iter()
        .chain(written?)
        .filter(|id| id.parse::<EventId>().is_ok())
        .collect();
    Ok(all.into_iter().collect())
}
