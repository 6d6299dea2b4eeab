//! What a reader's own `./app` reads to find the environment: `app.toml`, beside the handle.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Standing;
use crate::lab::environment::CourseNode;

/// Its name in the state folder.
const NAME: &str = "app.toml";
/// A reader may write a password into it.
const MODE: u32 = 0o600;

/// Puts the file into `state_dir`, in place of one that is there. Whoever reads meanwhile finds the old one or the new one.
///
/// # Errors
/// Those of writing a file.
pub(super) fn write(standing: &Standing, state_dir: &Path) -> io::Result<()> {
    let path = path(state_dir);
    let new = path.with_extension(format!("toml.{}", std::process::id()));
    let put = || -> io::Result<()> {
        // One that a killed process has left may have another mode.
        remove_if_there(&new)?;
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&new)?;
        file.write_all(text(standing).as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    let put = put();
    if put.is_err() {
        // The error that is told is the first.
        let _ = fs::remove_file(&new);
    }
    put
}

/// Removes the file from `state_dir`. One that is not there is removed already.
///
/// # Errors
/// When the file resists.
pub(super) fn remove(state_dir: &Path) -> io::Result<()> {
    remove_if_there(&path(state_dir))
}

/// Where the file is.
pub(super) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join(NAME)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// All eight nodes are in it, those that are not made yet too: a reader may add them later.
fn text(standing: &Standing) -> String {
    let nodes: Vec<(String, String)> = CourseNode::all()
        .map(|node| {
            let port = standing.ports.get(&node.name()).copied();
            let reachable = format!("127.0.0.1:{}", port.unwrap_or(node.port()));
            match standing.is_simulated() {
                // They say themselves where they are.
                true => (reachable.clone(), reachable),
                false => (node.address(), reachable),
            }
        })
        .collect();
    let reachable: Vec<String> = nodes
        .iter()
        .map(|(_, reachable)| format!("{reachable:?}"))
        .collect();
    let mut text = format!(
        "# The cluster of `labrunner up`, for ./app. `labrunner up` writes this file, `labrunner down` removes it.\n\
         nodes = [{}]\n{}\n\
         # Where this machine reaches each node, by the address under which the nodes know it.\n[map]\n",
        reachable.join(", "),
        standing.postgres.as_ref().map_or_else(String::new, |it| {
            format!("\n# PostgreSQL.\ndatabase_url = {:?}\n", it.url())
        })
    );
    for (announced, reachable) in nodes {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{announced:?} = {reachable:?}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn people_can_read_it() {
        let standing = Standing::begin("docker", None, None, "redis:7.2", Path::new("/s/lock"));
        insta::assert_snapshot!(text(&standing));
    }

    #[test]
    fn it_is_its_owners_alone_whatever_was_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let standing = Standing::begin("docker", None, None, "redis:7.2", Path::new("/s/lock"));
        fs::write(path(folder.path()), "password = \"x\"").expect("written");
        for _ in 0..2 {
            write(&standing, folder.path()).expect("written");
            let mode = fs::metadata(path(folder.path()))
                .expect("there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, MODE);
        }
        remove(folder.path()).expect("removed");
        remove(folder.path()).expect("removed already");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}
