//! Reading everything back at the end, and leaving nothing behind.

use std::time::{Duration, Instant};

use super::keys::ProbeKey;
use super::operation::found;
use super::probe::Shared;
use super::tally::Outcome;
use crate::cluster::Reply;
use crate::resp::Terms;

/// The time for reading all keys back, and for removing them again. A million keys fit in; a node that is gone does not
/// hold the end of a probe up for longer.
const READING: Duration = Duration::from_secs(10);
const REMOVING: Duration = Duration::from_secs(3);
const REMOVING_AFTER_FAILURE: Duration = Duration::from_millis(500);
/// Keys in one batch: bounds the memory that their names take.
const PART: usize = 20_000;

/// Reads every acknowledged key back, and those of writes with an unknown fate; then removes all of them. (A write that
/// failed and is not unknown was refused every time it was sent.)
pub(super) async fn audit(shared: &Shared) {
    let (acknowledged, unknown) = shared.tally().written();
    let until = Instant::now() + READING;
    let complete = read_acknowledged(shared, &acknowledged, until).await;
    read_unknown(shared, &unknown, until).await;
    let mut all = acknowledged;
    all.extend(unknown);
    // A node that could not be read for so long is not waited for again.
    let limit = if complete {
        REMOVING
    } else {
        REMOVING_AFTER_FAILURE
    };
    let left_behind = remove(shared, &all, limit).await;
    shared.tally().audited(complete, left_behind);
}

/// Returns whether every key was read.
async fn read_acknowledged(shared: &Shared, keys: &[ProbeKey], until: Instant) -> bool {
    let mut complete = true;
    for part in keys.chunks(PART) {
        let results = send(shared, part.iter().copied(), "GET", until).await;
        let mut tally = shared.tally();
        for (key, result) in part.iter().zip(results) {
            let name = shared.naming.key(*key);
            match result {
                // WRONGTYPE is an answer: what is there is not what was written. Any other error leaves it open.
                Some(Reply::Error(error)) if error.starts_with("WRONGTYPE") => {
                    tally.wrong(*key, &name, &error)
                }
                Some(Reply::Error(_)) | None => complete = false,
                Some(reply) => match found(*key, &shared.naming.value(*key), &reply) {
                    Outcome::Lost => tally.lost(*key, &name),
                    Outcome::Wrong(what) => tally.wrong(*key, &name, &what),
                    _ => {}
                },
            }
        }
    }
    complete
}

/// Writes without an answer that were executed all the same.
async fn read_unknown(shared: &Shared, keys: &[ProbeKey], until: Instant) {
    for part in keys.chunks(PART) {
        let results = send(shared, part.iter().copied(), "GET", until).await;
        let mut tally = shared.tally();
        for (key, result) in part.iter().zip(results) {
            if result == Some(Reply::Bulk(shared.naming.value(*key).into_bytes())) {
                tally.unknown_but_applied();
            }
        }
    }
}

/// Returns how many keys could not be removed.
async fn remove(shared: &Shared, keys: &[ProbeKey], limit: Duration) -> u64 {
    let until = Instant::now() + limit;
    let mut left_behind = 0;
    for part in keys.chunks(PART) {
        let results = send(shared, part.iter().copied(), "DEL", until).await;
        left_behind += results
            .iter()
            .filter(|result| !matches!(result, Some(Reply::Int(_))))
            .count() as u64;
    }
    left_behind
}

/// One command for each key. `None` where there was no answer by `until`.
async fn send(
    shared: &Shared,
    keys: impl Iterator<Item = ProbeKey>,
    command: &str,
    until: Instant,
) -> Vec<Option<Reply>> {
    let commands: Vec<Vec<Vec<u8>>> = keys
        .map(|key| {
            vec![
                command.as_bytes().to_vec(),
                shared.naming.key(key).into_bytes(),
            ]
        })
        .collect();
    if commands.is_empty() {
        return Vec::new();
    }
    let deadline = until.saturating_duration_since(Instant::now());
    let terms = Terms {
        deadline,
        linger: Duration::ZERO,
        idempotent: true,
    };
    shared
        .router
        .batch(commands, terms)
        .await
        .results
        .into_iter()
        .map(Result::ok)
        .collect()
}
