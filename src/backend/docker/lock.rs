//! How a run shows that it is alive: by a lock that the kernel takes away when the process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The name of a run's lock, in the run's own folder.
const NAME: &str = "lock";

/// The lock of a run that is alive. Dropped, it is released.
#[derive(Debug)]
pub(super) struct RunLock {
    /// Only held.
    _file: File,
    path: PathBuf,
}

/// Why a run's lock can't be had.
#[derive(Debug)]
pub(super) enum NoLock {
    /// A run of this name is alive.
    Alive,
    /// The file can't be made or locked.
    Io(io::Error),
}

impl RunLock {
    /// Makes `folder` if need be, and takes the lock in it.
    ///
    /// # Errors
    /// When another process holds it, and those of the file system.
    pub(super) fn take(folder: &Path) -> Result<Self, NoLock> {
        let path = folder.join(NAME);
        loop {
            std::fs::create_dir_all(folder).map_err(NoLock::Io)?;
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&path)
                .map_err(NoLock::Io)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(NoLock::Alive),
                Err(TryLockError::Error(error)) => return Err(NoLock::Io(error)),
            }
            // Between opening and locking, `labrunner clean` may have taken the file for a dead run's and removed it.
            let ours = file.metadata().map_err(NoLock::Io)?;
            if std::fs::metadata(&path)
                .is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()))
            {
                return Ok(RunLock { _file: file, path });
            }
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether the run that has its lock at `path` is alive. A lock that can't be looked at counts as held: better to leave something than
/// to remove what is in use.
pub(super) fn is_held(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => file.try_lock().is_err(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
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
        assert!(matches!(RunLock::take(&run), Err(NoLock::Alive)));
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
