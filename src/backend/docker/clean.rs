//! `labrunner clean`: removing what runs left behind that were killed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::client::Client;
use super::sweep::{self, Found, Kind, Quiet};
use super::{course, whose};
use super::{lock, this_host};
use crate::backend::BackendError;

/// What stands in the place of a run's id for the environment of `labrunner up`, which outlives the program on purpose.
pub const COURSE: &str = course::COURSE;

/// What `clean` did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CleanReport {
    /// What was removed, a run each, by the run's id.
    pub removed: Vec<Removed>,
    /// What was left, a run each, by the run's id.
    pub left: Vec<Left>,
}

/// What was removed of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// The run's id.
    pub run: String,
    /// How many containers.
    pub containers: usize,
    /// How many networks.
    pub networks: usize,
    /// How many named volumes; unnamed ones go with their containers.
    pub volumes: usize,
}

/// A run that was left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The run's id.
    pub run: String,
    /// Why, in a few words: `still running`.
    pub why: String,
}

/// Removes the containers, networks and volumes of every run that is no longer alive: whose lock nobody holds. With `all`, those of
/// every run, and of `labrunner up`'s environment.
///
/// # Errors
/// `Unavailable` without docker; `Broken` when something resists, after everything else was removed.
pub async fn clean(all: bool) -> Result<CleanReport, BackendError> {
    clean_where(all, |_| true).await
}

/// As [`clean`], of these runs alone, by their ids.
///
/// # Errors
/// As [`clean`].
pub async fn clean_runs(runs: &[&str], all: bool) -> Result<CleanReport, BackendError> {
    clean_where(all, |run| runs.contains(&run)).await
}

async fn clean_where(
    all: bool,
    concerns: impl Fn(&str) -> bool,
) -> Result<CleanReport, BackendError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let client = Client::find(&path)?;
    client.engine_version().await?;
    let host = this_host();

    // Decided once, before anything is removed: a run that starts meanwhile is not among these.
    let mut reasons: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut locks: BTreeSet<PathBuf> = BTreeSet::new();
    let (of_course, of_runs): (Vec<Found>, Vec<Found>) = sweep::find(&client, None)
        .await?
        .into_iter()
        .filter(|found| concerns(&found.run))
        .partition(|found| found.run == COURSE);
    // Until it is removed, nobody makes it anew.
    let mut course_locks = Vec::new();
    if !of_course.is_empty() {
        let reason = if all {
            whose::lock_all(&of_course, &host, &mut course_locks)
        } else {
            Some(whose::reason_to_leave(&of_course, &host))
        };
        reasons.insert(COURSE.to_owned(), reason);
    }
    for found in of_runs {
        let reason = if all {
            None
        } else {
            reason_to_leave(&found, &host)
        };
        if reason.is_none() && found.host == host {
            locks.insert(found.lock);
        }
        // One reason is enough to leave all of a run.
        let entry = reasons.entry(found.run).or_default();
        *entry = entry.take().or(reason);
    }
    let left = reasons
        .iter()
        .filter_map(|(run, why)| {
            Some(Left {
                run: run.clone(),
                why: why.clone()?,
            })
        })
        .collect();
    let dead: BTreeSet<String> = reasons
        .into_iter()
        .filter(|(_, why)| why.is_none())
        .map(|(run, _)| run)
        .collect();
    if dead.is_empty() {
        return Ok(CleanReport {
            removed: Vec::new(),
            left,
        });
    }
    let removed = sweep::remove(
        &client,
        None,
        |found| dead.contains(&found.run),
        Quiet::ForAWhile,
    )
    .await?;
    for lock in locks {
        remove_files(&lock);
    }
    for (state_dir, lock) in course_locks {
        course::forget(&state_dir);
        lock.remove();
    }
    Ok(CleanReport {
        removed: by_run(&removed),
        left,
    })
}

fn reason_to_leave(found: &Found, host: &str) -> Option<String> {
    if found.lock.as_os_str().is_empty() {
        // Made by hand from docker-compose.yml with a name of its own: there is nobody whom we could ask.
        return Some("without a lock: not made by a run".to_owned());
    }
    if found.host != host {
        return Some(format!("made on another machine ({})", found.host));
    }
    lock::is_held(&found.lock).then(|| "still running".to_owned())
}

/// Removes the files that this room puts into a run's folder, and the folder if nothing else is in it.
pub(super) fn remove_files(lock: &Path) {
    // What is gone already is what was wanted; what can't be removed is two small files.
    if let Some(folder) = lock.parent() {
        let _ = std::fs::remove_file(folder.join(super::DEFINITION_FILE));
        let _ = std::fs::remove_file(lock);
        let _ = std::fs::remove_dir(folder);
    }
}

fn by_run(removed: &[Found]) -> Vec<Removed> {
    let mut runs: BTreeMap<&str, Removed> = BTreeMap::new();
    for found in removed {
        let run = runs.entry(&found.run).or_insert_with(|| Removed {
            run: found.run.clone(),
            ..Removed::default()
        });
        match found.kind {
            Kind::Container => run.containers += 1,
            Kind::Network => run.networks += 1,
            Kind::Volume => run.volumes += 1,
        }
    }
    runs.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn found(run: &str, lock: &str, host: &str) -> Found {
        Found {
            kind: Kind::Container,
            id: "1".to_owned(),
            run: run.to_owned(),
            lock: lock.into(),
            host: host.to_owned(),
        }
    }

    #[rstest]
    #[case::dead(found("x", "/nowhere/lock", "here"), None)]
    #[case::by_hand(found("x", "", ""), Some("without a lock: not made by a run"))]
    #[case::elsewhere(
        found("x", "/nowhere/lock", "there"),
        Some("made on another machine (there)")
    )]
    fn leaves_what_may_be_alive(#[case] found: Found, #[case] reason: Option<&str>) {
        assert_eq!(reason_to_leave(&found, "here").as_deref(), reason);
    }

    #[test]
    fn leaves_a_run_whose_lock_is_held() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = lock::RunLock::take(folder.path()).expect("free");
        let found = found("x", &held.path().to_string_lossy(), "here");
        assert_eq!(
            reason_to_leave(&found, "here").as_deref(),
            Some("still running")
        );
        drop(held);
        assert_eq!(reason_to_leave(&found, "here"), None);
    }

    #[test]
    fn reports_by_run() {
        let mut things = vec![found("b", "", ""), found("a", "", ""), found("b", "", "")];
        things[1].kind = Kind::Network;
        let removed = by_run(&things);
        assert_eq!(
            removed[0],
            Removed {
                run: "a".to_owned(),
                networks: 1,
                ..Removed::default()
            }
        );
        assert_eq!(
            removed[1],
            Removed {
                run: "b".to_owned(),
                containers: 2,
                ..Removed::default()
            }
        );
    }
}
