//! Whose the environment is.
//!
//! A volume that nobody mounts carries the path of the lock under which the environment was made, and the name of the machine. It does
//! not stand in the labels of containers and network: these are exactly what a reader's own `docker compose up -d redis-8` finds in
//! docker-compose.yml. Were they different, newer versions of compose would stop all nodes to make the network anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::compose::{PSQL, TOOLBOX};
use super::course::COURSE;
use super::sweep::{self, Found, HOST_LABEL, LOCK_LABEL, RUN_LABEL};
use super::{Inner, this_host};
use crate::backend::BackendError;
use crate::backend::standing::{self, EnvironmentLock};
use crate::lab::environment::{CourseNode, POSTGRES};

/// The volume's name.
const MARK: &str = "labrunner-course";
/// To make a volume takes some 30 ms.
const MARK_TIME: std::time::Duration = std::time::Duration::from_secs(30);

impl Inner {
    /// Says whose the environment is, before the first thing of it is made. Docker makes a volume of one name once, so of two who come at
    /// the same moment one finds the other's.
    ///
    /// # Errors
    /// `Unavailable` when it is somebody else's; `Cancelled`; when docker does not make the volume.
    pub(super) async fn mark(
        &self,
        owner: &Path,
        cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        let label = |name: &str, value: &str| format!("{name}={value}");
        let (run, lock, host) = (
            label(RUN_LABEL, COURSE),
            label(LOCK_LABEL, &owner.to_string_lossy()),
            label(HOST_LABEL, &this_host()),
        );
        let labels = ["--label", &run, "--label", &lock, "--label", &host];
        let words = ["volume", "create"].iter().chain(&labels).chain(&[MARK]);
        let made = self.client.run(words, MARK_TIME, cancel).await?;
        if !made.succeeded() {
            return Err(BackendError::Unavailable {
                what: format!("the volume {MARK} can't be made: {}", made.complaint()),
                help: "see what `docker info` says".to_owned(),
            });
        }
        if self.is_ours().await? {
            return Ok(());
        }
        let found = sweep::find(&self.client, Some(COURSE)).await?;
        let (what, help) = whose(&found, owner).unwrap_or_else(|| {
            (
                format!("the volume {MARK} is there already, and it is not labrunner's"),
                format!("remove it: `docker volume rm {MARK}`"),
            )
        });
        Err(BackendError::Unavailable { what, help })
    }

    /// Whether the environment that stands is this one. A run's is always its own; the course's is whose the mark says, and as long as
    /// nobody has marked it, of whoever knows of it.
    ///
    /// # Errors
    /// When docker can't say.
    pub(super) async fn is_ours(&self) -> Result<bool, BackendError> {
        let Some(owner) = &self.owner else {
            return Ok(true);
        };
        let format = format!("{{{{.Name}}}}\t{{{{.Label \"{LOCK_LABEL}\"}}}}");
        let volumes = self
            .client
            .lines(&["volume", "ls", "--format", &format])
            .await?;
        let mark = volumes
            .iter()
            .filter_map(|line| line.split_once('\t'))
            .find(|(name, _)| *name == MARK);
        Ok(mark.is_none_or(|(_, lock)| Path::new(lock) == owner))
    }
}

/// What stands in the way of making the environment: what, and what to do.
pub(super) async fn in_the_way(
    client: &Client,
    our_lock: &Path,
    needs_postgres: bool,
) -> Result<Option<(String, String)>, BackendError> {
    let format = format!("{{{{.Names}}}}\t{{{{.Label \"{RUN_LABEL}\"}}}}");
    let all = ["ps", "--all", "--format", format.as_str()];
    let (found, lines) = tokio::join!(sweep::find(client, Some(COURSE)), client.lines(&all));
    if let Some(whose) = whose(&found?, our_lock) {
        return Ok(Some(whose));
    }
    // Many a machine has a container called postgres, which is in nobody's way as long as no lab needs one.
    let plain = |name: &str| {
        CourseNode::named(name).is_some()
            || name == TOOLBOX
            || (needs_postgres && [POSTGRES, PSQL].contains(&name))
    };
    let lines = lines?;
    let strangers: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split_once('\t'))
        .filter(|(name, run)| plain(name) && *run != COURSE)
        .map(|(name, _)| name)
        .collect();
    Ok((!strangers.is_empty()).then(|| {
        let (containers, they) = match strangers.as_slice() {
            [one] => (format!("a container {one} is"), "it is"),
            some => (format!("containers {} are", some.join(", ")), "they are"),
        };
        (
            format!("{containers} there already, and {they} not labrunner's"),
            "the course's containers need these names: remove or rename what has them (`docker rename`); labrunner does not touch it"
                .to_owned(),
        )
    }))
}

