//! Who is changing the environment: one at a time.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::backend::BackendError;
use crate::backend::lock_file::{self, Locked, NoLock};

/// The lock's name in the state folder.
const NAME: &str = "environment.lock";
/// Of what stands in the lock, as much is shown.
const SHOWN: u64 = 200;

/// The right to change the environment of a state folder. Dropped, it is given up.
#[derive(Debug)]
pub struct EnvironmentLock {
    /// Only held.
    _file: Locked,
    path: PathBuf,
}

impl EnvironmentLock {
    /// Takes the lock, and writes into it who has it and what for. `doing` is the command as it was typed: `labrunner up`.
    ///
    /// # Errors
    /// `Unavailable` when somebody else has it, with who that is; or when it can't be written.
    pub fn take(state_dir: &Path, doing: &str) -> Result<Self, BackendError> {
        let trouble = |path: &Path, error: std::io::Error| BackendError::Unavailable {
            what: format!("can't write {}: {error}", path.display()),
            help: "make its folder writable, or choose another: --state-dir DIR".to_owned(),
        };
        // Before the path is found out: a folder that is not there yet may get another name by being made.
        fs::create_dir_all(state_dir).map_err(|error| trouble(state_dir, error))?;
        let path = path(state_dir);
        let mut file = match lock_file::take(&path) {
            Ok(file) => file,
            Err(NoLock::Io(error)) => return Err(trouble(&path, error)),
            Err(NoLock::Held) => {
                return Err(BackendError::Unavailable {
                    what: format!("the environment is being changed by {}", holder(&path)),
                    help: "wait until that has ended, or end it with Ctrl-C".to_owned(),
                });
            }
        };
        let said = format!("process {} (`{doing}`)\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(said.as_bytes()))
            .map_err(|error| trouble(&path, error))?;
        Ok(EnvironmentLock { _file: file, path })
    }

    /// Gives it up, and removes the file.
    pub fn remove(self) {
        // A file that stays is held by nobody, and taken again by the next.
        let _ = fs::remove_file(&self.path);
    }
}

/// Where the lock of `state_dir` is, from the root of the file system: as it stands where docker is told whose the environment is.
/// A folder that is reached by several ways has one name here, as long as it is there.
pub(in crate::backend) fn path(state_dir: &Path) -> PathBuf {
    fs::canonicalize(state_dir)
        .or_else(|_| std::path::absolute(state_dir))
        .unwrap_or_else(|_| state_dir.to_owned())
        .join(NAME)
}

/// Who holds the lock of `state_dir`: `process 4711 (`labrunner up`)`; nothing if nobody does.
pub fn held_by(state_dir: &Path) -> Option<String> {
    let path = path(state_dir);
    // Not by taking it, which would make it.
    let held = lock_file::is_held(&path).ok()?;
    held.then(|| holder(&path))
}

/// What the holder of a lock has written into it.
fn holder(path: &Path) -> String {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(SHOWN).read_to_string(&mut text));
    match (read, text.lines().next()) {
        (Ok(_), Some(line)) if !line.trim().is_empty() => line.trim().to_owned(),
        // It has the lock and has not written yet.
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_has_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("new");
        assert_eq!(held_by(&state), None);
        let held = EnvironmentLock::take(&state, "labrunner up labs/x.yaml").expect("free");
        match EnvironmentLock::take(&state, "labrunner down").expect_err("held") {
            BackendError::Unavailable { what, help } => {
                assert_eq!(
                    what,
                    format!(
                        "the environment is being changed by process {} (`labrunner up labs/x.yaml`)",
                        std::process::id()
                    )
                );
                assert!(help.contains("wait"), "{help}");
            }
            other => panic!("{other:?}"),
        }
        assert!(held_by(&state).is_some_and(|who| who.contains("labs/x.yaml")));
        drop(held);
        assert_eq!(held_by(&state), None);
        // A shorter word leaves nothing of the longer.
        let held = EnvironmentLock::take(&state, "down").expect("free");
        assert!(held_by(&state).is_some_and(|who| who.ends_with("(`down`)")));
        held.remove();
        assert_eq!(fs::read_dir(&state).expect("a folder").count(), 0);
    }

    #[test]
    fn a_folder_has_one_lock_whichever_way_it_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("state");
        let _held = EnvironmentLock::take(&state, "up").expect("free");
        EnvironmentLock::take(&folder.path().join("./state/../state"), "up").expect_err("held");
        assert_eq!(path(&state), path(&folder.path().join("state/")));
    }
}
