//! The application as a program of this machine: which program that is, and how it is told where the nodes are.
//!
//! It is told by its environment, so that what stands in a lab and in its transcript is what a reader types. Nothing else of the caller's own settings for it
//! gets through: a lab does the same everywhere.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::BackendError;
use crate::resp::{Address, AddressBook};

/// The program that is the application as well.
const PROGRAM: &str = "labrunner";
/// What every variable of the application begins with.
const PREFIX: &str = "APP_";
/// Where the nodes are for it.
const NODES: &str = "APP_NODES";
/// Which of these addresses is that of which node, as the nodes know each other.
const MAP: &str = "APP_MAP";
/// Where the database is for it.
const DATABASE: &str = "DATABASE_URL";
/// By this, a caller has colours even where nobody sees them; checks read what is printed.
const COLOURS: &str = "CLICOLOR_FORCE";

/// The program whose `app` is the application: the one that was named, or this one, if it is labrunner. A test or another program that uses the library is
/// not: it would only start itself again.
///
/// # Errors
/// `Broken` when it is not known.
pub(super) fn program(named: Option<&Path>) -> Result<PathBuf, BackendError> {
    let found = match named {
        Some(named) => Ok(named.to_owned()),
        None => std::env::current_exe().and_then(|own| {
            match own.file_stem().is_some_and(|name| name == PROGRAM) {
                true => Ok(own),
                false => Err(std::io::Error::other(format!(
                    "{} is not {PROGRAM}",
                    own.display()
                ))),
            }
        }),
    };
    found.map_err(|error| BackendError::Broken {
        what: format!("labrunner's own commands can't be started: {error}"),
        help: "start labrunner by its whole path and its own name; a program that uses labrunner as a library says in the backend's options where it is"
            .to_owned(),
    })
}

/// By which variables it is told where the nodes are, and the database, if there is one.
pub(super) fn environment(
    book: &AddressBook,
    database: Option<String>,
) -> Vec<(&'static str, String)> {
    let all = |show: &dyn Fn(&Address) -> String| {
        let shown: Vec<String> = book.iter().map(show).collect();
        shown.join(",")
    };
    let nodes = [
        (NODES, all(&|node| node.reachable.to_string())),
        (
            MAP,
            all(&|node| format!("{}={}", node.announced, node.reachable)),
        ),
    ];
    let database = database.map(|url| (DATABASE, url));
    nodes.into_iter().chain(database).collect()
}

/// Those of the caller's variables that the application does not get.
pub(super) fn unset(names: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let is_its = |name: &OsString| {
        name == COLOURS
            || name == DATABASE
            || name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
    };
    names.filter(is_its).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_caller_are_kept_from_it() {
        let names = [
            "PATH",
            "APP_NODES",
            "APP_DURABLE",
            "DATABASE_URL",
            "MY_APP_NODES",
            "CLICOLOR_FORCE",
        ];
        let unset = unset(names.map(OsString::from).into_iter());
        assert_eq!(
            unset,
            ["APP_NODES", "APP_DURABLE", "DATABASE_URL", "CLICOLOR_FORCE"]
        );
    }
}
