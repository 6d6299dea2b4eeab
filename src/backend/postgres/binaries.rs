//! Where the machine's PostgreSQL is.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::backend::BackendError;

/// Where distributions put the programs of the server, of which Debian and others leave most outside of the PATH.
const PLACES: &[&str] = &[
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/lib/postgresql*/bin",
    "/usr/libexec/postgresql*",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/opt/local/lib/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];
/// The oldest version that the application's schema works with.
const OLDEST: u32 = 13;

/// The programs of one PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    folder: PathBuf,
    major: u32,
    version: String,
}

impl Binaries {
    /// The PostgreSQL of the environment variable `LABRUNNER_POSTGRES_BIN`, or else the first on the PATH, or else the newest of those in
    /// the places that distributions use.
    ///
    /// # Errors
    /// `Unavailable`, with what to install, where there is none or none that is new enough.
    pub fn find() -> Result<Self, BackendError> {
        let named = std::env::var_os("LABRUNNER_POSTGRES_BIN").filter(|named| !named.is_empty());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places: Vec<PathBuf> = PLACES.iter().flat_map(|place| matching(place)).collect();
        find_in(named, &path, &places)
    }

    /// A program of it, such as `psql`; it is not looked whether it is there.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Its version, as in `15.14`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The first number of its version.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The PostgreSQL in a folder, if a whole one is there.
    fn at(folder: &Path) -> Option<Self> {
        let whole = ["initdb", "postgres"]
            .iter()
            .all(|program| folder.join(program).is_file());
        if !whole {
            return None;
        }
        let said = Command::new(folder.join("postgres"))
            .arg("--version")
            .output()
            .ok()?;
        let said = String::from_utf8(said.stdout).ok()?;
        let (major, version) = version(&said)?;
        Some(Binaries {
            folder: folder.to_owned(),
            major,
            version,
        })
    }
}

/// `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`, or `18beta1` at the third place.
fn version(said: &str) -> Option<(u32, String)> {
    let version = said.split_whitespace().nth(2)?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    Some((digits.parse().ok()?, version.to_owned()))
}

fn matching(place: &str) -> Vec<PathBuf> {
    glob::glob(place)
        .map(|found| found.filter_map(Result::ok).collect())
        .unwrap_or_default()
}

fn find_in(
    named: Option<OsString>,
    path: &OsStr,
    places: &[PathBuf],
) -> Result<Binaries, BackendError> {
    let missing = |what: String| {
        BackendError::Unavailable {
        what,
        help: "install it (Debian, Ubuntu: `apt-get install postgresql`; Fedora: `dnf install postgresql-server`; macOS: `brew install \
               postgresql@17`), say where its programs are in LABRUNNER_POSTGRES_BIN, or name a database: --database-url"
            .to_owned(),
    }
    };
    let found = match named {
        Some(named) => Some(Binaries::at(Path::new(&named)).ok_or_else(|| {
            missing(format!(
                "LABRUNNER_POSTGRES_BIN names {}, where there is no initdb and postgres",
                Path::new(&named).display()
            ))
        })?),
        None => std::env::split_paths(path)
            .find_map(|folder| Binaries::at(&folder))
            .or_else(|| {
                let there = places.iter().filter_map(|folder| Binaries::at(folder));
                there.max_by_key(|found| found.major)
            }),
    };
    let found = found.ok_or_else(|| {
        missing("there is no PostgreSQL on this machine (no initdb and postgres)".to_owned())
    })?;
    if found.major < OLDEST {
        return Err(missing(format!(
            "PostgreSQL {} in {} is too old: {OLDEST} is the oldest that will do",
            found.version,
            found.folder.display()
        )));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder with something that calls itself this version.
    fn install(folder: &Path, version: &str) -> PathBuf {
        let bin = folder.join(version).join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        for name in ["initdb", "postgres"] {
            let script = format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version} (Debian)'\n");
            // Written by another process: with a test's own file descriptor open in a child of another test, it can't be executed.
            let file = bin.join(name);
            let written = Command::new("sh")
                .args(["-c", "printf %s \"$1\" > \"$2\"", "sh"])
                .arg(&script)
                .arg(&file)
                .status()
                .unwrap();
            assert!(written.success());
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        bin
    }

    #[test]
    fn the_one_that_is_named_then_the_path_then_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new, other] =
            ["14.2", "17beta1", "15.14"].map(|version| install(folder.path(), version));
        let places = [old.clone(), new.clone(), folder.path().join("nowhere")];
        let found = find_in(None, OsStr::new("/nowhere"), &places).unwrap();
        assert_eq!((found.major(), found.version()), (17, "17beta1"));
        let found = find_in(None, other.as_os_str(), &places).unwrap();
        assert_eq!(found.version(), "15.14");
        assert_eq!(found.program("psql"), other.join("psql"));
        let found = find_in(Some(old.into()), other.as_os_str(), &places).unwrap();
        assert_eq!(found.version(), "14.2");
    }

    #[test]
    fn without_one_it_says_what_to_install() {
        let folder = tempfile::tempdir().unwrap();
        let old = install(folder.path(), "12.20");
        let told = |named: Option<OsString>, places: &[PathBuf]| match find_in(
            named,
            OsStr::new("/nowhere"),
            places,
        )
        .unwrap_err()
        {
            BackendError::Unavailable { what, help } => (what, help),
            other => panic!("{other}"),
        };
        let (what, help) = told(None, &[]);
        assert!(what.contains("no PostgreSQL on this machine"), "{what}");
        assert!(
            help.contains("apt-get install postgresql") && !help.contains('\n'),
            "{help}"
        );
        let (what, _) = told(None, &[old]);
        assert!(what.contains("12.20") && what.contains("too old"), "{what}");
        let (what, _) = told(Some("/nowhere/else".into()), &[]);
        assert!(
            what.contains("LABRUNNER_POSTGRES_BIN names /nowhere/else"),
            "{what}"
        );
    }
}
