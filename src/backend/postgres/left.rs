//! Servers whose owner has gone without ending them.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::folder::Folder;
use super::processes::{family, gone, of_data, signal};
use crate::backend::lock_file;

/// How long a server may take to end.
const END: Duration = Duration::from_secs(10);

/// A server that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What tells it from others.
    pub id: String,
    /// Which run it was made for, if for one.
    pub run: Option<String>,
    /// Whether its owner lives.
    pub owned: bool,
    folder: Folder,
}

/// Every server of this user.
pub fn find() -> Vec<Found> {
    find_in(&Folder::base())
}

fn find_in(base: &Path) -> Vec<Found> {
    let mut found: Vec<Found> = std::fs::read_dir(base)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| {
            let folder = Folder::at(entry.path());
            Found {
                id: folder.id(),
                run: std::fs::read_to_string(folder.run())
                    .ok()
                    .map(|run| run.trim().to_owned()),
                // A folder without a lock is one that is being made or removed just now, or that was left half made.
                owned: lock_file::is_held(&folder.lock()).unwrap_or(false),
                folder,
            }
        })
        .collect();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found
}

impl Found {
    /// Ends the server and removes all that it has.
    ///
    /// # Errors
    /// Those of the file system. What is gone already is as it should be.
    pub fn remove(&self) -> std::io::Result<()> {
        remove(&self.folder)
    }
}

/// Ends the server of a folder, at once, and removes the folder.
pub(super) fn remove(folder: &Folder) -> std::io::Result<()> {
    if let Some(process) = of_data(&folder.data(), &folder.postmaster()) {
        end(process);
    }
    match std::fs::remove_dir_all(folder.path()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Ends a server with all its processes: without a checkpoint, but so that the system gets its shared memory back.
fn end(process: u32) {
    let processes = family(process);
    for one in &processes {
        // One that is frozen would not hear it.
        signal(*one, Signal::CONT);
    }
    signal(process, Signal::QUIT);
    if !gone(&processes, END) {
        for one in &processes {
            signal(*one, Signal::KILL);
        }
        gone(&processes, END);
    }
}

#[cfg(test)]
mod tests {
    use super::super::account::Account;
    use super::*;

    #[test]
    fn what_has_an_owner_is_told_from_what_has_none() {
        let base = tempfile::tempdir().unwrap();
        let account = Account::choose().unwrap();
        let (left, lock) = Folder::make(base.path(), &account).unwrap();
        drop(lock);
        std::fs::write(left.run(), "20261127-x\n").unwrap();
        let (owned, _lock) = Folder::make(base.path(), &account).unwrap();
        let found = find_in(base.path());
        assert_eq!(found.len(), 2);
        let of = |folder: &Folder| found.iter().find(|one| one.id == folder.id()).unwrap();
        assert!(of(&owned).owned);
        assert!(!of(&left).owned);
        assert_eq!(of(&left).run.as_deref(), Some("20261127-x"));
        of(&left).remove().unwrap();
        of(&left).remove().unwrap();
        assert!(!left.path().exists());
        assert_eq!(find_in(&base.path().join("nowhere")), []);
    }
}
