//! How a run shows that it is alive: by a lock that the kernel takes away when the process ends, however it ends.

use std::io;
use std::path::{Path, PathBuf};

use crate::backend::lock_file::{self, Locked, NoLock};

/// The name of a run's lock, in the run's own folder.
const NAME: &str = "lock";

/// The lock of a run that is alive. Dropped, it is released.
#[derive(Debug)]
pub(super) struct RunLock {
    /// Only held.
    _file: Locked,
    path: PathBuf,
}

impl RunLock {
    /// Makes `folder` if need be, and takes the lock in it.
    ///
    /// # Errors
    /// When another process holds it, and those of the file system.
    pub(super) fn take(folder: &Path) -> Result<Self, NoLock> {
        let path = folder.join(NAME);
        let file = lock_file::take(&path)?;
        Ok(RunLock { _file: file, path })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether the run that has its lock at `path` is alive. A lock that can't be looked at counts as held: better to leave something than
/// to remove what is in use.
pub(super) fn is_held(path: &Path) -> bool {
    lock_file::is_held(path).unwrap_or_else(|error| error.kind() != io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_held_for_its_life_and_no_longer() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = folder.path().join("runs/x");
        assert!(!is_held(&run.join(NAME)));
        let lock = RunLock::take(&run).expect("free");
        assert_eq!(lock.path(), run.join("lock"));
        assert!(is_held(lock.path()));
        assert!(matches!(RunLock::take(&run), Err(NoLock::Held)));
        let path = lock.path().to_owned();
        drop(lock);
        assert!(!is_held(&path));
        RunLock::take(&run).expect("free again");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("file"), "").expect("written");
        assert!(matches!(
            RunLock::take(&folder.path().join("file/x")),
            Err(NoLock::Io(_))
        ));
    }
}
