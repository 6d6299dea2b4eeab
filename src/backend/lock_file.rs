//! A file that is locked as long as a process is alive: the kernel takes the lock away when the process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::ops::{Deref, DerefMut};
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

/// A file that this process has locked. Dropped, it is free at once.
#[derive(Debug)]
pub(super) struct Locked(File);

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for Locked {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // To close the file is not enough: a process that another thread is just starting has it open as well, until it runs its program.
        let _ = self.0.unlock();
    }
}

/// Whether somebody, be it in this process, holds the lock at `path`.
///
/// # Errors
/// When the file can't be opened, as when it is not there.
pub(super) fn is_held(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    let taken = file.try_lock().is_ok();
    if taken {
        drop(Locked(file));
    }
    Ok(!taken)
}

/// Makes the file at `path`, with its folder, if need be, and locks it. What stands in the file stays, and whoever holds the lock may
/// write there.
///
/// # Errors
/// When somebody else holds it, be it in this process, and those of the file system.
pub(super) fn take(path: &Path) -> Result<Locked, NoLock> {
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
        let file = Locked(file);
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
