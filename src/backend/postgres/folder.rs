//! Where a server keeps what it has: a folder of its own below one that is the same for all servers of a user, so that they can be found.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rand::Rng;

use super::account::Account;
use crate::backend::lock_file::{self, Locked, NoLock};

/// Files and folders of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// All servers of this user are below this one.
    pub(super) fn base() -> PathBuf {
        let user = rustix::process::getuid().as_raw();
        std::env::temp_dir().join(format!("labrunner-postgres-{user}"))
    }

    /// A folder that is there already.
    pub(super) fn at(path: PathBuf) -> Self {
        Folder(path)
    }

    /// Makes a folder for a new server, and locks it for as long as its owner lives.
    ///
    /// # Errors
    /// Those of the file system; somebody else has the folder of all servers.
    pub(super) fn make(base: &Path, account: &Account) -> io::Result<(Self, Locked)> {
        // Others may pass through it, but not look into it: the server may be another user's.
        let made = std::fs::DirBuilder::new().mode(0o711).create(base);
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let found = std::fs::symlink_metadata(base)?;
        if !found.is_dir() || found.uid() != rustix::process::getuid().as_raw() {
            return Err(io::Error::other(format!(
                "{} belongs to somebody else",
                base.display()
            )));
        }
        let folder = Folder(base.join(name()));
        std::fs::DirBuilder::new().mode(0o700).create(&folder.0)?;
        let lock = lock_file::take(&folder.lock()).map_err(|why| match why {
            NoLock::Held => io::Error::other("the new folder is somebody else's"),
            NoLock::Io(error) => error,
        })?;
        account.give(&folder.0)?;
        Ok((folder, lock))
    }

    /// What tells it from others.
    pub(super) fn id(&self) -> String {
        let name = self.0.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.0.join("owner.lock")
    }

    /// Which run it was made for.
    pub(super) fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    pub(super) fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    pub(super) fn password(&self) -> PathBuf {
        self.0.join("password")
    }

    /// The processes that are frozen, by their ids. Whoever cleans up has to wake them, or they would be there for ever.
    pub(super) fn frozen(&self) -> PathBuf {
        self.0.join("frozen")
    }

    /// What the server says of itself: its process id on the first line, `ready` on the eighth.
    pub(super) fn postmaster(&self) -> PathBuf {
        self.data().join("postmaster.pid")
    }
}

/// Short, since the path of a socket may have about a hundred bytes.
fn name() -> String {
    let mut rng = rand::rng();
    (0..8)
        .map(|_| char::from(rng.random_range(b'a'..=b'z')))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_has_its_own_and_holds_it() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().join("all");
        let ours = Account::choose().unwrap();
        let (one, lock) = Folder::make(&base, &ours).unwrap();
        let (other, _other_lock) = Folder::make(&base, &ours).unwrap();
        assert_ne!(one, other);
        assert!(lock_file::is_held(&one.lock()).unwrap());
        drop(lock);
        assert!(!lock_file::is_held(&one.lock()).unwrap());
    }

    #[test]
    fn a_place_that_is_no_folder_of_ours_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let link = base.path().join("link");
        std::os::unix::fs::symlink(base.path(), &link).unwrap();
        let error = Folder::make(&link, &Account::choose().unwrap()).unwrap_err();
        assert!(
            error.to_string().contains("belongs to somebody else"),
            "{error}"
        );
    }
}
