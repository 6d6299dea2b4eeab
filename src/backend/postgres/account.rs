//! As whom the server runs: PostgreSQL refuses to run as root.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::backend::BackendError;

/// Accounts that root may take for the server: the distribution's own, or else the one that owns nothing.
const STAND_INS: [&str; 2] = ["postgres", "nobody"];

/// Whose the server's processes and files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Another than ours, by its numbers: user and group.
    other: Option<(u32, u32)>,
}

impl Account {
    /// Ours; or where we are root, `postgres`, or else `nobody`.
    ///
    /// # Errors
    /// `Unavailable`: we are root, and neither account is there.
    pub fn choose() -> Result<Self, BackendError> {
        if !rustix::process::getuid().is_root() {
            return Ok(Account { other: None });
        }
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        stand_in(&accounts)
            .map(|other| Account { other: Some(other) })
            .ok_or_else(|| BackendError::Unavailable {
                what: "PostgreSQL does not run as root, and there is neither an account `postgres` nor `nobody`".to_owned(),
                help: "run this as an ordinary user".to_owned(),
            })
    }

    /// Has `command` run under this account. Where that is another one, the groups of ours do not go along.
    pub(super) fn apply(&self, command: &mut Command) {
        if let Some((user, group)) = self.other {
            command.uid(user).gid(group);
        }
    }

    /// Gives it a file or a folder.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn give(&self, path: &Path) -> std::io::Result<()> {
        match self.other {
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        }
    }
}

/// User and group of the first of the stand-ins that is there.
fn stand_in(accounts: &str) -> Option<(u32, u32)> {
    STAND_INS.iter().find_map(|name| {
        let line = accounts
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.first() == Some(name))?;
        let number = |at: usize| line.get(at)?.parse::<u32>().ok();
        // Neither may be root by another name.
        Some((number(2)?, number(3)?)).filter(|(user, _)| *user != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_s_account_comes_first() {
        let nobody = "nobody:x:65534:65534::/:/usr/sbin/nologin\n";
        let postgres = "postgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\n";
        let root = "root:x:0:0::/root:/bin/sh\n";
        assert_eq!(
            stand_in(&format!("{root}{nobody}{postgres}")),
            Some((101, 104))
        );
        assert_eq!(stand_in(&format!("{root}{nobody}")), Some((65534, 65534)));
        assert_eq!(stand_in("postgres:x:0:0::/:/bin/sh\n"), None);
        assert_eq!(stand_in(root), None);
    }
}
