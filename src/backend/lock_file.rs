//! A file that is locked as long as a process is alive: the kernel takes the lock away when the process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Why a lock can't be had.
#[derive(Debug)]
pub(super) enum NoLock {
    /// Somebody alive holds it.
    Held,
    /// The file can't be made or locked.
    Io(io::Error),
}

/// Makes the file at `path`, with its folder, if need be, and locks it. The lock is held until the file is closed. What stands in the
/// file stays, and whoever holds the lock may write there.
///
/// # Errors
/// When somebody else holds it, be it in this process, and those of the file system.
pub(super) fn take(path: &Path) -> Result<File, NoLock> {
    loop {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(NoLock::Io)?;
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(NoLock::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NoLock::Held),
            Err(TryLockError::Error(error)) => return Err(NoLock::Io(error)),
        }
        // Between opening and locking, somebody may have taken the file for a dead process's and removed it.
        let ours = file.metadata().map_err(NoLock::Io)?;
        if std::fs::metadata(path)
            .is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()))
        {
            return Ok(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/lock");
        let held = take(&path).expect("free");
        assert!(matches!(take(&path), Err(NoLock::Held)));
        drop(held);
        take(&path).expect("free again");
    }

    #[test]
    fn a_file_that_was_removed_while_it_was_waited_for_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lock");
        let removed = take(&path).expect("free");
        std::fs::remove_file(&path).expect("removed");
        let _held = take(&path).expect("another file");
        drop(removed);
        assert!(matches!(take(&path), Err(NoLock::Held)));
    }
}