/// Whose environment stands, of which these things were found, and how it is removed; nothing if nothing was found.
pub(super) fn whose(found: &[Found], our_lock: &Path) -> Option<(String, String)> {
    if found.iter().any(|thing| thing.lock == our_lock) {
        return Some((
            "an environment of this state folder stands, but its handle is gone".to_owned(),
            "`labrunner down` removes it; then make it anew with `labrunner up`".to_owned(),
        ));
    }
    let other = found
        .iter()
        .find(|thing| !thing.lock.as_os_str().is_empty())
        .or(found.first())?;
    let Some(folder) = other
        .lock
        .parent()
        .filter(|_| !other.lock.as_os_str().is_empty())
    else {
        return Some((
            "the course's containers are there already, made by hand from docker-compose.yml"
                .to_owned(),
            "remove them with `docker compose down`, where they were made".to_owned(),
        ));
    };
    let place = folder.display();
    if other.host != this_host() {
        return Some((
            format!(
                "the environment of another machine stands on this engine: of {place} on {}",
                other.host
            ),
            format!("run `labrunner down --state-dir {place}` on that machine"),
        ));
    }
    let gone = if folder.is_dir() {
        ""
    } else {
        ", which is gone"
    };
    Some((
        format!("another environment stands on this machine: that of {place}{gone}"),
        format!(
            "there can be one at a time: use that one, or remove it with `labrunner down --state-dir {place}`"
        ),
    ))
}

/// Why `labrunner clean` leaves the environment of which these things were found: what removes it.
pub(super) fn reason_to_leave(found: &[Found], host: &str) -> String {
    let Some(marked) = found
        .iter()
        .find(|thing| !thing.lock.as_os_str().is_empty())
    else {
        return "made by hand from docker-compose.yml; `docker compose down` removes it".to_owned();
    };
    let folder = marked.lock.parent().unwrap_or(Path::new(""));
    let place = folder.display();
    if marked.host != host {
        return format!(
            "made on another machine ({}), in {place}; `labrunner down` removes it there",
            marked.host
        );
    }
    let handle = if standing::handle_path(folder).exists() {
        ""
    } else {
        ", whose handle is gone"
    };
    format!("that of {place}{handle}; `labrunner down --state-dir {place}` removes it")
}

/// Takes the locks of the environment of which these things were found, so that nobody changes it while it is removed, with the state
/// folder of each. Returns why it has to be left, if it has.
pub(super) fn lock_all(
    found: &[Found],
    host: &str,
    locks: &mut Vec<(PathBuf, EnvironmentLock)>,
) -> Option<String> {
    let folders: BTreeSet<&Path> = found
        .iter()
        .filter(|thing| thing.host == host)
        .filter_map(|thing| thing.lock.parent())
        // A folder that is gone has no lock that could be held, and is not made again for it.
        .filter(|folder| folder.is_dir())
        .collect();
    for folder in folders {
        match EnvironmentLock::take(folder, "labrunner clean --all") {
            Ok(lock) => locks.push((folder.to_owned(), lock)),
            Err(error) => return Some(error.to_string()),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::backend::docker::sweep::Kind;

    fn thing(lock: &str, host: &str) -> Found {
        Found {
            kind: Kind::Container,
            id: "1".to_owned(),
            run: COURSE.to_owned(),
            lock: lock.into(),
            host: host.to_owned(),
        }
    }

    fn ours(lock: &str) -> Found {
        thing(lock, &this_host())
    }

    #[rstest]
    #[case::nothing(vec![], None)]
    #[case::our_own(
        vec![ours(""), ours("/a/environment.lock")],
        Some(("an environment of this state folder stands, but its handle is gone", "`labrunner down` removes it"))
    )]
    #[case::another_folders(
        vec![ours(""), ours("/nowhere/b/environment.lock")],
        Some(("another environment stands on this machine: that of /nowhere/b, which is gone", "`labrunner down --state-dir /nowhere/b`"))
    )]
    #[case::another_machines(
        vec![thing("/b/environment.lock", "moon")],
        Some(("the environment of another machine stands on this engine: of /b on moon", "on that machine"))
    )]
    #[case::by_hand(
        vec![thing("", "")],
        Some(("made by hand from docker-compose.yml", "`docker compose down`"))
    )]
    fn says_whose_environment_stands(
        #[case] found: Vec<Found>,
        #[case] expected: Option<(&str, &str)>,
    ) {
        match (whose(&found, Path::new("/a/environment.lock")), expected) {
            (None, None) => {}
            (Some((what, help)), Some((words, advice))) => {
                assert!(what.contains(words), "{what}");
                assert!(help.contains(advice), "{help}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn clean_says_what_removes_what_it_leaves() {
        let folder = tempfile::tempdir().expect("a folder");
        let lock = folder.path().join("environment.lock");
        let found = [thing("", ""), thing(&lock.to_string_lossy(), "here")];
        let place = folder.path().display();
        assert_eq!(
            reason_to_leave(&found, "here"),
            format!(
                "that of {place}, whose handle is gone; `labrunner down --state-dir {place}` removes it"
            )
        );
        std::fs::write(standing::handle_path(folder.path()), "").expect("written");
        assert!(!reason_to_leave(&found, "here").contains("gone"));
        assert!(reason_to_leave(&found, "there").contains("made on another machine (here)"));
        assert!(reason_to_leave(&found[..1], "here").contains("`docker compose down`"));
    }

    #[test]
    fn what_is_being_changed_is_not_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let lock = folder.path().join("environment.lock");
        let found = [
            thing("", ""),
            thing(&lock.to_string_lossy(), "here"),
            thing("/nowhere/at/all/environment.lock", "here"),
        ];
        let mut locks = Vec::new();
        assert_eq!(lock_all(&found, "here", &mut locks), None);
        assert_eq!(locks.len(), 1, "the folder that is gone is not made again");
        let mut others = Vec::new();
        let why = lock_all(&found, "here", &mut others).expect("held");
        assert!(why.contains("`labrunner clean --all`"), "{why}");
        drop(locks);
        assert_eq!(lock_all(&found, "here", &mut others), None);
    }
}
